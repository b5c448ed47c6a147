#include "merge/blanks.h"

#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The bytes of a version of a group that are not blanks, one piece after the other. */
struct reader {
    const struct versions *v;
    const struct edit *edits; /* NULL reads the base */
    const struct edit_group *g;
    enum merge_side side;
    size_t edit;
    uint32_t at; /* base line up to which has been read */
    struct merge_slice piece;
};

static struct reader reader_of(const struct versions *v, const struct edit *edits,
                               const struct edit_group *g, enum merge_side side)
{
    return (struct reader){v, edits, g, side, g->first, g->from, {NULL, 0}};
}

/* The next lines of the version: kept base lines, or what an edit made. */
static bool next_piece(struct reader *r)
{
    while (r->edit < r->g->first + r->g->n) {
        const struct edit *e = &r->edits[r->edit];
        if (e->side != r->side) {
            r->edit++;
            continue;
        }
        if (r->at < e->from) {
            r->piece = lines_range(&r->v->base, r->at, e->from);
            r->at = e->from;
            return true;
        }
        const struct lines *t = r->side == MERGE_LOCAL ? &r->v->local : &r->v->canonical;
        r->piece = lines_range(t, e->line_from, e->line_to);
        r->at = e->to;
        r->edit++;
        return true;
    }
    if (r->at == r->g->to)
        return false;
    r->piece = lines_range(&r->v->base, r->at, r->g->to);
    r->at = r->g->to;
    return true;
}

/* 0 at the end: a NUL in a text counts as one more blank, which at worst calls two texts alike. */
static char next_char(struct reader *r)
{
    for (;;) {
        while (r->piece.len) {
            char c = *r->piece.p;
            r->piece.p++;
            r->piece.len--;
            if (c && !is_blank(c))
                return c;
        }
        if (!next_piece(r))
            return 0;
    }
}

static bool same_words(struct reader a, struct reader b)
{
    char x, y;
    do {
        x = next_char(&a);
        y = next_char(&b);
    } while (x && x == y);
    return x == y;
}

static bool says_nothing(struct reader r)
{
    return !next_char(&r);
}

enum merge_side blanks_stand_for_both(const struct versions *v, const struct edit *edits,
                                      const struct edit_group *g)
{
    if (!g->local || !g->canonical)
        return MERGE_NOBODY;
    struct reader local = reader_of(v, edits, g, MERGE_LOCAL);
    struct reader canonical = reader_of(v, edits, g, MERGE_CANONICAL);
    struct reader base = reader_of(v, edits, g, MERGE_NOBODY);
    if (!says_nothing(local) && same_words(local, canonical))
        return MERGE_CANONICAL;
    if (says_nothing(base))
        return MERGE_NOBODY;
    if (same_words(local, base))
        return MERGE_CANONICAL;
    return same_words(canonical, base) ? MERGE_LOCAL : MERGE_NOBODY;
}
