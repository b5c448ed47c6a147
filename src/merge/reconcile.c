#include "merge/reconcile.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "merge/blanks.h"
#include "merge/contained.h"
#include "merge/edits.h"
#include "merge/gone_words.h"
#include "merge/line_merge.h"
#include "merge/list_end.h"
#include "merge/word_container.h"
#include "merge/words.h"

/* Of two insertions at one point, the part of their text that has to be the same for the common
 * lines to be taken as one insertion: one half. */
#define COMMON_SHARE 2

struct run {
    const struct versions *v;
    struct weave *w;
    struct merge_report *report;
    struct edits edits;
};

static const struct lines *text_of(const struct run *r, enum merge_side side)
{
    return side == MERGE_LOCAL ? &r->v->local : &r->v->canonical;
}

static void add_capped(struct str *s, struct merge_slice text)
{
    size_t room = s->len < MERGE_REPORT_TEXT_MAX ? MERGE_REPORT_TEXT_MAX - s->len : 0;
    str_add(s, text.p, text.len < room ? text.len : room);
}

/* Lines must not run together where a version ended without a newline. */
static void start_line(struct run *r)
{
    if (!r->w->visible || r->w->last == '\n')
        return;
    struct merge_slice first = {r->v->base.p, r->v->base.n ? r->v->base.start[1] : 0};
    bool crlf = first.len > 1 && first.p[first.len - 2] == '\r';
    weave_add(r->w, WEAVE_INSERT, MERGE_LOCAL, crlf ? "\r\n" : "\n", crlf ? 2 : 1);
}

static void keep_base(struct run *r, uint32_t from, uint32_t to)
{
    if (from == to)
        return;
    start_line(r);
    struct merge_slice s = lines_range(&r->v->base, from, to);
    weave_add(r->w, WEAVE_KEEP, MERGE_NOBODY, s.p, s.len);
}

static void delete_base(struct run *r, enum merge_side by, uint32_t from, uint32_t to)
{
    struct merge_slice s = lines_range(&r->v->base, from, to);
    weave_add(r->w, WEAVE_DELETE, by, s.p, s.len);
}

static void insert_lines(struct run *r, enum merge_side by, uint32_t from, uint32_t to)
{
    if (from == to)
        return;
    start_line(r);
    struct merge_slice s =
        lines_range(by == MERGE_LOCAL ? &r->v->local : &r->v->canonical, from, to);
    weave_add(r->w, WEAVE_INSERT, by, s.p, s.len);
}

/* Local's text before the base lines that it replaces, canonical's after: so the one order in
 * which canonical's comes first at one point can always be had. */
static void apply_edit(struct run *r, const struct edit *e)
{
    if (e->side == MERGE_LOCAL)
        insert_lines(r, e->side, e->line_from, e->line_to);
    delete_base(r, e->side, e->from, e->to);
    if (e->side == MERGE_CANONICAL)
        insert_lines(r, e->side, e->line_from, e->line_to);
}

/* --- reporting ------------------------------------------------------------------------------- */

/* Where the next line that is put in comes to stand in the result, from 1. */
static size_t next_line(const struct run *r)
{
    return r->w->newlines + 1 + (r->w->visible && r->w->last != '\n');
}

static struct merge_overlap *open_overlap(struct run *r, enum merge_overlap_kind kind,
                                          enum merge_side by)
{
    struct merge_overlap *o = merge_report_add(r->report, kind, by);
    o->line = next_line(r);
    return o;
}

static void describe_group(struct run *r, struct merge_overlap *o, const struct edit_group *g)
{
    add_capped(&o->base, lines_range(&r->v->base, g->from, g->to));
    for (size_t i = g->first; i < g->first + g->n; i++) {
        const struct edit *e = &r->edits.v[i];
        add_capped(e->side == MERGE_LOCAL ? &o->local : &o->canonical,
                   lines_range(text_of(r, e->side), e->line_from, e->line_to));
    }
}

static void close_overlap(struct run *r, size_t index)
{
    struct merge_overlap *o = &r->report->v[index];
    o->lines = next_line(r) - o->line;
}

/* --- both inserted at one point --------------------------------------------------------------- */

