/*
 * Tree merge over a store in memory. The input is a program that makes a base tree and changes it
 * twice: contents, modes, types, renames, directories in the place of files. Whatever comes of it:
 * the merge succeeds and is deterministic, the result is a tree that git could have written (the
 * store checks the order), and no content that a side had made is out of reach.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/merge/memstore.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FILES_MAX 24
#define INPUT_MAX 4096

struct program {
    const uint8_t *p;
    size_t n;
    unsigned serial;
};

struct files {
    struct memfile v[FILES_MAX];
    size_t n;
};

static unsigned take(struct program *p, unsigned below)
{
    if (!p->n || !below)
        return 0;
    p->n--;
    return *p->p++ % below;
}

static void some_path(struct program *p, char out[256])
{
    static const char *const names[] = {"a", "b", "A", "a.c", "dir", "x-y", ".rc"};
    unsigned depth = 1 + take(p, 3);
    size_t n = 0;
    for (unsigned i = 0; i < depth; i++) {
        const char *name = names[take(p, ARRAY_LEN(names))];
        n += (size_t)snprintf(out + n, 256 - n, "%s%s", i ? "/" : "", name);
    }
}

static bool fits(const struct files *f, const char *path)
{
    size_t n = strlen(path);
    for (size_t i = 0; i < f->n; i++) {
        size_t m = strlen(f->v[i].path), k = n < m ? n : m;
        if (strncmp(f->v[i].path, path, k) == 0 &&
            (n == m || (n < m ? f->v[i].path[k] : path[k]) == '/'))
            return false;
    }
    return true;
}

/* Content with a line of its own, so that it can be found again. */
static void some_content(struct program *p, struct memstore *m, struct memfile *f)
{
    cleanup_str struct str text = STR_INIT;
    unsigned kind = take(p, 6), lines = take(p, 12);
    for (unsigned i = 0; i < lines; i++)
        str_addf(&text, "common %u\n", i);
    str_addf(&text, "only %u\n", p->serial++);
    if (kind == 0)
        str_addc(&text, '\0');
    f->mode = kind == 1 ? MERGE_MODE_LINK : kind == 2 ? MERGE_MODE_EXEC : MERGE_MODE_FILE;
    mem_write_blob(m, text.p, text.len, &f->oid, NULL);
}

static void change(struct program *p, struct memstore *m, struct files *f)
{
    char path[256];
    unsigned what = take(p, 6);
    size_t at = f->n ? take(p, (unsigned)f->n) : 0;
    some_path(p, path);
    if (what == 0 || f->n == 0) {
        if (f->n < FILES_MAX && fits(f, path)) {
            struct memfile *new = &f->v[f->n++];
            memcpy(new->path, path, sizeof path);
            some_content(p, m, new);
        }
    } else if (what == 1) {
        f->v[at] = f->v[--f->n];
    } else if (what == 2) {
        f->v[at].mode = f->v[at].mode == MERGE_MODE_FILE ? MERGE_MODE_EXEC : f->v[at].mode;
    } else if (what == 3) {
        struct memfile moved = f->v[at];
        f->v[at] = f->v[--f->n];
        if (fits(f, path))
            memcpy(moved.path, path, sizeof path);
        f->v[f->n++] = moved;
    } else {
        some_content(p, m, &f->v[at]);
    }
}

static struct merge_oid write_files(struct memstore *m, struct files *f)
{
    if (f->n)
        qsort(f->v, f->n, sizeof f->v[0], mem_by_path);
    return mem_tree_of(m, f->v, f->n, 0);
}

/* The line that only this content has, or NULL. */
static const char *own_line(const struct memobject *o)
{
    return strstr(o->blob.p, "only ");
}

static bool has_blob(const struct files *f, const struct merge_oid *oid)
{
    for (size_t i = 0; i < f->n; i++)
        if (memcmp(&f->v[i].oid, oid, sizeof *oid) == 0)
            return true;
    return false;
}

/* What a side made and did not have from the base must be in the result, whole or merged. */
static void check_reachable(struct memstore *m, const struct files *base, const struct files *side,
                            const struct str *listing)
{
    for (size_t i = 0; i < side->n; i++) {
        if (has_blob(base, &side->v[i].oid))
            continue;
        const struct memobject *o = mem_find(m, &side->v[i].oid);
        const char *line = own_line(o);
        cleanup_free char *needle = xstrndup(line, strcspn(line, "\n") + 1);
        BUG_ON(!memmem(listing->p, listing->len, needle, strlen(needle)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > INPUT_MAX)
        return 0;
    struct memstore m = {0};
    struct program p = {data, size, 0};
    static struct files base, local, canonical;
    base.n = 0;
    for (unsigned i = take(&p, 12); i > 0; i--)
        change(&p, &m, &base);
    local = canonical = base;
    for (unsigned i = take(&p, 8); i > 0; i--)
        change(&p, &m, &local);
    for (unsigned i = take(&p, 8); i > 0; i--)
        change(&p, &m, &canonical);
    struct merge_oid b = write_files(&m, &base), l = write_files(&m, &local);
    struct merge_oid c = write_files(&m, &canonical);
    struct merge_store store = mem_vtable(&m);
    struct merge_tree_opts opts = {.login = "ann"};
    struct merge_tree_result r = MERGE_TREE_RESULT_INIT, again = MERGE_TREE_RESULT_INIT;
    struct err err = ERR_INIT;
    BUG_ON(merge_trees(&store, &b, &l, &c, &opts, &r, &err) != 0);
    BUG_ON(merge_trees(&store, &b, &l, &c, &opts, &again, &err) != 0);
    BUG_ON(memcmp(&r.tree, &again.tree, sizeof r.tree) != 0 || r.report.len != again.report.len);
    cleanup_str struct str listing = STR_INIT;
    mem_list(&m, &r.tree, "", &listing);
    check_reachable(&m, &base, &local, &listing);
    check_reachable(&m, &base, &canonical, &listing);
    merge_tree_result_release(&r);
    merge_tree_result_release(&again);
    mem_release(&m);
    return 0;
}
