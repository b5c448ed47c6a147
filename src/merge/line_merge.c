#include "merge/line_merge.h"

#include <string.h>

#include "base/mem.h"
#include "merge/diff.h"
#include "merge/lines.h"
#include "merge/regions.h"
#include "merge/words.h"

/* Letters of a word that can be recognised elsewhere. */
#define WORD_KNOWN 3

struct line_versions {
    struct line_ids ids;
    struct lines base, local, canonical; /* cut into words */
    struct diff local_diff, canonical_diff;
    struct regions regions;
};

/* A decision on a region that the two diffs share. */
enum joint {
    JOINT_CLASH,
    JOINT_CANONICAL_LOCAL, /* both parts, canonical's first */
    JOINT_LOCAL_CANONICAL,
    JOINT_TAKE_LOCAL, /* holds all that canonical did */
    JOINT_TAKE_CANONICAL,
    JOINT_DELETE,
};

struct verdict {
    enum joint joint;
    enum line_outcome outcome;
};

/* The first hunk of the diff that one at base words [from, to) touches. */
static const struct diff_hunk *touched(const struct diff *d, uint32_t from, uint32_t to)
{
    size_t low = 0, high = d->len;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (d->v[mid].a_at + d->v[mid].a_n < from)
            low = mid + 1;
        else
            high = mid;
    }
    return low < d->len && d->v[low].a_at <= to ? &d->v[low] : NULL;
}

/* An insertion or deletion among repeated words has more than one place that means the same. One
 * that touches the other side's hunks moves up to the nearest place where it does not. */
static void slide_apart(const struct lines *base, const struct lines *text, struct diff *d,
                        const struct diff *other)
{
    for (size_t i = 0; i < d->len; i++) {
        struct diff_hunk h = d->v[i];
        const struct diff_hunk *near = touched(other, h.a_at, h.a_at + h.a_n);
        if ((h.a_n && h.b_n) || !near || !near->a_n)
            continue;
        uint32_t least = i ? d->v[i - 1].a_at + d->v[i - 1].a_n + 1 : 0;
        while (h.a_at > least && (h.a_n ? base->id[h.a_at - 1] == base->id[h.a_at + h.a_n - 1]
                                        : base->id[h.a_at - 1] == text->id[h.b_at + h.b_n - 1])) {
            h.a_at--;
            h.b_at--;
            if (!touched(other, h.a_at, h.a_at + h.a_n)) {
                d->v[i] = h;
                break;
            }
        }
    }
}

static void versions_init(struct line_versions *v, struct merge_slice base,
                          struct merge_slice local, struct merge_slice canonical)
{
    memset(v, 0, sizeof *v);
    line_ids_init(&v->ids, base.len / 2);
    words_init(&v->base, &v->ids, base);
    words_init(&v->local, &v->ids, local);
    words_init(&v->canonical, &v->ids, canonical);
    diff_sequences(v->base.id, v->base.n, v->local.id, v->local.n, v->ids.n, &v->local_diff);
    diff_sequences(v->base.id, v->base.n, v->canonical.id, v->canonical.n, v->ids.n,
                   &v->canonical_diff);
    slide_apart(&v->base, &v->local, &v->local_diff, &v->canonical_diff);
    slide_apart(&v->base, &v->canonical, &v->canonical_diff, &v->local_diff);
    regions_find(&v->local_diff, v->local.id, &v->canonical_diff, v->canonical.id, &v->regions);
}

static void versions_release(struct line_versions *v)
{
    regions_release(&v->regions);
    diff_release(&v->local_diff);
    diff_release(&v->canonical_diff);
    lines_release(&v->base);
    lines_release(&v->local);
    lines_release(&v->canonical);
    line_ids_release(&v->ids);
}

static bool begins_with(const uint32_t *v, uint32_t n, const uint32_t *head, uint32_t head_n)
{
    return head_n <= n && memcmp(v, head, head_n * sizeof *v) == 0;
}

static bool ends_with(const uint32_t *v, uint32_t n, const uint32_t *tail, uint32_t tail_n)
{
    return tail_n <= n && memcmp(v + n - tail_n, tail, tail_n * sizeof *v) == 0;
}

