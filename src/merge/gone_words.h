/*
 * Words that one side took out of a place where the other put them in anew: a name that was
 * changed, an argument that is no more. Both edits can happen and yet do not fit.
 */
#ifndef MERGE_GONE_WORDS_H
#define MERGE_GONE_WORDS_H

#include "merge/report.h"
#include "merge/text.h"

/* The side in whose version of a text a word of the base, three letters long or more, is nowhere
 * any more while the other's has it more often than the base; canonical when that is so both ways,
 * and MERGE_NOBODY when there is no such word. Linear in the lengths. */
enum merge_side gone_words_by(struct merge_slice base, struct merge_slice local,
                              struct merge_slice canonical);

#endif
