/* One item: splitting, joining, deleting, linking. */
#include <stdlib.h>
#include <string.h>

#include "ycrdt/internal.h"

void item_add_to_index(struct ycrdt *d, uint32_t h)
{
    struct item *it = item_at(d, h);
    struct client *c = &d->clients[it->client];
    BUG_ON(it->clock != c->state);
    txn_touch(d, it->client);
    idx_append(&c->idx, it->clock, h);
    c->state += it->len;
}

void item_link(struct ycrdt *d, uint32_t h, uint32_t left)
{
    struct item *it = item_at(d, h);
    struct list *l = &d->lists[it->list];
    it->left = left;
    if (left) {
        struct item *before = item_at(d, left);
        it->right = before->right;
        before->right = h;
    } else {
        it->right = l->start;
        l->start = h;
    }
    if (it->right)
        item_at(d, it->right)->left = h;
    else
        l->end = h;
    if (l->key)
        return;
    l->units += item_units(it);
    l->bytes += item_text_bytes(it);
    if (l->pos)
        pos_linked(d, h);
}

/* --- splitting ----------------------------------------------------------------------------------
 */

/* Both halves of a split surrogate pair become U+FFFD: they need more room than the pair had. */
static void split_pair(struct ycrdt *d, struct item *l, struct item *r, uint32_t at)
{
    struct client *c = &d->clients[l->client];
    uint32_t rest = l->bytes - at - 4;
    cleanup_str struct str text = STR_INIT;
    str_add(&text, c->pool + l->off, at);
    str_adds(&text, UTF_REPLACEMENT UTF_REPLACEMENT);
    str_add(&text, c->pool + l->off + at + 4, rest);
    c->pool_live -= l->bytes;
    l->off = pool_add(d, c, text.p, text.len);
    l->bytes = at + 3;
    r->off = l->off + l->bytes;
    r->bytes = rest + 3;
}

/* Divides the content; returns how many bytes of text it has gained. */
static uint32_t split_content(struct ycrdt *d, struct item *l, struct item *r, uint32_t diff)
{
    const char *p = item_content(d, l);
    uint32_t at = diff;
    bool mid = false;
    if (l->kind == K_STRING && l->bytes != l->len)
        at = (uint32_t)utf_offset(p, l->bytes, diff, &mid);
    else if (l->kind == K_ANY || l->kind == K_JSON)
        at = content_skip((uint8_t)l->kind, (const uint8_t *)p, l->bytes, diff);
    else if (l->kind != K_STRING)
        at = 0; /* deleted: no content */
    if (mid) {
        split_pair(d, l, r, at);
        return 2;
    }
    r->off = l->off + at;
    r->bytes = l->bytes - at;
    l->bytes = at;
    return 0;
}

uint32_t item_split(struct ycrdt *d, uint32_t h, uint32_t diff)
{
    uint32_t rh = item_new(d);
    struct item *l = item_at(d, h), *r = item_at(d, rh);
    struct list *list = &d->lists[l->list];
    *r = *l;
    r->clock += diff;
    r->len -= diff;
    r->origin = (struct id){l->client, r->clock - 1};
    r->left = h;
    uint32_t more = split_content(d, l, r, diff);
    l->len = diff;
    l->right = rh;
    if (r->right)
        item_at(d, r->right)->left = rh;
    else
        list->end = rh;
    idx_insert_after(&d->clients[l->client].idx, item_pos(d, l->client, l->clock), r->clock, rh);
    if (!list->key) {
        pos_was_split(d, h, rh);
        if (more)
            pos_resized(d, l, 0, more);
    }
    return rh;
}

/* --- joining ------------------------------------------------------------------------------------
 */

static bool mergeable_kind(unsigned kind)
{
    return kind == K_STRING || kind == K_DELETED || kind == K_ANY || kind == K_JSON;
}

static void merge_content(struct ycrdt *d, struct item *l, const struct item *r)
{
    if (r->bytes == 0)
        return;
    if (l->off + l->bytes != r->off) {
        struct client *c = &d->clients[l->client];
        cleanup_str struct str both = STR_INIT;
        str_add(&both, c->pool + l->off, l->bytes);
        str_add(&both, c->pool + r->off, r->bytes);
        c->pool_live -= l->bytes + r->bytes;
        l->off = pool_add(d, c, both.p, both.len);
    }
    l->bytes += r->bytes;
}

bool item_try_merge(struct ycrdt *d, uint32_t lh, uint32_t rh)
{
    struct item *l = item_at(d, lh), *r = item_at(d, rh);
    if (l->client != r->client || l->clock + l->len != r->clock || l->kind != r->kind ||
        l->deleted != r->deleted)
        return false;
    if (l->kind == K_GC) {
        idx_remove(&d->clients[l->client].idx, item_pos(d, l->client, r->clock));
        l->len += r->len;
        item_free(d, rh);
        return true;
    }
    if (l->right != rh || !mergeable_kind(l->kind) || !id_eq(r->origin, item_last_id(l)) ||
        !id_eq(l->right_origin, r->right_origin))
        return false;
    struct list *list = &d->lists[l->list];
    if (!list->key)
        pos_merging(d, lh, rh);
    if (d->cur_item == rh) {
        d->cur_item = lh;
        d->cur_units -= item_units(l);
        d->cur_bytes -= item_text_bytes(l);
    }
    idx_remove(&d->clients[l->client].idx, item_pos(d, l->client, r->clock));
    merge_content(d, l, r);
    l->len += r->len;
    l->right = r->right;
    if (l->right)
        item_at(d, l->right)->left = lh;
    else
        list->end = lh;
    item_free(d, rh);
    return true;
}