static size_t weight(const struct lines *t, uint32_t from, uint32_t to)
{
    struct merge_slice s = lines_range(t, from, to);
    return words_weight(s.p, s.len);
}

/* Lines of canonical and of local that stand for each other. */
struct lines_of_both {
    uint32_t c_from, c_to, l_from, l_to;
};

static struct merge_slice slice_of(const struct run *r, const struct lines_of_both *t,
                                   enum merge_side side)
{
    return side == MERGE_LOCAL ? lines_range(&r->v->local, t->l_from, t->l_to)
                               : lines_range(&r->v->canonical, t->c_from, t->c_to);
}

/* What opens a block stands right above it and what closes one right below: whether canonical's
 * text cannot come first for that reason. */
static bool local_first(const struct run *r, const struct edit *c, const struct edit *l)
{
    bool c_opens, c_closes, l_opens, l_closes;
    edits_block_ends(r->v, r->edits.v, r->edits.len, c, &c_opens, &c_closes);
    edits_block_ends(r->v, r->edits.v, r->edits.len, l, &l_opens, &l_closes);
    return (c_opens && !c_closes && !l_opens) || (l_closes && !l_opens && !c_closes);
}

/* How both sides' lines come to stand one after the other. */
struct order {
    bool local_leads;
    bool comma; /* the first part's last line gets one */
};

/* The lines that come first. */
static void insert_first(struct run *r, enum merge_side by, uint32_t from, uint32_t to, bool comma)
{
    insert_lines(r, by, from, to - comma);
    if (!comma)
        return;
    start_line(r);
    struct merge_slice last = lines_range(text_of(r, by), to - 1, to);
    size_t len = list_entry_len(last);
    weave_add(r->w, WEAVE_INSERT, by, last.p, len);
    weave_add(r->w, WEAVE_INSERT, by, ",", 1);
    weave_add(r->w, WEAVE_INSERT, by, last.p + len, last.len - len);
}

/* Both sides' lines in a place where both put in some. */
static void insert_both(struct run *r, const struct lines_of_both *t, struct order order)
{
    enum merge_side more = word_container((struct merge_slice){"", 0}, slice_of(r, t, MERGE_LOCAL),
                                          slice_of(r, t, MERGE_CANONICAL), true);
    if (more != MERGE_NOBODY) {
        insert_lines(r, more, more == MERGE_LOCAL ? t->l_from : t->c_from,
                     more == MERGE_LOCAL ? t->l_to : t->c_to);
        return;
    }
    size_t index = r->report->len;
    struct merge_overlap *o = open_overlap(r, MERGE_BOTH_INSERTED, MERGE_BOTH);
    add_capped(&o->canonical, slice_of(r, t, MERGE_CANONICAL));
    add_capped(&o->local, slice_of(r, t, MERGE_LOCAL));
    if (order.local_leads) {
        insert_first(r, MERGE_LOCAL, t->l_from, t->l_to, order.comma);
        insert_lines(r, MERGE_CANONICAL, t->c_from, t->c_to);
    } else {
        insert_first(r, MERGE_CANONICAL, t->c_from, t->c_to, order.comma);
        insert_lines(r, MERGE_LOCAL, t->l_from, t->l_to);
    }
    close_overlap(r, index);
}

/* Both insertions where they differ; what is common happens once. */
static void insert_once(struct run *r, const struct edit *c, const struct edit *l,
                        const struct diff *d)
{
    uint32_t at = c->line_from;
    bool whole = d->len == 1 && d->v[0].a_n == c->line_to - c->line_from &&
                 d->v[0].b_n == l->line_to - l->line_from;
    struct order order = {whole && local_first(r, c, l), whole && edits_extend_list(r->v, c, l)};
    for (size_t i = 0; i < d->len; i++) {
        const struct diff_hunk *h = &d->v[i];
        struct lines_of_both t = {c->line_from + h->a_at, c->line_from + h->a_at + h->a_n,
                                  l->line_from + h->b_at, l->line_from + h->b_at + h->b_n};
        insert_lines(r, MERGE_BOTH, at, t.c_from);
        if (h->a_n && h->b_n)
            insert_both(r, &t, order);
        else if (h->a_n)
            insert_lines(r, MERGE_CANONICAL, t.c_from, t.c_to);
        else
            insert_lines(r, MERGE_LOCAL, t.l_from, t.l_to);
        at = t.c_to;
    }
    insert_lines(r, MERGE_BOTH, at, c->line_to);
}

