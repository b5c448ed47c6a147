/*
 * Packs: what a person's sync sends to the session, and how the session takes it in.
 *
 * Import distrusts everything: the bytes are written by the importer itself into a quarantine,
 * bounded, then `git index-pack --strict` checks and indexes them in a child of another uid, then
 * the commit is compared with what its sender may do, and only then do the objects join the
 * repository and the branch moves by compare-and-swap. Until the last step nothing of it is
 * visible; a crash leaves at most a quarantine directory, which pack_quarantine_clean removes.
 */
#ifndef GIT_PACK_H
#define GIT_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "git/oid.h"
#include "git/repo.h"

#define PACK_MAX ((uint64_t)2 << 30) /* bytes of one pack */
#define PACK_OBJECTS_MAX 2000000     /* objects of one pack, by its header */
#define PACK_COMMITS_MAX 100000      /* new commits in one import */
#define PACK_CHECK_SECONDS 300

/* --- header ----------------------------------------------------------------------------------- */

#define PACK_HEADER 12
/* "PACK", version 2 or 3, number of objects in 0..PACK_OBJECTS_MAX. Pure. */
int pack_check_header(const void *p, size_t n, uint32_t *n_objects, struct err *err);

/* --- writing ---------------------------------------------------------------------------------- */

/* Gets the pack piece by piece; non-zero stops. */
typedef int (*pack_sink_fn)(const void *p, size_t n, void *payload);

/* Writes one self-contained pack (no thin deltas) with everything reachable from `commit` that
 * `known` does not have. Complete objects of `known` are assumed to be complete below. *n_objects
 * may be NULL. */
int pack_write_new(struct repo *from, struct repo *known, const struct oid *commit,
                   pack_sink_fn sink, void *payload, size_t *n_objects, struct err *err);

/* --- import ----------------------------------------------------------------------------------- */

struct pack_import_opts {
    const char *repo_dir; /* canonical; borrowed strings until pack_import_free */
    /* The child that indexes: as in transport_helper. */
    int (*before_exec)(void *payload);
    void *payload;
    bool has_uid;
    uid_t uid;
    gid_t gid;
    const char *path;   /* PATH for the git command; NULL: a default */
    uint64_t max_bytes; /* 0: PACK_MAX */
};

/* What the commit in the pack has to be. */
struct pack_claim {
    const char *ref;            /* that moves: "refs/heads/<session branch>" */
    struct oid commit;          /* new value */
    bool has_parent;            /* false: the ref must not exist, or `free_ref` */
    struct oid parent;          /* first parent of commit, and old value of ref */
    bool free_ref;              /* set ref whatever it was and take any parents (archive of unsynced
                                   work); author is still compared */
    const char *author_name;    /* author of commit; NULL: not compared */
    const char *author_email;   /* likewise */
    const char *committer_name; /* likewise; NULL: not compared */
    const char *committer_email;
    const char *log; /* reflog message */
};

struct pack_import;

/* Makes a quarantine. */
int pack_import_begin(const struct pack_import_opts *opts, struct pack_import **out,
                      struct err *err);
/* Next piece, in order. ERR_LIMIT past the maximum, ERR_INVALID for what is no pack. */
int pack_import_data(struct pack_import *imp, const void *p, size_t n, struct err *err);
/* After the last piece: starts the checking child. Wait for *pid (loop or waitpid), then call
 * pack_import_finish with its raw wait status. The caller ends it after PACK_CHECK_SECONDS:
 * kill(-pid, SIGKILL), it has its own process group. An empty pack (no bytes) is allowed when the
 * commit is already there: *pid is 0 and finish may be called at once. */
int pack_import_check(struct pack_import *imp, pid_t *pid, struct err *err);
/* Checks the claim, moves the objects in, moves the ref. ERR_CONFLICT: the ref is elsewhere by now
 * (nothing is kept; *head tells where). ERR_INVALID, ERR_DENIED, ERR_LIMIT: refused. Short: a few
 * milliseconds and one fsync of pack and ref. */
int pack_import_finish(struct pack_import *imp, int wait_status, const struct pack_claim *claim,
                       struct oid *head, struct err *err);
/* Removes the quarantine and everything else; NULL is allowed. */
void pack_import_free(struct pack_import *imp);

/* The three steps after pack_import_begin for a caller that may block. */
int pack_import_wait(struct pack_import *imp, const struct pack_claim *claim, struct oid *head,
                     struct err *err);

/* Removes quarantines that a crash left in repo_dir; at start, before any import. */
int pack_quarantine_clean(const char *repo_dir, struct err *err);

/* --- maintenance ------------------------------------------------------------------------------ */

#define PACK_FOLD_AT 50
/* With more than PACK_FOLD_AT packs: `git repack -d --keep-unreachable` (nothing is ever dropped,
 * worktrees may borrow it). Blocks; *folded may be NULL. */
int pack_fold(const char *repo_dir, bool *folded, struct err *err);

/* --- bundle ----------------------------------------------------------------------------------- */

/* Writes a bundle of the refs (full names, all existing) to fd, without what `not_refs` reach.
 * ERR_NOT_FOUND when that leaves nothing. Blocks. */
int pack_bundle(const char *repo_dir, char *const *refs, size_t n_refs, char *const *not_refs,
                size_t n_not_refs, int fd, struct err *err);

#endif
