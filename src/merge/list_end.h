/*
 * Entries put in at the end of a list by both sides, where commas part the entries and none follows
 * the last one: each side gave the former last entry its comma, and its own last entry has none.
 */
#ifndef MERGE_LIST_END_H
#define MERGE_LIST_END_H

#include <stdbool.h>

#include "merge/edits.h"
#include "merge/reconcile.h"

/* Whether two insertions at one point, one of each side, are that: then whichever comes first wants
 * a comma too. */
bool edits_extend_list(const struct versions *v, const struct edit *canonical,
                       const struct edit *local);

/* The length of a line without its line end. */
size_t list_entry_len(struct merge_slice line);

#endif
