#include "merge/similarity.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define CHUNK_MAX 64
#define BINARY_SCAN 8000

struct fingerprint_chunk {
    uint64_t hash;
    uint64_t bytes;
};

static int by_hash(const void *a, const void *b)
{
    uint64_t x = ((const struct fingerprint_chunk *)a)->hash;
    uint64_t y = ((const struct fingerprint_chunk *)b)->hash;
    return (x > y) - (x < y);
}

static void join_equal(struct fingerprint *f)
{
    if (!f->len)
        return;
    qsort(f->v, f->len, sizeof *f->v, by_hash);
    size_t n = 1;
    for (size_t i = 1; i < f->len; i++) {
        if (f->v[i].hash == f->v[n - 1].hash)
            f->v[n - 1].bytes += f->v[i].bytes;
        else
            f->v[n++] = f->v[i];
    }
    f->len = n;
}

void fingerprint_init(struct fingerprint *f, const char *p, size_t len)
{
    *f = (struct fingerprint){NULL, 0, len};
    size_t cap = 0;
    bool text = !memchr(p, '\0', len < BINARY_SCAN ? len : BINARY_SCAN);
    uint64_t hash = 0;
    size_t bytes = 0;
    for (size_t i = 0; i < len; i++) {
        if (text && p[i] == '\r' && i + 1 < len && p[i + 1] == '\n')
            continue;
        hash = (hash ^ (unsigned char)p[i]) * 0x100000001b3u + 0x9e3779b9u;
        if (++bytes < CHUNK_MAX && p[i] != '\n')
            continue;
        VEC_GROW(f->v, f->len, cap);
        f->v[f->len++] = (struct fingerprint_chunk){hash, bytes};
        hash = 0;
        bytes = 0;
    }
    /* What follows the last newline does not count in git 2.39 either. */
    join_equal(f);
}

void fingerprint_release(struct fingerprint *f)
{
    free(f->v);
    *f = (struct fingerprint){NULL, 0, 0};
}

uint32_t similarity(const struct fingerprint *a, const struct fingerprint *b)
{
    uint64_t common = 0;
    for (size_t i = 0, j = 0; i < a->len && j < b->len;) {
        if (a->v[i].hash < b->v[j].hash) {
            i++;
        } else if (a->v[i].hash > b->v[j].hash) {
            j++;
        } else {
            common += a->v[i].bytes < b->v[j].bytes ? a->v[i].bytes : b->v[j].bytes;
            i++, j++;
        }
    }
    size_t longer = a->size > b->size ? a->size : b->size;
    return longer ? (uint32_t)(common * SIMILARITY_MAX / longer) : 0;
}

uint32_t similarity_of_sizes(size_t a, size_t b)
{
    size_t longer = a > b ? a : b, shorter = a > b ? b : a;
    return longer ? (uint32_t)((uint64_t)shorter * SIMILARITY_MAX / longer) : 0;
}
