/*
 * What the files of the document engine share. Nothing outside src/ycrdt includes this.
 *
 * Items live in chunks and never move; they are named by a 32-bit handle, 0 is "none". An item is
 * in three structures: the list of its parent (left, right), the id index of its client (by clock)
 * and, once somebody asked for a position in that list, a leaf of the list's position tree.
 *
 * A list is what one parent holds in sequence, or what it holds under one key: for keyed lists the
 * last item is the current value. Text and other content lie in one pool per client, in the order
 * of clocks as long as nothing was split inside a character: so items that merge mostly find their
 * contents adjoining.
 */
#ifndef YCRDT_INTERNAL_H
#define YCRDT_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "ycrdt/codec.h"
#include "ycrdt/ycrdt.h"

#define NO_CLIENT UINT32_MAX

/* Content kinds: the numbers of the wire format. */
enum kind {
    K_GC = 0,
    K_DELETED = 1,
    K_JSON = 2,
    K_BINARY = 3,
    K_STRING = 4,
    K_EMBED = 5,
    K_FORMAT = 6,
    K_TYPE = 7,
    K_ANY = 8,
    K_DOC = 9,
    K_SKIP = 10,
};

/* Bits of a struct's info byte. */
#define INFO_KIND 0x1f
#define INFO_SUB 0x20
#define INFO_RIGHT 0x40
#define INFO_LEFT 0x80

#define REF_XML_ELEMENT 3 /* type references that carry a name */
#define REF_XML_HOOK 5
#define REF_LAST 6

/* client is an index into ycrdt.clients; NO_CLIENT: no id. */
struct id {
    uint32_t client;
    uint32_t clock;
};

struct item {
    uint32_t clock;
    uint32_t len;
    uint32_t client : 24;
    uint32_t kind : 4;
    uint32_t deleted : 1;
    struct id origin;
    struct id right_origin;
    uint32_t left;
    uint32_t right;
    uint32_t list;
    uint32_t leaf;  /* of the list's position tree */
    uint32_t off;   /* content in the client's pool; K_TYPE: number of the type */
    uint32_t bytes; /* of content */
};

#define CHUNK_BITS 8
#define CHUNK_ITEMS (1u << CHUNK_BITS)

/* --- id index: the structs of one client by clock ------------------------------------------------
 */
#define BLK_MAX 64

struct blk {
    uint16_t n;
    uint16_t cap;
    uint32_t data[]; /* cap clocks, then cap handles */
};

struct ipos {
    uint32_t b;
    uint32_t i;
};

struct idx {
    struct blk **blk;
    uint32_t *first; /* clock of each block's first struct */
    uint32_t nblk;
    uint32_t cap;
    uint32_t count;
    struct ipos hot; /* where the last search ended */
};

static inline uint32_t idx_at(const struct idx *ix, struct ipos at)
{
    const struct blk *b = ix->blk[at.b];
    return b->data[b->cap + at.i];
}

struct ipos idx_find(struct idx *ix, uint32_t clock); /* clock < state of the client */
void idx_append(struct idx *ix, uint32_t clock, uint32_t h);
/* Of an empty index: n structs (at least 1) by rising clock, whose handles follow each other. */
void idx_build(struct idx *ix, const uint32_t *clock, uint32_t first, uint32_t n);
void idx_insert_after(struct idx *ix, struct ipos at, uint32_t clock, uint32_t h);
void idx_remove(struct idx *ix, struct ipos at);
/* The struct at `at` begins at another clock now; its order is the same. */
void idx_rekey(struct idx *ix, struct ipos at, uint32_t clock);
bool idx_next(const struct idx *ix, struct ipos *at);
bool idx_prev(const struct idx *ix, struct ipos *at);
void idx_free(struct idx *ix);
size_t idx_heap(const struct idx *ix);

/* --- position tree of one list ---------------------------------------------------------------- */
struct pos;

struct list {
    uint32_t type;
    uint32_t start;
    uint32_t end;
    uint32_t units; /* visible; unkeyed lists only */
    uint32_t bytes;
    uint32_t next; /* next keyed list of the same type */
    char *key;     /* NULL: not keyed */
    uint32_t key_len;
    struct pos *pos; /* NULL until it is needed */
};

struct type {
    uint32_t item; /* 0: a root */
    uint32_t list;
    uint32_t keyed; /* chain of keyed lists */
    uint8_t ref;
    char *name; /* of a root, or the name that an XML type carries */
    uint32_t name_len;
};

