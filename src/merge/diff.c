#include "merge/diff.h"

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

/* libxdiff's constants; another value is another diff. */
#define COST_MIN 256
#define SNAKE_LONG 20
#define GOOD_FACTOR 4
#define FREQUENT_MAX 1024
#define WINDOW 100
#define KEEP_RATIO 4

#define FAR INT_MAX

struct side {
    const uint32_t *id;
    int32_t n;
    int32_t from, to; /* [from, to): without the common ends */
    char *changed;    /* n + 2 flags; changed[-1] and changed[n] are 0 */
    uint32_t *kept;   /* numbers of the elements that take part in the search */
    int32_t *where;   /* their index in id */
    int32_t kept_n;
};

struct search {
    const uint32_t *a, *b;
    struct side *sa, *sb;
    int32_t *forward, *backward; /* by diagonal: farthest point reached */
    int32_t cost_max;
    uint64_t work;
};

struct split {
    int32_t a, b;
    bool exact_before, exact_after;
};

struct box {
    int32_t a, a_end, b, b_end;
    bool exact;
};

void diff_release(struct diff *d)
{
    free(d->v);
    *d = (struct diff)DIFF_INIT;
}

/* A power of two near the square root. */
static int32_t rough_sqrt(int32_t n)
{
    int32_t r = 1;
    for (; n > 0; n >>= 2)
        r <<= 1;
    return r;
}

static void side_init(struct side *s, const uint32_t *id, uint32_t n)
{
    s->id = id;
    s->n = (int32_t)n;
    char *flags = xcalloc((size_t)n + 2, 1);
    s->changed = flags + 1;
    s->kept = xreallocarray(NULL, (size_t)n + 1, sizeof *s->kept);
    s->where = xreallocarray(NULL, (size_t)n + 1, sizeof *s->where);
    s->kept_n = 0;
}

static void side_release(struct side *s)
{
    free(s->changed - 1);
    free(s->kept);
    free(s->where);
}

static void trim_ends(struct side *a, struct side *b)
{
    int32_t limit = a->n < b->n ? a->n : b->n;
    int32_t head = 0, tail = 0;
    while (head < limit && a->id[head] == b->id[head])
        head++;
    while (tail < limit - head && a->id[a->n - 1 - tail] == b->id[b->n - 1 - tail])
        tail++;
    a->from = b->from = head;
    a->to = a->n - tail;
    b->to = b->n - tail;
}

enum match { MATCH_NONE, MATCH_SOME, MATCH_MANY };

/* Whether element i, which has many matches, lies among elements without one: then its matches are
 * chance, and it is set aside with them. */
static bool amid_unmatched(const char *match, int32_t i, int32_t from, int32_t to)
{
    if (i - from > WINDOW)
        from = i - WINDOW;
    if (to - 1 - i > WINDOW)
        to = i + WINDOW + 1;
    int32_t none_before = 0, many_before = 1;
    for (int32_t j = i - 1; j >= from && match[j] != MATCH_SOME; j--) {
        if (match[j] == MATCH_NONE)
            none_before++;
        else
            many_before++;
    }
    if (none_before == 0)
        return false;
    int32_t none_after = 0, many_after = 1;
    for (int32_t j = i + 1; j < to && match[j] != MATCH_SOME; j++) {
        if (match[j] == MATCH_NONE)
            none_after++;
        else
            many_after++;
    }
    if (none_after == 0)
        return false;
    int32_t none = none_before + none_after, many = many_before + many_after;
    return many * KEEP_RATIO < many + none;
}

static void set_aside(struct side *s, const uint32_t *count_other, char *match)
{
    int32_t frequent = rough_sqrt(s->n);
    if (frequent > FREQUENT_MAX)
        frequent = FREQUENT_MAX;
    for (int32_t i = s->from; i < s->to; i++) {
        uint32_t count = count_other[s->id[i]];
        match[i] = (char)(count == 0                    ? MATCH_NONE
                          : count >= (uint32_t)frequent ? MATCH_MANY
                                                        : MATCH_SOME);
    }
    for (int32_t i = s->from; i < s->to; i++) {
        if (match[i] == MATCH_SOME ||
            (match[i] == MATCH_MANY && !amid_unmatched(match, i, s->from, s->to))) {
            s->kept[s->kept_n] = s->id[i];
            s->where[s->kept_n++] = i;
        } else {
            s->changed[i] = 1;
        }
    }
}