static void both_inserted(struct run *r, const struct edit_group *g)
{
    const struct edit *c = &r->edits.v[g->first], *l = c + 1;
    if (c->side != MERGE_CANONICAL) {
        l = c;
        c++;
    }
    struct lines_of_both all_lines = {c->line_from, c->line_to, l->line_from, l->line_to};
    enum merge_side stands =
        word_fuller(slice_of(r, &all_lines, MERGE_LOCAL), slice_of(r, &all_lines, MERGE_CANONICAL));
    if (stands != MERGE_NOBODY) {
        apply_edit(r, stands == MERGE_LOCAL ? l : c);
        return;
    }
    struct diff d = DIFF_INIT;
    diff_sequences(r->v->canonical.id + c->line_from, c->line_to - c->line_from,
                   r->v->local.id + l->line_from, l->line_to - l->line_from, r->v->ids.n, &d);
    size_t all = weight(&r->v->canonical, c->line_from, c->line_to) +
                 weight(&r->v->local, l->line_from, l->line_to);
    size_t own = 0;
    for (size_t i = 0; i < d.len; i++)
        own += weight(&r->v->canonical, c->line_from + d.v[i].a_at,
                      c->line_from + d.v[i].a_at + d.v[i].a_n) +
               weight(&r->v->local, l->line_from + d.v[i].b_at,
                      l->line_from + d.v[i].b_at + d.v[i].b_n);
    /* Common lines among mostly different ones are chance: a brace, a return. */
    if (d.len && own * COMMON_SHARE > all) {
        d.len = 1;
        d.v[0] = (struct diff_hunk){0, c->line_to - c->line_from, 0, l->line_to - l->line_from};
    }
    insert_once(r, c, l, &d);
    diff_release(&d);
}

/* --- one deleted what the other changed ------------------------------------------------------- */

static bool only_deletes(const struct run *r, const struct edit_group *g, enum merge_side side)
{
    for (size_t i = g->first; i < g->first + g->n; i++)
        if (r->edits.v[i].side == side && r->edits.v[i].kind != EDIT_DELETE)
            return false;
    return true;
}

static void deleted_and_edited(struct run *r, const struct edit_group *g, enum merge_side deleter)
{
    size_t index = r->report->len;
    describe_group(r, open_overlap(r, MERGE_DELETED_EDITED, deleter), g);
    uint32_t at = g->from;
    for (size_t i = g->first; i < g->first + g->n; i++) {
        const struct edit *e = &r->edits.v[i];
        if (e->side == deleter)
            continue;
        delete_base(r, deleter, at, e->from);
        apply_edit(r, e);
        at = e->to;
    }
    delete_base(r, deleter, at, g->to);
    close_overlap(r, index);
}

/* What a side made of a group. */
static void group_text(const struct run *r, const struct edit_group *g, enum merge_side side,
                       struct str *out)
{
    uint32_t at = g->from;
    for (size_t i = g->first; i < g->first + g->n; i++) {
        const struct edit *e = &r->edits.v[i];
        if (e->side != side)
            continue;
        struct merge_slice kept = lines_range(&r->v->base, at, e->from);
        struct merge_slice made = lines_range(text_of(r, side), e->line_from, e->line_to);
        str_add(out, kept.p, kept.len);
        str_add(out, made.p, made.len);
        at = e->to;
    }
    struct merge_slice kept = lines_range(&r->v->base, at, g->to);
    str_add(out, kept.p, kept.len);
}

/* The side that made of a group all that the other made, word by word. */
static enum merge_side group_container(const struct run *r, const struct edit_group *g, bool blanks)
{
    cleanup_str struct str local = STR_INIT, canonical = STR_INIT;
    group_text(r, g, MERGE_LOCAL, &local);
    group_text(r, g, MERGE_CANONICAL, &canonical);
    return word_container(lines_range(&r->v->base, g->from, g->to),
                          (struct merge_slice){local.p, local.len},
                          (struct merge_slice){canonical.p, canonical.len}, blanks);
}

