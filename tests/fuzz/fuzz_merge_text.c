/*
 * Text merge. The first byte chooses how the rest is read:
 *
 *   - three texts, cut at NUL bytes: whatever they are, the merge is deterministic, the document
 *     converges to it, and merging once more changes nothing;
 *   - a program of edits on a base text of words that occur once each: then it is known what must
 *     be in the result. No word that a side put in is missing, no word that one side took out of a
 *     line that the other left alone is back, every word that nobody touched is there.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "merge/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TEXT_MAX 65536
#define LINES_MAX 24
#define WORDS_MAX 5
#define EDITS_MAX 12
#define WORDS_ALL 1024

static struct merge_slice slice(const struct str *s)
{
    return (struct merge_slice){s->p, s->len};
}

static bool same(const struct str *a, const struct str *b)
{
    return a->len == b->len && memcmp(a->p, b->p, a->len) == 0;
}

static void merge(const struct str v[3], struct merge_text_result *r)
{
    struct err err = ERR_INIT;
    BUG_ON(merge_text(slice(&v[0]), slice(&v[1]), slice(&v[2]), r, &err) != 0);
    bool trivial = same(&v[0], &v[1]) || same(&v[0], &v[2]) || same(&v[1], &v[2]);
    BUG_ON(!trivial && !r->through_crdt);
    BUG_ON(r->git_clean && r->report.len);
    size_t line = 1;
    for (size_t i = 0; i < r->report.len; i++) {
        BUG_ON(r->report.v[i].line < line);
        line = r->report.v[i].line;
    }
}

static void check_any(const struct str v[3])
{
    struct merge_text_result first = MERGE_TEXT_RESULT_INIT, again = MERGE_TEXT_RESULT_INIT;
    struct merge_text_result settled = MERGE_TEXT_RESULT_INIT;
    merge(v, &first);
    merge(v, &again);
    BUG_ON(!same(&first.text, &again.text) || first.report.len != again.report.len);
    const struct str next[3] = {v[2], first.text, v[2]};
    merge(next, &settled);
    BUG_ON(!same(&settled.text, &first.text) || settled.report.len);
    merge_text_result_release(&first);
    merge_text_result_release(&again);
    merge_text_result_release(&settled);
}

/* --- texts of words that occur once ------------------------------------------------------------
 */

struct line {
    unsigned base; /* index of the base line it was, or LINES_MAX */
    unsigned n;
    unsigned words[WORDS_MAX + EDITS_MAX];
};

struct text {
    unsigned n;
    struct line lines[LINES_MAX + EDITS_MAX];
};

struct program {
    const uint8_t *p;
    size_t n;
    unsigned next_word;
};

static unsigned take(struct program *p, unsigned below)
{
    if (!p->n || !below)
        return 0;
    p->n--;
    return *p->p++ % below;
}

static void edit_line(struct program *p, struct line *l)
{
    unsigned at = take(p, l->n + 1);
    switch (take(p, 3)) {
    case 0:
        if (at < l->n)
            l->words[at] = p->next_word++;
        break;
    case 1:
        if (at < l->n && l->n > 1) {
            memmove(&l->words[at], &l->words[at + 1], (l->n - at - 1) * sizeof l->words[0]);
            l->n--;
        }
        break;
    default:
        memmove(&l->words[at + 1], &l->words[at], (l->n - at) * sizeof l->words[0]);
        l->words[at] = p->next_word++;
        l->n++;
    }
}

static void edit_text(struct program *p, struct text *t)
{
    unsigned at = take(p, t->n + 1);
    switch (take(p, 4)) {
    case 0:
        memmove(&t->lines[at + 1], &t->lines[at], (t->n - at) * sizeof t->lines[0]);
        t->lines[at] = (struct line){.base = LINES_MAX, .n = 1 + take(p, WORDS_MAX)};
        for (unsigned i = 0; i < t->lines[at].n; i++)
            t->lines[at].words[i] = p->next_word++;
        t->n++;
        break;
    case 1:
        if (at < t->n) {
            memmove(&t->lines[at], &t->lines[at + 1], (t->n - at - 1) * sizeof t->lines[0]);
            t->n--;
        }
        break;
    default:
        if (at < t->n)
            edit_line(p, &t->lines[at]);
    }
}