static void choose_elements(struct side *a, struct side *b, uint32_t ids)
{
    uint32_t *count_a = xcalloc(ids, sizeof *count_a);
    uint32_t *count_b = xcalloc(ids, sizeof *count_b);
    for (int32_t i = 0; i < a->n; i++)
        count_a[a->id[i]]++;
    for (int32_t i = 0; i < b->n; i++)
        count_b[b->id[i]]++;
    char *match = xmalloc((size_t)(a->n > b->n ? a->n : b->n));
    set_aside(a, count_b, match);
    set_aside(b, count_a, match);
    free(match);
    free(count_a);
    free(count_b);
}

/* One more step of the forward search; true when it met the backward one. */
static bool step_forward(struct search *s, const struct box *box, int32_t from, int32_t to,
                         int32_t met_from, int32_t met_to, bool meet, bool *snake, struct split *at)
{
    int32_t *f = s->forward;
    for (int32_t d = to; d >= from; d -= 2) {
        int32_t i = f[d - 1] >= f[d + 1] ? f[d - 1] + 1 : f[d + 1];
        int32_t j = i - d, begin = i;
        while (i < box->a_end && j < box->b_end && s->a[i] == s->b[j])
            i++, j++;
        if (i - begin > SNAKE_LONG)
            *snake = true;
        f[d] = i;
        if (meet && met_from <= d && d <= met_to && s->backward[d] <= i) {
            *at = (struct split){i, j, true, true};
            return true;
        }
    }
    return false;
}

static bool step_backward(struct search *s, const struct box *box, int32_t from, int32_t to,
                          int32_t met_from, int32_t met_to, bool meet, bool *snake,
                          struct split *at)
{
    int32_t *r = s->backward;
    for (int32_t d = to; d >= from; d -= 2) {
        int32_t i = r[d - 1] < r[d + 1] ? r[d - 1] : r[d + 1] - 1;
        int32_t j = i - d, begin = i;
        while (i > box->a && j > box->b && s->a[i - 1] == s->b[j - 1])
            i--, j--;
        if (begin - i > SNAKE_LONG)
            *snake = true;
        r[d] = i;
        if (meet && met_from <= d && d <= met_to && i <= s->forward[d]) {
            *at = (struct split){i, j, true, true};
            return true;
        }
    }
    return false;
}

/* A point that the search reached at little cost and that ends in a long run of equal elements is
 * good enough to cut at. */
static bool cut_at_snake_forward(const struct search *s, const struct box *box, int32_t from,
                                 int32_t to, int32_t mid, int32_t cost, struct split *at)
{
    int32_t best = 0;
    for (int32_t d = to; d >= from; d -= 2) {
        int32_t i = s->forward[d], j = i - d;
        int32_t gain = (i - box->a) + (j - box->b) - abs(d - mid);
        if (gain <= GOOD_FACTOR * cost || gain <= best || i < box->a + SNAKE_LONG ||
            i >= box->a_end || j < box->b + SNAKE_LONG || j >= box->b_end)
            continue;
        int32_t run = 1;
        while (run <= SNAKE_LONG && s->a[i - run] == s->b[j - run])
            run++;
        if (run > SNAKE_LONG) {
            best = gain;
            *at = (struct split){i, j, true, false};
        }
    }
    return best > 0;
}

static bool cut_at_snake_backward(const struct search *s, const struct box *box, int32_t from,
                                  int32_t to, int32_t mid, int32_t cost, struct split *at)
{
    int32_t best = 0;
    for (int32_t d = to; d >= from; d -= 2) {
        int32_t i = s->backward[d], j = i - d;
        int32_t gain = (box->a_end - i) + (box->b_end - j) - abs(d - mid);
        if (gain <= GOOD_FACTOR * cost || gain <= best || i <= box->a ||
            i > box->a_end - SNAKE_LONG || j <= box->b || j > box->b_end - SNAKE_LONG)
            continue;
        int32_t run = 0;
        while (run < SNAKE_LONG && s->a[i + run] == s->b[j + run])
            run++;
        if (run == SNAKE_LONG) {
            best = gain;
            *at = (struct split){i, j, false, true};
        }
    }
    return best > 0;
}

