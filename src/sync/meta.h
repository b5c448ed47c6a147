/*
 * .worktree/steadystate.json: what the worktree was made from and where a sync is. JSON, written
 * whole and durably; the parser is pure.
 */
#ifndef SYNC_META_H
#define SYNC_META_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"
#include "git/oid.h"

#define META_MAX ((size_t)1 << 20)
#define META_NAME "steadystate.json"
#define META_SUBMODULES_MAX 4096

struct meta_submodule {
    char *path;
    struct oid checked_out; /* what the worktree had when the sync left it behind */
};

struct meta {
    char *session_id;
    char *session_branch;    /* without refs/heads/ */
    struct oid last_synced;  /* zero: none yet */
    struct oid preparing;    /* the first checkout is of this commit and unfinished; else zero */
    long long prepared_time; /* time stamp of the files of the first checkout */
    struct oid syncing_to;   /* the refresh to this commit is unfinished; else zero */
    struct oid syncing_tree; /* the worktree's tree that went into syncing_to; else zero */
    /* The same of the sync before, when syncing_to began on a worktree that was half refreshed:
     * they hold as long as the session does not have syncing_to. */
    struct oid resumed_to;
    struct oid resumed_tree;
    struct meta_submodule *submodules;
    size_t n_submodules;
};

void meta_release(struct meta *meta);
#define cleanup_meta cleanup(meta_release)

int meta_parse(const char *text, size_t len, struct meta *out, struct err *err);
void meta_format(const struct meta *meta, struct str *out);

/* In the directory <home>/.worktree. ERR_NOT_FOUND when there is none. */
int meta_read(int dirfd, struct meta *out, struct err *err);
/* No refresh is under way any more. */
void meta_end_refresh(struct meta *meta);
int meta_write(int dirfd, const struct meta *meta, struct err *err);

void meta_set_submodule(struct meta *meta, const char *path, const struct oid *checked_out);
const struct oid *meta_submodule_of(const struct meta *meta, const char *path);
void meta_drop_submodule(struct meta *meta, const char *path);

#endif
