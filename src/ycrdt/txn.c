/*
 * Transactions. What Yjs does when one ends: collect the contents of deleted types, join structs
 * around deletions, new structs and splits, write the update. Text joins already while it is
 * edited, which gives the same structs, because Yjs would try those neighbours at the end anyway.
 */
#include <stdlib.h>
#include <string.h>

#include "ycrdt/internal.h"

void txn_touch_first(struct ycrdt *d, uint32_t client)
{
    struct client *c = &d->clients[client];
    c->touched = true;
    c->before = c->state;
    VEC_GROW(d->touched, d->ntouched, d->cap_touched);
    d->touched[d->ntouched++] = client;
}

void txn_split(struct ycrdt *d, const struct item *right)
{
    VEC_GROW(d->split, d->nsplit, d->cap_split);
    d->split[d->nsplit++] = (struct id){right->client, right->clock};
}

void txn_begin(struct ycrdt *d)
{
    d->in_txn = true;
}

/* --- collecting deleted types -------------------------------------------------------------------
 */

struct todo {
    uint32_t *v;
    size_t n;
    size_t cap;
};

static void collect_list(struct ycrdt *d, uint32_t list, struct todo *todo)
{
    uint32_t h = d->lists[list].start;
    while (h) {
        struct item *it = item_at(d, h);
        uint32_t next = it->right;
        if (it->kind == K_TYPE) {
            VEC_GROW(todo->v, todo->n, todo->cap);
            todo->v[todo->n++] = it->off;
        }
        it->kind = K_GC;
        it->left = it->right = it->list = it->off = 0;
        it->origin = it->right_origin = (struct id){NO_CLIENT, 0};
        h = next;
    }
    pos_drop(&d->lists[list]);
    d->lists[list].start = d->lists[list].end = 0;
}

static void collect_type(struct ycrdt *d, uint32_t type)
{
    struct todo todo = {NULL, 0, 0};
    VEC_GROW(todo.v, todo.n, todo.cap);
    todo.v[todo.n++] = type;
    while (todo.n > 0) {
        uint32_t t = todo.v[--todo.n];
        collect_list(d, d->types[t].list, &todo);
        for (uint32_t l = d->types[t].keyed; l; l = d->lists[l].next)
            collect_list(d, l, &todo);
        free(d->types[t].name);
        d->types[t].name = NULL;
        d->types[t].name_len = 0;
    }
    free(todo.v);
}

static void collect(struct ycrdt *d)
{
    d->cur_item = 0;
    for (size_t i = 0; i < d->deleted.len; i++) {
        const struct range *r = &d->deleted.v[i];
        struct idx *ix = &d->clients[client_find(d, r->client)].idx;
        struct ipos at = idx_find(ix, r->clock);
        do {
            struct item *it = item_at(d, idx_at(ix, at));
            if (it->clock >= r->clock + r->len)
                break;
            if (it->kind == K_TYPE && it->deleted) {
                collect_type(d, it->off);
                it->kind = K_DELETED;
                it->off = 0;
            }
        } while (idx_next(ix, &at));
    }
}

/* --- joining
 * -------------------------------------------------------------------------------------- */

/* Joins the struct at the clock with those in front of it as long as that works; returns how many
 * were taken in, and in *clock where the joined struct begins. */
static uint32_t merge_lefts(struct ycrdt *d, uint32_t client, uint32_t *clock)
{
    struct idx *ix = &d->clients[client].idx;
    uint32_t merged = 0;
    for (;; merged++) {
        struct ipos at = idx_find(ix, *clock);
        uint32_t h = idx_at(ix, at);
        if (!idx_prev(ix, &at))
            return merged;
        uint32_t left = idx_at(ix, at);
        uint32_t begin = item_at(d, left)->clock;
        if (!item_try_merge(d, left, h))
            return merged;
        *clock = begin;
    }
}

/* Whether joining these neighbours in clock is worth a try. */
static bool alike(const struct item *l, const struct item *r)
{
    return l->kind == r->kind && l->deleted == r->deleted &&
           (l->kind == K_GC || id_eq(l->right_origin, r->right_origin));
}

/* Tries each struct from the one at the clock down to the one at `begin` with that in front of it.
 */