/* Whether two words can stand side by side and still be the two that they were. */
static bool separate(const struct lines *a, uint32_t i, const struct lines *b, uint32_t j)
{
    enum word_kind x = word_kind_of(a->p + a->start[i]), y = word_kind_of(b->p + b->start[j]);
    return x != y || x == WORD_LINE_END;
}

/* Insertions that do not lean on each other: one ends, or the other begins, with what separates
 * words or members of a list. */
static bool separable(const struct lines *first, uint32_t first_last, const struct lines *second,
                      uint32_t second_first)
{
    char x = first->p[first->start[first_last]], y = second->p[second->start[second_first]];
    return (strchr(" \t,;|", x) && x) != (strchr(" \t,;|", y) && y);
}

static struct verdict both_inserted(const struct line_versions *v, const struct region *r)
{
    const uint32_t *l = v->local.id + r->local, *c = v->canonical.id + r->canonical;
    if (begins_with(l, r->local_n, c, r->canonical_n) ||
        ends_with(l, r->local_n, c, r->canonical_n))
        return (struct verdict){JOINT_TAKE_LOCAL, LINE_MERGED};
    if (begins_with(c, r->canonical_n, l, r->local_n) ||
        ends_with(c, r->canonical_n, l, r->local_n))
        return (struct verdict){JOINT_TAKE_CANONICAL, LINE_MERGED};
    if (separable(&v->canonical, r->canonical + r->canonical_n - 1, &v->local, r->local))
        return (struct verdict){JOINT_CANONICAL_LOCAL, LINE_BOTH_INSERTED};
    return (struct verdict){JOINT_CLASH, LINE_CLASH};
}

/* The hunks within a region: v[*from, *to). */
static void hunks_of(const struct diff *d, const struct region *r, size_t *from, size_t *to)
{
    size_t low = 0, high = d->len;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (d->v[mid].a_at < r->base)
            low = mid + 1;
        else
            high = mid;
    }
    *from = *to = low;
    while (*to < d->len && d->v[*to].a_at + d->v[*to].a_n <= r->base + r->base_n)
        ++*to;
}

static const struct diff_hunk *only_hunk(const struct diff *d, const struct region *r)
{
    size_t from, to;
    hunks_of(d, r, &from, &to);
    return to == from + 1 ? &d->v[from] : NULL;
}

/* Whether what comes to stand side by side where words are deleted stays apart: on one end what the
 * other side put in, on the other end a word of the base. */
static bool closes_well(const struct line_versions *v, const struct diff_hunk *deleted,
                        const struct lines *text, const struct diff_hunk *other, bool other_first)
{
    uint32_t from = deleted->a_at, to = from + deleted->a_n;
    if (other_first)
        return to == v->base.n || separate(text, other->b_at + other->b_n - 1, &v->base, to);
    return from == 0 || separate(&v->base, from - 1, text, other->b_at);
}

/* One hunk of each side, end to end: both can happen when they stay apart. */
static struct verdict side_by_side(const struct line_versions *v, const struct diff_hunk *l,
                                   const struct diff_hunk *c)
{
    bool local_first = l->a_at + l->a_n <= c->a_at && (l->a_n || c->a_n);
    bool canonical_first = c->a_at + c->a_n <= l->a_at && (l->a_n || c->a_n);
    if ((!l->b_n && !c->b_n) || local_first == canonical_first)
        return (struct verdict){JOINT_CLASH, LINE_CLASH};
    enum joint joint = local_first ? JOINT_LOCAL_CANONICAL : JOINT_CANONICAL_LOCAL;
    bool apart;
    if (!l->b_n)
        apart = closes_well(v, l, &v->canonical, c, canonical_first);
    else if (!c->b_n)
        apart = closes_well(v, c, &v->local, l, local_first);
    else if (local_first)
        apart = separate(&v->local, l->b_at + l->b_n - 1, &v->canonical, c->b_at);
    else
        apart = separate(&v->canonical, c->b_at + c->b_n - 1, &v->local, l->b_at);
    return apart ? (struct verdict){joint, LINE_MERGED} : (struct verdict){JOINT_CLASH, LINE_CLASH};
}

