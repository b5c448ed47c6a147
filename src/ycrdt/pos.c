/*
 * Position tree of a list: a B+ tree whose leaves are runs of neighbouring items and whose inner
 * nodes hold the visible units and bytes below each child. It is built when somebody first asks for
 * a position that is not near the cursor, so loading, reading and remote edits cost nothing here.
 *
 * An edit changes the sums of one path; consecutive edits in one leaf are added up in `pend_...`
 * and carried up when another leaf, or a sum, is wanted.
 */
#include <stdlib.h>
#include <string.h>

#include "ycrdt/internal.h"

#define FAN 16
#define LEAF_MAX 40
#define LEAF_FILL 24 /* items of a leaf in a fresh tree */
#define LEAF_MIN 8

struct leaf {
    uint32_t first;
    uint32_t n; /* 0: free, parent links the free ones */
    uint32_t parent;
};

struct node {
    uint32_t parent; /* 0: root */
    uint16_t n;
    bool bottom; /* children are leaves */
    uint32_t child[FAN];
    uint32_t units[FAN];
    uint32_t bytes[FAN];
};

struct pos {
    struct leaf *leaf; /* [0] unused */
    uint32_t nleaf, cap_leaf, free_leaf;
    struct node *node; /* [0] unused */
    uint32_t nnode, cap_node, free_node;
    uint32_t root;
    uint32_t pend_leaf;
    int64_t pend_units, pend_bytes;
};

static uint32_t leaf_new(struct pos *t)
{
    uint32_t l = t->free_leaf;
    if (l) {
        t->free_leaf = t->leaf[l].parent;
    } else {
        VEC_GROW(t->leaf, t->nleaf, t->cap_leaf);
        l = t->nleaf++;
    }
    t->leaf[l] = (struct leaf){0, 0, 0};
    return l;
}

static uint32_t node_new(struct pos *t, bool bottom)
{
    uint32_t x = t->free_node;
    if (x) {
        t->free_node = t->node[x].parent;
    } else {
        if (t->nnode >= t->cap_node) {
            t->cap_node = t->cap_node ? t->cap_node + t->cap_node / 2 : 4;
            t->node = xreallocarray(t->node, t->cap_node, sizeof *t->node);
        }
        x = t->nnode++;
    }
    t->node[x].parent = 0;
    t->node[x].n = 0;
    t->node[x].bottom = bottom;
    return x;
}

static uint32_t slot_of(const struct node *x, uint32_t child)
{
    uint32_t i = 0;
    while (x->child[i] != child)
        i++;
    return i;
}

static void add_up(struct pos *t, uint32_t x, uint32_t child, int64_t units, int64_t bytes)
{
    while (x) {
        struct node *n = &t->node[x];
        uint32_t i = slot_of(n, child);
        n->units[i] = (uint32_t)(n->units[i] + units);
        n->bytes[i] = (uint32_t)(n->bytes[i] + bytes);
        child = x;
        x = n->parent;
    }
}

static void flush(struct pos *t)
{
    if (t->pend_leaf && (t->pend_units || t->pend_bytes))
        add_up(t, t->leaf[t->pend_leaf].parent, t->pend_leaf, t->pend_units, t->pend_bytes);
    t->pend_leaf = 0;
    t->pend_units = t->pend_bytes = 0;
}

void pos_leaf_add(struct pos *t, uint32_t leaf, int64_t units, int64_t bytes)
{
    if (t->pend_leaf != leaf) {
        flush(t);
        t->pend_leaf = leaf;
    }
    t->pend_units += units;
    t->pend_bytes += bytes;
}

static void set_parent(struct pos *t, bool is_leaf, uint32_t child, uint32_t parent)
{
    if (is_leaf)
        t->leaf[child].parent = parent;
    else
        t->node[child].parent = parent;
}

