#include "base/str.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

char str_empty[1] = "";

void str_release(struct str *s)
{
    if (s->cap)
        free(s->p);
    s->p = str_empty;
    s->len = s->cap = 0;
}

void str_release_secret(struct str *s)
{
    if (s->cap)
        mem_wipe(s->p, s->cap);
    str_release(s);
}

void str_clear(struct str *s)
{
    str_truncate(s, 0);
}

void str_truncate(struct str *s, size_t len)
{
    BUG_ON(len > s->len);
    s->len = len;
    if (s->cap)
        s->p[len] = '\0';
}

char *str_reserve(struct str *s, size_t n)
{
    BUG_ON(n > SIZE_MAX / 2 - s->len);
    size_t need = s->len + n + 1;
    if (need > s->cap) {
        size_t cap = s->cap ? s->cap * 2 : 64;
        if (cap < need)
            cap = need;
        s->p = xrealloc(s->cap ? s->p : NULL, cap);
        s->cap = cap;
        s->p[s->len] = '\0';
    }
    return s->p + s->len;
}

void str_grew(struct str *s, size_t n)
{
    BUG_ON(s->len + n + 1 > s->cap);
    s->len += n;
    s->p[s->len] = '\0';
}

void str_add(struct str *s, const void *p, size_t n)
{
    if (n == 0)
        return;
    memcpy(str_reserve(s, n), p, n);
    str_grew(s, n);
}

void str_adds(struct str *s, const char *text)
{
    str_add(s, text, strlen(text));
}

void str_addc(struct str *s, char c)
{
    *str_reserve(s, 1) = c;
    str_grew(s, 1);
}

void str_vaddf(struct str *s, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    BUG_ON(n < 0);
    vsnprintf(str_reserve(s, (size_t)n), (size_t)n + 1, fmt, ap);
    str_grew(s, (size_t)n);
}

void str_addf(struct str *s, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    str_vaddf(s, fmt, ap);
    va_end(ap);
}

void str_consume(struct str *s, size_t n)
{
    BUG_ON(n > s->len);
    if (n == 0)
        return;
    memmove(s->p, s->p + n, s->len - n);
    str_truncate(s, s->len - n);
}

char *str_detach(struct str *s)
{
    char *p = s->cap ? s->p : xstrdup("");
    s->p = str_empty;
    s->len = s->cap = 0;
    return p;
}

void str_add_shell_quoted(struct str *s, const char *text)
{
    str_addc(s, '\'');
    for (; *text; text++) {
        if (*text == '\'')
            str_adds(s, "'\\''");
        else
            str_addc(s, *text);
    }
    str_addc(s, '\'');
}

/* Length of the valid UTF-8 sequence at p (RFC 3629), 0 when there is none. */
static size_t utf8_sequence(const unsigned char *p, size_t n)
{
    if (p[0] < 0x80)
        return 1;
    size_t len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || len > n)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return len;
}

void str_add_printable(struct str *s, const char *text, size_t n)
{
    const unsigned char *p = (const unsigned char *)text;
    while (n) {
        size_t len = utf8_sequence(p, n);
        bool c1 = len == 2 && p[0] == 0xc2 && p[1] < 0xa0;
        if (len == 0 || c1 || p[0] < 0x20 || p[0] == 0x7f) {
            size_t bad = len ? len : 1;
            for (size_t i = 0; i < bad; i++)
                str_addf(s, "\\x%02x", p[i]);
            len = bad;
        } else {
            str_add(s, p, len);
        }
        p += len;
        n -= len;
    }
}

bool str_starts_with(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends_with(const char *s, const char *suffix)
{
    size_t n = strlen(s), m = strlen(suffix);
    return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

bool str_equal_secret(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    unsigned char diff = n != m;
    for (size_t i = 0; i < n; i++)
        diff |= (unsigned char)(a[i] ^ b[m ? i % m : 0]);
    return diff == 0;
}

bool str_is_utf8(const char *text, size_t n)
{
    const unsigned char *p = (const unsigned char *)text;
    while (n) {
        uint64_t eight;
        while (n >= sizeof eight) {
            memcpy(&eight, p, sizeof eight);
            if (eight & 0x8080808080808080u)
                break;
            p += sizeof eight;
            n -= sizeof eight;
        }
        if (!n)
            return true;
        size_t len = utf8_sequence(p, n);
        if (!len)
            return false;
        p += len;
        n -= len;
    }
    return true;
}

void strv_push_take(struct strv *v, char *text)
{
    if (v->len + 1 >= v->cap) {
        v->cap = v->cap ? v->cap * 2 : 8;
        v->v = xreallocarray(v->v, v->cap, sizeof *v->v);
    }
    v->v[v->len++] = text;
    v->v[v->len] = NULL;
}

void strv_push(struct strv *v, const char *text)
{
    strv_push_take(v, xstrdup(text));
}

void strv_pushf(struct strv *v, const char *fmt, ...)
{
    struct str s = STR_INIT;
    va_list ap;
    va_start(ap, fmt);
    str_vaddf(&s, fmt, ap);
    va_end(ap);
    strv_push_take(v, str_detach(&s));
}

void strv_pushl(struct strv *v, ...)
{
    va_list ap;
    va_start(ap, v);
    for (const char *arg; (arg = va_arg(ap, const char *));)
        strv_push(v, arg);
    va_end(ap);
}

void strv_split(struct strv *v, const char *text, const char *seps)
{
    while (*text) {
        size_t n = strcspn(text, seps);
        if (n)
            strv_push_take(v, xstrndup(text, n));
        text += n;
        text += strspn(text, seps);
    }
}

bool strv_has(const struct strv *v, const char *text)
{
    for (size_t i = 0; i < v->len; i++)
        if (strcmp(v->v[i], text) == 0)
            return true;
    return false;
}

void strv_drop(struct strv *v, const char *text)
{
    for (size_t i = 0; i < v->len; i++) {
        if (strcmp(v->v[i], text) != 0)
            continue;
        free(v->v[i]);
        v->v[i] = v->v[--v->len];
        v->v[v->len] = NULL;
        return;
    }
}

void strv_release(struct strv *v)
{
    for (size_t i = 0; i < v->len; i++)
        free(v->v[i]);
    free(v->v);
    v->v = NULL;
    v->len = v->cap = 0;
}
