/* The cached trees of an index (extension "TREE"). Internal to src/git. */
#ifndef GIT_INDEX_TREE_H
#define GIT_INDEX_TREE_H

#include "git/index.h"

struct index_tree {
    char *name; /* "" for the root */
    long count; /* entries below, -1: not known any more */
    struct oid oid;
    struct index_tree **v; /* subdirectories */
    size_t len;
    size_t cap;
};

void index_tree_free(struct index_tree *t);
/* NULL when it is malformed (then nothing is known): it is only a cache. */
struct index_tree *index_tree_parse(const void *p, size_t n, size_t n_entries);
void index_tree_format(const struct index_tree *t, struct str *out);

#endif
