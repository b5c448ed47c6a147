#include "git/index_tree.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"

#define MODE_TREE 040000u
#define DEPTH_MAX REPO_TREE_DEPTH_MAX

void index_tree_free(struct index_tree *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->len; i++)
        index_tree_free(t->v[i]);
    free(t->v);
    free(t->name);
    free(t);
}

static struct index_tree *new_tree(const char *name, size_t len)
{
    struct index_tree *t = xcalloc(1, sizeof *t);
    t->name = xstrndup(name, len);
    t->count = -1;
    return t;
}

static void add_child(struct index_tree *t, struct index_tree *child)
{
    VEC_GROW(t->v, t->len, t->cap);
    t->v[t->len++] = child;
}

/* --- the extension ---------------------------------------------------------------------------- */

struct reader {
    const char *p;
    size_t left;
    size_t budget; /* nodes that may still come */
};

static bool read_number(struct reader *r, char end, long *out)
{
    const char *stop = memchr(r->p, end, r->left < 24 ? r->left : 24);
    if (!stop)
        return false;
    size_t len = (size_t)(stop - r->p);
    uint64_t value = 0;
    if (len == 2 && memcmp(r->p, "-1", 2) == 0)
        *out = -1;
    else if (num_parse_u64(r->p, len, 0, INDEX_ENTRIES_MAX, &value, NULL) < 0)
        return false;
    else
        *out = (long)value;
    r->p += len + 1;
    r->left -= len + 1;
    return true;
}

static struct index_tree *read_node(struct reader *r, size_t n_entries, int depth)
{
    const char *end = memchr(r->p, '\0', r->left);
    long subtrees = 0;
    if (!end || depth > DEPTH_MAX || r->budget-- == 0)
        return NULL;
    struct index_tree *t = new_tree(r->p, (size_t)(end - r->p));
    r->left -= (size_t)(end - r->p) + 1;
    r->p = end + 1;
    bool good = read_number(r, ' ', &t->count) && read_number(r, '\n', &subtrees) &&
                subtrees >= 0 && t->count <= (long)n_entries;
    if (good && t->count >= 0) {
        good = r->left >= OID_LEN;
        if (good) {
            memcpy(t->oid.id, r->p, OID_LEN);
            r->p += OID_LEN;
            r->left -= OID_LEN;
        }
    }
    for (long i = 0; good && i < subtrees; i++) {
        struct index_tree *child = read_node(r, n_entries, depth + 1);
        if (child)
            add_child(t, child);
        good = child != NULL;
    }
    if (!good) {
        index_tree_free(t);
        return NULL;
    }
    return t;
}

struct index_tree *index_tree_parse(const void *p, size_t n, size_t n_entries)
{
    struct reader r = {.p = p, .left = n, .budget = n / 5 + 1};
    struct index_tree *t = read_node(&r, n_entries, 0);
    if (t && (r.left || t->name[0])) {
        index_tree_free(t);
        return NULL;
    }
    return t;
}

void index_tree_format(const struct index_tree *t, struct str *out)
{
    str_adds(out, t->name);
    str_addc(out, '\0');
    str_addf(out, "%ld %zu\n", t->count, t->len);
    if (t->count >= 0)
        str_add(out, t->oid.id, OID_LEN);
    for (size_t i = 0; i < t->len; i++)
        index_tree_format(t->v[i], out);
}

/* --- entries to trees ------------------------------------------------------------------------- */

struct maker {
    const struct index *index;
    struct repo *repo;
    struct err *err;
};

/* Takes the child of that name out of t; the search begins where the last one ended, which is where
 * the next name usually is. */
static struct index_tree *take_child(struct index_tree *t, size_t *hint, const char *name,
                                     size_t len)
{
    for (size_t i = 0; t && i < t->len; i++) {
        size_t k = (*hint + i) % t->len;
        struct index_tree *child = t->v[k];
        if (child && strlen(child->name) == len && memcmp(child->name, name, len) == 0) {
            *hint = k + 1;
            t->v[k] = NULL;
            return child;
        }
    }
    return NULL;
}

/* git's order of tree entries: a directory sorts as if its name ended in a slash. */
static int tree_order(const void *a, const void *b)
{
    const struct tree_entry *x = a;
    const struct tree_entry *y = b;
    size_t nx = strlen(x->name);
    size_t ny = strlen(y->name);
    size_t n = nx < ny ? nx : ny;
    int order = memcmp(x->name, y->name, n);
    if (order)
        return order;
    unsigned char cx = nx > n ? (unsigned char)x->name[n] : x->mode == MODE_TREE ? '/' : 0;
    unsigned char cy = ny > n ? (unsigned char)y->name[n] : y->mode == MODE_TREE ? '/' : 0;
    return (int)cx - (int)cy;
}

/* The entries that make one directory: those whose paths begin as the first one does. */
struct span {
    size_t first;
    size_t prefix; /* bytes */
};

static int make_tree(struct maker *m, struct index_tree *known, struct span span, size_t *at,
                     struct index_tree *t, int depth);

static bool in_span(const struct maker *m, struct span span, size_t at)
{
    if (at >= m->index->len)
        return false;
    const struct index_entry *e = &m->index->v[at];
    return at == span.first || span.prefix == 0 ||
           (e->path_len > span.prefix &&
            memcmp(e->path, m->index->v[span.first].path, span.prefix) == 0);
}

/* What was known is right when its entries are all still in the directory. */
static bool still_known(const struct maker *m, const struct index_tree *known, struct span span)
{
    return known && known->count > 0 && in_span(m, span, span.first + (size_t)known->count - 1) &&
           !in_span(m, span, span.first + (size_t)known->count);
}

