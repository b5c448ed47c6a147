/*
 * The paths at which three trees are not all the same, and the placing of changes onto a tree: the
 * two walks that merge/tree.h consists of, below and above the decisions.
 */
#ifndef MERGE_PATHS_H
#define MERGE_PATHS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "merge/tree.h"

enum version {
    VERSION_BASE,
    VERSION_LOCAL,
    VERSION_CANONICAL,
    VERSIONS,
};

/* A file, symlink or submodule in one version. */
struct file {
    uint32_t mode; /* 0: there is none */
    struct merge_oid oid;
};

static inline bool file_exists(const struct file *f)
{
    return f->mode != 0;
}

bool file_equal(const struct file *a, const struct file *b);
bool file_is_regular(const struct file *f);

struct path_change {
    char *path;
    struct file at[VERSIONS];
};

struct path_changes {
    struct path_change *v; /* sorted by path, bytewise */
    size_t len;
    size_t cap;
};
#define PATH_CHANGES_INIT \
    {                     \
        NULL, 0, 0        \
    }
void path_changes_release(struct path_changes *c);

/* Walks the three trees (NULL: the empty tree) wherever they differ. */
int path_changes_find(const struct merge_store *store, const struct merge_oid *trees[VERSIONS],
                      struct path_changes *out, struct err *err);

/* The index of a path, or SIZE_MAX. */
size_t path_changes_at(const struct path_changes *c, const char *path);

/* What a tree has at a path: *mode is 0 when there is nothing. */
int tree_lookup(const struct merge_store *store, const struct merge_oid *tree, const char *path,
                uint32_t *mode, struct err *err);

/* One path of a new tree: set to `file`, or removed when that does not exist. */
struct placing {
    const char *path;
    struct file file;
};

/* The tree with the placings (no path twice, no file below another) done to it. */
int tree_place(const struct merge_store *store, const struct merge_oid *tree,
               const struct placing *v, size_t n, struct merge_oid *out, struct err *err);

#endif
