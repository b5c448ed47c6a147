#include "watch/ranges.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"
#include "merge/diff.h"
#include "merge/lines.h"

void line_ranges_release(struct line_ranges *r)
{
    free(r->v);
    *r = (struct line_ranges)LINE_RANGES_INIT;
}

void line_ranges_add(struct line_ranges *r, uint32_t from, uint32_t n)
{
    if (r->len >= RANGES_MAX)
        return;
    VEC_GROW(r->v, r->len, r->cap);
    r->v[r->len++] = (struct line_range){from, n};
}

void line_ranges_copy(const struct line_ranges *from, struct line_ranges *to)
{
    for (size_t i = 0; i < from->len; i++)
        line_ranges_add(to, from->v[i].from, from->v[i].n);
}

/* --- text --------------------------------------------------------------------------------------
 */

static int parse_one(const char *text, size_t len, struct line_range *out, struct err *err)
{
    const char *colon = memchr(text, ':', len);
    uint64_t first, last;
    if (!colon)
        return err_set(err, ERR_INVALID, "a range of lines is FIRST:LAST");
    size_t n = (size_t)(colon - text);
    int rc = num_parse_u64(text, n, 1, RANGE_LINE_MAX, &first, err);
    if (rc == 0)
        rc = num_parse_u64(colon + 1, len - n - 1, first - 1, RANGE_LINE_MAX, &last, err);
    if (rc == 0)
        *out = (struct line_range){(uint32_t)first, (uint32_t)(last + 1 - first)};
    return rc;
}

int line_ranges_parse(const char *text, size_t len, struct line_ranges *out, struct err *err)
{
    if (len > RANGES_TEXT_MAX)
        return err_set(err, ERR_LIMIT, "too many ranges of lines");
    while (len > 0) {
        const char *comma = memchr(text, ',', len);
        size_t n = comma ? (size_t)(comma - text) : len;
        struct line_range one = {0, 0};
        int rc = parse_one(text, n, &one, err);
        if (rc < 0)
            return rc;
        line_ranges_add(out, one.from, one.n);
        if (!comma)
            return 0;
        text += n + 1;
        len -= n + 1;
        if (len == 0)
            return err_set(err, ERR_INVALID, "a range of lines is missing");
    }
    return 0;
}

void line_ranges_format(const struct line_ranges *r, struct str *out)
{
    for (size_t i = 0; i < r->len; i++)
        str_addf(out, "%s%u:%u", i ? "," : "", r->v[i].from, r->v[i].from + r->v[i].n - 1);
}

void line_ranges_describe(const struct line_ranges *r, struct str *out)
{
    for (size_t i = 0; i < r->len; i++) {
        const struct line_range *one = &r->v[i];
        str_addf(out, "%s%u", i ? ", " : "", one->from);
        if (one->n > 1)
            str_addf(out, "-%u", one->from + one->n - 1);
    }
}

/* --- places ------------------------------------------------------------------------------------
 */

bool line_range_meets(struct line_range a, struct line_range b)
{
    return a.from <= b.from + b.n && b.from <= a.from + a.n;
}

/* A line number of the old text behind or in front of all hunks that it does not meet. */
static struct line_range follow_one(struct line_range r, const struct diff *d)
{
    uint32_t first = r.from - 1, end = first + r.n;
    int64_t shift_first = 0, shift_end = 0;
    uint32_t new_first = 0, new_end = 0;
    bool have_first = false, have_end = false;
    for (size_t i = 0; i < d->len; i++) {
        const struct diff_hunk *h = &d->v[i];
        int64_t grew = (int64_t)h->b_n - (int64_t)h->a_n;
        if (h->a_at > end)
            break;
        if (h->a_at + h->a_n < first) {
            shift_first += grew;
            shift_end += grew;
            continue;
        }
        if (h->a_at <= first && !have_first) {
            new_first = h->b_at;
            have_first = true;
        }
        if (h->a_at + h->a_n >= end) {
            new_end = h->b_at + h->b_n;
            have_end = true;
        }
        shift_end += grew;
    }
    if (!have_first)
        new_first = (uint32_t)((int64_t)first + shift_first);
    if (!have_end)
        new_end = (uint32_t)((int64_t)end + shift_end);
    return (struct line_range){new_first + 1, new_end > new_first ? new_end - new_first : 0};
}

void line_ranges_follow(struct line_ranges *r, const char *from, size_t from_len, const char *to,
                        size_t to_len)
{
    struct line_ids ids;
    struct lines a, b;
    struct diff d = DIFF_INIT;
    if (from_len > MERGE_TEXT_MAX || to_len > MERGE_TEXT_MAX)
        return;
    line_ids_init(&ids, from_len / 32 + 16);
    lines_init(&a, &ids, (struct merge_slice){from, from_len}, NULL);
    lines_init(&b, &ids, (struct merge_slice){to, to_len}, &a);
    diff_sequences(a.id, a.n, b.id, b.n, ids.n, &d);
    for (size_t i = 0; i < r->len; i++)
        r->v[i] = follow_one(r->v[i], &d);
    diff_release(&d);
    lines_release(&a);
    lines_release(&b);
    line_ids_release(&ids);
}
