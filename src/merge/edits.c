#include "merge/edits.h"

#include <stdlib.h>

#include "base/mem.h"
#include "merge/words.h"

void edits_release(struct edits *e)
{
    free(e->v);
    free(e->groups);
    *e = (struct edits)EDITS_INIT;
}

static void push(struct edits *e, struct edit edit)
{
    VEC_GROW(e->v, e->len, e->cap);
    e->v[e->len++] = edit;
}

/* Base lines [from, to) and the side's [line_from, line_to) have nothing to do with each other. */
static void push_unpaired(struct edits *e, enum merge_side side, uint32_t from, uint32_t to,
                          uint32_t line_from, uint32_t line_to)
{
    if (from == to && line_from == line_to)
        return;
    enum edit_kind kind = from == to             ? EDIT_INSERT
                          : line_from == line_to ? EDIT_DELETE
                                                 : EDIT_REWRITE;
    push(e, (struct edit){kind, side, from, to, line_from, line_to});
}

static void push_hunk(struct edits *e, enum merge_side side, const struct lines *base,
                      const struct lines *text, const struct diff_hunk *h, size_t *budget)
{
    cleanup_free uint32_t *pair = xreallocarray(NULL, (size_t)h->a_n + 1, sizeof *pair);
    words_pair_lines(base, h->a_at, h->a_n, text, h->b_at, h->b_n, budget, pair);
    uint32_t from = h->a_at, line = h->b_at;
    for (uint32_t i = 0; i < h->a_n; i++) {
        if (pair[i] == UINT32_MAX)
            continue;
        uint32_t at = h->a_at + i, paired = h->b_at + pair[i];
        push_unpaired(e, side, from, at, line, paired);
        if (base->id[at] != text->id[paired])
            push(e, (struct edit){EDIT_CHANGE, side, at, at + 1, paired, paired + 1});
        from = at + 1;
        line = paired + 1;
    }
    push_unpaired(e, side, from, h->a_at + h->a_n, line, h->b_at + h->b_n);
}

void edits_add(struct edits *e, enum merge_side side, const struct lines *base,
               const struct lines *text, const struct diff *diff, uint32_t from, uint32_t to,
               size_t *budget)
{
    size_t low = 0, high = diff->len;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (diff->v[mid].a_at < from)
            low = mid + 1;
        else
            high = mid;
    }
    for (; low < diff->len && diff->v[low].a_at + diff->v[low].a_n <= to; low++)
        push_hunk(e, side, base, text, &diff->v[low], budget);
}

static int by_place(const void *a, const void *b)
{
    const struct edit *x = a, *y = b;
    if (x->from != y->from)
        return x->from < y->from ? -1 : 1;
    if (x->to != y->to)
        return x->to < y->to ? -1 : 1;
    return (int)y->side - (int)x->side;
}

static bool belongs(const struct edit_group *g, const struct edit *e)
{
    if (e->from == e->to)
        return (g->from < e->from && e->from < g->to) || (g->from == g->to && g->from == e->from);
    return e->from < g->to;
}

void edits_group(struct edits *e)
{
    if (e->len)
        qsort(e->v, e->len, sizeof *e->v, by_place);
    for (size_t i = 0; i < e->len; i++) {
        const struct edit *edit = &e->v[i];
        struct edit_group *g = e->groups_len ? &e->groups[e->groups_len - 1] : NULL;
        if (!g || !belongs(g, edit)) {
            VEC_GROW(e->groups, e->groups_len, e->groups_cap);
            g = &e->groups[e->groups_len++];
            *g = (struct edit_group){edit->from, edit->to, i, 0, false, false};
        }
        if (edit->to > g->to)
            g->to = edit->to;
        g->n++;
        g->local |= edit->side == MERGE_LOCAL;
        g->canonical |= edit->side == MERGE_CANONICAL;
    }
}

static bool takes_away(const struct edit_group *g, const struct edit *e)
{
    return g->local != g->canonical && (e->kind == EDIT_DELETE || e->kind == EDIT_REWRITE);
}

bool edits_lost_ground(const struct edits *e, size_t index)
{
    const struct edit_group *g = &e->groups[index];
    if (g->from != g->to || g->local == g->canonical)
        return false;
    const struct edit_group *before = index > 0 ? g - 1 : NULL;
    const struct edit_group *after = index + 1 < e->groups_len ? g + 1 : NULL;
    return (before && before->to == g->from && before->local != g->local &&
            takes_away(before, &e->v[before->first + before->n - 1])) ||
           (after && after->from == g->to && after->local != g->local &&
            takes_away(after, &e->v[after->first]));
}
