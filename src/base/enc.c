#include "base/enc.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/random.h>

static const char base64_std[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char base64_url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char id_alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";

void enc_hex(struct str *out, const void *p, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *in = p;
    for (size_t i = 0; i < n; i++) {
        str_addc(out, digits[in[i] >> 4]);
        str_addc(out, digits[in[i] & 15]);
    }
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int enc_unhex(const char *text, size_t len, struct str *out, struct err *err)
{
    if (len % 2)
        return err_set(err, ERR_INVALID, "odd number of hexadecimal digits");
    for (size_t i = 0; i < len; i += 2) {
        int high = hex_value(text[i]), low = hex_value(text[i + 1]);
        if (high < 0 || low < 0)
            return err_set(err, ERR_INVALID, "not a hexadecimal digit");
        str_addc(out, (char)(high << 4 | low));
    }
    return 0;
}

static void encode64(struct str *out, const void *p, size_t n, const char *alphabet, bool pad)
{
    const unsigned char *in = p;
    char *o = str_reserve(out, (n + 2) / 3 * 4);
    char *start = o;
    for (; n >= 3; in += 3, n -= 3) {
        uint32_t v = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];
        *o++ = alphabet[v >> 18];
        *o++ = alphabet[v >> 12 & 63];
        *o++ = alphabet[v >> 6 & 63];
        *o++ = alphabet[v & 63];
    }
    if (n) {
        uint32_t v = (uint32_t)in[0] << 16 | (n == 2 ? (uint32_t)in[1] << 8 : 0);
        *o++ = alphabet[v >> 18];
        *o++ = alphabet[v >> 12 & 63];
        if (n == 2)
            *o++ = alphabet[v >> 6 & 63];
        for (size_t i = n; pad && i < 3; i++)
            *o++ = '=';
    }
    str_grew(out, (size_t)(o - start));
}

void enc_base64(struct str *out, const void *p, size_t n)
{
    encode64(out, p, n, base64_std, true);
}

void enc_base64url(struct str *out, const void *p, size_t n)
{
    encode64(out, p, n, base64_url, false);
}

static int decode64(const char *text, size_t len, const char *alphabet, struct str *out,
                    struct err *err)
{
    signed char value[256];
    memset(value, -1, sizeof value);
    for (int i = 0; i < 64; i++)
        value[(unsigned char)alphabet[i]] = (signed char)i;
    uint32_t bits = 0;
    int have = 0;
    if (len % 4 == 1)
        return err_set(err, ERR_INVALID, "base64 of an impossible length");
    str_reserve(out, len / 4 * 3 + 3);
    for (size_t i = 0; i < len; i++) {
        int v = (int)value[(unsigned char)text[i]];
        if (v < 0)
            return err_set(err, ERR_INVALID, "not a base64 digit");
        bits = bits << 6 | (uint32_t)v;
        have += 6;
        if (have >= 8) {
            have -= 8;
            str_addc(out, (char)(bits >> have & 0xff));
        }
    }
    if (bits & ((1u << have) - 1))
        return err_set(err, ERR_INVALID, "base64 with spare bits set");
    return 0;
}

int enc_unbase64(const char *text, size_t len, struct str *out, struct err *err)
{
    if (len % 4)
        return err_set(err, ERR_INVALID, "base64 without its padding");
    for (int i = 0; i < 2 && len && text[len - 1] == '='; i++)
        len--;
    return decode64(text, len, base64_std, out, err);
}

int enc_unbase64url(const char *text, size_t len, struct str *out, struct err *err)
{
    return decode64(text, len, base64_url, out, err);
}

void rnd_bytes(void *p, size_t n)
{
    char *at = p;
    while (n) {
        ssize_t got = getrandom(at, n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        BUG_ON(got <= 0);
        at += got;
        n -= (size_t)got;
    }
}

void rnd_session_id(char out[SESSION_ID_LEN + 1])
{
    unsigned char random[SESSION_ID_LEN];
    rnd_bytes(random, sizeof random);
    for (int i = 0; i < SESSION_ID_LEN; i++)
        out[i] = id_alphabet[random[i] & 31];
    out[SESSION_ID_LEN] = '\0';
}

int session_id_is_valid(const char *id)
{
    return strlen(id) == SESSION_ID_LEN && strspn(id, id_alphabet) == SESSION_ID_LEN;
}
