#include "merge/paths.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void merge_listing_add(struct merge_listing *l, const char *name, size_t name_len, uint32_t mode,
                       const struct merge_oid *oid)
{
    VEC_GROW(l->v, l->len, l->cap);
    l->v[l->len++] = (struct merge_entry){xstrndup(name, name_len), mode, *oid};
}

void merge_listing_release(struct merge_listing *l)
{
    for (size_t i = 0; i < l->len; i++)
        free(l->v[i].name);
    free(l->v);
    *l = (struct merge_listing)MERGE_LISTING_INIT;
}

bool file_equal(const struct file *a, const struct file *b)
{
    return a->mode == b->mode && (a->mode == 0 || memcmp(&a->oid, &b->oid, sizeof a->oid) == 0);
}

bool file_is_regular(const struct file *f)
{
    return (f->mode & 0170000u) == 0100000u;
}

void path_changes_release(struct path_changes *c)
{
    for (size_t i = 0; i < c->len; i++)
        free(c->v[i].path);
    free(c->v);
    *c = (struct path_changes)PATH_CHANGES_INIT;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct merge_entry *)a)->name, ((const struct merge_entry *)b)->name);
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct path_change *)a)->path, ((const struct path_change *)b)->path);
}

static bool same_oid(const struct merge_oid *a, const struct merge_oid *b)
{
    return a && b && memcmp(a, b, sizeof *a) == 0;
}

/* Modes of ancient repositories (0100664) mean an ordinary file, as git reads them. */
static uint32_t canonical_mode(uint32_t mode)
{
    if ((mode & 0170000u) == 0100000u)
        return mode & 0100u ? MERGE_MODE_EXEC : MERGE_MODE_FILE;
    return mode;
}

/* Sorted by name. A tree object that no git would write is refused: its paths lead anywhere. */
static int read_listing(const struct merge_store *store, const struct merge_oid *tree,
                        struct merge_listing *out, struct err *err)
{
    int rc = tree ? store->read_tree(store->ctx, tree, out, err) : 0;
    if (rc < 0 || !out->len)
        return rc;
    qsort(out->v, out->len, sizeof *out->v, by_name);
    for (size_t i = 0; i < out->len; i++) {
        const char *name = out->v[i].name;
        if (!*name || strchr(name, '/') || (i > 0 && strcmp(out->v[i - 1].name, name) == 0))
            return err_set(err, ERR_INVALID, "merge: malformed tree");
    }
    return 0;
}

struct walk {
    const struct merge_store *store;
    struct path_changes *out;
    struct str path;
    unsigned depth;
    struct err *err;
};

static int walk_trees(struct walk *w, const struct merge_oid *trees[VERSIONS]);

static int walk_name(struct walk *w, const struct merge_entry *at[VERSIONS], const char *name)
{
    struct file files[VERSIONS] = {{0}};
    const struct merge_oid *subtrees[VERSIONS] = {NULL};
    bool any_tree = false;
    for (int i = 0; i < VERSIONS; i++) {
        if (at[i] && at[i]->mode == MERGE_MODE_TREE) {
            subtrees[i] = &at[i]->oid;
            any_tree = true;
        } else if (at[i]) {
            files[i] = (struct file){canonical_mode(at[i]->mode), at[i]->oid};
        }
    }
    size_t len = w->path.len;
    str_adds(&w->path, name);
    if (!file_equal(&files[0], &files[1]) || !file_equal(&files[0], &files[2])) {
        VEC_GROW(w->out->v, w->out->len, w->out->cap);
        struct path_change *c = &w->out->v[w->out->len++];
        c->path = xstrdup(w->path.p);
        memcpy(c->at, files, sizeof files);
    }
    int rc = 0;
    if (any_tree && !(same_oid(subtrees[0], subtrees[1]) && same_oid(subtrees[0], subtrees[2]))) {
        str_addc(&w->path, '/');
        rc = walk_trees(w, subtrees);
    }
    str_truncate(&w->path, len);
    return rc;
}

