/*
 * A collaborator's private worktree: a git repository of its own below the home, whose objects/
 * borrows canonical's. Everything here runs as that collaborator; the tree is opened through
 * path_open_beneath only.
 *
 *     <home>/.worktree/steadystate.json     metadata (sync/meta.h)
 *     <home>/.worktree/<repo name>/         the worktree
 *     <home>/<repo name>                    link to it
 */
#ifndef SYNC_WORKTREE_H
#define SYNC_WORKTREE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct worktree_opts {
    const char *home; /* absolute; strings are borrowed */
    const char *repo_name;
    const char *canonical; /* absolute path of the bare repository */
    const char *session_id;
    const char *session_branch; /* without refs/heads/ */
    const char *author_name;    /* user.name and user.email of the new repository */
    const char *author_email;
    int threads; /* writers; 0: as many as there are processors, at most 4 */
    /* Progress in files, for a first login that takes long; may be NULL. */
    void (*progress)(size_t done, size_t total, void *payload);
    /* What is missing in a worktree that was just made: lines for the person; may be NULL. */
    void (*say)(const char *lines, void *payload);
    void *payload;
};

/* Makes the worktree at the session branch's head, or finishes one that was interrupted, or finds
 * it complete and returns at once. Two callers at the same time: one works, the other waits.
 * *made (may be NULL): this call checked it out. ERR_DENIED: the tree has an unsafe path. */
int worktree_prepare(const struct worktree_opts *opts, bool *made, struct err *err);

#endif
