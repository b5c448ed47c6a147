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

bool rd_var_long(struct rd *r, uint64_t *out);

/* Up to three bytes in line: most numbers are clocks of that size or less. */
static inline bool rd_var(struct rd *r, uint64_t *out)
{
    const uint8_t *p = r->p;
    if (r->end - p < 3)
        return rd_var_long(r, out);
    if (p[0] < 0x80) {
        *out = p[0];
        r->p = p + 1;
        return true;
    }
    if (p[1] < 0x80) {
        *out = (p[0] & 0x7fu) | (uint32_t)p[1] << 7;
        r->p = p + 2;
        return true;
    }
    if (p[2] < 0x80) {
        *out = (p[0] & 0x7fu) | (p[1] & 0x7fu) << 7 | (uint32_t)p[2] << 14;
        r->p = p + 3;
        return true;
    }
    return rd_var_long(r, out);
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