static int walk_trees(struct walk *w, const struct merge_oid *trees[VERSIONS])
{
    if (++w->depth > MERGE_DEPTH_MAX)
        return err_set(w->err, ERR_LIMIT, "merge: a tree is deeper than %d", MERGE_DEPTH_MAX);
    struct merge_listing own[VERSIONS] = {MERGE_LISTING_INIT};
    const struct merge_listing *listing[VERSIONS];
    int rc = 0;
    for (int i = 0; i < VERSIONS && rc == 0; i++) {
        listing[i] = &own[i];
        for (int j = 0; j < i && listing[i] == &own[i]; j++)
            if (same_oid(trees[i], trees[j]))
                listing[i] = listing[j];
        if (listing[i] == &own[i])
            rc = read_listing(w->store, trees[i], &own[i], w->err);
    }
    size_t next[VERSIONS] = {0};
    while (rc == 0) {
        const struct merge_entry *at[VERSIONS];
        const char *name = NULL;
        for (int i = 0; i < VERSIONS; i++) {
            at[i] = next[i] < listing[i]->len ? &listing[i]->v[next[i]] : NULL;
            if (at[i] && (!name || strcmp(at[i]->name, name) < 0))
                name = at[i]->name;
        }
        if (!name)
            break;
        for (int i = 0; i < VERSIONS; i++) {
            if (at[i] && strcmp(at[i]->name, name) == 0)
                next[i]++;
            else
                at[i] = NULL;
        }
        rc = walk_name(w, at, name);
    }
    for (int i = 0; i < VERSIONS; i++)
        merge_listing_release(&own[i]);
    w->depth--;
    return rc;
}

int path_changes_find(const struct merge_store *store, const struct merge_oid *trees[VERSIONS],
                      struct path_changes *out, struct err *err)
{
    if (same_oid(trees[0], trees[1]) && same_oid(trees[0], trees[2]))
        return 0;
    struct walk w = {store, out, STR_INIT, 0, err};
    int rc = walk_trees(&w, trees);
    str_release(&w.path);
    if (out->len)
        qsort(out->v, out->len, sizeof *out->v, by_path);
    return rc;
}

size_t path_changes_at(const struct path_changes *c, const char *path)
{
    size_t low = 0, high = c->len;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = strcmp(c->v[mid].path, path);
        if (order == 0)
            return mid;
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return SIZE_MAX;
}

int tree_lookup(const struct merge_store *store, const struct merge_oid *tree, const char *path,
                uint32_t *mode, struct err *err)
{
    struct merge_oid at = *tree;
    *mode = 0;
    for (;;) {
        struct merge_listing l = MERGE_LISTING_INIT;
        int rc = store->read_tree(store->ctx, &at, &l, err);
        size_t len = strcspn(path, "/");
        *mode = 0;
        for (size_t i = 0; rc == 0 && i < l.len; i++) {
            if (strlen(l.v[i].name) == len && memcmp(l.v[i].name, path, len) == 0) {
                *mode = l.v[i].mode;
                at = l.v[i].oid;
            }
        }
        merge_listing_release(&l);
        if (rc < 0 || path[len] == '\0' || *mode == 0)
            return rc;
        if (*mode != MERGE_MODE_TREE) {
            *mode = 0;
            return 0;
        }
        path += len + 1;
    }
}

/* git's order: a directory sorts as if its name ended in a slash. */
static int by_tree_order(const void *a, const void *b)
{
    const struct merge_entry *x = a, *y = b;
    size_t nx = strlen(x->name), ny = strlen(y->name), n = nx < ny ? nx : ny;
    int order = memcmp(x->name, y->name, n);
    if (order)
        return order;
    unsigned char cx = (unsigned char)x->name[n], cy = (unsigned char)y->name[n];
    if (!cx && x->mode == MERGE_MODE_TREE)
        cx = '/';
    if (!cy && y->mode == MERGE_MODE_TREE)
        cy = '/';
    return (cx > cy) - (cx < cy);
}

struct place {
    const struct merge_store *store;
    unsigned depth;
    struct err *err;
};

/* A directory being changed: the old entries in name order, then the new ones. An entry that goes
 * has mode 0 until the directory is written. */
struct directory {
    struct merge_listing entries;
    size_t old;
};

static int place_below(struct place *p, const struct merge_oid *tree, size_t prefix,
                       const struct placing *v, size_t n, bool root, struct merge_oid *out,
                       bool *empty);

