/*
 * Loading a whole state into an empty document. All structs are at hand and in order, so they are
 * read once, straight into items whose handles follow the order of the update: where a struct is
 * follows from a count, and the index of each client is built from the outcome.
 *
 * This knows plain and rich text of which nothing is missing. Anything else, malformed updates
 * among it, is left to the way that knows everything: the document is emptied again, and that way
 * does it, or says what is wrong.
 */
#include <stdlib.h>
#include <string.h>

#include "ycrdt/internal.h"
#include "ycrdt/rec_fast.h"

#define SECTION_MIN 7 /* bytes of the shortest section */
#define STRUCT_MIN 4  /* bytes of the shortest struct that is no gap and not collected */

/* The structs of one client. */
struct part {
    uint32_t first;  /* handle of the first */
    uint32_t n;      /* 0: nothing of this client comes */
    uint32_t done;   /* how many are in their lists */
    uint32_t bytes;  /* of content */
    uint32_t *clock; /* of each, and one more: the client's state */
    uint32_t *cell;  /* by clock >> shift: number of the struct that holds it */
    unsigned shift;
    bool mixed;   /* some struct refers to another client's */
    bool waiting; /* for a struct of another client */
};

/* A struct without neighbours. */
struct root {
    uint32_t item;
    uint32_t len;
    const char *name;
};

struct load {
    struct ycrdt *d;
    const uint8_t *update;
    enum rec_mode mode;
    size_t sections;   /* that the update announces */
    struct part *part; /* by number of the client */
    uint32_t *sect;    /* clients of the sections read, in the order of the update */
    size_t nsect;
    struct root *root;
    size_t nroot, cap_root;
};

/* --- reading
 * ---------------------------------------------------------------------------------------- */

/* NO_CLIENT: more clients are named than there are sections. */
static uint32_t client_number(const struct load *l, uint64_t id)
{
    uint32_t c = client_get(l->d, id);
    return l->d->nclients > l->sections + 1 ? NO_CLIENT : c;
}

/* The section's own client, which most references name, as the bytes it is written with. */
struct own {
    uint64_t id;
    uint32_t client;
    uint32_t len;
    uint64_t mask;
    uint64_t bits;
    bool mixed; /* another one was named */
};

static struct own own_make(uint64_t id, uint32_t client)
{
    struct own own = {.id = id, .client = client};
    uint8_t bytes[VAR_MAX] = {0}, ones[VAR_MAX] = {0};
    own.len = (uint32_t)(wr_var(bytes, id) - bytes);
    memset(ones, 0xff, own.len);
    memcpy(&own.bits, bytes, sizeof own.bits);
    memcpy(&own.mask, ones, sizeof own.mask);
    return own;
}

REC_INLINE const uint8_t *read_id(const struct load *l, struct own *own, uint32_t clock,
                                  const uint8_t *p, struct id *id)
{
    uint64_t client, c = 0, w;
    memcpy(&w, p, sizeof w);
    bool same = (w & own->mask) == own->bits;
    if (same) {
        id->client = own->client;
        p = rec_var(p + own->len, &c);
    } else {
        p = rec_var(p, &client);
        if (!p || (id->client = client_number(l, client)) == NO_CLIENT)
            return NULL;
        same = client == own->id;
        own->mixed = own->mixed || !same;
        p = rec_var(p, &c);
    }
    id->clock = (uint32_t)c;
    return p && c <= YCRDT_MAX_CLOCK && (!same || c < clock) ? p : NULL;
}

/* Text or a tombstone with a neighbour. False: nothing was read. */
REC_INLINE bool read_common(const struct load *l, struct rd *r, struct own *own, uint32_t clock,
                            struct item *it)
{
    struct id origin = {NO_CLIENT, 0}, right_origin = {NO_CLIENT, 0};
    uint64_t n = 0, len, bytes = 0;
    if (rd_left(r) < REC_ROOM)
        return false;
    const uint8_t *p = r->p;
    unsigned info = *p++, kind = info & INFO_KIND;
    if (!(info & (INFO_LEFT | INFO_RIGHT)) || (kind != K_STRING && kind != K_DELETED))
        return false;
    if ((info & INFO_LEFT) && !(p = read_id(l, own, clock, p, &origin)))
        return false;
    if ((info & INFO_RIGHT) && !(p = read_id(l, own, clock, p, &right_origin)))
        return false;
    p = rec_var(p, &n);
    if (!p || n == 0)
        return false;
    len = n;
    if (kind == K_STRING) {
        if (n > (uint64_t)(r->end - p))
            return false;
        bytes = n;
        if (!rec_short_ascii(p, n))
            len = rec_text_units(l->mode, p, n);
    }
    if (len > YCRDT_MAX_CLOCK - clock)
        return false;
    r->p = p + bytes;
    *it = (struct item){.clock = clock,
                        .len = (uint32_t)len,
                        .client = own->client & 0xffffff,
                        .kind = kind & 0xf,
                        .deleted = kind == K_DELETED,
                        .origin = origin,
                        .right_origin = right_origin,
                        .off = (uint32_t)(p - l->update),
                        .bytes = (uint32_t)bytes};
    return true;
}