static void print_text(const struct text *t, struct str *out)
{
    for (unsigned i = 0; i < t->n; i++)
        for (unsigned j = 0; j < t->lines[i].n; j++)
            str_addf(out, "w%u%c", t->lines[i].words[j], j + 1 < t->lines[i].n ? ' ' : '\n');
}

static void count_words(const struct text *t, unsigned count[WORDS_ALL])
{
    for (unsigned i = 0; i < t->n; i++)
        for (unsigned j = 0; j < t->lines[i].n; j++)
            count[t->lines[i].words[j]]++;
}

/* Whether the side left base line i exactly as it was. */
static bool untouched(const struct text *base, const struct text *side, unsigned i)
{
    for (unsigned k = 0; k < side->n; k++)
        if (side->lines[k].base == i)
            return side->lines[k].n == base->lines[i].n &&
                   memcmp(side->lines[k].words, base->lines[i].words,
                          base->lines[i].n * sizeof(unsigned)) == 0;
    return false;
}

static void count_result(const struct str *text, unsigned count[WORDS_ALL])
{
    for (size_t i = 0; i < text->len;) {
        char *end;
        if (text->p[i] == ' ' || text->p[i] == '\n') {
            i++;
            continue;
        }
        BUG_ON(text->p[i] != 'w');
        unsigned long word = strtoul(text->p + i + 1, &end, 10);
        BUG_ON(word >= WORDS_ALL || (*end != ' ' && *end != '\n'));
        count[word]++;
        i = (size_t)(end - text->p) + 1;
    }
}

static void check_words(const struct text *base, const struct text side[2],
                        const struct str *result, unsigned words)
{
    unsigned in_base[WORDS_ALL] = {0}, in_side[2][WORDS_ALL] = {{0}}, got[WORDS_ALL] = {0};
    count_words(base, in_base);
    count_words(&side[0], in_side[0]);
    count_words(&side[1], in_side[1]);
    count_result(result, got);
    for (unsigned w = 0; w < words; w++)
        BUG_ON(!in_base[w] && (in_side[0][w] || in_side[1][w]) && !got[w]);
    for (unsigned i = 0; i < base->n; i++) {
        bool left_0 = untouched(base, &side[0], i), left_1 = untouched(base, &side[1], i);
        for (unsigned j = 0; j < base->lines[i].n; j++) {
            unsigned w = base->lines[i].words[j];
            BUG_ON(in_side[0][w] && in_side[1][w] && !got[w]);
            BUG_ON(left_0 && left_1 && got[w] != 1);
            BUG_ON((left_0 || left_1) && !(in_side[0][w] && in_side[1][w]) && got[w]);
        }
    }
}

static void check_program(struct program *p)
{
    struct text base = {0};
    base.n = take(p, LINES_MAX);
    for (unsigned i = 0; i < base.n; i++) {
        base.lines[i] = (struct line){.base = i, .n = 1 + take(p, WORDS_MAX)};
        for (unsigned j = 0; j < base.lines[i].n; j++)
            base.lines[i].words[j] = p->next_word++;
    }
    struct text side[2] = {base, base};
    for (int s = 0; s < 2; s++)
        for (unsigned i = take(p, EDITS_MAX); i > 0; i--)
            edit_text(p, &side[s]);
    struct str v[3] = {STR_INIT, STR_INIT, STR_INIT};
    print_text(&base, &v[0]);
    print_text(&side[0], &v[1]);
    print_text(&side[1], &v[2]);
    struct merge_text_result r = MERGE_TEXT_RESULT_INIT;
    merge(v, &r);
    check_words(&base, side, &r.text, p->next_word);
    check_any(v);
    merge_text_result_release(&r);
    for (int i = 0; i < 3; i++)
        str_release(&v[i]);
}

static void check_texts(const uint8_t *data, size_t size)
{
    struct str v[3] = {STR_INIT, STR_INIT, STR_INIT};
    for (int i = 0; i < 3; i++) {
        const uint8_t *end = i < 2 ? memchr(data, '\0', size) : NULL;
        size_t n = end ? (size_t)(end - data) : size;
        str_add(&v[i], data, n);
        data += n + (end != NULL);
        size -= n + (end != NULL);
    }
    check_any(v);
    for (int i = 0; i < 3; i++)
        str_release(&v[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > TEXT_MAX)
        return 0;
    if (data[0] & 1)
        check_program(&(struct program){data + 1, size - 1, 0});
    else
        check_texts(data + 1, size - 1);
    return 0;
}
