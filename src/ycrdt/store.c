/* What a document is made of: items, clients, types, lists, pools. */
#include <stdlib.h>
#include <string.h>

#include "ycrdt/internal.h"

void items_grow(struct ycrdt *d)
{
    if ((d->nchunk & (d->nchunk - 1)) == 0)
        d->chunk = xreallocarray(d->chunk, d->nchunk ? d->nchunk * 2 : 1, sizeof *d->chunk);
    d->chunk[d->nchunk++] = xmalloc(CHUNK_ITEMS * sizeof(struct item));
}

uint32_t item_new(struct ycrdt *d)
{
    d->structs++;
    uint32_t h = d->free_item;
    if (h) {
        d->free_item = item_at(d, h)->right;
        return h;
    }
    if (d->nitems == d->nchunk << CHUNK_BITS)
        items_grow(d);
    return d->nitems++;
}

void item_free(struct ycrdt *d, uint32_t h)
{
    d->structs--;
    item_at(d, h)->right = d->free_item;
    d->free_item = h;
}

/* --- clients ------------------------------------------------------------------------------------
 */

static uint32_t hash_u64(uint64_t v)
{
    v *= UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(v >> 32);
}

uint32_t client_find(struct ycrdt *d, uint64_t id)
{
    if (d->clients[d->last_client].id == id)
        return d->last_client;
    for (uint32_t i = hash_u64(id) & d->client_mask; d->client_hash[i];
         i = (i + 1) & d->client_mask) {
        uint32_t c = d->client_hash[i] - 1;
        if (d->clients[c].id == id)
            return d->last_client = c;
    }
    return NO_CLIENT;
}

static void client_hash_add(struct ycrdt *d, uint32_t c)
{
    uint32_t i = hash_u64(d->clients[c].id) & d->client_mask;
    while (d->client_hash[i])
        i = (i + 1) & d->client_mask;
    d->client_hash[i] = c + 1;
}

uint32_t client_get(struct ycrdt *d, uint64_t id)
{
    uint32_t c = d->nclients ? client_find(d, id) : NO_CLIENT;
    if (c != NO_CLIENT)
        return c;
    VEC_GROW(d->clients, d->nclients, d->cap_clients);
    c = d->nclients++;
    d->clients[c] = (struct client){.id = id};
    if (d->nclients * 2 > d->client_mask) {
        free(d->client_hash);
        d->client_mask = d->client_mask ? d->client_mask * 2 + 1 : 7;
        d->client_hash = xcalloc((size_t)d->client_mask + 1, sizeof *d->client_hash);
        for (uint32_t i = 0; i < d->nclients; i++)
            client_hash_add(d, i);
    } else {
        client_hash_add(d, c);
    }
    return c;
}

uint32_t client_state(struct ycrdt *d, uint64_t id)
{
    uint32_t c = client_find(d, id);
    return c == NO_CLIENT ? 0 : d->clients[c].state;
}

static int by_falling_id(const void *a, const void *b, void *arg)
{
    const struct client *clients = arg;
    uint64_t x = clients[*(const uint32_t *)a].id, y = clients[*(const uint32_t *)b].id;
    return x < y ? 1 : x > y ? -1 : 0;
}

uint32_t *clients_sorted(const struct ycrdt *d, size_t *n)
{
    uint32_t *v = xmalloc(d->nclients * sizeof *v);
    *n = 0;
    for (uint32_t c = 0; c < d->nclients; c++)
        if (d->clients[c].state > 0)
            v[(*n)++] = c;
    qsort_r(v, *n, sizeof *v, by_falling_id, d->clients);
    return v;
}

/* --- pools
 * ---------------------------------------------------------------------------------------- */

void pool_reserve(struct client *c, uint32_t n)
{
    if (c->pool_cap - c->pool_len >= n)
        return;
    c->pool_cap = c->pool_len + n;
    c->pool = xrealloc(c->pool, c->pool_cap);
}

uint32_t pool_add(struct ycrdt *d, struct client *c, const char *p, size_t n)
{
    if (c->pool_cap - c->pool_len < n) {
        size_t need = c->pool_len + n;
        size_t cap = need < 65536 ? need * 2 : need + need / 8;
        if (cap > UINT32_MAX)
            cap = UINT32_MAX;
        BUG_ON(need > cap); /* callers keep a document below YCRDT_MAX_TEXT */
        c->pool = xrealloc(c->pool, cap);
        c->pool_cap = (uint32_t)cap;
    }
    uint32_t off = c->pool_len;
    memcpy(c->pool + off, p, n);
    pool_grew(d, c, (uint32_t)n);
    return off;
}

