/* Local edits of a text. They put items where Yjs' YText puts them: behind the tombstones that
 * follow the position, so that typing after a deletion does not depend on what was deleted. */
#include <string.h>

#include "ycrdt/internal.h"

/* --- formats at the place of insertion
 * ------------------------------------------------------------ */

/* Key and value of a format as two stretches of its content. */
static void format_parts(const struct ycrdt *d, const struct item *it, struct ycrdt_buf *key,
                         struct ycrdt_buf *value)
{
    struct rd r = {(const uint8_t *)item_content(d, it), NULL};
    r.end = r.p + it->bytes;
    const uint8_t *p = r.p;
    uint64_t n = 0;
    BUG_ON(!rd_buf(&r, &p, &n));
    *key = (struct ycrdt_buf){p, n};
    BUG_ON(!rd_buf(&r, &p, &n));
    *value = (struct ycrdt_buf){p, n};
}

static bool buf_eq(struct ycrdt_buf a, struct ycrdt_buf b)
{
    return a.n == b.n && memcmp(a.p, b.p, a.n) == 0;
}

/* The format changes nothing: its value holds already in front of it. */
static bool format_redundant(const struct ycrdt *d, const struct item *it)
{
    struct ycrdt_buf key, value, k, v;
    format_parts(d, it, &key, &value);
    for (uint32_t h = it->left; h; h = item_at(d, h)->left) {
        const struct item *before = item_at(d, h);
        if (before->kind != K_FORMAT)
            continue;
        format_parts(d, before, &k, &v);
        if (buf_eq(k, key))
            return buf_eq(v, value);
    }
    return buf_eq(value, (struct ycrdt_buf){"null", 4});
}

/* --- inserting
 * -------------------------------------------------------------------------------------- */

static bool extend(struct ycrdt *d, uint32_t left, struct id right_origin, const char *p, size_t n,
                   uint32_t units)
{
    if (!left)
        return false;
    struct item *l = item_at(d, left);
    struct client *c = &d->clients[0];
    if (l->client != 0 || l->kind != K_STRING || l->clock + l->len != c->state ||
        !id_eq(l->right_origin, right_origin))
        return false;
    if (l->off + l->bytes != c->pool_len) {
        cleanup_str struct str text = STR_INIT;
        str_add(&text, c->pool + l->off, l->bytes);
        c->pool_live -= l->bytes;
        l->off = pool_add(d, c, text.p, text.len);
    }
    txn_touch(d, 0);
    pool_add(d, c, p, n);
    l->bytes += (uint32_t)n;
    l->len += units;
    c->state += units;
    pos_resized(d, l, units, (int64_t)n);
    return true;
}

static void insert_at(struct ycrdt *d, uint32_t list, struct place at, const char *p, size_t n,
                      uint32_t units)
{
    uint32_t left = at.item, right;
    if (left && at.off < item_units(item_at(d, left))) {
        right = item_split(d, left, at.off);
    } else {
        right = left ? item_at(d, left)->right : d->lists[list].start;
        while (right) {
            const struct item *r = item_at(d, right);
            if (!r->deleted && (r->kind != K_FORMAT || !format_redundant(d, r)))
                break;
            left = right;
            right = r->right;
        }
    }
    struct id right_origin = {NO_CLIENT, 0};
    if (right)
        right_origin = (struct id){item_at(d, right)->client, item_at(d, right)->clock};
    if (extend(d, left, right_origin, p, n, units))
        return;
    uint32_t h = item_new(d);
    struct item *it = item_at(d, h);
    *it = (struct item){.clock = d->clients[0].state,
                        .len = units,
                        .client = 0,
                        .kind = K_STRING,
                        .origin = {NO_CLIENT, 0},
                        .right_origin = right_origin,
                        .list = list,
                        .off = pool_add(d, &d->clients[0], p, n),
                        .bytes = (uint32_t)n};
    if (left)
        it->origin = item_last_id(item_at(d, left));
    uint32_t units_before = at.item ? d->cur_units + at.off : 0;
    uint32_t bytes_before = 0;
    if (at.item)
        bytes_before = d->cur_bytes + item_text_bytes(item_at(d, at.item));
    item_link(d, h, left);
    item_add_to_index(d, h);
    d->cur_list = list;
    d->cur_item = h;
    d->cur_units = units_before;
    d->cur_bytes = bytes_before;
}

