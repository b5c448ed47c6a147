#include "ssh/wire.h"

#include <string.h>

#include "base/err.h"

bool ssh_get_bytes(struct ssh_reader *r, size_t n, struct ssh_slice *out)
{
    if (n > r->left)
        return false;
    out->p = r->p;
    out->len = n;
    r->p += n;
    r->left -= n;
    return true;
}

bool ssh_get_u8(struct ssh_reader *r, uint8_t *out)
{
    struct ssh_slice s;
    if (!ssh_get_bytes(r, 1, &s))
        return false;
    *out = s.p[0];
    return true;
}

bool ssh_get_u32(struct ssh_reader *r, uint32_t *out)
{
    struct ssh_slice s;
    if (!ssh_get_bytes(r, 4, &s))
        return false;
    *out = (uint32_t)s.p[0] << 24 | (uint32_t)s.p[1] << 16 | (uint32_t)s.p[2] << 8 | s.p[3];
    return true;
}

bool ssh_get_string(struct ssh_reader *r, struct ssh_slice *out)
{
    struct ssh_reader ahead = *r;
    uint32_t n;
    if (!ssh_get_u32(&ahead, &n) || !ssh_get_bytes(&ahead, n, out))
        return false;
    *r = ahead;
    return true;
}

bool ssh_get_mpint(struct ssh_reader *r, struct ssh_slice *out)
{
    struct ssh_reader ahead = *r;
    struct ssh_slice s;
    if (!ssh_get_string(&ahead, &s) || s.len == 0 || s.p[0] & 0x80)
        return false;
    if (s.p[0] == 0) {
        if (s.len == 1 || !(s.p[1] & 0x80))
            return false;
        s.p++;
        s.len--;
    }
    *out = s;
    *r = ahead;
    return true;
}

bool ssh_slice_is(struct ssh_slice s, const char *text)
{
    return s.len == strlen(text) && memcmp(s.p, text, s.len) == 0;
}

void ssh_put_u8(struct str *out, uint8_t v)
{
    str_addc(out, (char)v);
}

void ssh_put_u32(struct str *out, uint32_t v)
{
    unsigned char b[4] = {(unsigned char)(v >> 24), (unsigned char)(v >> 16),
                          (unsigned char)(v >> 8), (unsigned char)v};
    str_add(out, b, sizeof b);
}

void ssh_put_string(struct str *out, const void *p, size_t n)
{
    BUG_ON(n > UINT32_MAX);
    ssh_put_u32(out, (uint32_t)n);
    str_add(out, p, n);
}

void ssh_put_cstring(struct str *out, const char *text)
{
    ssh_put_string(out, text, strlen(text));
}

void ssh_put_mpint(struct str *out, const void *p, size_t n)
{
    const unsigned char *b = p;
    for (; n && !*b; n--)
        b++;
    bool pad = n && b[0] & 0x80;
    ssh_put_u32(out, (uint32_t)(n + pad));
    if (pad)
        ssh_put_u8(out, 0);
    str_add(out, b, n);
}
