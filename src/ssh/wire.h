/*
 * The data types of RFC 4251 section 5: checked getters over (pointer, length) and putters. Pure.
 * A getter gives false, and leaves the reader as it was, when the bytes are not there.
 */
#ifndef SSH_WIRE_H
#define SSH_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct ssh_slice {
    const unsigned char *p; /* borrowed */
    size_t len;
};

struct ssh_reader {
    const unsigned char *p;
    size_t left;
};

static inline struct ssh_reader ssh_reader_of(const void *p, size_t len)
{
    struct ssh_reader r = {p, len};
    return r;
}

bool ssh_get_u8(struct ssh_reader *r, uint8_t *out);
bool ssh_get_u32(struct ssh_reader *r, uint32_t *out);
bool ssh_get_bytes(struct ssh_reader *r, size_t n, struct ssh_slice *out);
/* u32 length, then that many bytes. */
bool ssh_get_string(struct ssh_reader *r, struct ssh_slice *out);
/* A positive mpint in its shortest form; the leading zero byte is taken off. */
bool ssh_get_mpint(struct ssh_reader *r, struct ssh_slice *out);
bool ssh_slice_is(struct ssh_slice s, const char *text);

void ssh_put_u8(struct str *out, uint8_t v);
void ssh_put_u32(struct str *out, uint32_t v);
void ssh_put_string(struct str *out, const void *p, size_t n);
void ssh_put_cstring(struct str *out, const char *text);
/* From unsigned big-endian bytes; leading zeros are taken off. */
void ssh_put_mpint(struct str *out, const void *p, size_t n);

#endif