/* --- deleting
 * --------------------------------------------------------------------------------------- */

/* The deleted item is joined with the tombstones beside it; returns the joined one. */
static uint32_t join_tombstones(struct ycrdt *d, uint32_t h)
{
    uint32_t right = item_at(d, h)->right, left = item_at(d, h)->left;
    if (right)
        item_try_merge(d, h, right);
    return left && item_try_merge(d, left, h) ? left : h;
}

/* at: the first unit that goes. */
static void delete_at(struct ycrdt *d, struct place at, uint32_t len)
{
    uint32_t h = at.item;
    if (at.off > 0) {
        if (at.off + len == item_at(d, h)->len && item_delete_tail(d, h, len))
            return;
        h = item_split(d, h, at.off);
    }
    while (len > 0) {
        struct item *it = item_at(d, h);
        if (item_visible(it)) {
            if (it->len > len) {
                if (item_delete_head(d, h, len))
                    return;
                item_split(d, h, len);
                it = item_at(d, h);
            }
            len -= it->len;
            item_delete(d, h);
            h = join_tombstones(d, h);
        }
        h = item_at(d, h)->right;
    }
}

/* --- the calls
 * -------------------------------------------------------------------------------------- */

static int check_place(const struct ycrdt *d, unsigned text, size_t pos, enum metric m,
                       struct err *err)
{
    BUG_ON(text == 0 || text >= d->nlists);
    const struct list *l = &d->lists[text];
    if (pos > (m == UNITS ? l->units : l->bytes))
        return err_set(err, ERR_INVALID, "position %zu is behind the end of the text", pos);
    return 0;
}

/* The cursor stands on one of the tombstones that follow unit pos - 1: where something was deleted
 * before, so that typing there need not walk over all of them again. */
static bool cursor_in_gap(const struct ycrdt *d, unsigned text, size_t pos)
{
    return d->cur_item && d->cur_list == text && d->cur_units == pos && !d->has_formats &&
           item_at(d, d->cur_item)->deleted;
}

/* The place in front of unit pos, or of byte pos. */
static int find_place(struct ycrdt *d, unsigned text, size_t pos, enum metric m, struct place *at,
                      struct err *err)
{
    int r = check_place(d, text, pos, m, err);
    *at = (struct place){0, 0};
    if (r != 0 || pos == 0)
        return r;
    *at = pos_seek(d, text, (uint32_t)pos, m);
    const struct item *it = item_at(d, at->item);
    if (m == BYTES && it->bytes != it->len) {
        const char *p = item_content(d, it);
        if (at->off < it->bytes && ((unsigned char)p[at->off] & 0xc0) == 0x80)
            return err_set(err, ERR_INVALID, "position %zu is within a character", pos);
        at->off = (uint32_t)utf_count(p, at->off);
    }
    return 0;
}

static int check_text(const struct ycrdt *d, const char *p, size_t n, uint32_t *units,
                      struct err *err)
{
    if (n > YCRDT_MAX_UPDATE || d->content + n > YCRDT_MAX_TEXT)
        return err_set(err, ERR_LIMIT, "text is longer than a document can hold");
    size_t count = d->flags & YCRDT_RAW ? n : utf_units(p, n);
    if (count == SIZE_MAX)
        return err_set(err, ERR_INVALID, "text is not valid UTF-8");
    if (count > YCRDT_MAX_CLOCK - d->clients[0].state)
        return err_set(err, ERR_LIMIT, "the client has used up its clock");
    *units = (uint32_t)count;
    return 0;
}

#define SHORT 16 /* bytes */

