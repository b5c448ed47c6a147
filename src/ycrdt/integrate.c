/*
 * Putting a struct of an update into the document: YATA's rule for items inserted at one place, in
 * the form that Yjs gave it.
 */
#include <stdlib.h>
#include <string.h>

#include "ycrdt/internal.h"

bool rec_missing(struct ycrdt *d, const struct rec *rec, uint64_t *client)
{
    if ((rec->info & INFO_LEFT) && rec->left_client != rec->client &&
        rec->left_clock >= client_state(d, rec->left_client)) {
        *client = rec->left_client;
        return true;
    }
    if ((rec->info & INFO_RIGHT) && rec->right_client != rec->client &&
        rec->right_clock >= client_state(d, rec->right_client)) {
        *client = rec->right_client;
        return true;
    }
    bool parent_id = !(rec->info & (INFO_LEFT | INFO_RIGHT)) && !rec->root && rec->kind != K_GC &&
                     rec->kind != K_SKIP;
    if (parent_id && rec->parent_client != rec->client &&
        rec->parent_clock >= client_state(d, rec->parent_client)) {
        *client = rec->parent_client;
        return true;
    }
    return false;
}

uint32_t item_ending_with(struct ycrdt *d, struct id id)
{
    uint32_t h = item_find(d, id);
    struct item *it = item_at(d, h);
    if (it->kind != K_GC && id.clock != it->clock + it->len - 1)
        txn_split(d, item_at(d, item_split(d, h, id.clock - it->clock + 1)));
    return h;
}

uint32_t item_beginning_with(struct ycrdt *d, struct id id)
{
    uint32_t h = item_find(d, id);
    struct item *it = item_at(d, h);
    if (it->kind == K_GC || id.clock == it->clock)
        return h;
    uint32_t r = item_split(d, h, id.clock - it->clock);
    txn_split(d, item_at(d, r));
    return r;
}

static bool has_wide_text(struct ycrdt *d, struct id id)
{
    const struct item *it = item_at(d, item_find(d, id));
    return it->kind == K_STRING && it->bytes != it->len;
}

/* Somebody who sends a struct has split its neighbours, and a surrogate pair split there becomes
 * two U+FFFD here too; any other split would be undone at the end of the transaction. */
void rec_known(struct ycrdt *d, const struct rec *rec)
{
    if (rec->kind == K_GC)
        return;
    if (rec->info & INFO_LEFT) {
        struct id id = {client_find(d, rec->left_client), rec->left_clock};
        if (has_wide_text(d, id))
            item_ending_with(d, id);
    }
    if (rec->info & INFO_RIGHT) {
        struct id id = {client_find(d, rec->right_client), rec->right_clock};
        if (has_wide_text(d, id))
            item_beginning_with(d, id);
    }
}

/* The list that a struct without neighbours belongs to; 0: its parent is gone. */
static uint32_t list_of_parent(struct ycrdt *d, const struct rec *rec)
{
    uint32_t type;
    if (rec->root) {
        type = type_root(d, (const char *)rec->name, rec->name_len);
    } else {
        uint32_t h =
            item_find(d, (struct id){client_find(d, rec->parent_client), rec->parent_clock});
        const struct item *parent = item_at(d, h);
        if (parent->kind != K_TYPE)
            return 0;
        type = parent->off;
    }
    return rec->sub ? list_keyed(d, type, (const char *)rec->sub, rec->sub_len)
                    : d->types[type].list;
}

static void add_content(struct ycrdt *d, struct item *it, const struct rec *rec, uint32_t skip)
{
    struct client *c = &d->clients[it->client];
    const char *p = (const char *)rec->content;
    uint32_t n = rec->content_len;
    if (rec->kind == K_DELETED)
        return;
    if (skip && rec->kind == K_STRING) {
        bool mid = false;
        uint32_t at = n == rec->len ? skip : (uint32_t)utf_offset(p, n, skip, &mid);
        if (mid) {
            it->off = pool_add(d, c, UTF_REPLACEMENT, 3);
            pool_add(d, c, p + at + 4, n - at - 4);
            it->bytes = n - at - 1;
            return;
        }
        p += at;
        n -= at;
    } else if (skip) {
        uint32_t at = content_skip(rec->kind, rec->content, n, skip);
        p += at;
        n -= at;
    }
    it->off = pool_add(d, c, p, n);
    it->bytes = n;
}

