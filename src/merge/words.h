/*
 * Lines cut into words, and how alike two lines are.
 *
 * A word is a run of letters, digits, '_' and bytes above 127; a run of blanks; a line end (LF or
 * CR LF); or any other single byte. Words never split a UTF-8 character.
 */
#ifndef MERGE_WORDS_H
#define MERGE_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "merge/lines.h"

enum word_kind {
    WORD_LETTERS,
    WORD_BLANK,
    WORD_SIGN,
    WORD_LINE_END,
};

enum word_kind word_kind_of(const char *p);
/* Length of the word at p; n > 0 bytes are left. */
size_t word_length(const char *p, size_t n);

/* Cuts and numbers the words of a text, as lines_init does the lines. */
void words_init(struct lines *t, struct line_ids *ids, struct merge_slice text);

/* How many letters and digits there are: what a line says. */
size_t words_weight(const char *p, size_t n);

/* Which lines of a rewritten hunk stand for each other: pair[i] is the index (from 0) in
 * b[b_at, b_at + b_n) of the line that a's line a_at + i became, or UINT32_MAX; ascending. A single
 * line always became the single line it was replaced by. *budget is counted down by the pairs of
 * lines compared; when it does not suffice, nothing is paired. */
void words_pair_lines(const struct lines *a, uint32_t a_at, uint32_t a_n, const struct lines *b,
                      uint32_t b_at, uint32_t b_n, size_t *budget, uint32_t *pair);

#endif