static void merge_stretch(struct ycrdt *d, uint32_t client, uint32_t clock, uint32_t begin)
{
    struct idx *ix = &d->clients[client].idx;
    struct ipos at = idx_find(ix, clock), left = at;
    while (idx_prev(ix, &left)) {
        const struct item *it = item_at(d, idx_at(ix, at));
        clock = it->clock;
        if (alike(item_at(d, idx_at(ix, left)), it) && merge_lefts(d, client, &clock) > 0) {
            left = idx_find(ix, clock);
            if (!idx_prev(ix, &left))
                return;
        }
        at = left;
        if (item_at(d, idx_at(ix, at))->clock < begin)
            return;
    }
}

static void merge_around_deletions(struct ycrdt *d)
{
    for (size_t i = d->deleted.len; i-- > 0;) {
        const struct range *r = &d->deleted.v[i];
        uint32_t client = client_find(d, r->client);
        struct idx *ix = &d->clients[client].idx;
        struct ipos at = idx_find(ix, r->clock + r->len - 1);
        idx_next(ix, &at);
        merge_stretch(d, client, item_at(d, idx_at(ix, at))->clock, r->clock);
    }
}

static void merge_new(struct ycrdt *d)
{
    for (uint32_t i = 0; i < d->ntouched; i++) {
        struct client *c = &d->clients[d->touched[i]];
        if (c->before == c->state)
            continue;
        const struct blk *last = c->idx.blk[c->idx.nblk - 1];
        uint32_t begin = item_at(d, idx_at(&c->idx, idx_find(&c->idx, c->before)))->clock;
        merge_stretch(d, d->touched[i], last->data[last->n - 1], begin);
    }
}

static void merge_splits(struct ycrdt *d)
{
    for (uint32_t i = d->nsplit; i-- > 0;) {
        struct id id = d->split[i];
        struct idx *ix = &d->clients[id.client].idx;
        struct ipos at = idx_find(ix, id.clock);
        uint32_t clock = item_at(d, idx_at(ix, at))->clock;
        if (idx_next(ix, &at)) {
            uint32_t next = item_at(d, idx_at(ix, at))->clock;
            if (merge_lefts(d, id.client, &next) > 1)
                continue;
        }
        merge_lefts(d, id.client, &clock);
    }
}

/* --- the end
 * ---------------------------------------------------------------------------------------- */

static int by_falling_id(const void *a, const void *b, void *arg)
{
    const struct client *clients = arg;
    uint64_t x = clients[*(const uint32_t *)a].id, y = clients[*(const uint32_t *)b].id;
    return x < y ? 1 : x > y ? -1 : 0;
}

static void write_update(struct ycrdt *d, struct str *out)
{
    uint32_t changed = 0;
    for (uint32_t i = 0; i < d->ntouched; i++)
        changed += d->clients[d->touched[i]].before != d->clients[d->touched[i]].state;
    if (changed == 0 && d->deleted.len == 0)
        return;
    if (d->ntouched > 1)
        qsort_r(d->touched, d->ntouched, sizeof *d->touched, by_falling_id, d->clients);
    str_add_var(out, changed);
    for (uint32_t i = 0; i < d->ntouched; i++) {
        const struct client *c = &d->clients[d->touched[i]];
        if (c->before != c->state)
            structs_write(d, d->touched[i], c->before, out);
    }
    ranges_write(&d->deleted, out);
}

/* Apart from txn_commit, so that a transaction without any of this does not pay for its frame. */
static __attribute__((noinline)) void finish(struct ycrdt *d, struct str *update)
{
    if (update || d->type_deleted || d->merge_deleted)
        ranges_normalize(&d->deleted);
    if (d->type_deleted)
        collect(d);
    if (d->type_deleted || d->merge_deleted)
        merge_around_deletions(d);
    if (d->merge_new)
        merge_new(d);
    if (d->nsplit)
        merge_splits(d);
    if (update)
        write_update(d, update);
    d->nsplit = 0;
    d->type_deleted = d->merge_deleted = d->merge_new = false;
}

void txn_commit(struct ycrdt *d, struct str *update)
{
    if (update || d->nsplit || d->type_deleted || d->merge_deleted || d->merge_new)
        finish(d, update);
    for (uint32_t i = 0; i < d->ntouched; i++) {
        struct client *c = &d->clients[d->touched[i]];
        c->touched = false;
        if (pool_wants_compacting(c))
            pool_compact(d, d->touched[i]);
    }
    d->ntouched = 0;
    d->deleted.len = 0;
    d->in_txn = false;
}

void ycrdt_begin(struct ycrdt *d)
{
    BUG_ON(d->in_txn);
    txn_begin(d);
}

void ycrdt_commit(struct ycrdt *d, struct str *update)
{
    BUG_ON(!d->in_txn);
    txn_commit(d, update);
}
