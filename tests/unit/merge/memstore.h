/* An object store in memory, for tests of tree merge: objects by id, ids by a hash of the content.
 * Trees are written down as text: "100644 path content" lines. */
#ifndef TESTS_MEMSTORE_H
#define TESTS_MEMSTORE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "merge/tree.h"

struct memobject {
    struct merge_oid oid;
    bool is_tree;
    struct str blob;
    struct merge_listing tree;
};

struct memstore {
    struct memobject *v;
    size_t len, cap;
    size_t trees_read, blobs_read;
};

static struct memobject *mem_find(struct memstore *m, const struct merge_oid *oid)
{
    for (size_t i = 0; i < m->len; i++)
        if (memcmp(&m->v[i].oid, oid, sizeof *oid) == 0)
            return &m->v[i];
    return NULL;
}

static void mem_hash(const char *type, const void *p, size_t n, struct merge_oid *out)
{
    uint64_t h[3] = {14695981039346656037u, 1099511628211u, 7};
    for (size_t i = 0; i < n + strlen(type); i++) {
        unsigned char c = i < strlen(type) ? (unsigned char)type[i]
                                           : ((const unsigned char *)p)[i - strlen(type)];
        for (int k = 0; k < 3; k++)
            h[k] = (h[k] ^ (c + (unsigned)k)) * (1099511628211u + 2u * (unsigned)k);
    }
    memcpy(out->id, h, sizeof out->id);
}

static struct memobject *mem_new(struct memstore *m, const struct merge_oid *oid)
{
    struct memobject *o = mem_find(m, oid);
    if (o)
        return NULL;
    VEC_GROW(m->v, m->len, m->cap);
    o = &m->v[m->len++];
    *o = (struct memobject){.oid = *oid, .blob = STR_INIT};
    return o;
}

static int mem_write_blob(void *ctx, const void *p, size_t n, struct merge_oid *out,
                          struct err *err)
{
    (void)err;
    mem_hash("blob", p, n, out);
    struct memobject *o = mem_new(ctx, out);
    if (o)
        str_add(&o->blob, p, n);
    return 0;
}

/* git's order: directories as if their name ended in a slash. */
static void mem_check_order(const struct merge_entry *v, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        char a[512], b[512];
        snprintf(a, sizeof a, "%s%s", v[i - 1].name, v[i - 1].mode == MERGE_MODE_TREE ? "/" : "");
        snprintf(b, sizeof b, "%s%s", v[i].name, v[i].mode == MERGE_MODE_TREE ? "/" : "");
        BUG_ON(strcmp(a, b) >= 0 || strcmp(v[i - 1].name, v[i].name) == 0);
    }
}

static int mem_write_tree(void *ctx, const struct merge_entry *v, size_t n, struct merge_oid *out,
                          struct err *err)
{
    (void)err;
    mem_check_order(v, n);
    struct str text = STR_INIT;
    for (size_t i = 0; i < n; i++) {
        str_addf(&text, "%o %s", v[i].mode, v[i].name);
        str_addc(&text, '\0');
        str_add(&text, v[i].oid.id, sizeof v[i].oid.id);
    }
    mem_hash("tree", text.p, text.len, out);
    str_release(&text);
    struct memobject *o = mem_new(ctx, out);
    if (o) {
        o->is_tree = true;
        for (size_t i = 0; i < n; i++)
            merge_listing_add(&o->tree, v[i].name, strlen(v[i].name), v[i].mode, &v[i].oid);
    }
    return 0;
}

static int mem_read_tree(void *ctx, const struct merge_oid *tree, struct merge_listing *out,
                         struct err *err)
{
    struct memstore *m = ctx;
    struct memobject *o = mem_find(m, tree);
    if (!o || !o->is_tree)
        return err_set(err, ERR_NOT_FOUND, "no such tree");
    m->trees_read++;
    for (size_t i = 0; i < o->tree.len; i++)
        merge_listing_add(out, o->tree.v[i].name, strlen(o->tree.v[i].name), o->tree.v[i].mode,
                          &o->tree.v[i].oid);
    return 0;
}

