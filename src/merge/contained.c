#include "merge/contained.h"

#include <string.h>

#include "merge/words.h"

/* Letters and digits that make common lines more than chance: at one place, and at another. */
#define SAYS_SOMETHING 2
#define SAYS_MUCH 8
/* Letters of a word that can be recognised elsewhere. */
#define WORD_KNOWN 3
/* How far around an edit its neighbours are looked for, in edits and in lines. */
#define NEIGHBOURS 32
#define NEIGHBOUR_LINES 4096

static size_t neighbours_from(size_t at)
{
    return at > NEIGHBOURS ? at - NEIGHBOURS : 0;
}

static size_t neighbours_to(size_t at, size_t n)
{
    return n - at > NEIGHBOURS ? at + NEIGHBOURS : n;
}

static const struct lines *text_of(const struct versions *v, enum merge_side side)
{
    return side == MERGE_LOCAL ? &v->local : &v->canonical;
}

static size_t weight_of(const struct lines *t, uint32_t from, uint32_t to)
{
    struct merge_slice s = lines_range(t, from, to);
    return words_weight(s.p, s.len);
}

/* The next new line of a side, walking its edits. */
struct walker {
    const struct edit *v;
    size_t n;
    enum merge_side side;
    size_t edit;
    uint32_t line;
};

static bool walk(struct walker *w, uint32_t *line, const struct edit **edit)
{
    for (; w->edit < w->n; w->edit++, w->line = 0) {
        const struct edit *e = &w->v[w->edit];
        if (e->side != w->side || e->line_from + w->line >= e->line_to)
            continue;
        *line = e->line_from + w->line++;
        *edit = e;
        return true;
    }
    return false;
}

static bool same_change(const struct versions *v, const struct edit *a, const struct edit *b)
{
    return text_of(v, a->side)->id[a->line_from] == text_of(v, b->side)->id[b->line_from];
}

/* All base lines that the small side took out are out on the large side too, none just changed. */
static bool base_contained(const struct versions *v, const struct edit *edits, size_t n,
                           enum merge_side small, enum merge_side large)
{
    size_t at = 0;
    for (size_t k = 0; k < n; k++) {
        const struct edit *s = &edits[k];
        for (uint32_t i = s->from; s->side == small && i < s->to; i++) {
            while (at < n && (edits[at].side != large || edits[at].to <= i))
                at++;
            const struct edit *l = &edits[at];
            if (at == n || l->from > i ||
                (l->kind == EDIT_CHANGE && (s->kind != EDIT_CHANGE || !same_change(v, s, l))))
                return false;
        }
    }
    return true;
}

static bool lines_contained(const struct versions *v, const struct edit *edits, size_t n,
                            enum merge_side small, enum merge_side large)
{
    struct walker s = {edits, n, small, 0, 0}, l = {edits, n, large, 0, 0};
    uint32_t small_line, large_line;
    const struct edit *small_edit, *large_edit;
    size_t weight = 0;
    bool any = false;
    while (walk(&s, &small_line, &small_edit)) {
        any = true;
        weight += weight_of(text_of(v, small), small_line, small_line + 1);
        do {
            if (!walk(&l, &large_line, &large_edit))
                return false;
        } while (text_of(v, small)->id[small_line] != text_of(v, large)->id[large_line]);
    }
    return !any || weight >= SAYS_SOMETHING;
}

enum merge_side edits_container(const struct versions *v, const struct edit *edits, size_t n)
{
    if (base_contained(v, edits, n, MERGE_CANONICAL, MERGE_LOCAL) &&
        lines_contained(v, edits, n, MERGE_CANONICAL, MERGE_LOCAL))
        return MERGE_LOCAL;
    if (base_contained(v, edits, n, MERGE_LOCAL, MERGE_CANONICAL) &&
        lines_contained(v, edits, n, MERGE_LOCAL, MERGE_CANONICAL))
        return MERGE_CANONICAL;
    return MERGE_NOBODY;
}

bool edits_inserted_elsewhere(const struct versions *v, const struct edit *edits, size_t n,
                              const struct edit *insertion)
{
    const struct lines *own = text_of(v, insertion->side);
    uint32_t count = insertion->line_to - insertion->line_from;
    if (weight_of(own, insertion->line_from, insertion->line_to) < SAYS_MUCH)
        return false;
    size_t self = (size_t)(insertion - edits);
    for (size_t k = neighbours_from(self); k < neighbours_to(self, n); k++) {
        const struct edit *e = &edits[k];
        if (e->line_to - e->line_from > NEIGHBOUR_LINES || e->side == insertion->side ||
            e->kind == EDIT_CHANGE)
            continue;
        const struct lines *other = text_of(v, e->side);
        for (uint32_t at = e->line_from; at + count <= e->line_to; at++)
            if (memcmp(other->id + at, own->id + insertion->line_from, count * sizeof *own->id) ==
                0)
                return true;
    }
    return false;
}

static bool has_word(struct merge_slice text, const char *word, size_t len)
{
    for (size_t at = 0; at < text.len;) {
        size_t n = word_length(text.p + at, text.len - at);
        if (n == len && memcmp(text.p + at, word, len) == 0)
            return true;
        at += n;
    }
    return false;
}

bool edits_rewrapped(const struct versions *v, const struct edit *edits, size_t n,
                     const struct edit *change)
{
    const struct lines *own = text_of(v, change->side);
    struct merge_slice was = lines_range(&v->base, change->from, change->to);
    struct merge_slice is = lines_range(own, change->line_from, change->line_to);
    size_t self = (size_t)(change - edits);
    for (size_t k = neighbours_from(self); k < neighbours_to(self, n); k++) {
        const struct edit *e = &edits[k];
        if (e->line_to - e->line_from > NEIGHBOUR_LINES || e->side != change->side ||
            e->line_from == e->line_to || e->kind == EDIT_CHANGE ||
            (e->to != change->from && e->from != change->to))
            continue;
        struct merge_slice beside = lines_range(own, e->line_from, e->line_to);
        for (size_t at = 0; at < was.len;) {
            size_t len = word_length(was.p + at, was.len - at);
            if (len >= WORD_KNOWN && word_kind_of(was.p + at) == WORD_LETTERS &&
                !has_word(is, was.p + at, len) && has_word(beside, was.p + at, len))
                return true;
            at += len;
        }
    }
    return false;
}

static size_t indentation(const struct lines *t, uint32_t line)
{
    struct merge_slice s = lines_range(t, line, line + 1);
    size_t n = 0;
    while (n < s.len && (s.p[n] == ' ' || s.p[n] == '\t'))
        n++;
    return n;
}

static bool indents(const struct versions *v, const struct edit *e)
{
    return e->kind == EDIT_CHANGE &&
           indentation(text_of(v, e->side), e->line_from) > indentation(&v->base, e->from);
}

void edits_block_ends(const struct versions *v, const struct edit *edits, size_t n,
                      const struct edit *insertion, bool *opens, bool *closes)
{
    size_t self = (size_t)(insertion - edits);
    *opens = *closes = false;
    for (size_t k = neighbours_from(self); k < neighbours_to(self, n); k++) {
        const struct edit *e = &edits[k];
        if (e->side != insertion->side || !indents(v, e))
            continue;
        *opens |= e->from == insertion->from && e->line_from == insertion->line_to;
        *closes |= e->to == insertion->from && e->line_to == insertion->line_from;
    }
}