struct client {
    uint64_t id;
    uint32_t state;  /* next clock */
    uint32_t before; /* state when the transaction began, if touched */
    bool touched;
    struct idx idx;
    char *pool;
    uint32_t pool_len;
    uint32_t pool_cap;
    uint32_t pool_live;
};

#define COMPACT_SLACK 16384 /* bytes of garbage */

static inline bool pool_wants_compacting(const struct client *c)
{
    uint32_t garbage = c->pool_len - c->pool_live;
    return garbage >= COMPACT_SLACK && garbage >= c->pool_live / 4;
}

/* A deleted stretch. */
struct range {
    uint64_t client;
    uint32_t clock;
    uint32_t len;
};

struct ranges {
    struct range *v;
    size_t len;
    size_t cap;
};

struct name {
    uint32_t type; /* 0: value is a root type; else value is a keyed list of that type */
    uint32_t value;
};

struct missing {
    uint64_t client;
    uint32_t clock;
};

struct ycrdt {
    unsigned flags;
    struct item **chunk;
    uint32_t nchunk;
    uint32_t nitems; /* handles given out so far, 0 included */
    uint32_t free_item;
    size_t structs;
    size_t content; /* bytes in all pools */

    struct client *clients; /* [0] is the document's own */
    uint32_t nclients;
    uint32_t cap_clients;
    uint32_t last_client;
    uint32_t *client_hash; /* index + 1 */
    uint32_t client_mask;

    struct list *lists; /* [0] unused */
    uint32_t nlists;
    uint32_t cap_lists;
    struct type *types; /* [0] unused */
    uint32_t ntypes;
    uint32_t cap_types;
    struct name *names; /* open hash; value 0 is free */
    uint32_t name_mask;
    uint32_t nnames;

    bool has_formats; /* some struct is or was one */
    bool in_txn;
    bool type_deleted;  /* in this transaction: collect their contents */
    bool merge_new;     /* in this transaction: structs came from outside, join them */
    bool merge_deleted; /* in this transaction: join around deletions when it ends */
    uint32_t *touched;
    uint32_t ntouched;
    uint32_t cap_touched;
    struct ranges deleted;
    struct ranges arriving; /* room for the deletions of an update that is applied */
    struct id *split;       /* right halves of the transaction's splits, candidates for merging */
    uint32_t nsplit;
    uint32_t cap_split;

    /* Where the last local edit was: an item and what lies in front of it. */
    uint32_t cur_list;
    uint32_t cur_item;
    uint32_t cur_units;
    uint32_t cur_bytes;

    uint32_t *seen; /* scratch of the conflict search */
    size_t cap_seen;

    struct str pending; /* parked structs as an update without deletions; empty: none */
    struct missing *pending_missing;
    size_t npending_missing;
    size_t cap_pending_missing;
    struct ranges pending_deleted;
};

static inline struct item *item_at(const struct ycrdt *d, uint32_t h)
{
    return &d->chunk[h >> CHUNK_BITS][h & (CHUNK_ITEMS - 1)];
}

static inline bool id_eq(struct id a, struct id b)
{
    return a.client == b.client && a.clock == b.clock;
}

static inline struct id item_id(const struct item *it)
{
    return (struct id){it->client, it->clock};
}

static inline struct id item_last_id(const struct item *it)
{
    return (struct id){it->client, it->clock + it->len - 1};
}

/* r goes on where l ends, and they would join if they were alike. */
static inline bool item_continues(const struct item *l, const struct item *r)
{
    return l->client == r->client && l->clock + l->len == r->clock &&
           id_eq(r->origin, item_last_id(l)) && id_eq(l->right_origin, r->right_origin);
}

static inline bool item_visible(const struct item *it)
{
    return !it->deleted && it->kind != K_FORMAT;
}

static inline uint32_t item_units(const struct item *it)
{
    return item_visible(it) ? it->len : 0;
}

static inline uint32_t item_text_bytes(const struct item *it)
{
    return !it->deleted && it->kind == K_STRING ? it->bytes : 0;
}

static inline const char *item_content(const struct ycrdt *d, const struct item *it)
{
    return it->bytes ? d->clients[it->client].pool + it->off : "";
}