void pool_compact(struct ycrdt *d, uint32_t client)
{
    struct client *c = &d->clients[client];
    struct client fresh = *c;
    fresh.pool_cap = c->pool_live + c->pool_live / 8;
    fresh.pool = fresh.pool_cap ? xmalloc(fresh.pool_cap) : NULL;
    fresh.pool_len = 0;
    fresh.pool_live = 0;
    struct ipos at = {0, 0};
    bool more = c->idx.nblk > 0;
    for (; more; more = idx_next(&c->idx, &at)) {
        struct item *it = item_at(d, idx_at(&c->idx, at));
        if (it->bytes)
            it->off = pool_add(d, &fresh, c->pool + it->off, it->bytes);
    }
    d->content -= c->pool_len;
    free(c->pool);
    *c = fresh;
}

/* --- back to nothing
 * -------------------------------------------------------------------------------- */

void doc_empty(struct ycrdt *d)
{
    while (d->nchunk > 1)
        free(d->chunk[--d->nchunk]);
    d->nitems = 1;
    d->structs = 0;
    d->content = 0;
    d->nsplit = 0;
    d->deleted.len = 0;
    for (uint32_t c = 0; c < d->nclients; c++) {
        idx_free(&d->clients[c].idx);
        free(d->clients[c].pool);
    }
    uint64_t own = d->clients[0].id;
    free(d->clients);
    free(d->client_hash);
    d->clients = NULL;
    d->client_hash = NULL;
    d->nclients = d->cap_clients = d->client_mask = d->last_client = 0;
    client_get(d, own);
    for (uint32_t l = 1; l < d->nlists; l++) {
        struct list *list = &d->lists[l];
        list->start = list->end = list->units = list->bytes = 0;
    }
}

/* --- types and lists
 * ------------------------------------------------------------------------------ */

static uint32_t list_new(struct ycrdt *d, uint32_t type)
{
    if (d->nlists == 0)
        d->nlists = 1;
    VEC_GROW(d->lists, d->nlists, d->cap_lists);
    d->lists[d->nlists] = (struct list){.type = type};
    return d->nlists++;
}

uint32_t type_new(struct ycrdt *d, uint32_t item, uint8_t ref, const char *name, uint32_t len)
{
    if (d->ntypes == 0)
        d->ntypes = 1;
    VEC_GROW(d->types, d->ntypes, d->cap_types);
    uint32_t t = d->ntypes++;
    d->types[t] = (struct type){.item = item, .ref = ref, .name_len = len};
    if (name)
        d->types[t].name = xmemdup(name, len);
    d->types[t].list = list_new(d, t);
    return t;
}

static uint32_t hash_name(uint32_t type, const char *p, uint32_t n)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325) ^ type;
    for (uint32_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)p[i]) * UINT64_C(0x100000001b3);
    return hash_u64(h);
}

static void name_text(const struct ycrdt *d, const struct name *n, const char **p, uint32_t *len)
{
    *p = n->type ? d->lists[n->value].key : d->types[n->value].name;
    *len = n->type ? d->lists[n->value].key_len : d->types[n->value].name_len;
}

static struct name *name_slot(const struct ycrdt *d, uint32_t type, const char *p, uint32_t n)
{
    for (uint32_t i = hash_name(type, p, n) & d->name_mask;; i = (i + 1) & d->name_mask) {
        struct name *slot = &d->names[i];
        if (!slot->value)
            return slot;
        const char *text;
        uint32_t len;
        name_text(d, slot, &text, &len);
        if (slot->type == type && len == n && memcmp(text, p, n) == 0)
            return slot;
    }
}

static struct name *name_get(struct ycrdt *d, uint32_t type, const char *p, uint32_t n)
{
    if (!d->names || d->nnames * 2 > d->name_mask) {
        struct name *old = d->names;
        uint32_t size = old ? d->name_mask + 1 : 0;
        d->name_mask = old ? d->name_mask * 2 + 1 : 3;
        d->names = xcalloc((size_t)d->name_mask + 1, sizeof *d->names);
        for (uint32_t i = 0; i < size; i++) {
            const char *text;
            uint32_t len;
            if (old[i].value) {
                name_text(d, &old[i], &text, &len);
                *name_slot(d, old[i].type, text, len) = old[i];
            }
        }
        free(old);
    }
    return name_slot(d, type, p, n);
}

uint32_t type_root(struct ycrdt *d, const char *name, uint32_t len)
{
    struct name *slot = name_get(d, 0, name, len);
    if (!slot->value) {
        *slot = (struct name){0, type_new(d, 0, 0, name, len)};
        d->nnames++;
    }
    return slot->value;
}

uint32_t list_keyed(struct ycrdt *d, uint32_t type, const char *key, uint32_t len)
{
    struct name *slot = name_get(d, type, key, len);
    if (!slot->value) {
        uint32_t l = list_new(d, type);
        d->lists[l].key = xmemdup(key, len);
        d->lists[l].key_len = len;
        d->lists[l].next = d->types[type].keyed;
        d->types[type].keyed = l;
        *slot = (struct name){type, l};
        d->nnames++;
    }
    return slot->value;
}