/* --- deleting -----------------------------------------------------------------------------------
 */

/* Marks one item and drops its content, but for a type, whose children are the caller's. */
static void mark_deleted(struct ycrdt *d, uint32_t h)
{
    struct item *it = item_at(d, h);
    struct list *l = &d->lists[it->list];
    struct client *c = &d->clients[it->client];
    if (!l->key && item_visible(it))
        pos_resized(d, it, -(int64_t)it->len, -(int64_t)item_text_bytes(it));
    it->deleted = 1;
    ranges_add(&d->deleted, c->id, it->clock, it->len);
    if (it->kind != K_TYPE) {
        it->kind = K_DELETED;
        c->pool_live -= it->bytes;
        it->bytes = 0;
        if (c->pool_len - c->pool_live > c->pool_live / 4)
            txn_touch(d, it->client); /* compacted at the end of the transaction */
    }
}

/* The children of a deleted type are deleted with it; an old tombstone among them is collected with
 * the type and may then be joined to its neighbours. */
static void delete_child(struct ycrdt *d, uint32_t h, struct id **todo, size_t *n, size_t *cap)
{
    struct item *it = item_at(d, h);
    if (it->deleted) {
        const struct client *c = &d->clients[it->client];
        if (it->clock < (c->touched ? c->before : c->state))
            txn_split(d, it);
        return;
    }
    mark_deleted(d, h);
    if (it->kind == K_TYPE) {
        VEC_GROW(*todo, *n, *cap);
        (*todo)[(*n)++] = (struct id){it->off, 0};
    }
}

void item_delete(struct ycrdt *d, uint32_t h)
{
    struct item *it = item_at(d, h);
    if (it->deleted)
        return;
    mark_deleted(d, h);
    if (it->kind != K_TYPE)
        return;
    d->type_deleted = true;
    struct id *todo = NULL;
    size_t n = 0, cap = 0;
    VEC_GROW(todo, n, cap);
    todo[n++] = (struct id){it->off, 0};
    while (n > 0) {
        const uint32_t t = todo[--n].client;
        for (uint32_t c = d->lists[d->types[t].list].start; c; c = item_at(d, c)->right)
            delete_child(d, c, &todo, &n, &cap);
        for (uint32_t l = d->types[t].keyed; l; l = d->lists[l].next)
            if (d->lists[l].end)
                delete_child(d, d->lists[l].end, &todo, &n, &cap);
    }
    free(todo);
}

/* --- moving the border between text and a tombstone
 * ------------------------------------------------ */

/* Bytes of the first `units` units of a text, or UINT32_MAX within a surrogate pair. */
static uint32_t text_prefix(const struct ycrdt *d, const struct item *it, uint32_t units)
{
    bool mid = false;
    if (it->bytes == it->len)
        return units;
    size_t at = utf_offset(item_content(d, it), it->bytes, units, &mid);
    return mid ? UINT32_MAX : (uint32_t)at;
}

static void rekey(struct ycrdt *d, struct item *it, uint32_t clock)
{
    idx_rekey(&d->clients[it->client].idx, item_pos(d, it->client, it->clock), clock);
    it->clock = clock;
    it->origin.clock = clock - 1;
}

static void shrink(struct ycrdt *d, uint32_t h, uint32_t clock, uint32_t units, uint32_t bytes)
{
    struct item *it = item_at(d, h);
    struct client *c = &d->clients[it->client];
    it->len -= units;
    it->bytes -= bytes;
    c->pool_live -= bytes;
    pos_resized(d, it, -(int64_t)units, -(int64_t)bytes);
    ranges_add(&d->deleted, c->id, clock, units);
    txn_touch(d, it->client);
}

bool item_delete_tail(struct ycrdt *d, uint32_t h, uint32_t units)
{
    struct item *it = item_at(d, h);
    if (it->kind != K_STRING || it->deleted || !it->right || d->lists[it->list].key)
        return false;
    struct item *t = item_at(d, it->right);
    uint32_t keep = text_prefix(d, it, it->len - units);
    if (t->kind != K_DELETED || keep == UINT32_MAX || !item_continues(it, t))
        return false;
    rekey(d, t, t->clock - units);
    t->len += units;
    shrink(d, h, t->clock, units, it->bytes - keep);
    return true;
}

bool item_delete_head(struct ycrdt *d, uint32_t h, uint32_t units)
{
    struct item *it = item_at(d, h);
    if (it->kind != K_STRING || it->deleted || !it->left || d->lists[it->list].key)
        return false;
    struct item *t = item_at(d, it->left);
    uint32_t cut = text_prefix(d, it, units);
    if (t->kind != K_DELETED || cut == UINT32_MAX || !item_continues(t, it))
        return false;
    t->len += units;
    it->off += cut;
    uint32_t clock = it->clock;
    rekey(d, it, clock + units);
    shrink(d, h, clock, units, cut);
    return true;
}