/* --- both rewrote ----------------------------------------------------------------------------- */

/* One side's edits happen, the other's are among them. */
static void apply_side(struct run *r, const struct edit_group *g, enum merge_side side)
{
    uint32_t at = g->from;
    for (size_t i = g->first; i < g->first + g->n; i++) {
        const struct edit *e = &r->edits.v[i];
        if (e->side != side)
            continue;
        keep_base(r, at, e->from);
        apply_edit(r, e);
        at = e->to;
    }
    keep_base(r, at, g->to);
}

/* One side changed nothing but blanks, or both wrote the same words: the words of `side` stand.
 * Where that side deleted nothing is in doubt; where it rewrote, its lines may want other blanks.
 */
static void take_words_of(struct run *r, const struct edit_group *g, enum merge_side side)
{
    if (g->from != g->to && only_deletes(r, g, side)) {
        apply_side(r, g, side);
        return;
    }
    size_t index = r->report->len;
    enum merge_side other = side == MERGE_LOCAL ? MERGE_CANONICAL : MERGE_LOCAL;
    describe_group(r, open_overlap(r, MERGE_BLANKS, other), g);
    apply_side(r, g, side);
    close_overlap(r, index);
}

static void insert_all(struct run *r, const struct edit_group *g, enum merge_side side)
{
    for (size_t i = g->first; i < g->first + g->n; i++)
        if (r->edits.v[i].side == side)
            insert_lines(r, side, r->edits.v[i].line_from, r->edits.v[i].line_to);
}

static void both_rewrote(struct run *r, const struct edit_group *g)
{
    enum merge_side container = group_container(r, g, true);
    if (container != MERGE_NOBODY) {
        apply_side(r, g, container);
        return;
    }
    container = group_container(r, g, false);
    if (container != MERGE_NOBODY) {
        take_words_of(r, g, container);
        return;
    }
    size_t index = r->report->len;
    describe_group(r, open_overlap(r, MERGE_BOTH_REWROTE, MERGE_BOTH), g);
    insert_all(r, g, MERGE_CANONICAL);
    insert_all(r, g, MERGE_LOCAL);
    delete_base(r, MERGE_BOTH, g->from, g->to);
    close_overlap(r, index);
}

/* --- groups ----------------------------------------------------------------------------------- */

static bool identical(const struct run *r, const struct edit *a, const struct edit *b)
{
    uint32_t n = a->line_to - a->line_from;
    return a->from == b->from && a->to == b->to && n == b->line_to - b->line_from &&
           memcmp(text_of(r, a->side)->id + a->line_from, text_of(r, b->side)->id + b->line_from,
                  n * sizeof(uint32_t)) == 0;
}

static size_t bytes_of(const struct run *r, const struct edit *e)
{
    return lines_range(text_of(r, e->side), e->line_from, e->line_to).len;
}

static bool same_line_changed(const struct run *r, const struct edit_group *g)
{
    const struct edit *e = &r->edits.v[g->first];
    return g->n == 2 &&
           lines_range(&r->v->base, g->from, g->to).len + bytes_of(r, &e[0]) + bytes_of(r, &e[1]) <=
               MERGE_LINE_MAX &&
           e[0].kind == EDIT_CHANGE && e[1].kind == EDIT_CHANGE &&
           !edits_rewrapped(r->v, r->edits.v, r->edits.len, &e[0]) &&
           !edits_rewrapped(r->v, r->edits.v, r->edits.len, &e[1]);
}

