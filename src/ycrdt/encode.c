/* Writing the document: structs, state vectors, delete sets. */
#include <stdlib.h>
#include <string.h>

#include "ycrdt/internal.h"

static void write_parent(const struct ycrdt *d, const struct item *it, struct str *out)
{
    const struct list *l = &d->lists[it->list];
    const struct type *t = &d->types[l->type];
    if (t->item == 0) {
        str_add_var(out, 1);
        str_add_var(out, t->name_len);
        str_add(out, t->name, t->name_len);
    } else {
        const struct item *parent = item_at(d, t->item);
        str_add_var(out, 0);
        str_add_var(out, d->clients[parent->client].id);
        str_add_var(out, parent->clock);
    }
    if (l->key) {
        str_add_var(out, l->key_len);
        str_add(out, l->key, l->key_len);
    }
}

static void write_string(const struct ycrdt *d, const struct item *it, uint32_t offset,
                         struct str *out)
{
    const char *p = item_content(d, it);
    uint32_t n = it->bytes;
    bool mid = false;
    uint32_t at = n == it->len ? offset : (uint32_t)utf_offset(p, n, offset, &mid);
    if (mid) { /* the lone second half of a pair */
        str_add_var(out, n - at - 1);
        str_adds(out, UTF_REPLACEMENT);
        at += 4;
    } else {
        str_add_var(out, n - at);
    }
    str_add(out, p + at, n - at);
}

static void write_content(const struct ycrdt *d, const struct item *it, uint32_t offset,
                          struct str *out)
{
    const struct type *t;
    uint32_t at;
    switch (it->kind) {
    case K_DELETED:
        str_add_var(out, it->len - offset);
        break;
    case K_STRING:
        write_string(d, it, offset, out);
        break;
    case K_TYPE:
        t = &d->types[it->off];
        str_add_var(out, t->ref);
        if (t->ref == REF_XML_ELEMENT || t->ref == REF_XML_HOOK) {
            str_add_var(out, t->name_len);
            str_add(out, t->name, t->name_len);
        }
        break;
    case K_ANY:
    case K_JSON:
        at = content_skip((uint8_t)it->kind, (const uint8_t *)item_content(d, it), it->bytes,
                          offset);
        str_add_var(out, it->len - offset);
        str_add(out, item_content(d, it) + at, it->bytes - at);
        break;
    default:
        str_add(out, item_content(d, it), it->bytes);
    }
}

void item_write(const struct ycrdt *d, uint32_t h, uint32_t offset, struct str *out)
{
    const struct item *it = item_at(d, h);
    uint8_t *begin = (uint8_t *)str_reserve(out, 1 + 5 * VAR_MAX + it->bytes);
    uint8_t *p = begin + 1;
    if (it->kind == K_GC) {
        *begin = K_GC;
        str_grew(out, (size_t)(wr_var(p, it->len - offset) - begin));
        return;
    }
    struct id origin = it->origin;
    if (offset > 0)
        origin = (struct id){it->client, it->clock + offset - 1};
    uint8_t info = (uint8_t)it->kind;
    if (origin.client != NO_CLIENT) {
        info |= INFO_LEFT;
        p = wr_var(wr_var(p, d->clients[origin.client].id), origin.clock);
    }
    if (it->right_origin.client != NO_CLIENT) {
        info |= INFO_RIGHT;
        p = wr_var(wr_var(p, d->clients[it->right_origin.client].id), it->right_origin.clock);
    }
    if (d->lists[it->list].key)
        info |= INFO_SUB;
    *begin = info;
    if (info & (INFO_LEFT | INFO_RIGHT)) {
        if (it->kind == K_DELETED) {
            p = wr_var(p, it->len - offset);
            str_grew(out, (size_t)(p - begin));
            return;
        }
        if (it->kind == K_STRING && it->bytes == it->len) {
            uint32_t n = it->bytes - offset;
            p = wr_var(p, n);
            memcpy(p, item_content(d, it) + offset, n);
            str_grew(out, (size_t)(p + n - begin));
            return;
        }
    }
    str_grew(out, (size_t)(p - begin));
    if (!(info & (INFO_LEFT | INFO_RIGHT)))
        write_parent(d, it, out);
    write_content(d, it, offset, out);
}

