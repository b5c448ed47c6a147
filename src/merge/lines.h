/*
 * Texts cut into lines, each line named by a small number: two lines have the same number exactly
 * when they have the same bytes (line end included), across all texts numbered by one line_ids.
 * Numbers are given in order of first appearance, so they depend on the texts alone.
 *
 * Text versions are borrowed and must outlive what is made of them.
 */
#ifndef MERGE_LINES_H
#define MERGE_LINES_H

#include <stddef.h>
#include <stdint.h>

#include "merge/text.h"

struct line_class {
    const char *p; /* a line with this number */
    uint32_t len;
    uint32_t first; /* index of its first line in the text that introduced it */
};

struct line_ids {
    struct line_class *classes;
    uint32_t n;
    uint32_t cap;
    struct line_slot *slots;
    uint32_t slot_mask; /* slots - 1; a power of two minus one */
    uint64_t seed;
};

void line_ids_init(struct line_ids *ids, size_t expected_lines);
void line_ids_release(struct line_ids *ids);

/* The number of a piece of text, given one when it is new. */
uint32_t line_ids_intern(struct line_ids *ids, const char *p, uint32_t len, uint32_t first);

struct lines {
    const char *p;
    uint32_t n;
    uint32_t cap;
    uint32_t *start; /* n + 1 offsets into p; start[n] is the length of the text */
    uint32_t *id;    /* n */
};

/* Cuts and numbers a text of at most MERGE_TEXT_MAX bytes. `like` (or NULL) is an earlier text of
 * the same line_ids that this one probably resembles: lines that follow it in step cost one
 * comparison and no hash. The result does not depend on it. */
void lines_init(struct lines *t, struct line_ids *ids, struct merge_slice text,
                const struct lines *like);
void lines_release(struct lines *t);

static inline uint32_t lines_len(const struct lines *t, uint32_t i)
{
    return t->start[i + 1] - t->start[i];
}

static inline struct merge_slice lines_range(const struct lines *t, uint32_t from, uint32_t to)
{
    struct merge_slice s = {t->p + t->start[from], t->start[to] - t->start[from]};
    return s;
}

#endif
