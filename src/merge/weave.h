/*
 * A merge as one sequence: every byte of the base in its order, kept or deleted, and what either
 * side inserted in between. The weave says what the result is; the document engine (ycrdt/ycrdt.h)
 * comes to the same result by itself when the parts are given to it as concurrent operations:
 *
 *   - the base text is client WEAVE_CLIENT_BASE's, inserted once;
 *   - an insertion that both made is WEAVE_CLIENT_AGREED's and known to both sides;
 *   - canonical's and local's insertions and deletions are operations of two clients that know the
 *     base and the agreed insertions, but not each other. At one point the lower id comes first.
 *
 * A side's insertions are made before its deletions, so that each one's place among deleted base
 * text is kept. The only sequence that two such clients cannot make is local's insertion directly
 * before canonical's; weave_settle gives the former to canonical, so that the text stays.
 */
#ifndef MERGE_WEAVE_H
#define MERGE_WEAVE_H

#include <stdbool.h>
#include <stddef.h>

#include "merge/report.h"
#include "merge/text.h"

#define WEAVE_CLIENT_BASE 1
#define WEAVE_CLIENT_CANONICAL 2
#define WEAVE_CLIENT_LOCAL 3
#define WEAVE_CLIENT_AGREED 4
#define WEAVE_ROOT "content"

enum weave_kind {
    WEAVE_KEEP,   /* base text that stays */
    WEAVE_DELETE, /* base text that `by` deleted */
    WEAVE_INSERT, /* text of `by` (both: the agreed insertion) */
};

struct weave_part {
    enum weave_kind kind;
    enum merge_side by; /* MERGE_NOBODY for WEAVE_KEEP */
    const char *p;      /* borrowed from one of the versions, or a literal */
    size_t len;
};

struct weave {
    struct weave_part *v;
    size_t len;
    size_t cap;
    size_t visible;  /* bytes of the result so far */
    size_t newlines; /* newlines in the result so far */
    char last;       /* last byte of the result so far, 0 when empty */
};
#define WEAVE_INIT          \
    {                       \
        NULL, 0, 0, 0, 0, 0 \
    }
void weave_release(struct weave *w);

/* Appends a part; neighbours alike in kind, side and memory are joined. */
void weave_add(struct weave *w, enum weave_kind kind, enum merge_side by, const char *p,
               size_t len);

void weave_settle(struct weave *w);

/* The result, read off the weave, and whether a text is that. */
void weave_text(const struct weave *w, struct str *out);
bool weave_equals(const struct weave *w, const char *p, size_t len);

#endif
