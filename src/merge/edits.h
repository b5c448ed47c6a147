/*
 * What each side did within a region, line by line, and which of it belongs together.
 */
#ifndef MERGE_EDITS_H
#define MERGE_EDITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "merge/diff.h"
#include "merge/lines.h"
#include "merge/report.h"

enum edit_kind {
    EDIT_INSERT,  /* lines put in front of base line `from` */
    EDIT_DELETE,  /* base lines taken out */
    EDIT_CHANGE,  /* one base line became one line that resembles it */
    EDIT_REWRITE, /* base lines became other lines */
};

struct edit {
    enum edit_kind kind;
    enum merge_side side;
    uint32_t from, to;           /* base lines [from, to) */
    uint32_t line_from, line_to; /* the side's lines [line_from, line_to) in their place */
};

/* Edits that touch the same lines. Groups follow each other in the base without overlap. */
struct edit_group {
    uint32_t from, to;
    size_t first, n;       /* its edits */
    bool local, canonical; /* who has edits in it */
};

struct edits {
    struct edit *v; /* sorted by place; an insertion before what follows it */
    size_t len, cap;
    struct edit_group *groups;
    size_t groups_len, groups_cap;
};
#define EDITS_INIT             \
    {                          \
        NULL, 0, 0, NULL, 0, 0 \
    }
void edits_release(struct edits *e);

/* Adds the hunks of `diff` within base lines [from, to], refined to lines that resemble each
 * other. *budget as in words_pair_lines. */
void edits_add(struct edits *e, enum merge_side side, const struct lines *base,
               const struct lines *text, const struct diff *diff, uint32_t from, uint32_t to,
               size_t *budget);

/* Sorts, and forms the groups. */
void edits_group(struct edits *e);

/* Whether a group is lines that one side put in right beside lines that the other side took away:
 * what they were put beside is gone, and they may have no meaning without. */
bool edits_lost_ground(const struct edits *e, size_t group);

#endif