/* A line that both changed, word by word. False: they clash. */
static bool merge_line(struct run *r, const struct edit_group *g)
{
    const struct edit *e = &r->edits.v[g->first];
    struct merge_slice side[2];
    for (int i = 0; i < 2; i++)
        side[e[i].side == MERGE_CANONICAL] =
            lines_range(text_of(r, e[i].side), e[i].line_from, e[i].line_to);
    size_t line = next_line(r);
    start_line(r);
    struct merge_overlap *o;
    switch (line_merge(lines_range(&r->v->base, g->from, g->to), side[0], side[1], r->w)) {
    case LINE_MERGED:
        return true;
    case LINE_BOTH_INSERTED:
        o = merge_report_add(r->report, MERGE_BOTH_INSERTED, MERGE_BOTH);
        break;
    case LINE_LOCAL_DELETED:
        o = merge_report_add(r->report, MERGE_DELETED_EDITED, MERGE_LOCAL);
        break;
    case LINE_CANONICAL_DELETED:
        o = merge_report_add(r->report, MERGE_DELETED_EDITED, MERGE_CANONICAL);
        break;
    default:
        return false;
    }
    o->line = line;
    o->lines = 1;
    describe_group(r, o, g);
    return true;
}

static void apply_one_side(struct run *r, const struct edit_group *g)
{
    const struct edit *e = &r->edits.v[g->first];
    bool again = g->local && g->n == 1 && e->kind == EDIT_INSERT &&
                 edits_inserted_elsewhere(r->v, r->edits.v, r->edits.len, e);
    for (size_t i = 0; i < g->n && !again; i++)
        apply_edit(r, &e[i]);
}

static void apply_group(struct run *r, const struct edit_group *g)
{
    const struct edit *e = &r->edits.v[g->first];
    if (!g->local || !g->canonical) {
        apply_one_side(r, g);
        return;
    }
    enum merge_side container = edits_container(r->v, e, g->n);
    if (g->n == 2 && identical(r, &e[0], &e[1])) {
        start_line(r);
        insert_lines(r, MERGE_BOTH, e[e[0].side != MERGE_CANONICAL].line_from,
                     e[e[0].side != MERGE_CANONICAL].line_to);
        delete_base(r, MERGE_BOTH, g->from, g->to);
        return;
    }
    if (container != MERGE_NOBODY) {
        apply_side(r, g, container);
        return;
    }
    bool local_deletes = only_deletes(r, g, MERGE_LOCAL);
    bool canonical_deletes = only_deletes(r, g, MERGE_CANONICAL);
    if (g->from != g->to && local_deletes && canonical_deletes) {
        delete_base(r, MERGE_BOTH, g->from, g->to);
        return;
    }
    if (same_line_changed(r, g) && merge_line(r, g))
        return;
    if (g->from == g->to)
        both_inserted(r, g);
    else if (local_deletes)
        deleted_and_edited(r, g, MERGE_LOCAL);
    else if (canonical_deletes)
        deleted_and_edited(r, g, MERGE_CANONICAL);
    else
        both_rewrote(r, g);
}

/* Lines put in where the other side took away what they stood beside: kept, and reported. */
static void apply_reported(struct run *r, const struct edit_group *g)
{
    size_t index = r->report->len;
    enum merge_side deleter = g->local ? MERGE_CANONICAL : MERGE_LOCAL;
    describe_group(r, open_overlap(r, MERGE_DELETED_EDITED, deleter), g);
    apply_one_side(r, g);
    close_overlap(r, index);
}

/* Whether both sides made this group something that only whole versions can tell. */
static bool clashes(struct run *r, const struct edit_group *g)
{
    const struct edit *e = &r->edits.v[g->first];
    if (!g->local || !g->canonical || g->from == g->to || only_deletes(r, g, MERGE_LOCAL) ||
        only_deletes(r, g, MERGE_CANONICAL) || (g->n == 2 && identical(r, &e[0], &e[1])) ||
        edits_container(r->v, e, g->n) != MERGE_NOBODY)
        return false;
    if (!same_line_changed(r, g))
        return true;
    struct weave trial = WEAVE_INIT;
    struct merge_slice side[2];
    for (int i = 0; i < 2; i++)
        side[e[i].side == MERGE_CANONICAL] =
            lines_range(text_of(r, e[i].side), e[i].line_from, e[i].line_to);
    bool clash = line_merge(lines_range(&r->v->base, g->from, g->to), side[0], side[1], &trial) ==
                 LINE_CLASH;
    weave_release(&trial);
    return clash;
}

/* A clash takes in what touches it: lines put in right beside it, and other clashes, so that each
 * version stays in one piece. */