static int mem_read_blob(void *ctx, const struct merge_oid *blob, size_t max, struct str *out,
                         struct err *err)
{
    struct memstore *m = ctx;
    struct memobject *o = mem_find(m, blob);
    if (!o || o->is_tree)
        return err_set(err, ERR_NOT_FOUND, "no such blob");
    m->blobs_read++;
    if (o->blob.len > max)
        return err_set(err, ERR_LIMIT, "blob too long");
    str_add(out, o->blob.p, o->blob.len);
    return 0;
}

static void mem_release(struct memstore *m)
{
    for (size_t i = 0; i < m->len; i++) {
        str_release(&m->v[i].blob);
        merge_listing_release(&m->v[i].tree);
    }
    free(m->v);
    *m = (struct memstore){0};
}

static struct merge_store mem_vtable(struct memstore *m)
{
    return (struct merge_store){.ctx = m,
                                .read_tree = mem_read_tree,
                                .read_blob = mem_read_blob,
                                .write_blob = mem_write_blob,
                                .write_tree = mem_write_tree};
}

struct memfile {
    char path[256];
    uint32_t mode;
    struct merge_oid oid;
};

static int mem_by_path(const void *a, const void *b)
{
    return strcmp(((const struct memfile *)a)->path, ((const struct memfile *)b)->path);
}

static int mem_by_order(const void *a, const void *b)
{
    char x[300], y[300];
    const struct merge_entry *p = a, *q = b;
    snprintf(x, sizeof x, "%s%s", p->name, p->mode == MERGE_MODE_TREE ? "/" : "");
    snprintf(y, sizeof y, "%s%s", q->name, q->mode == MERGE_MODE_TREE ? "/" : "");
    return strcmp(x, y);
}

/* The tree of files sorted by path whose paths share the first `prefix` bytes. */
static struct merge_oid mem_tree_of(struct memstore *m, const struct memfile *v, size_t n,
                                    size_t prefix)
{
    struct merge_listing l = MERGE_LISTING_INIT;
    struct merge_oid oid;
    for (size_t i = 0; i < n; i++) {
        const char *name = v[i].path + prefix;
        size_t len = strcspn(name, "/");
        if (!name[len]) {
            merge_listing_add(&l, name, len, v[i].mode, &v[i].oid);
            continue;
        }
        /* files of one directory may stand apart in byte order ("a-b" is before "a/b") */
        bool seen = false;
        for (size_t k = 0; k < i; k++)
            seen |= strncmp(v[k].path + prefix, name, len + 1) == 0;
        if (seen)
            continue;
        struct memfile *below = xmalloc(n * sizeof *below);
        size_t count = 0;
        for (size_t k = i; k < n; k++)
            if (strncmp(v[k].path + prefix, name, len + 1) == 0)
                below[count++] = v[k];
        oid = mem_tree_of(m, below, count, prefix + len + 1);
        free(below);
        merge_listing_add(&l, name, len, MERGE_MODE_TREE, &oid);
    }
    if (l.len)
        qsort(l.v, l.len, sizeof *l.v, mem_by_order);
    mem_write_tree(m, l.v, l.len, &oid, NULL);
    merge_listing_release(&l);
    return oid;
}

static void mem_list(struct memstore *m, const struct merge_oid *tree, const char *prefix,
                     struct str *out)
{
    const struct memobject *o = mem_find(m, tree);
    BUG_ON(!o || !o->is_tree);
    struct merge_listing l = MERGE_LISTING_INIT;
    mem_read_tree(m, tree, &l, NULL);
    for (size_t i = 0; i < l.len; i++) {
        char path[1024];
        snprintf(path, sizeof path, "%s%s", prefix, l.v[i].name);
        if (l.v[i].mode == MERGE_MODE_TREE) {
            snprintf(path, sizeof path, "%s%s/", prefix, l.v[i].name);
            mem_list(m, &l.v[i].oid, path, out);
            continue;
        }
        const struct memobject *b = mem_find(m, &l.v[i].oid);
        str_addf(out, "%o %s ", l.v[i].mode, path);
        if (b)
            str_add(out, b->blob.p, b->blob.len);
        else
            str_addf(out, "@%c", l.v[i].oid.id[0]);
        str_addc(out, '\n');
    }
    merge_listing_release(&l);
}

#endif
