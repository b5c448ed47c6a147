#include "git/index.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "git/index_tree.h"

#define HEADER 12
#define FIXED 62 /* bytes of an entry in front of its path */
#define CHECKSUM 20
#define BLOCK ((size_t)256 * 1024)
#define FLAG_EXTENDED 0x4000u
#define NAME_MASK 0x0fffu

void index_release(struct index *index)
{
    for (size_t i = 0; i < index->n_blocks; i++)
        free(index->blocks[i]);
    free(index->blocks);
    free(index->v);
    index_tree_free(index->tree);
    *index = (struct index)INDEX_INIT;
}

/* --- entries ---------------------------------------------------------------------------------- */

static char *keep_path(struct index *index, const char *path, size_t len)
{
    if (index->block_size - index->block_used < len + 1 || index->n_blocks == 0) {
        VEC_GROW(index->blocks, index->n_blocks, index->cap_blocks);
        index->block_size = len + 1 > BLOCK ? len + 1 : BLOCK;
        index->blocks[index->n_blocks++] = xmalloc(index->block_size);
        index->block_used = 0;
    }
    char *p = index->blocks[index->n_blocks - 1] + index->block_used;
    memcpy(p, path, len);
    p[len] = '\0';
    index->block_used += len + 1;
    return p;
}

struct index_entry *index_add(struct index *index, const char *path, size_t len)
{
    VEC_GROW(index->v, index->len, index->cap);
    struct index_entry *e = &index->v[index->len++];
    *e = (struct index_entry){.path = keep_path(index, path, len), .path_len = (uint32_t)len};
    return e;
}

static int by_path(const void *a, const void *b)
{
    const struct index_entry *x = a;
    const struct index_entry *y = b;
    int order = strcmp(x->path, y->path);
    if (order)
        return order;
    return (int)(x->flags & INDEX_STAGE_MASK) - (int)(y->flags & INDEX_STAGE_MASK);
}

void index_sort(struct index *index)
{
    if (index->len > 1)
        qsort(index->v, index->len, sizeof *index->v, by_path);
}

size_t index_position(const struct index *index, const char *path, bool *found)
{
    size_t low = 0;
    size_t high = index->len;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = strcmp(index->v[mid].path, path);
        if (order == 0 && (index->v[mid].flags & INDEX_STAGE_MASK) == 0) {
            *found = true;
            return mid;
        }
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    *found = false;
    return low;
}

/* Entry i becomes that one; its path stays. */
static void overwrite(struct index *index, size_t i, const struct index_entry *e)
{
    const char *path = index->v[i].path;
    index->v[i] = *e;
    index->v[i].path = path;
}

static void remove_marked(struct index *index, const bool *gone)
{
    size_t kept = 0;
    for (size_t i = 0; i < index->len; i++)
        if (!gone[i])
            index->v[kept++] = index->v[i];
    index->len = kept;
}

/* Entries of `from`, in order, each to its place. */
static void merge_added(struct index *index, const struct index *from, const size_t *added,
                        size_t n)
{
    size_t left = index->len;
    cleanup_free struct index_entry *fresh = xcalloc(n + 1, sizeof *fresh);
    for (size_t i = 0; i < n; i++) {
        const struct index_entry *e = &from->v[added[i]];
        index_add(index, e->path, e->path_len);
        overwrite(index, index->len - 1, e);
        fresh[i] = index->v[index->len - 1];
    }
    size_t to = index->len;
    while (n > 0) {
        if (left > 0 && by_path(&index->v[left - 1], &fresh[n - 1]) > 0)
            index->v[--to] = index->v[--left];
        else
            index->v[--to] = fresh[--n];
    }
}

void index_replace(struct index *index, const char *const *paths, size_t n,
                   const struct index *from)
{
    cleanup_free bool *gone = xcalloc(index->len + 1, sizeof *gone);
    cleanup_free size_t *added = xcalloc(n + 1, sizeof *added);
    size_t n_added = 0;
    bool any_gone = false;
    for (size_t i = 0; i < n; i++) {
        bool was, is;
        size_t old = index_position(index, paths[i], &was);
        size_t new = index_position(from, paths[i], &is);
        index_forget_path(index, paths[i]);
        if (was && is)
            overwrite(index, old, &from->v[new]);
        else if (is)
            added[n_added++] = new;
        else if (was)
            any_gone = gone[old] = true;
    }
    if (any_gone)
        remove_marked(index, gone);
    if (n_added)
        merge_added(index, from, added, n_added);
}