static void put_child(struct pos *t, uint32_t x, uint32_t at, uint32_t child, uint32_t units,
                      uint32_t bytes)
{
    struct node *n = &t->node[x];
    size_t tail = (n->n - at) * sizeof(uint32_t);
    memmove(n->child + at + 1, n->child + at, tail);
    memmove(n->units + at + 1, n->units + at, tail);
    memmove(n->bytes + at + 1, n->bytes + at, tail);
    n->child[at] = child;
    n->units[at] = units;
    n->bytes[at] = bytes;
    n->n++;
    set_parent(t, n->bottom, child, x);
}

static void node_sums(const struct node *n, uint32_t *units, uint32_t *bytes)
{
    *units = *bytes = 0;
    for (uint32_t i = 0; i < n->n; i++) {
        *units += n->units[i];
        *bytes += n->bytes[i];
    }
}

/* Moves the upper half of x into a new sibling; returns it. */
static uint32_t node_split(struct pos *t, uint32_t x)
{
    uint32_t y = node_new(t, t->node[x].bottom);
    struct node *l = &t->node[x], *r = &t->node[y];
    uint16_t keep = l->n / 2;
    r->n = (uint16_t)(l->n - keep);
    memcpy(r->child, l->child + keep, r->n * sizeof(uint32_t));
    memcpy(r->units, l->units + keep, r->n * sizeof(uint32_t));
    memcpy(r->bytes, l->bytes + keep, r->n * sizeof(uint32_t));
    l->n = keep;
    for (uint32_t i = 0; i < r->n; i++)
        set_parent(t, r->bottom, r->child[i], y);
    return y;
}

/* Puts child behind `after` (0: in front) in node x, whose own entry above holds the child's sums
 * already. */
static void insert_child(struct pos *t, uint32_t x, uint32_t after, uint32_t child, uint32_t units,
                         uint32_t bytes)
{
    uint32_t at = after ? slot_of(&t->node[x], after) + 1 : 0;
    if (t->node[x].n < FAN) {
        put_child(t, x, at, child, units, bytes);
        return;
    }
    uint32_t y = node_split(t, x);
    if (at > t->node[x].n)
        put_child(t, y, at - t->node[x].n, child, units, bytes);
    else
        put_child(t, x, at, child, units, bytes);
    uint32_t yu, yb, xu, xb;
    node_sums(&t->node[y], &yu, &yb);
    node_sums(&t->node[x], &xu, &xb);
    uint32_t p = t->node[x].parent;
    if (!p) {
        p = node_new(t, false);
        t->root = p;
        put_child(t, p, 0, x, xu, xb);
        put_child(t, p, 1, y, yu, yb);
        return;
    }
    uint32_t i = slot_of(&t->node[p], x);
    t->node[p].units[i] = xu;
    t->node[p].bytes[i] = xb;
    insert_child(t, p, x, y, yu, yb);
}

static void remove_child(struct pos *t, uint32_t x, uint32_t child)
{
    struct node *n = &t->node[x];
    uint32_t at = slot_of(n, child);
    n->n--;
    size_t tail = (n->n - at) * sizeof(uint32_t);
    memmove(n->child + at, n->child + at + 1, tail);
    memmove(n->units + at, n->units + at + 1, tail);
    memmove(n->bytes + at, n->bytes + at + 1, tail);
    if (n->n == 0 && n->parent) {
        remove_child(t, n->parent, x);
        t->node[x].parent = t->free_node;
        t->free_node = x;
    }
    while (!t->node[t->root].bottom && t->node[t->root].n == 1) {
        uint32_t old = t->root;
        t->root = t->node[old].child[0];
        t->node[t->root].parent = 0;
        t->node[old].parent = t->free_node;
        t->free_node = old;
    }
}

static void leaf_free(struct pos *t, uint32_t leaf)
{
    t->leaf[leaf].n = 0;
    t->leaf[leaf].parent = t->free_leaf;
    t->free_leaf = leaf;
}

/* --- changes of the list ------------------------------------------------------------------------
 */

