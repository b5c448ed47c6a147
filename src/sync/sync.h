/*
 * Sync: the worktree's state, everybody's state and what they had in common become one commit on
 * the session branch, and the worktree follows. Runs as the collaborator, in the collaborator's own
 * process; the agent only stores. Killing it anywhere leaves the old or the new state.
 */
#ifndef SYNC_SYNC_H
#define SYNC_SYNC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "git/oid.h"
#include "merge/report.h"

#define SYNC_ROUNDS_MAX 200 /* merges on a head that moved before giving up */

/* Who and where; from the session's environment by sync_place_from_env, or set by hand. */
struct sync_place {
    char *home;      /* absolute */
    char *worktree;  /* USER_WORKSPACE */
    char *canonical; /* CANONICAL_REPO */
    char *socket;    /* REPO_ROOT/agent.sock */
    char *session_id;
    char *login;
    char *provider; /* STEADYSTATE_IDENTITY_PROVIDER, may be NULL */
};
void sync_place_release(struct sync_place *p);
#define cleanup_sync_place cleanup(sync_place_release)
/* ERR_NOT_FOUND outside a session. */
int sync_place_from_env(struct sync_place *out, struct err *err);

enum sync_mark { SYNC_ADDED = 'A', SYNC_MODIFIED = 'M', SYNC_DELETED = 'D' };
struct sync_file {
    char *path;
    enum sync_mark mark;
};
struct sync_files {
    struct sync_file *v;
    size_t len;
    size_t cap;
};

struct sync_result {
    struct oid base;                             /* where the worktree was */
    struct oid base_tree, local_tree, head_tree; /* its tree, the person's, everybody's */
    struct oid head;                             /* where it and the session branch are now */
    bool committed;                              /* a commit of ours was made */
    bool advanced;                               /* others' work came in */
    struct oid saved; /* refs/steadystate/saved/<..>: what was staged or committed, else zero */
    struct sync_files sent;       /* local changes that went out */
    struct sync_files received;   /* changes of others that came in */
    struct sync_files kept;       /* saved again while the sync ran; next sync sends them */
    struct merge_report overlaps; /* appended to */
    char *warning;                /* a file that could not be read and was left out, or NULL */
};
void sync_result_release(struct sync_result *r);
#define cleanup_sync_result cleanup(sync_result_release)

struct sync_options {
    const struct sync_place *place;
    bool dry_run; /* materialize and merge only: nothing is stored or written */
};

/* ERR_CONFLICT: in the middle of a merge, rebase, cherry-pick, revert or bisect; the message says
 * which and how to go on. */
int sync_run(const struct sync_options *options, struct sync_result *out, struct err *err);

struct publish_result {
    char *branch;
    char *remote_url;
    struct oid commit;
    struct sync_result sync; /* of the last round; overlaps of all */
};
void publish_result_release(struct publish_result *r);
#define cleanup_publish_result cleanup(publish_result_release)

/* A sync, then the agent pushes; a remote that moved is merged in and it is tried again. */
int sync_publish(const struct sync_place *place, struct publish_result *out, struct err *err);

struct undo_result {
    struct oid undone; /* the sync that was taken back; zero: there is none of this person's */
    char *subject;
    struct sync_result sync;
};
void undo_result_release(struct undo_result *r);
#define cleanup_undo_result cleanup(undo_result_release)

/* Takes back this person's last sync that was not taken back yet, for everybody: a new commit with
 * the opposite change. What others did since stays; so does unsynced work. */
int sync_undo(const struct sync_place *place, struct undo_result *out, struct err *err);

/*
 * For the archive of a session that ends: a commit of everything in the worktree that the session
 * branch does not have (author: the person, parent: last synced commit and own commits), its pack
 * to out_fd. *commit is zero and nothing is written when there is nothing. Leaves the worktree, its
 * index and refs alone. Runs as the collaborator.
 */
int sync_snapshot(const struct sync_place *place, const char *author_name, const char *author_email,
                  int out_fd, struct oid *commit, struct err *err);

#endif