static bool read_other(struct load *l, struct rd *r, struct own *own, uint32_t clock, uint32_t h,
                       struct item *it)
{
    struct rec rec;
    struct id origin = {NO_CLIENT, 0}, right_origin = {NO_CLIENT, 0};
    if (rec_read(r, l->mode, own->id, clock, &rec) != 0 || rec.kind == K_GC || rec.kind == K_SKIP ||
        rec.kind == K_TYPE || rec.sub)
        return false;
    if (rec.info & INFO_LEFT)
        origin = (struct id){client_number(l, rec.left_client), rec.left_clock};
    if (rec.info & INFO_RIGHT)
        right_origin = (struct id){client_number(l, rec.right_client), rec.right_clock};
    if (((rec.info & INFO_LEFT) && origin.client == NO_CLIENT) ||
        ((rec.info & INFO_RIGHT) && right_origin.client == NO_CLIENT))
        return false;
    if (!(rec.info & (INFO_LEFT | INFO_RIGHT))) {
        if (!rec.root)
            return false;
        VEC_GROW(l->root, l->nroot, l->cap_root);
        l->root[l->nroot++] = (struct root){h, rec.name_len, (const char *)rec.name};
    }
    l->d->has_formats = l->d->has_formats || rec.kind == K_FORMAT;
    own->mixed = own->mixed || ((rec.info & INFO_LEFT) && origin.client != own->client) ||
                 ((rec.info & INFO_RIGHT) && right_origin.client != own->client);
    *it = (struct item){.clock = clock,
                        .len = rec.len,
                        .client = own->client & 0xffffff,
                        .kind = rec.kind & 0xf,
                        .deleted = rec.kind == K_DELETED,
                        .origin = origin,
                        .right_origin = right_origin,
                        .off = rec.content_len ? (uint32_t)(rec.content - l->update) : 0,
                        .bytes = rec.content_len};
    return true;
}

static struct item *next_item(struct ycrdt *d)
{
    if (d->nitems == d->nchunk << CHUNK_BITS)
        items_grow(d);
    d->structs++;
    return item_at(d, d->nitems++);
}

static bool read_section(struct load *l, struct rd *r)
{
    struct ycrdt *d = l->d;
    uint64_t count, id, clock;
    if (!rd_var(r, &count) || !rd_var(r, &id) || !rd_var(r, &clock) || clock != 0 || count == 0 ||
        count > rd_left(r) / STRUCT_MIN)
        return false;
    if (l->nsect > 0 && id >= d->clients[l->sect[l->nsect - 1]].id)
        return false;
    struct own own = own_make(id, client_number(l, id));
    if (own.client == NO_CLIENT)
        return false;
    l->sect[l->nsect++] = own.client;
    struct part *part = &l->part[own.client];
    *part = (struct part){.first = d->nitems, .n = (uint32_t)count};
    part->clock = xreallocarray(NULL, count + 1, sizeof *part->clock);
    uint32_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct item *it = next_item(d);
        if (!read_common(l, r, &own, at, it) && !read_other(l, r, &own, at, part->first + i, it))
            return false;
        part->clock[i] = at;
        at += it->len;
        part->bytes += it->bytes;
    }
    part->clock[count] = at;
    part->mixed = own.mixed;
    return true;
}

static void make_cells(struct part *part)
{
    const uint32_t *clock = part->clock;
    uint32_t last = clock[part->n] - 1, i = 0;
    while (last >> part->shift > part->n)
        part->shift++;
    uint32_t n = (last >> part->shift) + 2;
    part->cell = xreallocarray(NULL, n, sizeof *part->cell);
    for (uint32_t c = 0; c + 1 < n; c++) {
        while (clock[i + 1] <= c << part->shift)
            i++;
        part->cell[c] = i;
    }
    part->cell[n - 1] = part->n - 1;
}