/* The second half of a leaf that has grown too long becomes a leaf of its own. */
static void leaf_split(struct ycrdt *d, struct pos *t, uint32_t leaf)
{
    flush(t);
    uint32_t right = leaf_new(t);
    uint32_t keep = t->leaf[leaf].n / 2;
    uint32_t h = t->leaf[leaf].first;
    for (uint32_t i = 0; i < keep; i++)
        h = item_at(d, h)->right;
    t->leaf[right].first = h;
    t->leaf[right].n = t->leaf[leaf].n - keep;
    t->leaf[leaf].n = keep;
    uint32_t units = 0, bytes = 0;
    for (uint32_t i = 0; i < t->leaf[right].n; i++) {
        struct item *it = item_at(d, h);
        it->leaf = right;
        units += item_units(it);
        bytes += item_text_bytes(it);
        h = it->right;
    }
    uint32_t x = t->leaf[leaf].parent;
    add_up(t, x, leaf, -(int64_t)units, -(int64_t)bytes);
    /* What insert_child expects of the path above. */
    if (t->node[x].parent)
        add_up(t, t->node[x].parent, x, units, bytes);
    insert_child(t, x, leaf, right, units, bytes);
}

/* The following leaf of the same node is taken in if both together are short. */
static void leaf_join(struct ycrdt *d, struct pos *t, uint32_t leaf)
{
    flush(t);
    uint32_t x = t->leaf[leaf].parent;
    struct node *n = &t->node[x];
    uint32_t i = slot_of(n, leaf);
    if (i + 1 >= n->n)
        return;
    uint32_t right = n->child[i + 1];
    if (t->leaf[leaf].n + t->leaf[right].n > LEAF_FILL)
        return;
    uint32_t h = t->leaf[right].first;
    for (uint32_t k = 0; k < t->leaf[right].n; k++) {
        item_at(d, h)->leaf = leaf;
        h = item_at(d, h)->right;
    }
    t->leaf[leaf].n += t->leaf[right].n;
    n->units[i] += n->units[i + 1];
    n->bytes[i] += n->bytes[i + 1];
    n->units[i + 1] = n->bytes[i + 1] = 0;
    remove_child(t, x, right);
    leaf_free(t, right);
}

void pos_linked(struct ycrdt *d, uint32_t h)
{
    struct item *it = item_at(d, h);
    struct pos *t = d->lists[it->list].pos;
    uint32_t leaf;
    if (it->left) {
        leaf = item_at(d, it->left)->leaf;
    } else if (it->right) {
        leaf = item_at(d, it->right)->leaf;
        t->leaf[leaf].first = h;
    } else {
        leaf = leaf_new(t);
        t->leaf[leaf].first = h;
        put_child(t, t->root, 0, leaf, 0, 0);
    }
    it->leaf = leaf;
    t->leaf[leaf].n++;
    pos_leaf_add(t, leaf, item_units(it), item_text_bytes(it));
    if (t->leaf[leaf].n > LEAF_MAX)
        leaf_split(d, t, leaf);
}

void pos_was_split(struct ycrdt *d, uint32_t l, uint32_t r)
{
    struct item *it = item_at(d, r);
    struct pos *t = d->lists[it->list].pos;
    if (!t)
        return;
    uint32_t leaf = item_at(d, l)->leaf;
    it->leaf = leaf;
    if (++t->leaf[leaf].n > LEAF_MAX)
        leaf_split(d, t, leaf);
}

void pos_merging(struct ycrdt *d, uint32_t l, uint32_t r)
{
    struct item *a = item_at(d, l), *b = item_at(d, r);
    struct pos *t = d->lists[b->list].pos;
    if (!t)
        return;
    uint32_t leaf = b->leaf;
    if (a->leaf != leaf) {
        pos_leaf_add(t, leaf, -(int64_t)item_units(b), -(int64_t)item_text_bytes(b));
        pos_leaf_add(t, a->leaf, item_units(b), item_text_bytes(b));
        t->leaf[leaf].first = b->right;
    }
    if (--t->leaf[leaf].n == 0) {
        flush(t);
        remove_child(t, t->leaf[leaf].parent, leaf);
        leaf_free(t, leaf);
    } else if (t->leaf[leaf].n < LEAF_MIN) {
        leaf_join(d, t, leaf);
    }
}