/* The search has cost enough: cut where either direction came farthest. */
static void cut_at_farthest(const struct search *s, const struct box *box, int32_t f_from,
                            int32_t f_to, int32_t r_from, int32_t r_to, struct split *at)
{
    int32_t f_sum = -1, f_a = -1;
    for (int32_t d = f_to; d >= f_from; d -= 2) {
        int32_t i = s->forward[d] < box->a_end ? s->forward[d] : box->a_end;
        int32_t j = i - d;
        if (j > box->b_end) {
            i = box->b_end + d;
            j = box->b_end;
        }
        if (i + j > f_sum) {
            f_sum = i + j;
            f_a = i;
        }
    }
    int32_t r_sum = FAR, r_a = FAR;
    for (int32_t d = r_to; d >= r_from; d -= 2) {
        int32_t i = s->backward[d] > box->a ? s->backward[d] : box->a;
        int32_t j = i - d;
        if (j < box->b) {
            i = box->b + d;
            j = box->b;
        }
        if (i + j < r_sum) {
            r_sum = i + j;
            r_a = i;
        }
    }
    if (box->a_end + box->b_end - r_sum < f_sum - (box->a + box->b))
        *at = (struct split){f_a, f_sum - f_a, true, false};
    else
        *at = (struct split){r_a, r_sum - r_a, false, true};
}

static void find_split(struct search *s, const struct box *box, struct split *at)
{
    int32_t low = box->a - box->b_end, high = box->a_end - box->b;
    int32_t f_mid = box->a - box->b, r_mid = box->a_end - box->b_end;
    bool odd = (f_mid - r_mid) & 1;
    int32_t f_from = f_mid, f_to = f_mid, r_from = r_mid, r_to = r_mid;
    s->forward[f_mid] = box->a;
    s->backward[r_mid] = box->a_end;
    for (int32_t cost = 1;; cost++) {
        bool snake = false;
        if (f_from > low)
            s->forward[--f_from - 1] = -1;
        else
            ++f_from;
        if (f_to < high)
            s->forward[++f_to + 1] = -1;
        else
            --f_to;
        if (step_forward(s, box, f_from, f_to, r_from, r_to, odd, &snake, at))
            return;
        if (r_from > low)
            s->backward[--r_from - 1] = FAR;
        else
            ++r_from;
        if (r_to < high)
            s->backward[++r_to + 1] = FAR;
        else
            --r_to;
        if (step_backward(s, box, r_from, r_to, f_from, f_to, !odd, &snake, at))
            return;
        s->work += (uint64_t)((f_to - f_from) + (r_to - r_from)) / 2 + 2;
        if (box->exact)
            continue;
        if (snake && cost > COST_MIN &&
            (cut_at_snake_forward(s, box, f_from, f_to, f_mid, cost, at) ||
             cut_at_snake_backward(s, box, r_from, r_to, r_mid, cost, at)))
            return;
        if (cost >= s->cost_max) {
            cut_at_farthest(s, box, f_from, f_to, r_from, r_to, at);
            return;
        }
    }
}

static void mark(struct side *s, int32_t from, int32_t to)
{
    for (int32_t i = from; i < to; i++)
        s->changed[s->where[i]] = 1;
}

static int64_t box_size(const struct box *b)
{
    return (int64_t)(b->a_end - b->a) + (b->b_end - b->b);
}

/* Recursion goes into the smaller part only, so its depth is logarithmic. */
static void search_box(struct search *s, struct box box) // NOLINT(misc-no-recursion)
{
    for (;;) {
        while (box.a < box.a_end && box.b < box.b_end && s->a[box.a] == s->b[box.b])
            box.a++, box.b++;
        while (box.a < box.a_end && box.b < box.b_end && s->a[box.a_end - 1] == s->b[box.b_end - 1])
            box.a_end--, box.b_end--;
        if (box.a == box.a_end || box.b == box.b_end || s->work > DIFF_WORK_MAX) {
            mark(s->sa, box.a, box.a_end);
            mark(s->sb, box.b, box.b_end);
            return;
        }
        struct split at = {0, 0, false, false};
        find_split(s, &box, &at);
        struct box before = {box.a, at.a, box.b, at.b, at.exact_before};
        struct box after = {at.a, box.a_end, at.b, box.b_end, at.exact_after};
        if (box_size(&before) < box_size(&after)) {
            search_box(s, before);
            box = after;
        } else {
            search_box(s, after);
            box = before;
        }
    }
}