void structs_write(struct ycrdt *d, uint32_t client, uint32_t clock, struct str *out)
{
    struct client *c = &d->clients[client];
    struct ipos at = idx_find(&c->idx, clock);
    uint32_t count = c->idx.blk[at.b]->n - at.i;
    for (uint32_t b = at.b + 1; b < c->idx.nblk; b++)
        count += c->idx.blk[b]->n;
    uint8_t *p = (uint8_t *)str_reserve(out, 3 * VAR_MAX);
    str_grew(out, (size_t)(wr_var(wr_var(wr_var(p, count), c->id), clock) - p));
    uint32_t h = idx_at(&c->idx, at);
    item_write(d, h, clock - item_at(d, h)->clock, out);
    while (idx_next(&c->idx, &at))
        item_write(d, idx_at(&c->idx, at), 0, out);
}

/* --- delete set of the document ------------------------------------------------------------------
 */

static void collect_deleted(const struct ycrdt *d, const uint32_t *clients, size_t n,
                            struct ranges *out)
{
    for (size_t i = 0; i < n; i++) {
        const struct client *c = &d->clients[clients[i]];
        for (uint32_t b = 0; b < c->idx.nblk; b++) {
            const struct blk *blk = c->idx.blk[b];
            for (uint32_t k = 0; k < blk->n; k++) {
                const struct item *it = item_at(d, blk->data[blk->cap + k]);
                if (it->deleted)
                    ranges_add(out, c->id, it->clock, it->len);
            }
        }
    }
}

/* --- state vectors
 * -------------------------------------------------------------------------------- */

static int by_falling_client(const void *a, const void *b)
{
    const struct ycrdt_clock *x = a, *y = b;
    return x->client < y->client ? 1 : x->client > y->client ? -1 : 0;
}

int ycrdt_sv_decode(const void *sv, size_t n, struct ycrdt_clock **clocks, size_t *count,
                    struct err *err)
{
    struct rd r = {sv, (const uint8_t *)sv + n};
    uint64_t len;
    if (!rd_var(&r, &len) || len > rd_left(&r) / 2)
        return err_set(err, ERR_INVALID, "malformed state vector");
    if (len > YCRDT_MAX_CLIENTS)
        return err_set(err, ERR_LIMIT, "state vector has more than %zu clients", YCRDT_MAX_CLIENTS);
    cleanup_free struct ycrdt_clock *v = xcalloc(len, sizeof *v);
    for (uint64_t i = 0; i < len; i++)
        if (!rd_var(&r, &v[i].client) || !rd_var(&r, &v[i].clock))
            return err_set(err, ERR_INVALID, "malformed state vector");
    if (r.p != r.end)
        return err_set(err, ERR_INVALID, "malformed state vector: bytes behind its end");
    qsort(v, len, sizeof *v, by_falling_client);
    for (uint64_t i = 1; i < len; i++)
        if (v[i].client == v[i - 1].client)
            return err_set(err, ERR_INVALID, "malformed state vector: a client comes twice");
    *clocks = steal(&v);
    *count = len;
    return 0;
}

void ycrdt_sv_encode(const struct ycrdt_clock *clocks, size_t count, struct str *out)
{
    cleanup_free struct ycrdt_clock *v = xreallocarray(NULL, count, sizeof *v);
    if (count)
        memcpy(v, clocks, count * sizeof *v);
    qsort(v, count, sizeof *v, by_falling_client);
    str_add_var(out, count);
    for (size_t i = 0; i < count; i++) {
        str_add_var(out, v[i].client);
        str_add_var(out, v[i].clock);
    }
}