bool index_entry_is_named(const struct index_entry *e, const char *name)
{
    size_t n = strlen(name);
    return e->path_len >= n && memcmp(e->path + e->path_len - n, name, n) == 0 &&
           (e->path_len == n || e->path[e->path_len - n - 1] == '/');
}

bool index_has_unmerged(const struct index *index, const char **path)
{
    for (size_t i = 0; i < index->len; i++)
        if (index->v[i].flags & INDEX_STAGE_MASK) {
            *path = index->v[i].path;
            return true;
        }
    return false;
}

void index_set_stat(struct index_entry *e, const struct stat *st)
{
    e->ctime_s = (uint32_t)st->st_ctim.tv_sec;
    e->ctime_ns = (uint32_t)st->st_ctim.tv_nsec;
    e->mtime_s = (uint32_t)st->st_mtim.tv_sec;
    e->mtime_ns = (uint32_t)st->st_mtim.tv_nsec;
    e->dev = (uint32_t)st->st_dev;
    e->ino = (uint32_t)st->st_ino;
    e->uid = st->st_uid;
    e->gid = st->st_gid;
    e->size = (uint32_t)st->st_size;
}

void index_clear_stat(struct index_entry *e)
{
    e->ctime_s = e->ctime_ns = e->mtime_s = e->mtime_ns = 0;
    e->dev = e->ino = e->uid = e->gid = e->size = 0;
}

bool index_stat_same(const struct index_entry *e, const struct stat *st)
{
    return e->mtime_s == (uint32_t)st->st_mtim.tv_sec &&
           e->mtime_ns == (uint32_t)st->st_mtim.tv_nsec && e->ino == (uint32_t)st->st_ino &&
           e->size == (uint32_t)st->st_size && e->mtime_s != 0;
}

/* --- reading ---------------------------------------------------------------------------------- */

struct reader {
    const unsigned char *p;
    size_t left;
};

static uint32_t be32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void skip(struct reader *r, size_t n)
{
    r->p += n;
    r->left -= n;
}

/* git's offset encoding of how much of the path before is dropped (version 4). */
static int read_strip(struct reader *r, size_t *out)
{
    size_t value = 0;
    for (int i = 0; i < 4; i++) {
        if (r->left == 0)
            return ERR_INVALID;
        unsigned char c = r->p[0];
        skip(r, 1);
        value = (value << 7) | (c & 0x7f);
        if (!(c & 0x80)) {
            *out = value;
            return 0;
        }
        value++;
    }
    return ERR_INVALID;
}

static void read_fixed(const unsigned char *p, struct index_entry *e)
{
    uint32_t *const fields[] = {&e->ctime_s, &e->ctime_ns, &e->mtime_s, &e->mtime_ns, &e->dev,
                                &e->ino,     &e->mode,     &e->uid,     &e->gid,      &e->size};
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        *fields[i] = be32(p + 4 * i);
    memcpy(e->oid.id, p + 40, OID_LEN);
    e->flags = (uint16_t)(p[60] << 8 | p[61]);
}

static int read_entry(struct reader *r, int version, struct index *index, struct str *path)
{
    const unsigned char *start = r->p;
    struct index_entry e = {0};
    size_t fixed = FIXED;
    if (r->left < FIXED)
        return ERR_INVALID;
    read_fixed(r->p, &e);
    if (e.flags & FLAG_EXTENDED) {
        fixed += 2;
        if (version < 3 || r->left < fixed)
            return ERR_INVALID;
        e.xflags = (uint16_t)(r->p[62] << 8 | r->p[63]);
    }
    skip(r, fixed);
    size_t strip = path->len;
    if (version == 4 && (read_strip(r, &strip) < 0 || strip > path->len))
        return ERR_INVALID;
    str_truncate(path, path->len - strip);
    const unsigned char *end = memchr(r->p, '\0', r->left);
    if (!end)
        return ERR_INVALID;
    str_add(path, r->p, (size_t)(end - r->p));
    if (path->len == 0) /* what a split index leaves of a replaced entry */
        return ERR_UNSUPPORTED;
    if (path->len > INDEX_PATH_MAX)
        return ERR_INVALID;
    skip(r, (size_t)(end - r->p));
    size_t used = (size_t)(r->p - start);
    size_t pad = version == 4 ? 1 : 8 - used % 8;
    if (r->left < pad)
        return ERR_INVALID;
    skip(r, pad);
    struct index_entry *kept = index_add(index, path->p, path->len);
    e.path = kept->path;
    e.path_len = kept->path_len;
    e.flags &= INDEX_ASSUME_VALID | INDEX_STAGE_MASK;
    *kept = e;
    if (index->len > 1 && by_path(&kept[-1], kept) >= 0)
        return ERR_INVALID;
    return 0;
}