void pos_drop(struct list *list)
{
    if (list->pos) {
        free(list->pos->leaf);
        free(list->pos->node);
        free(list->pos);
        list->pos = NULL;
    }
}

size_t pos_heap(const struct pos *t)
{
    return t ? sizeof *t + t->cap_leaf * sizeof *t->leaf + t->cap_node * sizeof *t->node : 0;
}

/* --- building and searching ---------------------------------------------------------------------
 */

static void build(struct ycrdt *d, struct list *list)
{
    struct pos *t = list->pos = xcalloc(1, sizeof *t);
    t->nleaf = t->nnode = 1;
    t->root = node_new(t, true);
    uint32_t h = list->start, last = 0, at = t->root;
    while (h) {
        uint32_t leaf = leaf_new(t), units = 0, bytes = 0;
        t->leaf[leaf].first = h;
        for (; h && t->leaf[leaf].n < LEAF_FILL; t->leaf[leaf].n++) {
            struct item *it = item_at(d, h);
            it->leaf = leaf;
            units += item_units(it);
            bytes += item_text_bytes(it);
            h = it->right;
        }
        if (t->node[at].parent)
            add_up(t, t->node[at].parent, at, units, bytes);
        insert_child(t, at, last, leaf, units, bytes);
        at = t->leaf[leaf].parent;
        last = leaf;
    }
}

static uint32_t metric_of(const struct item *it, enum metric m)
{
    return m == UNITS ? item_units(it) : item_text_bytes(it);
}

/* Sets the cursor to the first item of the leaf that holds unit (byte) pos - 1. */
static void descend(struct ycrdt *d, uint32_t list, uint32_t pos, enum metric m)
{
    struct pos *t = d->lists[list].pos;
    flush(t);
    uint32_t x = t->root, units = 0, bytes = 0;
    for (;;) {
        const struct node *n = &t->node[x];
        uint32_t i = 0;
        while (i + 1 < n->n && (m == UNITS ? units + n->units[i] : bytes + n->bytes[i]) < pos) {
            units += n->units[i];
            bytes += n->bytes[i];
            i++;
        }
        x = n->child[i];
        if (n->bottom)
            break;
    }
    d->cur_list = list;
    d->cur_item = t->leaf[x].first;
    d->cur_units = units;
    d->cur_bytes = bytes;
}

/* Walks at most `steps` items from the cursor; true when it stands on the item looked for. */
static bool walk(struct ycrdt *d, uint32_t pos, enum metric m, uint32_t steps)
{
    while (steps--) {
        const struct item *it = item_at(d, d->cur_item);
        uint32_t from = m == UNITS ? d->cur_units : d->cur_bytes;
        if (pos <= from) {
            if (!it->left)
                return false;
            d->cur_item = it->left;
            it = item_at(d, d->cur_item);
            d->cur_units -= item_units(it);
            d->cur_bytes -= item_text_bytes(it);
        } else if (pos - from > metric_of(it, m)) {
            if (!it->right)
                return false;
            d->cur_units += item_units(it);
            d->cur_bytes += item_text_bytes(it);
            d->cur_item = it->right;
        } else {
            return true;
        }
    }
    return false;
}

#define NEAR 8

struct place pos_seek(struct ycrdt *d, uint32_t list, uint32_t pos, enum metric m)
{
    struct list *l = &d->lists[list];
    if (d->cur_item == 0 || d->cur_list != list) {
        d->cur_list = list;
        d->cur_item = l->start;
        d->cur_units = d->cur_bytes = 0;
    }
    if (!walk(d, pos, m, NEAR)) {
        if (!l->pos)
            build(d, l);
        descend(d, list, pos, m);
        BUG_ON(!walk(d, pos, m, 2 * LEAF_MAX));
    }
    return (struct place){d->cur_item, pos - (m == UNITS ? d->cur_units : d->cur_bytes)};
}