static struct merge_entry *old_entry(struct directory *d, const char *name, size_t len)
{
    size_t low = 0, high = d->old;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        struct merge_entry *e = &d->entries.v[mid];
        int order = strncmp(e->name, name, len);
        if (order == 0 && e->name[len] == '\0')
            return e;
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

/* Placings v[0..n) all go to the entry `name` of a directory, or below it. */
static int place_name(struct place *p, struct directory *d, size_t prefix, const struct placing *v,
                      size_t n)
{
    const char *name = v[0].path + prefix;
    size_t len = strcspn(name, "/");
    struct merge_entry *e = old_entry(d, name, len);
    bool here = name[len] == '\0', empty = true, was_tree = e && e->mode == MERGE_MODE_TREE;
    struct merge_oid sub, old = was_tree ? e->oid : (struct merge_oid){{0}};
    size_t below = n - here;
    if (below) {
        int rc = place_below(p, was_tree ? &old : NULL, prefix + len + 1, v + here, below, false,
                             &sub, &empty);
        if (rc < 0)
            return rc;
    }
    struct file now = {0};
    if (!empty)
        now = (struct file){MERGE_MODE_TREE, sub};
    else if (here && file_exists(&v[0].file))
        now = v[0].file;
    else if (e && !(was_tree ? below > 0 : here))
        return 0;
    if (e) {
        e->mode = now.mode;
        e->oid = now.oid;
    } else if (file_exists(&now)) {
        merge_listing_add(&d->entries, name, len, now.mode, &now.oid);
    }
    return 0;
}

static int write_directory(struct place *p, struct merge_listing *l, bool root,
                           struct merge_oid *out, bool *empty)
{
    size_t n = 0;
    for (size_t i = 0; i < l->len; i++) {
        if (l->v[i].mode) {
            struct merge_entry kept = l->v[i];
            l->v[i] = l->v[n];
            l->v[n++] = kept;
        }
    }
    *empty = n == 0;
    if (!n && !root)
        return 0;
    if (n)
        qsort(l->v, n, sizeof *l->v, by_tree_order);
    return p->store->write_tree(p->store->ctx, l->v, n, out, p->err);
}

static int place_below(struct place *p, const struct merge_oid *tree, size_t prefix,
                       const struct placing *v, size_t n, bool root, struct merge_oid *out,
                       bool *empty)
{
    if (++p->depth > MERGE_DEPTH_MAX)
        return err_set(p->err, ERR_LIMIT, "merge: a tree is deeper than %d", MERGE_DEPTH_MAX);
    struct directory d = {MERGE_LISTING_INIT, 0};
    int rc = read_listing(p->store, tree, &d.entries, p->err);
    d.old = d.entries.len;
    for (size_t i = 0; i < n && rc == 0;) {
        size_t len = strcspn(v[i].path + prefix, "/"), end = i + 1;
        while (end < n && strncmp(v[end].path + prefix, v[i].path + prefix, len) == 0 &&
               (v[end].path[prefix + len] == '/' || v[end].path[prefix + len] == '\0'))
            end++;
        rc = place_name(p, &d, prefix, v + i, end - i);
        i = end;
    }
    if (rc == 0)
        rc = write_directory(p, &d.entries, root, out, empty);
    merge_listing_release(&d.entries);
    p->depth--;
    return rc;
}

/* Component by component, so that everything below a directory stands together. */
static int by_components(const void *a, const void *b)
{
    const unsigned char *x = (const unsigned char *)((const struct placing *)a)->path;
    const unsigned char *y = (const unsigned char *)((const struct placing *)b)->path;
    for (; *x == *y; x++, y++)
        if (!*x)
            return 0;
    int cx = *x == '/' ? 1 : *x ? *x + 1 : 0;
    int cy = *y == '/' ? 1 : *y ? *y + 1 : 0;
    return cx - cy;
}

int tree_place(const struct merge_store *store, const struct merge_oid *tree,
               const struct placing *v, size_t n, struct merge_oid *out, struct err *err)
{
    if (!n) {
        *out = *tree;
        return 0;
    }
    cleanup_free struct placing *sorted = xmemdup(v, n * sizeof *v);
    qsort(sorted, n, sizeof *sorted, by_components);
    struct place p = {store, 0, err};
    bool empty;
    return place_below(&p, tree, 0, sorted, n, true, out, &empty);
}
