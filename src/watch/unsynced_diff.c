/*
 * git diff's own words: first the list (":mode mode id id S" NUL path NUL)..., an empty entry, then
 * the patch, whose names stand unquoted behind "diff --git a/" because of -z. With -U0 every line
 * that begins with "@@ " or "diff --git " is a header: content begins with '+', '-' or '\'.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"
#include "watch/unsynced.h"

struct text {
    const char *p;
    size_t len;
};

/* The list. What is left in *t is the patch. */
static int take_list(struct unsynced *u, struct text *t, struct err *err)
{
    while (t->len > 0 && t->p[0] == ':') {
        const char *end = memchr(t->p, '\0', t->len);
        if (!end || end - t->p < 2)
            return err_set(err, ERR_INVALID, "a list of changed files that breaks off");
        char status = 'M';
        for (const char *p = end; p > t->p; p--)
            if (p[-1] == ' ') {
                status = *p;
                break;
            }
        t->len -= (size_t)(end + 1 - t->p);
        t->p = end + 1;
        end = memchr(t->p, '\0', t->len);
        if (!end)
            return err_set(err, ERR_INVALID, "a list of changed files that breaks off");
        (void)unsynced_add(u, t->p, (char)(status == 'A' || status == 'D' ? status : 'M'));
        t->len -= (size_t)(end + 1 - t->p);
        t->p = end + 1;
    }
    return 0;
}

/* "a/X b/X": both halves are the same name. */
static struct unsynced_file *named(struct unsynced *u, const char *line, size_t len)
{
    if (len < 7 || len % 2 == 0 || memcmp(line, "a/", 2) != 0)
        return NULL;
    size_t n = (len - 5) / 2;
    for (size_t i = 0; i < u->len; i++)
        if (strlen(u->v[i].path) == n && memcmp(u->v[i].path, line + 2, n) == 0)
            return &u->v[i];
    return NULL;
}

/* "10,3" or "10": lines 10 to 12, line 10; "10,0": behind line 10. */
static bool take_range(const char *p, size_t n, struct line_range *out)
{
    const char *comma = memchr(p, ',', n);
    uint64_t from, count = 1;
    if (num_parse_u64(p, comma ? (size_t)(comma - p) : n, 0, RANGE_LINE_MAX, &from, NULL) < 0)
        return false;
    if (comma &&
        num_parse_u64(comma + 1, n - (size_t)(comma + 1 - p), 0, RANGE_LINE_MAX, &count, NULL) < 0)
        return false;
    *out = (struct line_range){(uint32_t)(count == 0 ? from + 1 : from), (uint32_t)count};
    return out->from > 0;
}

/* "-10,3 +10,5 @@ function" */
static void take_hunk(struct unsynced *u, struct unsynced_file *f, const char *p, size_t n)
{
    struct line_range a, b;
    const char *blank = memchr(p, ' ', n);
    if (n < 1 || p[0] != '-' || !blank || !take_range(p + 1, (size_t)(blank - p - 1), &a))
        return;
    n -= (size_t)(blank + 1 - p);
    p = blank + 1;
    blank = memchr(p, ' ', n);
    if (n < 1 || p[0] != '+' || !blank || !take_range(p + 1, (size_t)(blank - p - 1), &b))
        return;
    if (f->base.len >= RANGES_MAX)
        u->more = true;
    line_ranges_add(&f->base, a.from, a.n);
    line_ranges_add(&f->lines, b.from, b.n);
}

int unsynced_take_diff(struct unsynced *u, const char *text, size_t len, struct err *err)
{
    static const char file_mark[] = "diff --git ", hunk_mark[] = "@@ ";
    struct text t = {text, len};
    struct unsynced_file *f = NULL;
    int rc = take_list(u, &t, err);
    if (rc < 0)
        return rc;
    if (t.len > 0 && t.p[0] == '\0') {
        t.p++;
        t.len--;
    }
    while (t.len > 0) {
        const char *end = memchr(t.p, '\n', t.len);
        size_t n = end ? (size_t)(end - t.p) : t.len;
        if (n >= sizeof file_mark && memcmp(t.p, file_mark, sizeof file_mark - 1) == 0)
            f = named(u, t.p + sizeof file_mark - 1, n - (sizeof file_mark - 1));
        else if (f && n >= sizeof hunk_mark && memcmp(t.p, hunk_mark, sizeof hunk_mark - 1) == 0)
            take_hunk(u, f, t.p + sizeof hunk_mark - 1, n - (sizeof hunk_mark - 1));
        t.p += n + (end != NULL);
        t.len -= n + (end != NULL);
    }
    return 0;
}
