/*
 * Texts that differ in blanks only: the same words, indented or wrapped another way.
 */
#ifndef MERGE_BLANKS_H
#define MERGE_BLANKS_H

#include <stdbool.h>

#include "merge/edits.h"
#include "merge/reconcile.h"

/* Whose version stands for both in a group that both sides changed: canonical's when the two differ
 * in blanks only, and else the one whose other side changed nothing but blanks. MERGE_NOBODY when
 * both changed words, or when a side put in blanks alone. */
enum merge_side blanks_stand_for_both(const struct versions *v, const struct edit *edits,
                                      const struct edit_group *g);

#endif
