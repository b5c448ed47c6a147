/*
 * A repository by libgit2: objects, trees, and compare-and-swap on one ref. Nothing here runs a
 * hook, a filter or another program, and no system or user configuration is read.
 *
 * A handle belongs to one thread. Every object read has a maximum.
 */
#ifndef GIT_REPO_H
#define GIT_REPO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "git/oid.h"

#define REPO_TREE_ENTRIES_MAX 1000000
#define REPO_TREE_DEPTH_MAX 256
#define REPO_COMMIT_MAX (1024 * 1024) /* bytes of a commit object */

struct repo;

/* Once per program before anything else here, single-threaded: no global configuration and no
 * ownership check (the programs open only paths of their own). durable: objects and refs are
 * fsynced, as the agent must. */
int repo_library_init(bool durable, struct err *err);

/* Opens a bare repository or the repository of a worktree (its .git). */
int repo_open(const char *git_dir, struct repo **out, struct err *err);
void repo_free(struct repo *repo);
void repo_freep(struct repo **repo);
#define cleanup_repo cleanup(repo_freep)

const char *repo_path(const struct repo *repo); /* the git directory, with a slash at the end */

/* --- objects ---------------------------------------------------------------------------------- */

enum repo_type { REPO_ANY, REPO_COMMIT, REPO_TREE, REPO_BLOB, REPO_TAG };

/* From now on what is written through this handle stays in memory: it is seen through this handle
 * only and is gone with it. */
int repo_use_memory(struct repo *repo, struct err *err);

bool repo_has(struct repo *repo, const struct oid *oid);
/* Looks at what was written by other processes since. */
void repo_refresh(struct repo *repo);
/* ERR_NOT_FOUND when absent. */
int repo_object_info(struct repo *repo, const struct oid *oid, enum repo_type *type, size_t *size,
                     struct err *err);
/* Content of a blob into the empty `out`; longer than max: ERR_LIMIT. */
int repo_read_blob(struct repo *repo, const struct oid *oid, size_t max, struct str *out,
                   struct err *err);
/* The same without a copy: p is good until blob_release. */
struct blob {
    const char *p;
    size_t len;
    void *handle;
};
#define BLOB_INIT     \
    {                 \
        NULL, 0, NULL \
    }
int repo_open_blob(struct repo *repo, const struct oid *oid, size_t max, struct blob *out,
                   struct err *err);
void blob_release(struct blob *blob);
#define cleanup_blob cleanup(blob_release)
int repo_write_blob(struct repo *repo, const void *p, size_t n, struct oid *out, struct err *err);
/* Id that the bytes would have as a blob. */
void repo_hash_blob(const void *p, size_t n, struct oid *out);

struct tree_entry {
    const char *name; /* not owned in writes; owned by the list in reads */
    uint32_t mode;
    struct oid oid;
};
struct tree_list {
    struct tree_entry *v;
    size_t len;
    size_t cap;
};
#define TREE_LIST_INIT \
    {                  \
        NULL, 0, 0     \
    }
void tree_list_release(struct tree_list *l);
#define cleanup_tree_list cleanup(tree_list_release)

int repo_read_tree(struct repo *repo, const struct oid *oid, struct tree_list *out,
                   struct err *err);
/* The entry at a path below a tree; ERR_NOT_FOUND without a message when there is none. */
int repo_tree_find(struct repo *repo, const struct oid *tree, const char *path, uint32_t *mode,
                   struct oid *out, struct err *err);
/* Entries in git's order, without duplicates; n may be 0. */
int repo_write_tree(struct repo *repo, const struct tree_entry *v, size_t n, struct oid *out,
                    struct err *err);

#define REPO_PARENTS_MAX 64
struct repo_person {
    char *name;
    char *email;
    int64_t when;
    int offset_minutes;
};
struct repo_commit {
    struct oid tree;
    struct oid *parents;
    size_t n_parents;
    struct repo_person author;
    struct repo_person committer;
    char *message;
};
void repo_commit_release(struct repo_commit *c);
#define cleanup_repo_commit cleanup(repo_commit_release)
int repo_read_commit(struct repo *repo, const struct oid *oid, struct repo_commit *out,
                     struct err *err);
int repo_write_commit(struct repo *repo, const struct repo_commit *commit, struct oid *out,
                      struct err *err);
/* Best common ancestor; ERR_NOT_FOUND when there is none. */
int repo_merge_base(struct repo *repo, const struct oid *a, const struct oid *b, struct oid *out,
                    struct err *err);
/* 1, 0 or a negative code. */
int repo_is_ancestor(struct repo *repo, const struct oid *ancestor, const struct oid *descendant,
                     struct err *err);

/* --- differences ------------------------------------------------------------------------------ */

struct tree_change {
    char *path;
    uint32_t old_mode, new_mode; /* 0: absent on that side */
    struct oid old_oid, new_oid;
};
struct tree_changes {
    struct tree_change *v;
    size_t len;
    size_t cap;
};
#define TREE_CHANGES_INIT \
    {                     \
        NULL, 0, 0        \
    }
void tree_changes_release(struct tree_changes *c);
#define cleanup_tree_changes cleanup(tree_changes_release)
/* Files (never directories) that differ, by path; equal subtrees are not opened. NULL: the empty
 * tree. */
int repo_diff_trees(struct repo *repo, const struct oid *old_tree, const struct oid *new_tree,
                    struct tree_changes *out, struct err *err);

/* --- refs ------------------------------------------------------------------------------------- */

/* ERR_NOT_FOUND when absent. Symbolic refs are followed. */
int repo_ref_read(struct repo *repo, const char *ref, struct oid *out, struct err *err);
/* Name of the branch that HEAD points to ("refs/heads/main"), allocated, also when it is unborn;
 * NULL when HEAD is detached. */
int repo_head_branch(struct repo *repo, char **out, struct err *err);
/* Moves ref from `old` (NULL: it must not exist) to `new`, durably. ERR_CONFLICT when it is
 * elsewhere by now. */
int repo_ref_cas(struct repo *repo, const char *ref, const struct oid *old, const struct oid *new_,
                 const char *why, struct err *err);
/* Sets or makes a ref without looking at what it was. */
int repo_ref_set(struct repo *repo, const char *ref, const struct oid *oid, const char *why,
                 struct err *err);
int repo_ref_delete(struct repo *repo, const char *ref, struct err *err);

/* --- session repositories --------------------------------------------------------------------- */

/*
 * Makes canonical_dir: a bare repository that borrows repo_dir's objects, never collects garbage,
 * and has session_branch (full name without refs/heads/) at the commit of `branch` in repo_dir
 * (NULL: its HEAD). An empty origin gets a root commit without files. HEAD names the session
 * branch. Refuses with ERR_DENIED, naming the path, a tree that cannot be checked out safely (see
 * git/safe_path.h); ERR_NOT_FOUND when there is no such branch. Already complete: nothing happens.
 * *head: commit of the session branch.
 */
int repo_make_canonical(const char *repo_dir, const char *canonical_dir, const char *branch,
                        const char *session_branch, struct oid *head, struct err *err);

/* Takes away what a killed writer of a bare repository left: locks of refs and of its own files,
 * quarantines. Only for the one process that writes it, before it begins. */
int repo_recover(const char *repo_dir, struct err *err);

/* Every path of the tree is safe to write below a directory; ERR_DENIED names the first that is
 * not. Counts what it sees: more than REPO_TREE_ENTRIES_MAX files is ERR_LIMIT. */
int repo_check_tree(struct repo *repo, const struct oid *tree, struct err *err);

#endif