/* --- where an item goes among others inserted at the same place
 * ----------------------------------- */

/* Items met so far, in order; a hash once there are many of them. */
struct seen {
    uint32_t *v;
    size_t n;
};

static bool seen_at(const struct seen *s, uint32_t h, size_t *at)
{
    for (size_t i = s->n; i-- > 0;) {
        if (s->v[i] == h) {
            *at = i;
            return true;
        }
    }
    return false;
}

static void seen_add(struct ycrdt *d, struct seen *s, uint32_t h)
{
    if (s->n >= d->cap_seen) {
        d->cap_seen = d->cap_seen ? d->cap_seen * 2 : 16;
        d->seen = xreallocarray(d->seen, d->cap_seen, sizeof *d->seen);
    }
    s->v = d->seen;
    s->v[s->n++] = h;
}

static uint32_t find_left(struct ycrdt *d, const struct item *it, uint32_t left, uint32_t right)
{
    uint32_t o = left ? item_at(d, left)->right : d->lists[it->list].start;
    struct seen seen = {d->seen, 0};
    size_t conflicts_from = 0; /* items before this one in `seen` are no longer in conflict */
    uint64_t client = d->clients[it->client].id;
    while (o && o != right) {
        const struct item *other = item_at(d, o);
        seen_add(d, &seen, o);
        if (id_eq(it->origin, other->origin)) {
            if (d->clients[other->client].id < client) {
                left = o;
                conflicts_from = seen.n;
            } else if (id_eq(it->right_origin, other->right_origin)) {
                break;
            }
        } else {
            size_t at;
            if (other->origin.client == NO_CLIENT ||
                !seen_at(&seen, item_find(d, other->origin), &at))
                break;
            if (at < conflicts_from) {
                left = o;
                conflicts_from = seen.n;
            }
        }
        o = other->right;
    }
    return left;
}

/* --- integration
 * ------------------------------------------------------------------------------------ */

static void add_gc(struct ycrdt *d, uint32_t client, uint32_t clock, uint32_t len)
{
    struct client *c = &d->clients[client];
    d->merge_new = true; /* the one in front may be collected before the transaction ends */
    if (c->idx.nblk > 0) {
        const struct blk *b = c->idx.blk[c->idx.nblk - 1];
        struct item *last = item_at(d, b->data[b->cap + b->n - 1]);
        if (last->kind == K_GC) {
            txn_touch(d, client);
            last->len += len;
            c->state += len;
            return;
        }
    }
    uint32_t h = item_new(d);
    *item_at(d, h) = (struct item){.clock = clock,
                                   .len = len,
                                   .client = client & 0xffffff,
                                   .kind = K_GC,
                                   .deleted = 1,
                                   .origin = {NO_CLIENT, 0},
                                   .right_origin = {NO_CLIENT, 0}};
    item_add_to_index(d, h);
}

static void delete_superseded(struct ycrdt *d, uint32_t h)
{
    item_delete(d, h);
    d->merge_deleted = true;
}

void item_place(struct ycrdt *d, uint32_t h, uint32_t left, uint32_t right)
{
    if (left ? item_at(d, left)->right != right : !right || item_at(d, right)->left)
        left = find_left(d, item_at(d, h), left, right);
    item_link(d, h, left);
}

static void integrate(struct ycrdt *d, uint32_t h, uint32_t left, uint32_t right)
{
    struct item *it = item_at(d, h);
    item_place(d, h, left, right);
    const struct list *list = &d->lists[it->list];
    bool keyed = list->key != NULL;
    if (keyed && !it->right && it->left)
        delete_superseded(d, it->left);
    item_add_to_index(d, h);
    if (it->kind == K_DELETED)
        ranges_add(&d->deleted, d->clients[it->client].id, it->clock, it->len);
    uint32_t owner = d->types[list->type].item;
    if ((owner && item_at(d, owner)->deleted) || (keyed && it->right))
        delete_superseded(d, h);
    d->merge_new = true;
}

