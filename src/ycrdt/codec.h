/*
 * The variable-length integers of the v1 encoding (lib0): little-endian groups of seven bits, the
 * high bit set on all but the last byte. Readers are checked, writers write into reserved room.
 */
#ifndef YCRDT_CODEC_H
#define YCRDT_CODEC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

#define VAR_MAX 8 /* bytes of the longest integer, 2^53 - 1 */
#define VAR_LIMIT ((UINT64_C(1) << 53) - 1)

struct rd {
    const uint8_t *p;
    const uint8_t *end;
};

static inline size_t rd_left(const struct rd *r)
{
    return (size_t)(r->end - r->p);
}

static inline bool rd_var(struct rd *r, uint64_t *out)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 7 * VAR_MAX && r->p < r->end; shift += 7) {
        uint8_t b = *r->p++;
        v |= (uint64_t)(b & 0x7f) << shift;
        if (b < 0x80) {
            *out = v;
            return v <= VAR_LIMIT;
        }
    }
    return false;
}

/* A length in front of that many bytes, which are left in place. */
static inline bool rd_buf(struct rd *r, const uint8_t **p, uint64_t *n)
{
    if (!rd_var(r, n) || *n > rd_left(r))
        return false;
    *p = r->p;
    r->p += *n;
    return true;
}

static inline uint8_t *wr_var(uint8_t *p, uint64_t v)
{
    while (v > 0x7f) {
        *p++ = (uint8_t)(0x80 | (v & 0x7f));
        v >>= 7;
    }
    *p++ = (uint8_t)v;
    return p;
}

static inline void str_add_var(struct str *s, uint64_t v)
{
    uint8_t *p = (uint8_t *)str_reserve(s, VAR_MAX);
    str_grew(s, (size_t)(wr_var(p, v) - p));
}

#endif