static int read_extensions(struct reader *r, struct index *out, struct err *err)
{
    while (r->left) {
        if (r->left < 8)
            return err_set(err, ERR_INVALID, "index: bytes after the last extension");
        const unsigned char *name = r->p;
        uint32_t size = be32(r->p + 4);
        skip(r, 8);
        if (size > r->left)
            return err_set(err, ERR_INVALID, "index: extension longer than the file");
        if (name[0] < 'A' || name[0] > 'Z')
            return err_set(err, ERR_UNSUPPORTED, "index: split or sparse index");
        if (memcmp(name, "TREE", 4) == 0 && !out->tree)
            out->tree = index_tree_parse(r->p, size, out->len);
        skip(r, size);
    }
    return 0;
}

int index_parse(const void *p, size_t n, struct index *out, struct err *err)
{
    struct reader r = {.p = p, .left = n};
    if (n > INDEX_FILE_MAX)
        return err_set(err, ERR_LIMIT, "index of %zu bytes", n);
    if (n < HEADER + CHECKSUM || memcmp(p, "DIRC", 4) != 0)
        return err_set(err, ERR_INVALID, "index: not an index file");
    uint32_t version = be32(r.p + 4);
    uint32_t count = be32(r.p + 8);
    if (version < 2 || version > 4)
        return err_set(err, ERR_UNSUPPORTED, "index: version %u", version);
    if (count > INDEX_ENTRIES_MAX)
        return err_set(err, ERR_LIMIT, "index: %u entries", count);
    skip(&r, HEADER);
    r.left -= CHECKSUM;
    cleanup_str struct str path = STR_INIT;
    for (uint32_t i = 0; i < count; i++) {
        int rc = read_entry(&r, (int)version, out, &path);
        if (rc < 0)
            return err_set(err, rc, "index: entry %u is malformed or split off", i);
    }
    return read_extensions(&r, out, err);
}

/* --- writing ---------------------------------------------------------------------------------- */

static void put32(struct str *out, uint32_t v)
{
    unsigned char b[4] = {(unsigned char)(v >> 24), (unsigned char)(v >> 16),
                          (unsigned char)(v >> 8), (unsigned char)v};
    str_add(out, b, sizeof b);
}

static void put16(struct str *out, unsigned v)
{
    unsigned char b[2] = {(unsigned char)(v >> 8), (unsigned char)v};
    str_add(out, b, sizeof b);
}

static void put_entry(struct str *out, const struct index_entry *e)
{
    static const char zeros[8] = "";
    const uint32_t fields[] = {e->ctime_s, e->ctime_ns, e->mtime_s, e->mtime_ns, e->dev,
                               e->ino,     e->mode,     e->uid,     e->gid,      e->size};
    size_t start = out->len;
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        put32(out, fields[i]);
    str_add(out, e->oid.id, OID_LEN);
    unsigned length = e->path_len < NAME_MASK ? e->path_len : NAME_MASK;
    put16(out, e->flags | length | (e->xflags ? FLAG_EXTENDED : 0));
    if (e->xflags)
        put16(out, e->xflags);
    str_add(out, e->path, e->path_len);
    str_add(out, zeros, 8 - (out->len - start) % 8);
}

void index_format(const struct index *index, struct str *out)
{
    bool extended = false;
    for (size_t i = 0; i < index->len && !extended; i++)
        extended = index->v[i].xflags != 0;
    str_reserve(out, index->len * 112 + 1024);
    str_adds(out, "DIRC");
    put32(out, extended ? 3 : 2);
    put32(out, (uint32_t)index->len);
    for (size_t i = 0; i < index->len; i++)
        put_entry(out, &index->v[i]);
    if (index->tree) {
        str_adds(out, "TREE");
        size_t at = out->len;
        put32(out, 0);
        index_tree_format(index->tree, out);
        uint32_t size = (uint32_t)(out->len - at - 4);
        for (int i = 0; i < 4; i++)
            out->p[at + (size_t)i] = (char)(size >> (24 - 8 * i));
    }
    struct oid sum;
    oid_hash(out->p, out->len, &sum);
    str_add(out, sum.id, OID_LEN);
}