void rec_integrate(struct ycrdt *d, const struct rec *rec, uint32_t skip)
{
    uint32_t client = client_get(d, rec->client);
    uint32_t left = 0, right = 0, list = 0;
    struct id origin = {NO_CLIENT, 0}, right_origin = {NO_CLIENT, 0};
    bool parent = rec->kind != K_GC;
    if (parent && (rec->info & INFO_LEFT)) {
        origin.client = rec->left_client == rec->client ? client : client_find(d, rec->left_client);
        origin.clock = rec->left_clock;
        left = item_ending_with(d, origin);
        parent = item_at(d, left)->kind != K_GC;
    }
    if (rec->kind != K_GC && (rec->info & INFO_RIGHT)) {
        right_origin.client =
            rec->right_client == rec->client ? client : client_find(d, rec->right_client);
        right_origin.clock = rec->right_clock;
        const struct item *next = left ? item_at(d, item_at(d, left)->right) : NULL;
        right = next && next->client == right_origin.client && next->clock == right_origin.clock
                    ? item_at(d, left)->right
                    : item_beginning_with(d, right_origin);
        parent = parent && item_at(d, right)->kind != K_GC;
    }
    if (parent)
        list = left    ? item_at(d, left)->list
               : right ? item_at(d, right)->list
                       : list_of_parent(d, rec);
    if (list && skip) {
        origin = (struct id){client, rec->clock + skip - 1};
        left = item_ending_with(d, origin);
        list = item_at(d, left)->list; /* 0 when that was collected */
    }
    if (!list) {
        add_gc(d, client, rec->clock + skip, rec->len - skip);
        return;
    }
    uint32_t h = item_new(d);
    struct item *it = item_at(d, h);
    it->clock = rec->clock + skip;
    it->len = rec->len - skip;
    it->client = client & 0xffffff;
    it->kind = rec->kind & 0xf;
    it->deleted = rec->kind == K_DELETED;
    it->origin = origin;
    it->right_origin = right_origin;
    it->list = list;
    it->off = it->bytes = 0;
    d->has_formats = d->has_formats || rec->kind == K_FORMAT;
    if (rec->kind == K_TYPE)
        it->off = type_new(d, h, rec->ref, (const char *)rec->content, rec->content_len);
    else
        add_content(d, it, rec, skip);
    integrate(d, h, left, right);
}

bool rec_extend(struct ycrdt *d, const struct rec *rec)
{
    if (rec->kind != K_STRING || !(rec->info & INFO_LEFT) || rec->left_client != rec->client ||
        rec->left_clock + 1 != rec->clock)
        return false;
    uint32_t client = client_find(d, rec->client);
    struct client *c = &d->clients[client];
    const struct blk *b = c->idx.blk[c->idx.nblk - 1];
    uint32_t h = b->data[b->cap + b->n - 1];
    struct item *it = item_at(d, h);
    if (it->kind != K_STRING || it->off + it->bytes != c->pool_len || d->lists[it->list].key)
        return false;
    const struct item *right = it->right ? item_at(d, it->right) : NULL;
    struct id next = right ? (struct id){right->client, right->clock} : (struct id){NO_CLIENT, 0};
    bool same_right = rec->info & INFO_RIGHT
                          ? right && rec->right_client == d->clients[right->client].id &&
                                rec->right_clock == right->clock
                          : !right;
    if (!same_right || !id_eq(it->right_origin, next))
        return false;
    txn_touch(d, client);
    pool_add(d, c, (const char *)rec->content, rec->content_len);
    it->bytes += rec->content_len;
    it->len += rec->len;
    c->state += rec->len;
    pos_resized(d, it, rec->len, rec->content_len);
    return true;
}
