/* The structs of one client by clock: a directory of blocks of at most BLK_MAX entries. */
#include <stdlib.h>
#include <string.h>

#include "ycrdt/internal.h"

static uint32_t *handles(struct blk *b)
{
    return b->data + b->cap;
}

static struct blk *blk_new(uint16_t cap)
{
    struct blk *b = xmalloc(sizeof *b + 2 * (size_t)cap * sizeof(uint32_t));
    b->n = 0;
    b->cap = cap;
    return b;
}

static struct blk *blk_grow(struct blk *old)
{
    struct blk *b = blk_new((uint16_t)(old->cap * 2));
    b->n = old->n;
    memcpy(b->data, old->data, old->n * sizeof(uint32_t));
    memcpy(handles(b), handles(old), old->n * sizeof(uint32_t));
    free(old);
    return b;
}

static void directory_insert(struct idx *ix, uint32_t at, struct blk *b, uint32_t first)
{
    if (ix->nblk == ix->cap) {
        ix->cap = ix->cap ? ix->cap + ix->cap / 2 + 1 : 1;
        ix->blk = xreallocarray(ix->blk, ix->cap, sizeof *ix->blk);
        ix->first = xreallocarray(ix->first, ix->cap, sizeof *ix->first);
    }
    memmove(ix->blk + at + 1, ix->blk + at, (ix->nblk - at) * sizeof *ix->blk);
    memmove(ix->first + at + 1, ix->first + at, (ix->nblk - at) * sizeof *ix->first);
    ix->blk[at] = b;
    ix->first[at] = first;
    ix->nblk++;
}

static void directory_remove(struct idx *ix, uint32_t at)
{
    free(ix->blk[at]);
    ix->nblk--;
    memmove(ix->blk + at, ix->blk + at + 1, (ix->nblk - at) * sizeof *ix->blk);
    memmove(ix->first + at, ix->first + at + 1, (ix->nblk - at) * sizeof *ix->first);
    ix->hot = (struct ipos){0, 0};
}

static uint32_t find_block(const struct idx *ix, uint32_t clock)
{
    uint32_t lo = 0, n = ix->nblk;
    while (n > 1) {
        uint32_t half = n / 2;
        lo += ix->first[lo + half] <= clock ? half : 0;
        n -= half;
    }
    return lo;
}

static uint32_t find_in_block(const struct blk *b, uint32_t clock)
{
    uint32_t lo = 0, n = b->n;
    while (n > 1) {
        uint32_t half = n / 2;
        lo += b->data[lo + half] <= clock ? half : 0;
        n -= half;
    }
    return lo;
}

static inline struct ipos go(struct idx *ix, struct ipos at)
{
    ix->hot = at;
    return at;
}

/* Most searches go where the last one went or one struct further, or to the end. */
struct ipos idx_find(struct idx *ix, uint32_t clock)
{
    struct ipos at = ix->hot;
    if (at.b < ix->nblk) {
        const struct blk *b = ix->blk[at.b];
        for (uint32_t i = at.i; i < at.i + 2 && i + 1 < b->n && b->data[i] <= clock; i++)
            if (clock < b->data[i + 1])
                return go(ix, (struct ipos){at.b, i});
    }
    at.b = ix->nblk - 1;
    const struct blk *last = ix->blk[at.b];
    if (last->data[last->n - 1] <= clock) {
        at.i = last->n - 1u;
    } else {
        at.b = find_block(ix, clock);
        at.i = find_in_block(ix->blk[at.b], clock);
    }
    return go(ix, at);
}

void idx_append(struct idx *ix, uint32_t clock, uint32_t h)
{
    ix->count++;
    if (ix->nblk == 0 || ix->blk[ix->nblk - 1]->n == BLK_MAX)
        directory_insert(ix, ix->nblk, blk_new(ix->nblk ? BLK_MAX : 2), clock);
    struct blk *b = ix->blk[ix->nblk - 1];
    if (b->n == b->cap)
        b = ix->blk[ix->nblk - 1] = blk_grow(b);
    b->data[b->n] = clock;
    handles(b)[b->n] = h;
    b->n++;
}

