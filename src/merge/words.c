#include "merge/words.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* Two lines with less than this in common (of 1000) are not versions of one line. */
#define ALIKE_MIN 400
/* Words of a line that its fingerprint keeps. */
#define PRINT_MAX 64

static bool is_letter(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c >= 0x80;
}

static bool is_blank(unsigned char c)
{
    return c == ' ' || c == '\t';
}

enum word_kind word_kind_of(const char *p)
{
    unsigned char c = (unsigned char)*p;
    if (is_letter(c))
        return WORD_LETTERS;
    if (is_blank(c))
        return WORD_BLANK;
    return c == '\n' || c == '\r' ? WORD_LINE_END : WORD_SIGN;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The length of a number with dots at the start of a text (1.5, v4.22.0), or 0: its parts alone say
 * nothing, and two sides' parts put together are a version that nobody meant. */
static size_t dotted_length(const char *p, size_t n)
{
    size_t len = n && (*p == 'v' || *p == 'V');
    bool dots = false;
    for (;;) {
        size_t digits = len;
        while (len < n && is_digit(p[len]))
            len++;
        if (len == digits)
            return 0;
        if (len + 1 >= n || p[len] != '.' || !is_digit(p[len + 1]))
            return dots ? len : 0;
        dots = true;
        len++;
    }
}

size_t word_length(const char *p, size_t n)
{
    size_t len = 1;
    switch (word_kind_of(p)) {
    case WORD_LETTERS:
        len = dotted_length(p, n);
        while (len < n && is_letter((unsigned char)p[len]))
            len++;
        return len;
    case WORD_BLANK:
        while (len < n && is_blank((unsigned char)p[len]))
            len++;
        return len;
    case WORD_LINE_END:
        return *p == '\r' && n > 1 && p[1] == '\n' ? 2 : 1;
    default:
        return 1;
    }
}

void words_init(struct lines *t, struct line_ids *ids, struct merge_slice text)
{
    memset(t, 0, sizeof *t);
    t->p = text.p;
    t->cap = (uint32_t)(text.len / 3 + 8);
    t->start = xreallocarray(NULL, t->cap + 1, sizeof *t->start);
    t->id = xreallocarray(NULL, t->cap, sizeof *t->id);
    for (size_t at = 0; at < text.len;) {
        size_t len = word_length(text.p + at, text.len - at);
        if (t->n == t->cap) {
            t->cap *= 2;
            t->start = xreallocarray(t->start, t->cap + 1, sizeof *t->start);
            t->id = xreallocarray(t->id, t->cap, sizeof *t->id);
        }
        t->start[t->n] = (uint32_t)at;
        t->id[t->n] = line_ids_intern(ids, text.p + at, (uint32_t)len, t->n);
        t->n++;
        at += len;
    }
    t->start[t->n] = (uint32_t)text.len;
}

size_t words_weight(const char *p, size_t n)
{
    size_t weight = 0;
    for (size_t i = 0; i < n; i++)
        weight += is_letter((unsigned char)p[i]);
    return weight;
}

struct print_word {
    uint32_t hash;
    uint32_t weight;
};

/* The words of a line that are not blank, sorted. */
struct print {
    struct print_word words[PRINT_MAX];
    uint32_t n;
    uint32_t weight;
};

static int by_hash(const void *a, const void *b)
{
    uint32_t x = ((const struct print_word *)a)->hash, y = ((const struct print_word *)b)->hash;
    return (x > y) - (x < y);
}

static void print_line(struct print *f, const char *p, size_t n)
{
    f->n = 0;
    f->weight = 0;
    for (size_t at = 0; at < n && f->n < PRINT_MAX;) {
        size_t len = word_length(p + at, n - at);
        enum word_kind kind = word_kind_of(p + at);
        if (kind == WORD_LETTERS || kind == WORD_SIGN) {
            uint32_t hash = 2166136261u;
            for (size_t i = 0; i < len; i++)
                hash = (hash ^ (unsigned char)p[at + i]) * 16777619u;
            uint32_t weight = kind == WORD_SIGN ? 1 : (uint32_t)(len < 32 ? len : 32) + 1;
            f->words[f->n++] = (struct print_word){hash, weight};
            f->weight += weight;
        }
        at += len;
    }
    qsort(f->words, f->n, sizeof *f->words, by_hash);
}

/* 0 to 1000. */
static uint32_t alike(const struct print *a, const struct print *b)
{
    if (a->weight == 0 || b->weight == 0)
        return a->weight == b->weight ? 1000 : 0;
    uint32_t common = 0;
    for (uint32_t i = 0, j = 0; i < a->n && j < b->n;) {
        if (a->words[i].hash < b->words[j].hash) {
            i++;
        } else if (a->words[i].hash > b->words[j].hash) {
            j++;
        } else {
            common += a->words[i].weight;
            i++, j++;
        }
    }
    return 2000 * common / (a->weight + b->weight);
}

static void print_lines(const struct lines *t, uint32_t at, uint32_t n, struct print *out)
{
    for (uint32_t i = 0; i < n; i++) {
        struct merge_slice s = lines_range(t, at + i, at + i + 1);
        print_line(&out[i], s.p, s.len);
    }
}

/* The ascending pairing with the most in common, by dynamic programming from the end: best[i][j]
 * is what lines i.. and j.. can have in common at most. */
static void pair_best(const struct print *a, uint32_t a_n, const struct print *b, uint32_t b_n,
                      uint32_t *pair)
{
    size_t row = (size_t)b_n + 1;
    cleanup_free uint32_t *best = xcalloc((a_n + 1) * row, sizeof *best);
    cleanup_free uint16_t *score = xcalloc((size_t)a_n * b_n, sizeof *score);
    for (uint32_t i = a_n; i-- > 0;) {
        for (uint32_t j = b_n; j-- > 0;) {
            uint32_t s = alike(&a[i], &b[j]);
            s = s >= ALIKE_MIN ? s * s / 1000 : 0;
            score[(size_t)i * b_n + j] = (uint16_t)s;
            uint32_t v = best[(i + 1) * row + j];
            if (best[i * row + j + 1] > v)
                v = best[i * row + j + 1];
            if (s && s + best[(i + 1) * row + j + 1] > v)
                v = s + best[(i + 1) * row + j + 1];
            best[i * row + j] = v;
        }
    }
    for (uint32_t i = 0, j = 0; i < a_n && j < b_n;) {
        uint32_t s = score[(size_t)i * b_n + j];
        if (s && s + best[(i + 1) * row + j + 1] == best[i * row + j])
            pair[i++] = j++;
        else if (best[(i + 1) * row + j] == best[i * row + j])
            i++;
        else
            j++;
    }
}

void words_pair_lines(const struct lines *a, uint32_t a_at, uint32_t a_n, const struct lines *b,
                      uint32_t b_at, uint32_t b_n, size_t *budget, uint32_t *pair)
{
    for (uint32_t i = 0; i < a_n; i++)
        pair[i] = UINT32_MAX;
    size_t cells = (size_t)a_n * b_n;
    if (cells == 0 || cells > *budget)
        return;
    *budget -= cells;
    if (cells == 1) {
        pair[0] = 0;
        return;
    }
    cleanup_free struct print *pa = xreallocarray(NULL, a_n, sizeof *pa);
    cleanup_free struct print *pb = xreallocarray(NULL, b_n, sizeof *pb);
    print_lines(a, a_at, a_n, pa);
    print_lines(b, b_at, b_n, pb);
    pair_best(pa, a_n, pb, b_n, pair);
}
