#include "watch/text.h"

#include <string.h>
#include <wchar.h>

#include "base/mem.h"

/* One character of UTF-8; its length, 0 for what is none. */
static size_t decode(const char *p, size_t n, uint32_t *out)
{
    const unsigned char *s = (const unsigned char *)p;
    size_t len = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    if (len == 0 || len > n || s[0] > 0xf4 || !str_is_utf8(p, len))
        return 0;
    uint32_t c = len == 1 ? s[0] : s[0] & (0xffu >> (len + 1));
    for (size_t i = 1; i < len; i++)
        c = c << 6 | (s[i] & 0x3fu);
    *out = c;
    return len;
}

/* Control characters, marks of direction, invisible and private ones. */
static bool is_harmful(uint32_t c)
{
    static const struct {
        uint32_t from, to;
    } bad[] = {{0, 0x1f},          {0x7f, 0x9f},     {0xad, 0xad},     {0x61c, 0x61c},
               {0x180e, 0x180e},   {0x200b, 0x200f}, {0x2028, 0x202e}, {0x2060, 0x206f},
               {0xe000, 0xf8ff},   {0xfe00, 0xfe0f}, {0xfeff, 0xfeff}, {0xfff0, 0xfffc},
               {0xe0000, 0x10ffff}};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (c >= bad[i].from && c <= bad[i].to)
            return true;
    return false;
}

void text_add_clean(struct str *out, const char *text, size_t n)
{
    for (size_t at = 0; at < n;) {
        uint32_t c = 0;
        size_t len = decode(text + at, n - at, &c);
        if (len == 0 || is_harmful(c))
            str_addc(out, '?');
        else
            str_add(out, text + at, len);
        at += len ? len : 1;
    }
}

char *text_clean(const char *text)
{
    struct str s = STR_INIT;
    text_add_clean(&s, text, strlen(text));
    return str_detach(&s);
}

void text_to_ascii(struct str *s)
{
    size_t to = 0;
    for (size_t at = 0; at < s->len;) {
        uint32_t c = 0;
        size_t len = decode(s->p + at, s->len - at, &c);
        s->p[to++] = (char)(len == 1 ? c : '?');
        at += len ? len : 1;
    }
    str_truncate(s, to);
}

static size_t columns_of(uint32_t c)
{
    int w = c < 0x80 ? 1 : wcwidth((wchar_t)c);
    return w < 0 ? 1 : (size_t)w;
}

size_t text_columns(const char *text)
{
    size_t n = strlen(text), columns = 0;
    for (size_t at = 0; at < n;) {
        uint32_t c = ' ';
        size_t len = decode(text + at, n - at, &c);
        columns += columns_of(c);
        at += len ? len : 1;
    }
    return columns;
}

size_t text_add_cut(struct str *out, const char *text, size_t columns, int from_end, int utf8)
{
    static const char ellipsis[] = "\xe2\x80\xa6";
    size_t n = strlen(text), all = text_columns(text), used = 0, skip = 0, at = 0;
    if (all <= columns) {
        str_add(out, text, n);
        return all;
    }
    if (columns == 0)
        return 0;
    const char *mark = utf8 ? ellipsis : "~";
    if (from_end) {
        str_adds(out, mark);
        skip = all - (columns - 1);
    }
    for (size_t seen = 0; at < n;) {
        uint32_t c = ' ';
        size_t len = decode(text + at, n - at, &c);
        size_t w = columns_of(c);
        if (seen >= skip) {
            if (used + w > columns - 1)
                break;
            str_add(out, text + at, len ? len : 1);
            used += w;
        }
        seen += w;
        at += len ? len : 1;
    }
    if (!from_end)
        str_adds(out, mark);
    return used + 1;
}

void text_add_ago(struct str *out, int64_t at, int64_t now)
{
    int64_t s = now > at ? now - at : 0;
    if (s < 60)
        str_adds(out, "now");
    else if (s < 3600)
        str_addf(out, "%d min", (int)(s / 60));
    else if (s < 86400)
        str_addf(out, "%d h", (int)(s / 3600));
    else
        str_addf(out, "%lld d", (long long)(s / 86400));
}

void text_add_span(struct str *out, int64_t s)
{
    if (s < 60)
        str_adds(out, s <= 0 ? "none" : "less than 1 min");
    else if (s < 3600)
        str_addf(out, "%d min", (int)(s / 60));
    else if (s < 86400)
        str_addf(out, "%d h %d min", (int)(s / 3600), (int)(s % 3600 / 60));
    else
        str_addf(out, "%lld d %d h", (long long)(s / 86400), (int)(s % 86400 / 3600));
}