static bool only_deletes(const struct diff *d, const struct region *r)
{
    size_t from, to;
    hunks_of(d, r, &from, &to);
    for (; from < to; from++)
        if (d->v[from].b_n)
            return false;
    return true;
}

/* Both deleted, overlapping: all of it goes, when what is left does not run together. */
static struct verdict both_deleted(const struct line_versions *v, const struct region *r)
{
    uint32_t end = r->base + r->base_n;
    if (r->base > 0 && end < v->base.n && !separate(&v->base, r->base - 1, &v->base, end))
        return (struct verdict){JOINT_CLASH, LINE_CLASH};
    return (struct verdict){JOINT_DELETE, LINE_MERGED};
}

static struct verdict judge(const struct line_versions *v, const struct region *r)
{
    if (r->base_n == 0)
        return both_inserted(v, r);
    bool local_deletes = only_deletes(&v->local_diff, r);
    bool canonical_deletes = only_deletes(&v->canonical_diff, r);
    if (local_deletes && canonical_deletes)
        return both_deleted(v, r);
    const struct diff_hunk *l = only_hunk(&v->local_diff, r), *c = only_hunk(&v->canonical_diff, r);
    struct verdict verdict = {JOINT_CLASH, LINE_CLASH};
    if (l && c)
        verdict = side_by_side(v, l, c);
    if (!local_deletes && !canonical_deletes)
        return verdict;
    if (verdict.joint == JOINT_CLASH)
        verdict.joint = local_deletes ? JOINT_TAKE_CANONICAL : JOINT_TAKE_LOCAL;
    verdict.outcome = local_deletes ? LINE_LOCAL_DELETED : LINE_CANONICAL_DELETED;
    return verdict;
}

static void add_words(struct weave *w, enum merge_side side, const struct lines *t, uint32_t from,
                      uint32_t to)
{
    struct merge_slice s = lines_range(t, from, to);
    weave_add(w, WEAVE_INSERT, side, s.p, s.len);
}

static void drop_words(struct weave *w, enum merge_side side, const struct lines *t, uint32_t from,
                       uint32_t to)
{
    struct merge_slice s = lines_range(t, from, to);
    weave_add(w, WEAVE_DELETE, side, s.p, s.len);
}

static void weave_joint(const struct line_versions *v, const struct region *r, enum joint joint,
                        struct weave *w)
{
    uint32_t l_to = r->local + r->local_n, c_to = r->canonical + r->canonical_n;
    const struct diff_hunk *l, *c;
    switch (joint) {
    case JOINT_TAKE_LOCAL:
        add_words(w, MERGE_LOCAL, &v->local, r->local, l_to);
        drop_words(w, MERGE_LOCAL, &v->base, r->base, r->base + r->base_n);
        return;
    case JOINT_TAKE_CANONICAL:
        add_words(w, MERGE_CANONICAL, &v->canonical, r->canonical, c_to);
        drop_words(w, MERGE_CANONICAL, &v->base, r->base, r->base + r->base_n);
        return;
    case JOINT_DELETE:
        drop_words(w, MERGE_BOTH, &v->base, r->base, r->base + r->base_n);
        return;
    default:
        break;
    }
    if (r->base_n == 0) {
        add_words(w, MERGE_CANONICAL, &v->canonical, r->canonical, c_to);
        add_words(w, MERGE_LOCAL, &v->local, r->local, l_to);
        return;
    }
    l = only_hunk(&v->local_diff, r);
    c = only_hunk(&v->canonical_diff, r);
    if (joint == JOINT_LOCAL_CANONICAL) {
        add_words(w, MERGE_LOCAL, &v->local, l->b_at, l->b_at + l->b_n);
        drop_words(w, MERGE_LOCAL, &v->base, l->a_at, l->a_at + l->a_n);
        drop_words(w, MERGE_CANONICAL, &v->base, c->a_at, c->a_at + c->a_n);
        add_words(w, MERGE_CANONICAL, &v->canonical, c->b_at, c->b_at + c->b_n);
    } else {
        add_words(w, MERGE_CANONICAL, &v->canonical, c->b_at, c->b_at + c->b_n);
        drop_words(w, MERGE_CANONICAL, &v->base, c->a_at, c->a_at + c->a_n);
        drop_words(w, MERGE_LOCAL, &v->base, l->a_at, l->a_at + l->a_n);
        add_words(w, MERGE_LOCAL, &v->local, l->b_at, l->b_at + l->b_n);
    }
}

