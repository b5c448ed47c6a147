/*
 * Three versions of a text in, one out.
 *
 * `local` and `canonical` were both made from `base`. Where `git merge-file` (2.39, default
 * options) merges cleanly the result is the same bytes. Where it would stop:
 *
 *   - edits of different words of one line, or of adjoining lines, both happen;
 *   - an edit that both made happens once;
 *   - both inserted at one point: canonical's lines first, then local's;
 *   - both rewrote the same words differently: both versions of the affected lines, whole,
 *     canonical's first;
 *   - one deleted what the other changed, or put something in beside: the change stays;
 *
 * and the last three are reported. A side that changed nothing but blanks gives way to the other's
 * words (merge/blanks.h). Any bytes are text here: invalid UTF-8 is merged byte by byte,
 * line endings, a BOM and a missing newline at the end are content like any other. (Whether a file
 * should be merged as text at all is decided in merge/tree.h.)
 *
 * The result is that of a text CRDT: the reconciled edits of each side are applied to a document
 * (ycrdt/ycrdt.h) as concurrent operations of two clients, and what the document converges to is
 * what is returned. merge_text_updates hands these operations out.
 *
 * Deterministic: the same three inputs in the same roles give the same bytes everywhere. Time and
 * memory are linear in the inputs for similar texts; for texts with nothing in common the line diff
 * stops looking for the shortest script after the square root of the number of lines, as xdiff
 * does; lines that both sides rewrote are compared with each other at most two million times in one
 * merge, and word by word only up to MERGE_LINE_MAX bytes. What is not compared counts as
 * rewritten.
 */
#ifndef MERGE_TEXT_H
#define MERGE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"
#include "merge/report.h"

/* Longest version accepted, in bytes. */
#define MERGE_TEXT_MAX ((size_t)64 << 20)
/* Length of a line, all three versions together, up to which it is compared word by word. */
#define MERGE_LINE_MAX ((size_t)256 << 10)

/* A borrowed piece of text; p may be NULL when len is 0. */
struct merge_slice {
    const char *p;
    size_t len;
};

struct merge_text_result {
    struct str text;
    struct merge_report report; /* in ascending line order; no paths */
    bool git_clean;             /* `git merge-file` would not have stopped */
    bool through_crdt;          /* `text` was read from the converged document (false only when
                                   one of the sides is the base, or both are the same) */
};
#define MERGE_TEXT_RESULT_INIT                    \
    {                                             \
        STR_INIT, MERGE_REPORT_INIT, false, false \
    }
void merge_text_result_release(struct merge_text_result *r);
#define cleanup_merge_text cleanup(merge_text_result_release)

/* Merges. `out` must be initialised and empty. Errors: ERR_LIMIT (a version longer than
 * MERGE_TEXT_MAX); never because of content. */
int merge_text(struct merge_slice base, struct merge_slice local, struct merge_slice canonical,
               struct merge_text_result *out, struct err *err);

/* The three Yjs v1 updates whose union is the document that merge_text reads: the base text, and
 * each side's operations on it, in the root text "content". Applied in any order, in any Yjs
 * implementation, they give merge_text's bytes. Edits that both sides made are in both updates,
 * as the same operations. Errors: ERR_LIMIT; ERR_INVALID when a version is not UTF-8 (such a
 * document has one character per byte and is of no use outside). */
struct merge_updates {
    struct str base;
    struct str local;
    struct str canonical;
};
#define MERGE_UPDATES_INIT           \
    {                                \
        STR_INIT, STR_INIT, STR_INIT \
    }
void merge_updates_release(struct merge_updates *u);
int merge_text_updates(struct merge_slice base, struct merge_slice local,
                       struct merge_slice canonical, struct merge_updates *out, struct err *err);

/* Lines of `after` that differ from `before`, by the same line diff: for logs ("lines":"10:12") and
 * for showing what a sync changed. A deletion is a range with `lines` 0 in front of `line`. */
struct merge_lines {
    size_t line; /* from 1 */
    size_t lines;
};
/* *out is allocated, the caller frees it; returns how many. */
size_t merge_changed_lines(struct merge_slice before, struct merge_slice after,
                           struct merge_lines **out);

#endif