/* store.c: items, clients, lists, types */
uint32_t item_new(struct ycrdt *d);
void items_grow(struct ycrdt *d); /* by room for CHUNK_ITEMS */
void item_free(struct ycrdt *d, uint32_t h);
uint32_t client_find(struct ycrdt *d, uint64_t id); /* NO_CLIENT when unknown */
uint32_t client_get(struct ycrdt *d, uint64_t id);
uint32_t client_state(struct ycrdt *d, uint64_t id);
/* Client numbers that have structs, by falling id; caller frees. */
uint32_t *clients_sorted(const struct ycrdt *d, size_t *n);
uint32_t type_new(struct ycrdt *d, uint32_t item, uint8_t ref, const char *name, uint32_t len);
uint32_t type_root(struct ycrdt *d, const char *name, uint32_t len);
uint32_t list_keyed(struct ycrdt *d, uint32_t type, const char *key, uint32_t len);
void pool_reserve(struct client *c, uint32_t n); /* room for n more bytes and no more */
uint32_t pool_add(struct ycrdt *d, struct client *c, const char *p, size_t n);
/* n bytes were put behind its end, where there was room for them. */
static inline void pool_grew(struct ycrdt *d, struct client *c, uint32_t n)
{
    d->content += n;
    c->pool_len += n;
    c->pool_live += n;
}
void pool_compact(struct ycrdt *d, uint32_t client);
/* Takes everything out that load_state put into a document that had nothing, but for the names of
 * root types. */
void doc_empty(struct ycrdt *d);
static inline struct ipos item_pos(struct ycrdt *d, uint32_t client, uint32_t clock)
{
    return idx_find(&d->clients[client].idx, clock);
}
static inline uint32_t item_find(struct ycrdt *d, struct id id)
{
    return idx_at(&d->clients[id.client].idx, item_pos(d, id.client, id.clock));
}

/* item.c: what happens to one item */
/* Splits in front of unit diff (0 < diff < len) and returns the right half. */
uint32_t item_split(struct ycrdt *d, uint32_t h, uint32_t diff);
/* Joins r to l if they are neighbours in list and clock and alike. */
bool item_try_merge(struct ycrdt *d, uint32_t l, uint32_t r);
void item_delete(struct ycrdt *d, uint32_t h);
/* Deletes the last (first) units of a text, fewer than it has, by moving the border to the
 * tombstone beside it, which is what splitting and joining would come to. False: nothing was done.
 */
bool item_delete_tail(struct ycrdt *d, uint32_t h, uint32_t units);
bool item_delete_head(struct ycrdt *d, uint32_t h, uint32_t units);
/* Puts the item behind left (0: at the start) and accounts for it. */
void item_link(struct ycrdt *d, uint32_t h, uint32_t left);
void item_add_to_index(struct ycrdt *d, uint32_t h);

/* integrate.c: YATA */
struct rec;
void rec_integrate(struct ycrdt *d, const struct rec *rec, uint32_t offset);
/* The struct is in the document already. */
void rec_known(struct ycrdt *d, const struct rec *rec);
/* The struct goes on where the last one of its client, a text, ends, and becomes part of that. For
 * single structs: among several another could come between them. False: nothing was done. */
bool rec_extend(struct ycrdt *d, const struct rec *rec);
bool rec_missing(struct ycrdt *d, const struct rec *rec, uint64_t *client);
/* The item that ends (begins) with this id, split off if need be. */
uint32_t item_ending_with(struct ycrdt *d, struct id id);
uint32_t item_beginning_with(struct ycrdt *d, struct id id);
/* Puts the item, whose list and origins are set, where it belongs between these two. */
void item_place(struct ycrdt *d, uint32_t h, uint32_t left, uint32_t right);

/* load.c: a whole state into an empty document */
/* True: the structs of the update are in; *deleted has those of its deletions that are still to be
 * applied.
 * False: this is nothing for the quick way, if only because the document is not empty or the update
 * is malformed; nothing was done. */
bool load_state(struct ycrdt *d, const void *update, size_t n, struct ranges *deleted);

/* apply.c */
/* ycrdt_apply, struct by struct whatever the document holds. */
int apply_structs(struct ycrdt *d, const void *update, size_t n, struct err *err);

/* txn.c */
void txn_begin(struct ycrdt *d);
void txn_commit(struct ycrdt *d, struct str *update);
void txn_touch_first(struct ycrdt *d, uint32_t client);
static inline void txn_touch(struct ycrdt *d, uint32_t client)
{
    if (!d->clients[client].touched)
        txn_touch_first(d, client);
}
void txn_split(struct ycrdt *d, const struct item *right);

