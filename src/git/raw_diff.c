#include "git/raw_diff.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"
#include "base/str.h"

void raw_diff_release(struct raw_diff *d)
{
    for (size_t i = 0; i < d->len; i++) {
        free(d->v[i].path);
        free(d->v[i].old_path);
    }
    free(d->v);
    *d = (struct raw_diff){0};
}

struct reader {
    const char *p;
    size_t left;
};

/* Up to the next NUL; NULL when there is none. */
static const char *take_text(struct reader *r, size_t *len)
{
    const char *end = r->left ? memchr(r->p, '\0', r->left) : NULL;
    if (!end)
        return NULL;
    const char *text = r->p;
    *len = (size_t)(end - text);
    r->left -= *len + 1;
    r->p = end + 1;
    return text;
}

static char *take_path(struct reader *r)
{
    size_t len = 0;
    const char *text = take_text(r, &len);
    return text && len ? xstrndup(text, len) : NULL;
}

static bool read_mode(const char *p, unsigned *out)
{
    *out = 0;
    for (int i = 0; i < 6; i++) {
        if (p[i] < '0' || p[i] > '7')
            return false;
        *out = *out * 8 + (unsigned)(p[i] - '0');
    }
    return true;
}

/* ":100644 100755 <id> <id> R075", ids shortened or not. */
static bool read_raw_head(const char *line, size_t len, struct raw_change *c)
{
    uint64_t percent = 0;
    const char *status = memrchr(line, ' ', len);
    if (len < 18 || line[7] != ' ' || line[14] != ' ' || !read_mode(line + 1, &c->old_mode) ||
        !read_mode(line + 8, &c->new_mode) || status < line + 15)
        return false;
    size_t n = len - (size_t)(status + 1 - line);
    if (n == 0 || !strchr("AMDTRCUX", status[1]) ||
        (n > 1 && num_parse_u64(status + 2, n - 1, 0, 100, &percent, NULL) < 0))
        return false;
    c->status = status[1];
    c->similarity = (int)percent;
    return true;
}

static bool read_raw(struct reader *r, struct raw_diff *out)
{
    size_t len = 0;
    const char *line = take_text(r, &len);
    struct raw_change c = {.added = -1, .deleted = -1};
    if (!line || !read_raw_head(line, len, &c))
        return false;
    if (c.status == 'R' || c.status == 'C')
        c.old_path = take_path(r);
    c.path = take_path(r);
    VEC_GROW(out->v, out->len, out->cap);
    out->v[out->len++] = c;
    return c.path && (c.old_path || (c.status != 'R' && c.status != 'C'));
}

static bool read_count(const char *p, size_t len, int64_t *out)
{
    uint64_t n = 0;
    *out = -1;
    if (len == 1 && *p == '-')
        return true;
    if (num_parse_u64(p, len, 0, INT64_MAX, &n, NULL) < 0)
        return false;
    *out = (int64_t)n;
    return true;
}

/* "12\t3\tpath", and for a rename "12\t3\t" with both paths behind it: in the order of the raw
 * part. */
static bool read_counts(struct reader *r, struct raw_change *c)
{
    size_t len = 0, other = 0;
    const char *line = take_text(r, &len);
    const char *tab = line ? memchr(line, '\t', len) : NULL;
    const char *second = tab ? memchr(tab + 1, '\t', len - (size_t)(tab + 1 - line)) : NULL;
    if (!second || !read_count(line, (size_t)(tab - line), &c->added) ||
        !read_count(tab + 1, (size_t)(second - tab - 1), &c->deleted))
        return false;
    const char *path = second + 1;
    if (path == line + len && (!take_text(r, &other) || !(path = take_text(r, &other))))
        return false;
    return strcmp(path, c->path) == 0;
}

int raw_diff_parse(const char *text, size_t len, struct raw_diff *out, struct err *err)
{
    struct reader r = {text, len};
    while (r.left && *r.p == ':') {
        if (out->len >= RAW_DIFF_MAX)
            return err_set(err, ERR_LIMIT, "more than %d files differ", RAW_DIFF_MAX);
        if (!read_raw(&r, out))
            return err_set(err, ERR_INVALID, "unexpected answer from git diff");
    }
    for (size_t i = 0; r.left && i < out->len; i++)
        if (!read_counts(&r, &out->v[i]))
            return err_set(err, ERR_INVALID, "unexpected answer from git diff");
    return r.left ? err_set(err, ERR_INVALID, "unexpected answer from git diff") : 0;
}