static void widen_clashes(struct run *r)
{
    struct edits *e = &r->edits;
    cleanup_free bool *clash = xcalloc(e->groups_len + 1, sizeof *clash);
    for (size_t i = 0; i < e->groups_len; i++)
        clash[i] = clashes(r, &e->groups[i]);
    size_t kept = 0;
    for (size_t i = 0; i < e->groups_len; i++) {
        struct edit_group *g = &e->groups[i], *last = kept ? &e->groups[kept - 1] : NULL;
        bool touches = last && last->to == g->from;
        bool insertion = g->from == g->to, last_insertion = last && last->from == last->to;
        if (touches &&
            ((clash[kept - 1] && (insertion || clash[i])) || (clash[i] && last_insertion))) {
            last->to = g->to;
            last->n += g->n;
            last->local |= g->local;
            last->canonical |= g->canonical;
            clash[kept - 1] = true;
            continue;
        }
        clash[kept] = clash[i];
        e->groups[kept++] = *g;
    }
    e->groups_len = kept;
}

/* Whether the groups cannot all happen as they are. */
static bool any_dispute(struct run *r)
{
    for (size_t i = 0; i < r->edits.groups_len; i++) {
        const struct edit_group *g = &r->edits.groups[i];
        if (g->local && g->canonical &&
            edits_container(r->v, &r->edits.v[g->first], g->n) == MERGE_NOBODY &&
            (g->from == g->to || clashes(r, g) ||
             only_deletes(r, g, MERGE_LOCAL) != only_deletes(r, g, MERGE_CANONICAL)))
            return true;
    }
    return false;
}

/* Nothing was reported, and yet one side took out a word that the other uses anew. */
static void report_gone_words(struct run *r, const struct region *region, size_t line)
{
    struct merge_slice base = lines_range(&r->v->base, region->base, region->base + region->base_n);
    struct merge_slice local =
        lines_range(&r->v->local, region->local, region->local + region->local_n);
    struct merge_slice canonical =
        lines_range(&r->v->canonical, region->canonical, region->canonical + region->canonical_n);
    enum merge_side by = gone_words_by(base, local, canonical);
    if (by == MERGE_NOBODY)
        return;
    size_t index = r->report->len;
    struct merge_overlap *o = merge_report_add(r->report, MERGE_DELETED_EDITED, by);
    o->line = line;
    add_capped(&o->base, base);
    add_capped(&o->local, local);
    add_capped(&o->canonical, canonical);
    close_overlap(r, index);
}

void reconcile_region(const struct versions *v, const struct region *region, size_t *budget,
                      struct weave *w, struct merge_report *report)
{
    struct run r = {v, w, report, EDITS_INIT};
    uint32_t from = region->base, to = region->base + region->base_n;
    edits_add(&r.edits, MERGE_CANONICAL, &v->base, &v->canonical, &v->canonical_diff, from, to,
              budget);
    edits_add(&r.edits, MERGE_LOCAL, &v->base, &v->local, &v->local_diff, from, to, budget);
    edits_group(&r.edits);
    struct edit_group whole = {from, to, 0, r.edits.len, true, true};
    enum merge_side container = edits_container(v, r.edits.v, r.edits.len);
    if (container != MERGE_NOBODY) {
        apply_side(&r, &whole, container);
        edits_release(&r.edits);
        return;
    }
    enum merge_side words = blanks_stand_for_both(v, r.edits.v, &whole);
    if (words != MERGE_NOBODY && any_dispute(&r)) {
        take_words_of(&r, &whole, words);
        edits_release(&r.edits);
        return;
    }
    widen_clashes(&r);
    size_t reported = report->len, line = next_line(&r);
    uint32_t at = from;
    for (size_t i = 0; i < r.edits.groups_len; i++) {
        const struct edit_group *g = &r.edits.groups[i];
        keep_base(&r, at, g->from);
        if (edits_lost_ground(&r.edits, i))
            apply_reported(&r, g);
        else
            apply_group(&r, g);
        at = g->to;
    }
    keep_base(&r, at, to);
    if (report->len == reported)
        report_gone_words(&r, region, line);
    edits_release(&r.edits);
}