/* pos.c */
struct place {
    uint32_t
        item;     /* visible item that holds the unit in front of the place; 0: start of the list */
    uint32_t off; /* units of it in front of the place */
};
enum metric { UNITS, BYTES };
/* pos is at least 1 and at most the list's length; off comes in the metric. Moves the cursor. */
struct place pos_seek(struct ycrdt *d, uint32_t list, uint32_t pos, enum metric m);
void pos_linked(struct ycrdt *d, uint32_t h); /* of a list that has a tree */
void pos_was_split(struct ycrdt *d, uint32_t l, uint32_t r);
void pos_merging(struct ycrdt *d, uint32_t l, uint32_t r);
/* The leaf has so many more visible units and bytes. */
void pos_leaf_add(struct pos *t, uint32_t leaf, int64_t units, int64_t bytes);
static inline void pos_resized(struct ycrdt *d, const struct item *it, int64_t units, int64_t bytes)
{
    struct list *l = &d->lists[it->list];
    l->units = (uint32_t)(l->units + units);
    l->bytes = (uint32_t)(l->bytes + bytes);
    if (l->pos)
        pos_leaf_add(l->pos, it->leaf, units, bytes);
}
void pos_drop(struct list *list);
size_t pos_heap(const struct pos *pos);

/* rec.c: structs as they stand in an update */
struct rec {
    const uint8_t *start; /* whole struct in the update */
    const uint8_t *end;
    uint8_t info;
    uint8_t kind;
    uint8_t ref; /* K_TYPE */
    bool root;   /* parent is the root `name` */
    uint64_t client;
    uint32_t clock;
    uint32_t len;
    uint32_t skip; /* units cut off in front: content and origin are those of the whole struct */
    uint64_t left_client; /* with INFO_LEFT */
    uint32_t left_clock;
    uint32_t right_clock;
    uint64_t right_client; /* with INFO_RIGHT */
    uint64_t parent_client;
    uint32_t parent_clock;
    uint32_t name_len;
    const uint8_t *name;
    const uint8_t *sub; /* NULL: no key */
    const uint8_t *content;
    uint32_t content_len;
    uint32_t sub_len;
};
enum rec_mode { REC_CHECK, REC_CHECK_RAW, REC_TRUST, REC_TRUST_RAW };
/* Reads one struct of the client at the clock. 0, ERR_INVALID or ERR_LIMIT. */
int rec_read(struct rd *r, enum rec_mode mode, uint64_t client, uint64_t clock, struct rec *rec);
/* Bytes of content in front of element `count` of a list of "any" or JSON values. */
uint32_t content_skip(uint8_t kind, const uint8_t *p, uint32_t n, uint32_t count);
void rec_write(struct str *out, const struct rec *rec, bool raw);

/* dset.c: delete sets */
void ranges_add(struct ranges *r, uint64_t client, uint32_t clock, uint32_t len);
void ranges_normalize(struct ranges *r); /* by falling client and rising clock, joined */
void ranges_write(const struct ranges *r, struct str *out); /* normalized */
int ranges_read(struct rd *r, struct ranges *out, struct err *err);
void ranges_free(struct ranges *r);

/* update.c: the outer form of an update */
struct sect {
    uint64_t client;
    uint32_t clock; /* of the next struct */
    uint32_t left;  /* structs not read yet */
    struct rd at;
    const uint8_t *last; /* where the last struct read began */
    uint32_t last_clock;
    bool gone;
};
struct update {
    struct sect *sect;
    size_t nsect;
    struct sect few[2];
    struct rec first; /* the first struct of the last section that has any */
    struct ranges deleted;
};
/* u->deleted keeps the room it has; set it to zero for a fresh one. */
int update_parse(struct update *u, const void *p, size_t n, enum rec_mode mode, struct err *err);
void update_release(struct update *u);

/* encode.c */
void item_write(const struct ycrdt *d, uint32_t h, uint32_t offset, struct str *out);
void structs_write(struct ycrdt *d, uint32_t client, uint32_t clock, struct str *out);
int merge_bufs(const struct ycrdt_buf *updates, size_t count, bool raw, struct str *out,
               struct err *err);
int diff_buf(const void *update, size_t n, const void *sv, size_t sv_len, bool raw, struct str *out,
             struct err *err);

/* utf.c */
/* UTF-16 units of valid UTF-8; SIZE_MAX when it is not valid. */
size_t utf_units(const char *p, size_t n);
/* The same for text known to be valid. */
size_t utf_count(const char *p, size_t n);
/* Byte offset of a unit; *mid: it is the second half of a surrogate pair that begins there. */
size_t utf_offset(const char *p, size_t n, size_t unit, bool *mid);
#define UTF_REPLACEMENT "\xef\xbf\xbd"

#endif