void idx_build(struct idx *ix, const uint32_t *clock, uint32_t first, uint32_t n)
{
    uint16_t cap = 2;
    while (cap < n && cap < BLK_MAX)
        cap = (uint16_t)(cap * 2);
    ix->count = n;
    ix->cap = ix->nblk = (n + cap - 1) / cap;
    ix->blk = xreallocarray(NULL, ix->cap, sizeof *ix->blk);
    ix->first = xreallocarray(NULL, ix->cap, sizeof *ix->first);
    for (uint32_t i = 0, k = 0; i < n; i += cap, k++) {
        struct blk *b = ix->blk[k] = blk_new(cap);
        b->n = (uint16_t)(n - i < cap ? n - i : cap);
        ix->first[k] = clock[i];
        memcpy(b->data, clock + i, b->n * sizeof *clock);
        for (uint32_t h = 0; h < b->n; h++)
            handles(b)[h] = first + i + h;
    }
}

static void split_block(struct idx *ix, uint32_t at)
{
    struct blk *l = ix->blk[at];
    struct blk *r = blk_new(BLK_MAX);
    uint16_t keep = l->n / 2;
    r->n = (uint16_t)(l->n - keep);
    memcpy(r->data, l->data + keep, r->n * sizeof(uint32_t));
    memcpy(handles(r), handles(l) + keep, r->n * sizeof(uint32_t));
    l->n = keep;
    directory_insert(ix, at + 1, r, r->data[0]);
}

void idx_insert_after(struct idx *ix, struct ipos at, uint32_t clock, uint32_t h)
{
    uint32_t i = at.i + 1;
    if (ix->blk[at.b]->n == BLK_MAX) {
        split_block(ix, at.b);
        if (i > ix->blk[at.b]->n) {
            i -= ix->blk[at.b]->n;
            at.b++;
        }
    }
    struct blk *b = ix->blk[at.b];
    if (b->n == b->cap)
        b = ix->blk[at.b] = blk_grow(b);
    memmove(b->data + i + 1, b->data + i, (b->n - i) * sizeof(uint32_t));
    memmove(handles(b) + i + 1, handles(b) + i, (b->n - i) * sizeof(uint32_t));
    b->data[i] = clock;
    handles(b)[i] = h;
    b->n++;
    ix->count++;
}

/* Two neighbours that fit well into one block become one, so that merging items gives memory back.
 */
static void join_blocks(struct idx *ix, uint32_t at)
{
    struct blk *l = ix->blk[at], *r = ix->blk[at + 1];
    while (l->n + r->n > l->cap)
        l = ix->blk[at] = blk_grow(l);
    memcpy(l->data + l->n, r->data, r->n * sizeof(uint32_t));
    memcpy(handles(l) + l->n, handles(r), r->n * sizeof(uint32_t));
    l->n = (uint16_t)(l->n + r->n);
    directory_remove(ix, at + 1);
}

void idx_remove(struct idx *ix, struct ipos at)
{
    struct blk *b = ix->blk[at.b];
    b->n--;
    memmove(b->data + at.i, b->data + at.i + 1, (b->n - at.i) * sizeof(uint32_t));
    memmove(handles(b) + at.i, handles(b) + at.i + 1, (b->n - at.i) * sizeof(uint32_t));
    ix->count--;
    if (b->n == 0) {
        directory_remove(ix, at.b);
        return;
    }
    ix->first[at.b] = b->data[0];
    if (b->n < BLK_MAX / 4 && ix->nblk > 1) {
        uint32_t l = at.b + 1 < ix->nblk ? at.b : at.b - 1;
        if (ix->blk[l]->n + ix->blk[l + 1]->n <= BLK_MAX / 2)
            join_blocks(ix, l);
    }
}

void idx_rekey(struct idx *ix, struct ipos at, uint32_t clock)
{
    ix->blk[at.b]->data[at.i] = clock;
    if (at.i == 0)
        ix->first[at.b] = clock;
}

bool idx_next(const struct idx *ix, struct ipos *at)
{
    if (at->i + 1 < ix->blk[at->b]->n) {
        at->i++;
        return true;
    }
    if (at->b + 1 >= ix->nblk)
        return false;
    at->b++;
    at->i = 0;
    return true;
}

bool idx_prev(const struct idx *ix, struct ipos *at)
{
    if (at->i > 0) {
        at->i--;
        return true;
    }
    if (at->b == 0)
        return false;
    at->b--;
    at->i = ix->blk[at->b]->n - 1u;
    return true;
}

void idx_free(struct idx *ix)
{
    for (uint32_t b = 0; b < ix->nblk; b++)
        free(ix->blk[b]);
    free(ix->blk);
    free(ix->first);
}

size_t idx_heap(const struct idx *ix)
{
    size_t n = ix->cap * (sizeof *ix->blk + sizeof *ix->first);
    for (uint32_t b = 0; b < ix->nblk; b++)
        n += sizeof(struct blk) + 2 * (size_t)ix->blk[b]->cap * sizeof(uint32_t);
    return n;
}
