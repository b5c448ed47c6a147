/* Self-check of a document, for unit tests and fuzz targets: aborts at the first broken rule. */
#ifndef TESTS_YCRDT_CHECK_H
#define TESTS_YCRDT_CHECK_H

#include <stdlib.h>

#include "ycrdt/internal.h"

/* Structs of a client: one after the other from clock 0, in full blocks of the index. */
static inline void check_client(struct ycrdt *d, uint32_t client)
{
    struct client *c = &d->clients[client];
    uint32_t clock = 0, count = 0, live = 0;
    for (uint32_t b = 0; b < c->idx.nblk; b++) {
        const struct blk *blk = c->idx.blk[b];
        BUG_ON(blk->n == 0 || blk->n > blk->cap || c->idx.first[b] != blk->data[0]);
        for (uint32_t i = 0; i < blk->n; i++) {
            const struct item *it = item_at(d, blk->data[blk->cap + i]);
            BUG_ON(it->clock != clock || blk->data[i] != clock || it->len == 0);
            BUG_ON(it->client != client || (it->kind == K_DELETED && !it->deleted));
            BUG_ON((it->kind == K_GC || it->kind == K_TYPE || it->kind == K_DELETED) && it->bytes);
            live += it->bytes;
            clock += it->len;
            count++;
        }
    }
    BUG_ON(clock != c->state || count != c->idx.count || live != c->pool_live);
    BUG_ON(c->pool_live > c->pool_len || c->pool_len > c->pool_cap);
}

static inline void check_list(struct ycrdt *d, uint32_t list)
{
    const struct list *l = &d->lists[list];
    uint32_t left = 0, units = 0, bytes = 0;
    for (uint32_t h = l->start; h; h = item_at(d, h)->right) {
        const struct item *it = item_at(d, h);
        BUG_ON(it->left != left || it->list != list || it->kind == K_GC);
        BUG_ON(item_find(d, (struct id){it->client, it->clock}) != h);
        if (item_units(it) && !l->key) {
            struct place at = pos_seek(d, list, units + 1, UNITS);
            BUG_ON(at.item != h || at.off != 1 || d->cur_units != units || d->cur_bytes != bytes);
        }
        if (item_text_bytes(it) && !l->key)
            BUG_ON(pos_seek(d, list, bytes + 1, BYTES).item != h);
        units += item_units(it);
        bytes += item_text_bytes(it);
        left = h;
    }
    BUG_ON(l->end != left);
    BUG_ON(!l->key && l->start && (l->units != units || l->bytes != bytes));
}

static inline void check_doc(struct ycrdt *d)
{
    size_t structs = 0;
    for (uint32_t c = 0; c < d->nclients; c++) {
        check_client(d, c);
        structs += d->clients[c].idx.count;
    }
    BUG_ON(structs != d->structs);
    for (uint32_t l = 1; l < d->nlists; l++)
        check_list(d, l);
}

#endif
