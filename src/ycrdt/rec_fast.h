/*
 * Reading a struct in line, for the loops over whole updates: nearly all structs of a text are text
 * or tombstones with a neighbour. Where only the length is wanted the compiler leaves out the rest.
 */
#ifndef YCRDT_REC_FAST_H
#define YCRDT_REC_FAST_H

#include <endian.h>
#include <string.h>

#include "ycrdt/internal.h"

#define REC_INLINE static inline __attribute__((always_inline))

#define REC_SHORT 16 /* bytes */

/* Whether a text is short and ASCII; REC_SHORT bytes can be read there. */
static inline bool rec_short_ascii(const uint8_t *p, uint64_t n)
{
    const uint64_t high = UINT64_C(0x8080808080808080);
    uint64_t a, b;
    if (n > REC_SHORT)
        return false;
    memcpy(&a, p, sizeof a);
    if (n <= sizeof a)
        return (htole64(a) << (8 * (sizeof a - n)) & high) == 0;
    memcpy(&b, p + n - sizeof b, sizeof b);
    return ((a | b) & high) == 0;
}

/* SIZE_MAX: not valid. */
static inline uint64_t rec_text_units(enum rec_mode mode, const uint8_t *p, uint64_t n)
{
    if (mode == REC_CHECK)
        return utf_units((const char *)p, n);
    return mode == REC_TRUST ? utf_count((const char *)p, n) : n;
}

#define REC_ROOM 64 /* more bytes than the numbers of such a struct and REC_SHORT */

static inline const uint8_t *rec_var_long(const uint8_t *p, uint64_t *out)
{
    struct rd r = {p, p + VAR_MAX};
    return rd_var_long(&r, out) ? r.p : NULL;
}

REC_INLINE const uint8_t *rec_var(const uint8_t *p, uint64_t *out)
{
    if (p[0] < 0x80) {
        *out = p[0];
        return p + 1;
    }
    if (p[1] < 0x80) {
        *out = (p[0] & 0x7fu) | (uint32_t)p[1] << 7;
        return p + 2;
    }
    if (p[2] < 0x80) {
        *out = (p[0] & 0x7fu) | (p[1] & 0x7fu) << 7 | (uint32_t)p[2] << 14;
        return p + 3;
    }
    return rec_var_long(p, out);
}

REC_INLINE const uint8_t *rec_id(const uint8_t *p, const struct rec *rec, uint64_t *client,
                                 uint32_t *clock)
{
    uint64_t c = 0;
    p = rec_var(p, client);
    if (!p || !(p = rec_var(p, &c)))
        return NULL;
    *clock = (uint32_t)c;
    return c <= YCRDT_MAX_CLOCK && (*client != rec->client || c < rec->clock) ? p : NULL;
}

/* False: nothing was read, the long way says what is wrong, if anything. */
REC_INLINE bool rec_read_common(struct rd *r, enum rec_mode mode, uint64_t client, uint32_t clock,
                                struct rec *rec)
{
    uint64_t len = 0, n = 0;
    if (rd_left(r) < REC_ROOM)
        return false;
    const uint8_t *p = r->p + 1;
    rec->start = r->p;
    rec->info = *r->p;
    rec->kind = rec->info & INFO_KIND;
    rec->client = client;
    rec->clock = clock;
    rec->skip = 0;
    rec->sub = NULL;
    rec->root = false;
    if (!(rec->info & (INFO_LEFT | INFO_RIGHT)) ||
        (rec->kind != K_STRING && rec->kind != K_DELETED))
        return false;
    if ((rec->info & INFO_LEFT) && !(p = rec_id(p, rec, &rec->left_client, &rec->left_clock)))
        return false;
    if ((rec->info & INFO_RIGHT) && !(p = rec_id(p, rec, &rec->right_client, &rec->right_clock)))
        return false;
    p = rec_var(p, &n);
    if (!p || n == 0)
        return false;
    if (rec->kind == K_STRING) {
        if (n > (uint64_t)(r->end - p))
            return false;
        rec->content = p;
        rec->content_len = (uint32_t)n;
        len = rec_short_ascii(p, n) ? n : rec_text_units(mode, p, n);
        p += n;
    } else {
        len = n;
    }
    if (len > YCRDT_MAX_CLOCK - rec->clock)
        return false;
    rec->len = (uint32_t)len;
    rec->end = p;
    r->p = p;
    return true;
}

#endif
