/*
 * Ranges of lines: "10:12,20:19". The first is lines 10 to 12, the second the empty place in front
 * of line 20 (where something was inserted or deleted). Pure.
 */
#ifndef WATCH_RANGES_H
#define WATCH_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

#define RANGES_MAX 64        /* of one file; what comes behind is left out */
#define RANGES_TEXT_MAX 2048 /* bytes of the written form */
#define RANGE_LINE_MAX (1u << 30)

struct line_range {
    uint32_t from; /* from 1 */
    uint32_t n;    /* 0: the place in front of `from` */
};

struct line_ranges {
    struct line_range *v;
    size_t len;
    size_t cap;
};
#define LINE_RANGES_INIT \
    {                    \
        NULL, 0, 0       \
    }
void line_ranges_release(struct line_ranges *r);
#define cleanup_line_ranges cleanup(line_ranges_release)

/* Adds nothing beyond RANGES_MAX. */
void line_ranges_add(struct line_ranges *r, uint32_t from, uint32_t n);
void line_ranges_copy(const struct line_ranges *from, struct line_ranges *to);

/* Appends to the empty `out`; "" is no range. */
int line_ranges_parse(const char *text, size_t len, struct line_ranges *out, struct err *err);
void line_ranges_format(const struct line_ranges *r, struct str *out);
/* For people: "10-12, 20". */
void line_ranges_describe(const struct line_ranges *r, struct str *out);

/* Would a merge take the two as one place? They overlap or touch, as the merge engine counts it. */
bool line_range_meets(struct line_range a, struct line_range b);

/* Where ranges of `from` are in `to`, two versions of one text: what lies in or at a changed place
 * becomes that whole place. */
void line_ranges_follow(struct line_ranges *r, const char *from, size_t from_len, const char *to,
                        size_t to_len);

#endif
