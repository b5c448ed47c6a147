/*
 * Which file that one side added is a file that it deleted elsewhere, under another name.
 *
 * First the same content; then, among files that the other side cares about (it changed or deleted
 * them too), a name found once among the deleted and once among the added ones with at least three
 * quarters in common; then the most similar pairs with at least MERGE_RENAME_MIN_PERCENT in
 * common, at most MERGE_RENAME_MAX deleted times as many added files. Similarity counts the bytes
 * of the lines (cut at 64 bytes) that both have, over the longer one's length: git's measure, and
 * git's order of choice (merge-ort, 2.39).
 */
#ifndef MERGE_RENAME_H
#define MERGE_RENAME_H

#include "merge/paths.h"

struct rename_pair {
    size_t from, to; /* indices into the path_changes */
};

struct renames {
    struct rename_pair *v;
    size_t len;
    size_t cap;
};
#define RENAMES_INIT \
    {                \
        NULL, 0, 0   \
    }
void renames_release(struct renames *r);

/* side: VERSION_LOCAL or VERSION_CANONICAL. Files longer than text_max are compared by id only. */
int renames_find(const struct merge_store *store, const struct path_changes *changes,
                 enum version side, size_t text_max, struct renames *out, struct err *err);

#endif