/* Reads and checks the whole update. */
static bool read_all(struct load *l, size_t n, struct ranges *deleted)
{
    struct rd r = {l->update, l->update + n};
    uint64_t sections;
    if (!rd_var(&r, &sections) || sections > n / SECTION_MIN || sections >= YCRDT_MAX_CLIENTS)
        return false;
    l->sections = (size_t)sections;
    l->part = xcalloc(l->sections + 1, sizeof *l->part);
    l->sect = xreallocarray(NULL, l->sections + 1, sizeof *l->sect);
    while (l->nsect < l->sections)
        if (!read_section(l, &r))
            return false;
    if (ranges_read(&r, deleted, NULL) != 0 || r.p != r.end)
        return false;
    for (size_t i = 0; i < l->nsect; i++)
        make_cells(&l->part[l->sect[i]]);
    return true;
}

/* --- linking
 * ---------------------------------------------------------------------------------------- */

#define FEW 8

/* Number of the struct that holds the clock. */
static uint32_t struct_at(const struct part *part, uint32_t clock)
{
    const uint32_t *cell = part->cell + (clock >> part->shift);
    uint32_t lo = cell[0], hi = cell[1];
    while (hi - lo > FEW) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (part->clock[mid] <= clock)
            lo = mid;
        else
            hi = mid - 1;
    }
    while (part->clock[lo + 1] <= clock)
        lo++;
    return lo;
}

/* The left neighbour of an item, most often the struct in front of it. */
static uint32_t find_left(const struct load *l, uint32_t h, const struct item *it)
{
    struct id id = it->origin;
    const struct part *part = &l->part[id.client];
    uint32_t left = id.client == it->client && id.clock + 1 == it->clock
                        ? h - 1
                        : part->first + struct_at(part, id.clock);
    const struct item *before = item_at(l->d, left);
    return before->clock + before->len == id.clock + 1 ? left : item_ending_with(l->d, id);
}

static uint32_t find_right(const struct load *l, const struct item *it)
{
    struct id id = it->right_origin;
    const struct part *part = &l->part[id.client];
    uint32_t right = part->first + struct_at(part, id.clock);
    return item_at(l->d, right)->clock == id.clock ? right : item_beginning_with(l->d, id);
}

/* What item_place comes to where nobody else put anything. */
static inline void link_between(struct ycrdt *d, uint32_t h, uint32_t left, uint32_t right)
{
    struct item *it = item_at(d, h);
    struct list *list = &d->lists[it->list];
    it->left = left;
    it->right = right;
    item_at(d, left)->right = h;
    if (right)
        item_at(d, right)->left = h;
    else
        list->end = h;
    list->units += item_units(it);
    list->bytes += item_text_bytes(it);
}

static void link_next(struct load *l, struct part *part)
{
    struct ycrdt *d = l->d;
    uint32_t h = part->first + part->done++, left = 0, right = 0;
    struct item *it = item_at(d, h);
    if (it->origin.client != NO_CLIENT) {
        left = find_left(l, h, it);
        it->list = item_at(d, left)->list;
    }
    if (it->right_origin.client != NO_CLIENT) {
        uint32_t next = left ? item_at(d, left)->right : 0;
        right =
            next && id_eq(item_id(item_at(d, next)), it->right_origin) ? next : find_right(l, it);
        if (!left)
            it->list = item_at(d, right)->list;
    }
    if (left && item_at(d, left)->right == right)
        link_between(d, h, left, right);
    else
        item_place(d, h, left, right);
    if (it->deleted && d->in_txn)
        ranges_add(&d->deleted, d->clients[it->client].id, it->clock, it->len);
}

/* The client whose struct the next one of this part waits for. False: it need not. */
static bool next_waits(const struct load *l, const struct part *part, struct part **cause)
{
    if (!part->mixed)
        return false;
    const struct item *it = item_at(l->d, part->first + part->done);
    const struct id *ids[] = {&it->origin, &it->right_origin};
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        if (ids[i]->client == NO_CLIENT || ids[i]->client == it->client)
            continue;
        *cause = &l->part[ids[i]->client];
        if (!(*cause)->n || ids[i]->clock >= (*cause)->clock[(*cause)->done])
            return true;
    }
    return false;
}

/* The same order as structs that arrive one by one: the highest client's first, what they wait for
 * in between. False: something is missing, or they wait for each other. */
