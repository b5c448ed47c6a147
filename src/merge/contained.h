/*
 * Whether one side's edits of a region hold all that the other side did there: then its version is
 * the merge, and the edits that both made happen once.
 */
#ifndef MERGE_CONTAINED_H
#define MERGE_CONTAINED_H

#include "merge/edits.h"
#include "merge/reconcile.h"

/* Among edits v[0..n): the side whose edits contain the other's, or MERGE_NOBODY. */
enum merge_side edits_container(const struct versions *v, const struct edit *edits, size_t n);

/* Edits of the region, sorted; `insertion` and `change` are two of them.
 *
 * Whether all lines of an insertion are among the new lines of one edit of the other side, in a
 * row: it was made by both, at places that the diffs show differently. */
bool edits_inserted_elsewhere(const struct versions *v, const struct edit *edits, size_t n,
                              const struct edit *insertion);

/* Whether words that `change` (EDIT_CHANGE) took out of its line stand in lines that the same side
 * put in right beside it: then the text was wrapped anew, and its words are not to be compared. */
bool edits_rewrapped(const struct versions *v, const struct edit *edits, size_t n,
                     const struct edit *change);

/* Whether an insertion opens a block (the line below it is one that its side indented deeper), and
 * whether it closes one (the line above it is). */
void edits_block_ends(const struct versions *v, const struct edit *edits, size_t n,
                      const struct edit *insertion, bool *opens, bool *closes);

#endif
