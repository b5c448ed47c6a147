#include "merge/regions.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void regions_release(struct regions *r)
{
    free(r->v);
    *r = (struct regions)REGIONS_INIT;
}

/* Appends a region, or widens the last one when they overlap or touch in either version. */
static void append(struct regions *out, struct region r)
{
    struct region *last = out->len ? &out->v[out->len - 1] : NULL;
    if (last && last->kind != REGION_SAME &&
        (r.local <= last->local + last->local_n ||
         r.canonical <= last->canonical + last->canonical_n)) {
        if (r.kind != last->kind)
            last->kind = REGION_CLASH;
        last->base_n = r.base + r.base_n - last->base;
        last->local_n = r.local + r.local_n - last->local;
        last->canonical_n = r.canonical + r.canonical_n - last->canonical;
        return;
    }
    VEC_GROW(out->v, out->len, out->cap);
    out->v[out->len++] = r;
}

/* `shift`: where the other side's line for base line i is, minus i. */
static void append_one_sided(struct regions *out, enum region_kind kind, const struct diff_hunk *h,
                             int64_t shift)
{
    struct region r = {.kind = kind, .base = h->a_at, .base_n = h->a_n};
    uint32_t other = (uint32_t)((int64_t)h->a_at + shift);
    if (kind == REGION_LOCAL) {
        r.local = h->b_at;
        r.local_n = h->b_n;
        r.canonical = other;
        r.canonical_n = h->a_n;
    } else {
        r.local = other;
        r.local_n = h->a_n;
        r.canonical = h->b_at;
        r.canonical_n = h->b_n;
    }
    append(out, r);
}

static bool identical(const struct diff_hunk *l, const uint32_t *local_id,
                      const struct diff_hunk *c, const uint32_t *canonical_id)
{
    return l->a_at == c->a_at && l->a_n == c->a_n && l->b_n == c->b_n &&
           memcmp(local_id + l->b_at, canonical_id + c->b_at, l->b_n * sizeof *local_id) == 0;
}

static void append_two_sided(struct regions *out, enum region_kind kind, const struct diff_hunk *l,
                             const struct diff_hunk *c)
{
    uint32_t from = l->a_at < c->a_at ? l->a_at : c->a_at;
    uint32_t l_to = l->a_at + l->a_n, c_to = c->a_at + c->a_n;
    uint32_t to = l_to > c_to ? l_to : c_to;
    struct region r = {
        .kind = kind,
        .base = from,
        .base_n = to - from,
        .local = l->b_at - (l->a_at - from),
        .local_n = l->b_n + (l->a_at - from) + (to - l_to),
        .canonical = c->b_at - (c->a_at - from),
        .canonical_n = c->b_n + (c->a_at - from) + (to - c_to),
    };
    append(out, r);
}

static int64_t shift_before(const struct diff_hunk *h)
{
    return (int64_t)h->b_at - (int64_t)h->a_at;
}

static int64_t shift_at_end(const struct diff *d)
{
    if (!d->len)
        return 0;
    const struct diff_hunk *h = &d->v[d->len - 1];
    return shift_before(h) + (int64_t)h->b_n - (int64_t)h->a_n;
}

/* git takes a region whose sides came out equal for merged. */
static void settle(struct regions *out, const uint32_t *local_id, const uint32_t *canonical_id)
{
    for (size_t i = 0; i < out->len; i++) {
        struct region *r = &out->v[i];
        if (r->kind != REGION_CLASH)
            continue;
        if (r->local_n == r->canonical_n && r->local_n > 0 &&
            memcmp(local_id + r->local, canonical_id + r->canonical,
                   r->local_n * sizeof *local_id) == 0)
            r->kind = REGION_SAME;
        else
            out->clashes++;
    }
}

void regions_find(const struct diff *local, const uint32_t *local_id, const struct diff *canonical,
                  const uint32_t *canonical_id, struct regions *out)
{
    size_t i = 0, j = 0;
    while (i < local->len && j < canonical->len) {
        const struct diff_hunk *l = &local->v[i], *c = &canonical->v[j];
        uint32_t l_to = l->a_at + l->a_n, c_to = c->a_at + c->a_n;
        if (l_to < c->a_at) {
            append_one_sided(out, REGION_LOCAL, l, shift_before(c));
            i++;
            continue;
        }
        if (c_to < l->a_at) {
            append_one_sided(out, REGION_CANONICAL, c, shift_before(l));
            j++;
            continue;
        }
        append_two_sided(out, identical(l, local_id, c, canonical_id) ? REGION_SAME : REGION_CLASH,
                         l, c);
        if (l_to >= c_to)
            j++;
        if (c_to >= l_to)
            i++;
    }
    for (; i < local->len; i++)
        append_one_sided(out, REGION_LOCAL, &local->v[i], shift_at_end(canonical));
    for (; j < canonical->len; j++)
        append_one_sided(out, REGION_CANONICAL, &canonical->v[j], shift_at_end(local));
    settle(out, local_id, canonical_id);
}
