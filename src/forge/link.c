/* Link headers (RFC 8288) and the URLs in them. Pure. */
#include "forge/forge.h"

#include <string.h>

#include "base/url.h"

/* What is still to be read. */
struct cursor {
    const char *p, *end;
};

static void skip_blank(struct cursor *c)
{
    while (c->p < c->end && (*c->p == ' ' || *c->p == '\t'))
        c->p++;
}

static bool take(struct cursor *c, char wanted)
{
    skip_blank(c);
    if (c->p == c->end || *c->p != wanted)
        return false;
    c->p++;
    return true;
}

static void read_word(struct cursor *c, struct str *out)
{
    while (c->p < c->end && !memchr(" \t;,=\"", *c->p, 6))
        str_addc(out, *c->p++);
}

/* token or quoted-string, unquoted; false: a quote that does not end. */
static bool read_value(struct cursor *c, struct str *out)
{
    if (!take(c, '"')) {
        read_word(c, out);
        return true;
    }
    while (c->p < c->end && *c->p != '"') {
        if (*c->p == '\\' && c->end - c->p > 1)
            c->p++;
        str_addc(out, *c->p++);
    }
    return take(c, '"');
}

/* rel is a list of relation types, parted by spaces, without case. */
static bool names_next(const char *rel)
{
    while (*rel) {
        size_t n = strcspn(rel, " \t");
        if (n == 4 && strncasecmp(rel, "next", 4) == 0)
            return true;
        rel += n;
        rel += strspn(rel, " \t");
    }
    return false;
}

/* The parameters of one link; only its first rel counts. False: malformed. */
static bool read_parameters(struct cursor *c, bool *is_next)
{
    bool seen = false;
    *is_next = false;
    while (take(c, ';')) {
        cleanup_str struct str name = STR_INIT;
        cleanup_str struct str value = STR_INIT;
        skip_blank(c);
        read_word(c, &name);
        if (take(c, '=')) {
            skip_blank(c);
            if (!read_value(c, &value))
                return false;
        }
        if (!seen && name.len == 3 && strncasecmp(name.p, "rel", 3) == 0) {
            seen = true;
            *is_next = value.len && names_next(value.p);
        }
    }
    return true;
}

bool forge_read_next(const char *link, size_t len, struct str *next)
{
    struct cursor c = {link, link + len};
    do {
        bool is_next = false;
        if (!take(&c, '<'))
            return false;
        const char *target = c.p;
        const char *close = memchr(target, '>', (size_t)(c.end - target));
        if (!close)
            return false;
        c.p = close + 1;
        if (!read_parameters(&c, &is_next))
            return false;
        if (is_next) {
            str_add(next, target, (size_t)(close - target));
            return true;
        }
    } while (take(&c, ','));
    return false;
}

int forge_resolve(const char *base, const char *reference, struct str *out, struct err *err)
{
    cleanup_url struct url at = {0};
    cleanup_url struct url absolute = {0};
    cleanup_str struct str made = STR_INIT;
    if (url_parse(reference, strlen(reference), &absolute, NULL) == 0) {
        str_adds(out, reference);
        return 0;
    }
    bool path = reference[0] == '/' && reference[1] != '/' && reference[1] != '\\';
    if ((!path && reference[0] != '?') || url_parse(base, strlen(base), &at, NULL) ||
        url_add_origin(&made, &at, NULL))
        return err_set(err, ERR_INVALID, "not a usable address");
    str_adds(&made, path ? "" : at.path);
    str_adds(&made, reference);
    url_release(&absolute);
    int rc = url_parse(made.p, made.len, &absolute, err);
    if (rc == 0)
        str_adds(out, made.p);
    return rc;
}