/* name: len bytes of the path of the entry at *at, followed by a slash. Takes known. */
static int make_subtree(struct maker *m, struct index_tree *known, size_t *at, const char *name,
                        size_t len, struct index_tree **out, int depth)
{
    struct span span = {.first = *at, .prefix = (size_t)(name - m->index->v[*at].path) + len + 1};
    if (still_known(m, known, span)) {
        *at += (size_t)known->count;
        *out = known;
        return 0;
    }
    struct index_tree *t = new_tree(name, len);
    int rc = make_tree(m, known, span, at, t, depth);
    index_tree_free(known);
    if (rc < 0)
        index_tree_free(t);
    else
        *out = t;
    return rc;
}

static int make_tree(struct maker *m, struct index_tree *known, struct span span, size_t *at,
                     struct index_tree *t, int depth)
{
    cleanup_tree_list struct tree_list list = TREE_LIST_INIT;
    size_t hint = 0;
    if (depth > DEPTH_MAX)
        return err_set(m->err, ERR_LIMIT, "directories deeper than %d", DEPTH_MAX);
    while (in_span(m, span, *at)) {
        const struct index_entry *e = &m->index->v[*at];
        if (e->flags & INDEX_STAGE_MASK)
            return err_set(m->err, ERR_CONFLICT, "%.300s has unresolved conflicts", e->path);
        if (e->xflags & INDEX_INTENT_TO_ADD) {
            (*at)++;
            continue;
        }
        const char *rest = e->path + span.prefix;
        const char *slash = strchr(rest, '/');
        struct tree_entry entry = {.mode = e->mode, .oid = e->oid};
        size_t len = slash ? (size_t)(slash - rest) : strlen(rest);
        if (slash) {
            struct index_tree *child = NULL;
            int rc = make_subtree(m, take_child(known, &hint, rest, len), at, rest, len, &child,
                                  depth + 1);
            if (rc < 0)
                return rc;
            if (child->count == 0) { /* nothing but intents to add */
                index_tree_free(child);
                continue;
            }
            add_child(t, child);
            entry = (struct tree_entry){.mode = MODE_TREE, .oid = child->oid};
        } else {
            (*at)++;
        }
        entry.name = xstrndup(rest, len);
        VEC_GROW(list.v, list.len, list.cap);
        list.v[list.len++] = entry;
    }
    t->count = list.len || depth == 0 ? (long)(*at - span.first) : 0;
    if (t->count == 0 && depth > 0)
        return 0;
    if (list.len > 1)
        qsort(list.v, list.len, sizeof *list.v, tree_order);
    return repo_write_tree(m->repo, list.v, list.len, &t->oid, m->err);
}

void index_forget_path(struct index *index, const char *path)
{
    struct index_tree *t = index->tree;
    while (t) {
        t->count = -1;
        const char *slash = strchr(path, '/');
        struct index_tree *next = NULL;
        for (size_t i = 0; slash && i < t->len && !next; i++)
            if (strlen(t->v[i]->name) == (size_t)(slash - path) &&
                memcmp(t->v[i]->name, path, (size_t)(slash - path)) == 0)
                next = t->v[i];
        path = slash ? slash + 1 : path;
        t = next;
    }
}

bool index_known_tree(const struct index *index, struct oid *out)
{
    if (!index->tree || index->tree->count < 0)
        return false;
    *out = index->tree->oid;
    return true;
}

int index_write_tree(struct index *index, struct repo *repo, struct oid *out, struct err *err)
{
    if (index_known_tree(index, out))
        return 0;
    struct maker m = {.index = index, .repo = repo, .err = err};
    struct index_tree *made = new_tree("", 0);
    size_t at = 0;
    int rc = make_tree(&m, index->tree, (struct span){0, 0}, &at, made, 0);
    if (rc < 0) {
        index_tree_free(made);
        index_tree_free(steal(&index->tree));
        return rc;
    }
    *out = made->oid;
    index_tree_free(index->tree);
    index->tree = made;
    return 0;
}

/* --- trees to what is known ------------------------------------------------------------------- */

static int learn(struct repo *repo, const struct oid *oid, const char *name, int depth,
                 struct index_tree **out, struct err *err)
{
    cleanup_tree_list struct tree_list list = TREE_LIST_INIT;
    if (depth > DEPTH_MAX)
        return err_set(err, ERR_LIMIT, "directories deeper than %d", DEPTH_MAX);
    int rc = repo_read_tree(repo, oid, &list, err);
    if (rc < 0)
        return rc;
    struct index_tree *t = new_tree(name, strlen(name));
    t->oid = *oid;
    t->count = 0;
    for (size_t i = 0; rc == 0 && i < list.len; i++) {
        if (list.v[i].mode != MODE_TREE) {
            t->count++;
            continue;
        }
        struct index_tree *child = NULL;
        rc = learn(repo, &list.v[i].oid, list.v[i].name, depth + 1, &child, err);
        if (rc == 0) {
            t->count += child->count;
            add_child(t, child);
        }
    }
    if (rc < 0) {
        index_tree_free(t);
        return rc;
    }
    *out = t;
    return 0;
}

int index_set_tree(struct index *index, struct repo *repo, const struct oid *tree, struct err *err)
{
    struct index_tree *t = NULL;
    int rc = learn(repo, tree, "", 0, &t, err);
    if (rc < 0)
        return rc;
    index_tree_free(index->tree);
    index->tree = t;
    return 0;
}