static void weave_regions(const struct line_versions *v, const enum joint *joints, struct weave *w)
{
    uint32_t at = 0;
    for (size_t i = 0; i < v->regions.len; i++) {
        const struct region *r = &v->regions.v[i];
        struct merge_slice kept = lines_range(&v->base, at, r->base);
        weave_add(w, WEAVE_KEEP, MERGE_NOBODY, kept.p, kept.len);
        at = r->base + r->base_n;
        switch (r->kind) {
        case REGION_LOCAL:
            weave_joint(v, r, JOINT_TAKE_LOCAL, w);
            break;
        case REGION_CANONICAL:
            weave_joint(v, r, JOINT_TAKE_CANONICAL, w);
            break;
        case REGION_SAME:
            add_words(w, MERGE_BOTH, &v->canonical, r->canonical, r->canonical + r->canonical_n);
            drop_words(w, MERGE_BOTH, &v->base, r->base, at);
            break;
        case REGION_CLASH:
            weave_joint(v, r, joints[i], w);
            break;
        }
    }
    struct merge_slice kept = lines_range(&v->base, at, v->base.n);
    weave_add(w, WEAVE_KEEP, MERGE_NOBODY, kept.p, kept.len);
}

/* Notes the words [from, to) that local put in, or finds one of canonical's among those noted. */
static bool meet_words(const struct lines *t, uint32_t from, uint32_t to, bool note, bool *noted)
{
    for (; from < to; from++) {
        if (lines_len(t, from) < WORD_KNOWN || word_kind_of(t->p + t->start[from]) != WORD_LETTERS)
            continue;
        if (!note && noted[t->id[from]])
            return true;
        noted[t->id[from]] |= note;
    }
    return false;
}

/* Whether both put in the same word at places of their own: most likely it is one edit, which the
 * two made a little differently. */
static bool same_word_twice(const struct line_versions *v, const enum joint *joints)
{
    cleanup_free bool *noted = xcalloc(v->ids.n + 1, sizeof *noted);
    for (int pass = 0; pass < 2; pass++) {
        bool local = pass == 0;
        const struct lines *t = local ? &v->local : &v->canonical;
        const struct diff *d = local ? &v->local_diff : &v->canonical_diff;
        for (size_t i = 0; i < v->regions.len; i++) {
            const struct region *r = &v->regions.v[i];
            bool beside =
                r->kind == REGION_CLASH && r->base_n &&
                (joints[i] == JOINT_LOCAL_CANONICAL || joints[i] == JOINT_CANONICAL_LOCAL);
            if (!beside && r->kind != (local ? REGION_LOCAL : REGION_CANONICAL))
                continue;
            const struct diff_hunk *h = only_hunk(d, r);
            if (h && meet_words(t, h->b_at, h->b_at + h->b_n, local, noted))
                return true;
        }
    }
    return false;
}

enum line_outcome line_merge(struct merge_slice base, struct merge_slice local,
                             struct merge_slice canonical, struct weave *w)
{
    struct line_versions v;
    versions_init(&v, base, local, canonical);
    cleanup_free enum joint *joints = xcalloc(v.regions.len + 1, sizeof *joints);
    enum line_outcome outcome = LINE_MERGED;
    for (size_t i = 0; i < v.regions.len && outcome != LINE_CLASH; i++) {
        if (v.regions.v[i].kind != REGION_CLASH)
            continue;
        struct verdict verdict = judge(&v, &v.regions.v[i]);
        joints[i] = verdict.joint;
        if (verdict.outcome != LINE_MERGED)
            outcome = verdict.outcome;
    }
    if (outcome != LINE_CLASH && same_word_twice(&v, joints))
        outcome = LINE_CLASH;
    if (outcome != LINE_CLASH)
        weave_regions(&v, joints, w);
    versions_release(&v);
    return outcome;
}
