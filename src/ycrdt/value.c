#include "ycrdt/value.h"

#include <string.h>

#include "ycrdt/internal.h"

bool rd_var_long(struct rd *r, uint64_t *out)
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

/* --- lib0 "any"
 * ----------------------------------------------------------------------------------- */

enum any_tag {
    ANY_BUFFER = 116,
    ANY_ARRAY = 117,
    ANY_OBJECT = 118,
    ANY_STRING = 119,
    ANY_TRUE = 120,
    ANY_FALSE = 121,
    ANY_BIGINT = 122,
    ANY_FLOAT64 = 123,
    ANY_FLOAT32 = 124,
    ANY_INT = 125,
    ANY_NULL = 126,
    ANY_UNDEFINED = 127,
};

static bool skip(struct rd *r, size_t n)
{
    if (n > rd_left(r))
        return false;
    r->p += n;
    return true;
}

/* Six bits and a sign in the first byte, then groups of seven. */
static bool skip_int(struct rd *r)
{
    for (int i = 0; i < VAR_MAX && r->p < r->end; i++)
        if (*r->p++ < 0x80)
            return true;
    return false;
}

static bool skip_string(struct rd *r)
{
    const uint8_t *p;
    uint64_t n;
    return rd_buf(r, &p, &n) && utf_units((const char *)p, n) != SIZE_MAX;
}

static bool skip_many(struct rd *r, bool keys, int depth)
{
    uint64_t n;
    if (!rd_var(r, &n))
        return false;
    while (n--)
        if ((keys && !skip_string(r)) || !any_skip(r, depth + 1))
            return false;
    return true;
}

bool any_skip(struct rd *r, int depth)
{
    const uint8_t *p;
    uint64_t n;
    if (depth > YCRDT_MAX_DEPTH || r->p == r->end)
        return false;
    switch (*r->p++) {
    case ANY_UNDEFINED:
    case ANY_NULL:
    case ANY_FALSE:
    case ANY_TRUE:
        return true;
    case ANY_INT:
        return skip_int(r);
    case ANY_FLOAT32:
        return skip(r, 4);
    case ANY_FLOAT64:
    case ANY_BIGINT:
        return skip(r, 8);
    case ANY_STRING:
        return skip_string(r);
    case ANY_OBJECT:
        return skip_many(r, true, depth);
    case ANY_ARRAY:
        return skip_many(r, false, depth);
    case ANY_BUFFER:
        return rd_buf(r, &p, &n);
    default:
        return false;
    }
}

/* --- JSON
 * ------------------------------------------------------------------------------------------- */

static void space(struct rd *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\t' || *r->p == '\n' || *r->p == '\r'))
        r->p++;
}

static bool is_digit(const struct rd *r)
{
    return r->p < r->end && *r->p >= '0' && *r->p <= '9';
}

static bool digits(struct rd *r)
{
    if (!is_digit(r))
        return false;
    while (is_digit(r))
        r->p++;
    return true;
}

static bool take(struct rd *r, uint8_t c)
{
    if (r->p == r->end || *r->p != c)
        return false;
    r->p++;
    return true;
}

static bool number(struct rd *r)
{
    take(r, '-');
    if (!take(r, '0') && !digits(r))
        return false;
    if (take(r, '.') && !digits(r))
        return false;
    if (take(r, 'e') || take(r, 'E')) {
        if (!take(r, '+'))
            take(r, '-');
        return digits(r);
    }
    return true;
}

static bool is_hex(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool string(struct rd *r)
{
    if (!take(r, '"'))
        return false;
    while (r->p < r->end) {
        uint8_t c = *r->p++;
        if (c == '"')
            return true;
        if (c < 0x20)
            return false;
        if (c != '\\')
            continue;
        if (r->p == r->end)
            return false;
        c = *r->p++;
        if (c == 'u') {
            if (rd_left(r) < 4 || !is_hex(r->p[0]) || !is_hex(r->p[1]) || !is_hex(r->p[2]) ||
                !is_hex(r->p[3]))
                return false;
            r->p += 4;
        } else if (!memchr("\"\\/bfnrt", c, 8)) {
            return false;
        }
    }
    return false;
}

static bool word(struct rd *r, const char *text)
{
    size_t n = strlen(text);
    if (rd_left(r) < n || memcmp(r->p, text, n) != 0)
        return false;
    r->p += n;
    return true;
}

static bool value(struct rd *r, int depth);

static bool members(struct rd *r, uint8_t close, int depth)
{
    space(r);
    if (take(r, close))
        return true;
    do {
        if (close == '}') {
            space(r);
            if (!string(r))
                return false;
            space(r);
            if (!take(r, ':'))
                return false;
        }
        if (!value(r, depth + 1))
            return false;
    } while (take(r, ','));
    return take(r, close);
}

static bool value(struct rd *r, int depth)
{
    bool ok;
    if (depth > YCRDT_MAX_DEPTH)
        return false;
    space(r);
    if (take(r, '{'))
        ok = members(r, '}', depth);
    else if (take(r, '['))
        ok = members(r, ']', depth);
    else if (r->p < r->end && *r->p == '"')
        ok = string(r);
    else
        ok = word(r, "true") || word(r, "false") || word(r, "null") || number(r);
    space(r);
    return ok;
}

bool json_valid(const uint8_t *p, size_t n)
{
    struct rd r = {p, p + n};
    return value(&r, 0) && r.p == r.end;
}