/* Typing on at the end of the item that the last edit left the cursor on: most edits are that. */
static bool type_on(struct ycrdt *d, unsigned text, size_t pos, enum metric m, const char *p,
                    size_t n)
{
    struct client *c = &d->clients[0];
    if (d->cur_list != text || !d->cur_item || n == 0 || n > SHORT ||
        c->state > YCRDT_MAX_CLOCK - SHORT || d->content > YCRDT_MAX_TEXT - SHORT)
        return false;
    struct item *it = item_at(d, d->cur_item);
    if (it->client != 0 || it->kind != K_STRING || it->clock + it->len != c->state ||
        it->off + it->bytes != c->pool_len || c->pool_cap - c->pool_len < n ||
        pos != (m == UNITS ? d->cur_units + it->len : d->cur_bytes + it->bytes))
        return false;
    if (it->right) {
        const struct item *r = item_at(d, it->right);
        if (r->deleted || r->kind == K_FORMAT || r->client != it->right_origin.client ||
            r->clock != it->right_origin.clock)
            return false;
    } else if (it->right_origin.client != NO_CLIENT) {
        return false;
    }
    /* What is copied lies behind the pool's end until it is known to be ASCII. */
    unsigned char any = 0;
    for (size_t i = 0; i < n; i++)
        any |= (unsigned char)(c->pool[c->pool_len + i] = p[i]);
    if (any >= 0x80 && !(d->flags & YCRDT_RAW))
        return false;
    txn_touch(d, 0);
    pool_grew(d, c, (uint32_t)n);
    it->bytes += (uint32_t)n;
    it->len += (uint32_t)n;
    c->state += (uint32_t)n;
    pos_resized(d, it, (int64_t)n, (int64_t)n);
    return true;
}

/* Apart from insert, so that typing on does not pay for its frame. */
static __attribute__((noinline)) int insert_anywhere(struct ycrdt *d, unsigned text, size_t pos,
                                                     enum metric m, const char *p, size_t n,
                                                     struct err *err)
{
    struct place at;
    uint32_t units = 0;
    int r = check_text(d, p, n, &units, err);
    if (r == 0 && m == UNITS && cursor_in_gap(d, text, pos))
        at = (struct place){d->cur_item, 0};
    else if (r == 0)
        r = find_place(d, text, pos, m, &at, err);
    if (r == 0 && n > 0)
        insert_at(d, text, at, p, n, units);
    return r;
}

static int insert(struct ycrdt *d, unsigned text, size_t pos, enum metric m, const char *p,
                  size_t n, struct err *err)
{
    bool own = !d->in_txn;
    int r = 0;
    d->in_txn = true;
    if (!type_on(d, text, pos, m, p, n))
        r = insert_anywhere(d, text, pos, m, p, n, err);
    if (own)
        txn_commit(d, NULL);
    return r;
}

int ycrdt_insert(struct ycrdt *d, unsigned text, size_t pos, const char *p, size_t n,
                 struct err *err)
{
    return insert(d, text, pos, UNITS, p, n, err);
}

int ycrdt_insert_bytes(struct ycrdt *d, unsigned text, size_t pos, const char *p, size_t n,
                       struct err *err)
{
    return insert(d, text, pos, BYTES, p, n, err);
}

/* The text is long enough. */
static void delete_units(struct ycrdt *d, unsigned text, uint32_t pos, uint32_t len)
{
    if (len == 0)
        return;
    bool own = !d->in_txn;
    if (own)
        txn_begin(d);
    struct place at = pos_seek(d, text, pos + 1, UNITS);
    at.off--;
    delete_at(d, at, len);
    if (own)
        txn_commit(d, NULL);
}

int ycrdt_delete(struct ycrdt *d, unsigned text, size_t pos, size_t len, struct err *err)
{
    int r = check_place(d, text, pos, UNITS, err);
    if (r != 0)
        return r;
    if (len > d->lists[text].units - pos)
        return err_set(err, ERR_INVALID, "the text ends before the deletion does");
    delete_units(d, text, (uint32_t)pos, (uint32_t)len);
    return 0;
}

/* Units in front of the place. */
static uint32_t units_before(const struct ycrdt *d, struct place at)
{
    return at.item ? d->cur_units + at.off : 0;
}

int ycrdt_delete_bytes(struct ycrdt *d, unsigned text, size_t pos, size_t len, struct err *err)
{
    struct place at, end;
    int r = find_place(d, text, pos, BYTES, &at, err);
    if (r != 0)
        return r;
    uint32_t from = units_before(d, at);
    if (len > d->lists[text].bytes - pos)
        return err_set(err, ERR_INVALID, "the text ends before the deletion does");
    r = find_place(d, text, pos + len, BYTES, &end, err);
    if (r != 0)
        return r;
    delete_units(d, text, from, units_before(d, end) - from);
    return 0;
}
