/* Documents: life, reading, figures. */
#include <stdlib.h>
#include <string.h>

#include "ycrdt/internal.h"

struct ycrdt *ycrdt_new(uint64_t client, unsigned flags)
{
    BUG_ON(client > YCRDT_MAX_CLIENT);
    struct ycrdt *d = xcalloc(1, sizeof *d);
    d->flags = flags;
    d->nitems = 1; /* handle 0 is "none" */
    d->pending = (struct str)STR_INIT;
    d->chunk = xmalloc(sizeof *d->chunk);
    d->chunk[d->nchunk++] = xmalloc(CHUNK_ITEMS * sizeof(struct item));
    client_get(d, client);
    return d;
}

void ycrdt_free(struct ycrdt *d)
{
    if (!d)
        return;
    for (uint32_t i = 0; i < d->nchunk; i++)
        free(d->chunk[i]);
    for (uint32_t i = 0; i < d->nclients; i++) {
        idx_free(&d->clients[i].idx);
        free(d->clients[i].pool);
    }
    for (uint32_t i = 1; i < d->nlists; i++) {
        pos_drop(&d->lists[i]);
        free(d->lists[i].key);
    }
    for (uint32_t i = 1; i < d->ntypes; i++)
        free(d->types[i].name);
    free(d->chunk);
    free(d->clients);
    free(d->client_hash);
    free(d->lists);
    free(d->types);
    free(d->names);
    free(d->touched);
    free(d->split);
    free(d->seen);
    free(d->pending_missing);
    ranges_free(&d->deleted);
    ranges_free(&d->arriving);
    ranges_free(&d->pending_deleted);
    str_release(&d->pending);
    free(d);
}

void ycrdt_freep(struct ycrdt **doc)
{
    ycrdt_free(*doc);
}

uint64_t ycrdt_client(const struct ycrdt *d)
{
    return d->clients[0].id;
}

unsigned ycrdt_text(struct ycrdt *d, const char *name)
{
    size_t n = strlen(name);
    BUG_ON(n > YCRDT_MAX_UPDATE);
    uint32_t root = type_root(d, name, (uint32_t)n);
    return d->types[root].list;
}

static const struct list *text_list(const struct ycrdt *d, unsigned text)
{
    BUG_ON(text == 0 || text >= d->nlists);
    return &d->lists[text];
}

size_t ycrdt_units(const struct ycrdt *d, unsigned text)
{
    return text_list(d, text)->units;
}

size_t ycrdt_bytes(const struct ycrdt *d, unsigned text)
{
    return text_list(d, text)->bytes;
}

void ycrdt_read(const struct ycrdt *d, unsigned text, struct str *out)
{
    const struct list *l = text_list(d, text);
    char *begin = str_reserve(out, l->bytes), *p = begin;
    for (uint32_t h = l->start; h;) {
        const struct item *it = item_at(d, h);
        if (it->kind == K_STRING && it->bytes) {
            memcpy(p, d->clients[it->client].pool + it->off, it->bytes);
            p += it->bytes;
        }
        h = it->right;
    }
    str_grew(out, (size_t)(p - begin));
}

void ycrdt_authors(const struct ycrdt *d, unsigned text, struct ycrdt_span **spans, size_t *n)
{
    struct ycrdt_span *v = NULL;
    size_t len = 0, cap = 0, pos = 0, byte_pos = 0;
    for (uint32_t h = text_list(d, text)->start; h; h = item_at(d, h)->right) {
        const struct item *it = item_at(d, h);
        if (!item_visible(it))
            continue;
        uint64_t client = d->clients[it->client].id;
        uint32_t bytes = item_text_bytes(it);
        struct ycrdt_span *last = len ? &v[len - 1] : NULL;
        if (last && last->client == client && last->clock + last->len == it->clock) {
            last->len += it->len;
            last->byte_len += bytes;
        } else {
            VEC_GROW(v, len, cap);
            v[len++] = (struct ycrdt_span){client, it->clock, pos, it->len, byte_pos, bytes};
        }
        pos += it->len;
        byte_pos += bytes;
    }
    *spans = v;
    *n = len;
}

bool ycrdt_has_pending(const struct ycrdt *d)
{
    return d->pending.len > 0 || d->pending_deleted.len > 0;
}

void ycrdt_stats(const struct ycrdt *d, struct ycrdt_stats *stats)
{
    *stats = (struct ycrdt_stats){.structs = d->structs};
    size_t n = sizeof *d;
    n += d->nchunk * (CHUNK_ITEMS * sizeof(struct item) + sizeof *d->chunk);
    n += d->cap_clients * sizeof *d->clients;
    n += ((size_t)d->client_mask + 1) * sizeof *d->client_hash;
    for (uint32_t i = 0; i < d->nclients; i++) {
        stats->clients += d->clients[i].state > 0;
        n += idx_heap(&d->clients[i].idx) + d->clients[i].pool_cap;
    }
    n += d->cap_lists * sizeof *d->lists + d->cap_types * sizeof *d->types;
    n += d->names ? ((size_t)d->name_mask + 1) * sizeof *d->names : 0;
    for (uint32_t i = 1; i < d->nlists; i++)
        n += pos_heap(d->lists[i].pos) + d->lists[i].key_len;
    for (uint32_t i = 1; i < d->ntypes; i++)
        n += d->types[i].name_len;
    n += d->cap_touched * sizeof *d->touched + d->cap_split * sizeof *d->split +
         d->cap_seen * sizeof *d->seen;
    n += (d->deleted.cap + d->arriving.cap + d->pending_deleted.cap) * sizeof(struct range);
    n += d->pending.cap + d->cap_pending_missing * sizeof *d->pending_missing;
    stats->heap = n;
}