static bool link_all(struct load *l)
{
    cleanup_free struct part **stack = xreallocarray(NULL, l->nsect + 1, sizeof(struct part *));
    size_t depth = 0;
    for (size_t i = 0; i < l->nsect; i++) {
        struct part *part = &l->part[l->sect[i]], *cause;
        while (depth > 0 || part->done < part->n) {
            struct part *at = depth ? stack[--depth] : part;
            at->waiting = false;
            while (next_waits(l, at, &cause)) {
                at->waiting = true;
                stack[depth++] = at;
                if (cause->waiting || cause->done == cause->n)
                    return false;
                at = cause;
            }
            link_next(l, at);
        }
    }
    return true;
}

/* --- the outcome
 * ------------------------------------------------------------------------------------ */

static void take_roots(struct load *l)
{
    struct ycrdt *d = l->d;
    for (size_t i = 0; i < l->nroot; i++) {
        uint32_t type = type_root(d, l->root[i].name, l->root[i].len);
        item_at(d, l->root[i].item)->list = d->types[type].list;
    }
}

/* Contents of a client's structs come into its pool. */
static void take_contents(struct load *l, uint32_t client)
{
    struct ycrdt *d = l->d;
    const struct part *part = &l->part[client];
    struct client *c = &d->clients[client];
    pool_reserve(c, part->bytes);
    uint32_t at = c->pool_len;
    for (uint32_t h = part->first; h < part->first + part->n; h++) {
        struct item *it = item_at(d, h);
        if (it->bytes == 0)
            continue;
        memcpy(c->pool + at, l->update + it->off, it->bytes);
        it->off = at;
        at += it->bytes;
    }
    c->pool_len += part->bytes;
    c->pool_live += part->bytes;
    d->content += part->bytes;
}

/* Some struct could be joined with the one in front of it. */
static bool joinable(const struct load *l, uint32_t client)
{
    const struct part *part = &l->part[client];
    for (uint32_t h = part->first + 1; h < part->first + part->n; h++) {
        const struct item *it = item_at(l->d, h);
        if (it->left == h - 1) {
            const struct item *before = item_at(l->d, h - 1);
            if (before->kind == it->kind && item_continues(before, it))
                return true;
        }
    }
    return false;
}

/* All structs in the stretch are tombstones. */
static bool is_deleted(const struct load *l, const struct part *part, const struct range *r)
{
    uint32_t end = r->clock + r->len;
    if (!part->n || end > part->clock[part->n])
        return false;
    for (uint32_t i = struct_at(part, r->clock); i < part->n && part->clock[i] < end; i++)
        if (!item_at(l->d, part->first + i)->deleted)
            return false;
    return true;
}

/* Leaves those that have something to do: in a state few have. */
static void drop_done(const struct load *l, struct ranges *deleted)
{
    size_t n = 0;
    for (size_t i = 0; i < deleted->len; i++) {
        const struct range *r = &deleted->v[i];
        uint32_t client = client_find(l->d, r->client);
        if (client == NO_CLIENT || !is_deleted(l, &l->part[client], r))
            deleted->v[n++] = *r;
    }
    deleted->len = n;
}

static bool load_all(struct load *l, struct ranges *deleted)
{
    struct ycrdt *d = l->d;
    for (size_t i = 0; i < l->nsect; i++) {
        const struct part *part = &l->part[l->sect[i]];
        idx_build(&d->clients[l->sect[i]].idx, part->clock, part->first, part->n);
        take_contents(l, l->sect[i]);
    }
    take_roots(l);
    if (!link_all(l))
        return false;
    d->merge_new = d->nsplit > 0;
    for (size_t i = 0; i < l->nsect; i++) {
        uint32_t client = l->sect[i];
        txn_touch(d, client);
        d->clients[client].state = l->part[client].clock[l->part[client].n];
        d->merge_new = d->merge_new || joinable(l, client);
    }
    drop_done(l, deleted);
    return true;
}

static void load_release(struct load *l)
{
    for (size_t i = 0; i < l->nsect; i++) {
        free(l->part[l->sect[i]].clock);
        free(l->part[l->sect[i]].cell);
    }
    free(l->part);
    free(l->sect);
    free(l->root);
}

bool load_state(struct ycrdt *d, const void *update, size_t n, struct ranges *deleted)
{
    if (d->nitems > 1 || d->pending.len || d->pending_deleted.len || n > YCRDT_MAX_UPDATE)
        return false;
    struct load l = {
        .d = d, .update = update, .mode = d->flags & YCRDT_RAW ? REC_CHECK_RAW : REC_CHECK};
    bool done = read_all(&l, n, deleted) && load_all(&l, deleted);
    if (!done) {
        doc_empty(d);
        deleted->len = 0;
    }
    load_release(&l);
    return done;
}