static void search_all(struct side *a, struct side *b)
{
    int32_t diagonals = a->kept_n + b->kept_n + 3;
    int32_t *points = xreallocarray(NULL, 2 * (size_t)diagonals + 2, sizeof *points);
    struct search s = {
        .a = a->kept,
        .b = b->kept,
        .sa = a,
        .sb = b,
        .forward = points + b->kept_n + 1,
        .backward = points + diagonals + b->kept_n + 1,
        .cost_max = rough_sqrt(diagonals) < COST_MIN ? COST_MIN : rough_sqrt(diagonals),
    };
    search_box(&s, (struct box){0, a->kept_n, 0, b->kept_n, false});
    free(points);
}

/* A group is a maximal run of changed elements, possibly empty, between two unchanged ones: both
 * sides have the same number of groups, and the k-th groups correspond. */
struct group {
    int32_t from, to;
};

static struct group first_group(const struct side *s)
{
    struct group g = {0, 0};
    while (s->changed[g.to])
        g.to++;
    return g;
}

static bool next_group(const struct side *s, struct group *g)
{
    if (g->to == s->n)
        return false;
    g->from = g->to = g->to + 1;
    while (s->changed[g->to])
        g->to++;
    return true;
}

static bool previous_group(const struct side *s, struct group *g)
{
    if (g->from == 0)
        return false;
    g->from = g->to = g->from - 1;
    while (s->changed[g->from - 1])
        g->from--;
    return true;
}

static bool slide_down(struct side *s, struct group *g)
{
    if (g->to == s->n || s->id[g->from] != s->id[g->to])
        return false;
    s->changed[g->from++] = 0;
    s->changed[g->to++] = 1;
    while (s->changed[g->to])
        g->to++;
    return true;
}

static bool slide_up(struct side *s, struct group *g)
{
    if (g->from == 0 || s->id[g->from - 1] != s->id[g->to - 1])
        return false;
    s->changed[--g->from] = 1;
    s->changed[--g->to] = 0;
    while (s->changed[g->from - 1])
        g->from--;
    return true;
}

static void slide_group(struct side *s, const struct side *other, struct group *g, struct group *og)
{
    int32_t size, top, aligned;
    do {
        size = g->to - g->from;
        aligned = -1;
        while (slide_up(s, g))
            BUG_ON(!previous_group(other, og));
        top = g->to;
        if (og->to > og->from)
            aligned = g->to;
        while (slide_down(s, g)) {
            BUG_ON(!next_group(other, og));
            if (og->to > og->from)
                aligned = g->to;
        }
    } while (size != g->to - g->from);
    if (g->to == top || aligned < 0)
        return;
    while (og->to == og->from) {
        BUG_ON(!slide_up(s, g));
        BUG_ON(!previous_group(other, og));
    }
}

static void compact(struct side *s, const struct side *other)
{
    struct group g = first_group(s), og = first_group(other);
    for (;;) {
        if (g.to > g.from)
            slide_group(s, other, &g, &og);
        if (!next_group(s, &g))
            break;
        BUG_ON(!next_group(other, &og));
    }
}

static void collect(const struct side *a, const struct side *b, struct diff *out)
{
    int32_t i = 0, j = 0;
    while (i < a->n || j < b->n) {
        if (!a->changed[i] && !b->changed[j]) {
            i++, j++;
            continue;
        }
        int32_t i0 = i, j0 = j;
        while (a->changed[i])
            i++;
        while (b->changed[j])
            j++;
        VEC_GROW(out->v, out->len, out->cap);
        out->v[out->len++] =
            (struct diff_hunk){(uint32_t)i0, (uint32_t)(i - i0), (uint32_t)j0, (uint32_t)(j - j0)};
    }
}

void diff_sequences(const uint32_t *a, uint32_t a_n, const uint32_t *b, uint32_t b_n, uint32_t ids,
                    struct diff *out)
{
    struct side sa, sb;
    side_init(&sa, a, a_n);
    side_init(&sb, b, b_n);
    trim_ends(&sa, &sb);
    if (sa.from < sa.to && sb.from < sb.to) {
        choose_elements(&sa, &sb, ids);
        search_all(&sa, &sb);
    } else {
        memset(sa.changed + sa.from, 1, (size_t)(sa.to - sa.from));
        memset(sb.changed + sb.from, 1, (size_t)(sb.to - sb.from));
    }
    if (sa.from < sa.to || sb.from < sb.to) {
        compact(&sa, &sb);
        compact(&sb, &sa);
        collect(&sa, &sb, out);
    }
    side_release(&sa);
    side_release(&sb);
}