void ycrdt_encode_sv(const struct ycrdt *d, struct str *out)
{
    size_t n;
    cleanup_free uint32_t *clients = clients_sorted(d, &n);
    str_add_var(out, n);
    for (size_t i = 0; i < n; i++) {
        str_add_var(out, d->clients[clients[i]].id);
        str_add_var(out, d->clients[clients[i]].state);
    }
}

void ycrdt_encode_snapshot(const struct ycrdt *d, struct str *out)
{
    size_t n;
    cleanup_free uint32_t *clients = clients_sorted(d, &n);
    struct ranges deleted = {NULL, 0, 0};
    collect_deleted(d, clients, n, &deleted);
    ranges_write(&deleted, out);
    ranges_free(&deleted);
    ycrdt_encode_sv(d, out);
}

/* --- the state
 * ------------------------------------------------------------------------------------ */

/* The clock that the holder of the state vector has of a client; both lists fall, *at walks along.
 */
static uint64_t known(const struct ycrdt_clock *sv, size_t n, size_t *at, uint64_t client)
{
    while (*at < n && sv[*at].client > client)
        (*at)++;
    return *at < n && sv[*at].client == client ? sv[*at].clock : 0;
}

static void write_state(struct ycrdt *d, const struct ycrdt_clock *sv, size_t nsv, struct str *out)
{
    size_t n, lacking = 0, at = 0;
    cleanup_free uint32_t *clients = clients_sorted(d, &n);
    for (size_t i = 0; i < n; i++)
        lacking += d->clients[clients[i]].state > known(sv, nsv, &at, d->clients[clients[i]].id);
    str_add_var(out, lacking);
    at = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t clock = known(sv, nsv, &at, d->clients[clients[i]].id);
        if (d->clients[clients[i]].state > clock)
            structs_write(d, clients[i], (uint32_t)clock, out);
    }
    struct ranges deleted = {NULL, 0, 0};
    collect_deleted(d, clients, n, &deleted);
    ranges_write(&deleted, out);
    ranges_free(&deleted);
}

/* Joined with what is parked, as Yjs does it. */
static int write_with_pending(struct ycrdt *d, const struct str *state, const void *sv,
                              size_t sv_len, struct str *out, struct err *err)
{
    bool raw = d->flags & YCRDT_RAW;
    cleanup_str struct str deleted = STR_INIT, structs = STR_INIT;
    struct ycrdt_buf part[3] = {{state->p, state->len}};
    size_t n = 1;
    if (d->pending_deleted.len) {
        ranges_normalize(&d->pending_deleted);
        str_add_var(&deleted, 0);
        ranges_write(&d->pending_deleted, &deleted);
        part[n++] = (struct ycrdt_buf){deleted.p, deleted.len};
    }
    if (d->pending.len) {
        int code = diff_buf(d->pending.p, d->pending.len, sv, sv_len, raw, &structs, err);
        if (code != 0)
            return code;
        part[n++] = (struct ycrdt_buf){structs.p, structs.len};
    }
    return merge_bufs(part, n, raw, out, err);
}

int ycrdt_encode(struct ycrdt *d, const void *sv, size_t sv_len, struct str *out, struct err *err)
{
    static const char nothing[] = {0};
    cleanup_free struct ycrdt_clock *clocks = NULL;
    size_t n = 0;
    if (!sv) {
        sv = nothing;
        sv_len = sizeof nothing;
    }
    int code = ycrdt_sv_decode(sv, sv_len, &clocks, &n, err);
    if (code != 0)
        return code;
    if (!ycrdt_has_pending(d)) {
        write_state(d, clocks, n, out);
        return 0;
    }
    cleanup_str struct str state = STR_INIT;
    write_state(d, clocks, n, &state);
    return write_with_pending(d, &state, sv, sv_len, out, err);
}
