/*
 * One sync under way: what its steps share. Internal to src/sync.
 *
 *   work_open         lock, metadata, repositories
 *   work_recover      what a killed sync left
 *   work_materialize  the worktree as a tree, its base
 *   work_resume       after a refresh that did not end: what is really the person's
 *   work_merge        with everybody's head; commit_* makes and sends the commit
 *   work_refresh      the worktree becomes the new state
 */
#ifndef SYNC_WORK_H
#define SYNC_WORK_H

#include <stdbool.h>
#include <time.h>

#include "git/index.h"
#include "git/repo.h"
#include "merge/tree.h"
#include "sync/agent_client.h"
#include "sync/meta.h"
#include "sync/sync.h"

#define WORK_LOCK_MS 600000
/* Below .git: our own files. */
#define WORK_DIR "steadystate"
#define WORK_INDEX WORK_DIR "/index"
#define WORK_TMP WORK_DIR "/tmp"
#define WORK_JOURNAL WORK_DIR "/journal"

struct work {
    const struct sync_place *place;
    int dot;  /* <home>/.worktree, or -1; likewise below */
    int tree; /* the worktree */
    int git;  /* its .git */
    int lock;
    bool index_locked; /* .git/index.lock is ours */
    char *git_dir;
    struct meta meta;
    struct repo *disk;      /* the worktree's repository */
    struct repo *mem;       /* the same; what is written stays in memory until the pack is sent */
    struct repo *canonical; /* the session's repository alone */

    struct index index;    /* the worktree as it is, with stat data */
    time_t started;        /* before the worktree was looked at */
    struct oid head;       /* commit of HEAD */
    struct oid base;       /* commit that the person's changes are relative to */
    struct oid base_tree;  /* its tree, or what takes its place after an interrupted refresh */
    struct oid local_tree; /* the person's state for the merge */
    struct oid disk_tree;  /* what the worktree really holds */
    bool attributes;       /* .gitattributes or the like exist */
    struct oid saved;      /* commit under refs/steadystate/saved/, or zero */
    char *warning;         /* what git could not take from the worktree, or NULL */
};

int work_open(const struct sync_place *place, struct work *w, struct err *err);
void work_close(struct work *w);
#define cleanup_work cleanup(work_close)

/* Removes the lock on git's index that a killed sync left in the git directory, so that git works
 * again. The caller holds .worktree/lock. */
void work_drop_stale_lock(int git);
/* git's own lock on the index, until work_close. */
int work_lock_index(struct work *w, struct err *err);

/* ERR_CONFLICT with one sentence in the middle of a merge, rebase or the like. */
int work_check_idle(struct work *w, struct err *err);

enum work_mode {
    WORK_SYNC,
    WORK_DRY_RUN,  /* nothing but loose objects is written, no lock on git's index */
    WORK_SNAPSHOT, /* the same, and unresolved conflicts are taken as they are */
};
int work_materialize(struct work *w, enum work_mode mode, struct err *err);

/* Before the worktree is looked at: what a killed sync left in .git/steadystate is dealt with.
 * *resumed: its refresh did not end, and work_resume has to follow on work_materialize. */
int work_recover(struct work *w, bool *resumed, struct sync_files *kept, struct err *err);
int work_resume(struct work *w, struct err *err);

/* Merge of base, local and the session's head. */
int work_merge(struct work *w, const struct oid *head_tree, struct merge_tree_result *out,
               struct err *err);

/* The worktree becomes `commit` (its tree: `tree`); *kept gets what the person saved meanwhile. */
int work_refresh(struct work *w, const struct oid *commit, const struct oid *tree,
                 struct sync_files *kept, struct err *err);

/* Is `commit` one that own history adds to `head`? Then it becomes a second parent. */
int work_own_commits(struct work *w, const struct oid *head, bool *own, struct err *err);

void sync_files_add(struct sync_files *files, const char *path, enum sync_mark mark);
void sync_files_release(struct sync_files *files);
/* What differs between two trees. */
int sync_files_diff(struct repo *repo, const struct oid *from, const struct oid *to,
                    struct sync_files *out, struct err *err);

#endif
