/*
 * The difference of two sequences of numbers (lines or words, merge/lines.h) as a list of hunks.
 *
 * The hunks are those that git 2.39 finds with its default options (algorithm "myers", no indent
 * heuristic): O(ND) with divide and conquer (E. Myers, "An O(ND) difference algorithm and its
 * variations", 1986), with the heuristics of Davide Libenzi's libxdiff: elements without a match
 * are set aside first, frequent elements amid them too, a search that costs more than the square
 * root of the input is cut where it came farthest; then each hunk slides as far down as it can, or
 * to where it lines up with a hunk of the other side. A merge that shall give git's bytes has to
 * make the same choices, so they are made here, one by one.
 *
 * Memory is linear. Time is linear in the length for similar inputs and at most about
 * (n + m)^1.5; past DIFF_WORK_MAX steps whatever is not yet compared counts as changed.
 */
#ifndef MERGE_DIFF_H
#define MERGE_DIFF_H

#include <stddef.h>
#include <stdint.h>

/* Steps of the search before it is given up: some seconds. */
#define DIFF_WORK_MAX ((uint64_t)1 << 31)

/* a[a_at, a_at + a_n) became b[b_at, b_at + b_n); at least one length is not 0. */
struct diff_hunk {
    uint32_t a_at, a_n;
    uint32_t b_at, b_n;
};

struct diff {
    struct diff_hunk *v; /* ascending, at least one common element between two hunks */
    size_t len;
    size_t cap;
};
#define DIFF_INIT  \
    {              \
        NULL, 0, 0 \
    }
void diff_release(struct diff *d);

/* Numbers are below `ids`; lengths below 2^30. Appends to `out`. */
void diff_sequences(const uint32_t *a, uint32_t a_n, const uint32_t *b, uint32_t b_n, uint32_t ids,
                    struct diff *out);

#endif
