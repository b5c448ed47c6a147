#include "merge/word_container.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/mem.h"
#include "merge/diff.h"
#include "merge/lines.h"
#include "merge/regions.h"
#include "merge/words.h"

/* Letters and digits that both put in, so that it is more than chance. */
#define SHARED_MIN 16

/* Letters and digits, of both sides together, that make common words more than chance, and how many
 * times more of them there have to be than of what only one side has. */
#define FULLER_MIN 24
#define FULLER_SHARE 6

/* The words of one version, numbered, with or without those that are blank. */
struct sequence {
    struct lines words;
    uint32_t *id;
    uint32_t *word; /* its index among all words */
    uint32_t n;
    struct diff diff; /* from base */
};

static void sequence_init(struct sequence *s, struct line_ids *ids, struct merge_slice text,
                          bool blanks)
{
    words_init(&s->words, ids, text);
    s->id = xreallocarray(NULL, s->words.n + 1, sizeof *s->id);
    s->word = xreallocarray(NULL, s->words.n + 1, sizeof *s->word);
    s->n = 0;
    s->diff = (struct diff)DIFF_INIT;
    for (uint32_t i = 0; i < s->words.n; i++) {
        enum word_kind kind = word_kind_of(text.p + s->words.start[i]);
        if (!blanks && (kind == WORD_BLANK || kind == WORD_LINE_END))
            continue;
        s->id[s->n] = s->words.id[i];
        s->word[s->n++] = i;
    }
}

static void sequence_release(struct sequence *s)
{
    diff_release(&s->diff);
    free(s->id);
    free(s->word);
    lines_release(&s->words);
}

/* The hunks of a version that lie in a region. */
struct part {
    const struct sequence *s;
    size_t from, to;
};

/* The next region's, after `last`. */
static struct part next_part(struct part last, const struct region *r)
{
    const struct diff *d = &last.s->diff;
    struct part p = {last.s, last.to, last.to};
    while (p.to < d->len && d->v[p.to].a_at + d->v[p.to].a_n <= r->base + r->base_n)
        p.to++;
    return p;
}

static bool takes_out(const struct part *large, const struct part *small)
{
    const struct diff_hunk *v = large->s->diff.v;
    size_t at = large->from;
    for (size_t k = small->from; k < small->to; k++) {
        const struct diff_hunk *h = &small->s->diff.v[k];
        for (uint32_t i = h->a_at; i < h->a_at + h->a_n; i++) {
            while (at < large->to && v[at].a_at + v[at].a_n <= i)
                at++;
            if (at == large->to || v[at].a_at > i)
                return false;
        }
    }
    return true;
}

/* Finds a word among what `large` puts in, from hunk *at and its word *next on. */
static bool find_word(const struct part *large, uint32_t id, size_t *at, uint32_t *next)
{
    for (; *at < large->to; ++*at, *next = 0) {
        const struct diff_hunk *h = &large->s->diff.v[*at];
        for (; *next < h->b_n; ++*next)
            if (large->s->id[h->b_at + *next] == id)
                return true;
    }
    return false;
}

/* The letters and digits of what both put in are added to *shared. */
static bool puts_in(const struct part *large, const struct part *small, size_t *shared)
{
    size_t at = large->from;
    uint32_t next = 0;
    bool any = false;
    for (size_t k = small->from; k < small->to; k++) {
        const struct diff_hunk *h = &small->s->diff.v[k];
        for (uint32_t i = h->b_at; i < h->b_at + h->b_n; i++, next++) {
            if (!find_word(large, small->s->id[i], &at, &next))
                return false;
            any = true;
            uint32_t w = small->s->word[i];
            struct merge_slice word = lines_range(&small->s->words, w, w + 1);
            *shared += words_weight(word.p, word.len);
        }
    }
    return any;
}

static bool holds(const struct part *large, const struct part *small, size_t *shared)
{
    return takes_out(large, small) && puts_in(large, small, shared);
}

static enum merge_side container(const struct sequence *local, const struct sequence *canonical,
                                 const struct regions *regions)
{
    bool local_holds = true, canonical_holds = true;
    size_t shared = 0, by_local = 0, by_canonical = 0;
    struct part l = {local, 0, 0};
    struct part c = {canonical, 0, 0};
    for (size_t i = 0; i < regions->len; i++) {
        const struct region *r = &regions->v[i];
        l = next_part(l, r);
        c = next_part(c, r);
        switch (r->kind) {
        case REGION_LOCAL:
            canonical_holds = false;
            break;
        case REGION_CANONICAL:
            local_holds = false;
            break;
        case REGION_SAME:
            holds(&l, &c, &shared);
            break;
        case REGION_CLASH:
            local_holds = local_holds && holds(&l, &c, &by_local);
            canonical_holds = canonical_holds && holds(&c, &l, &by_canonical);
            break;
        }
    }
    if (canonical_holds && shared + by_canonical >= SHARED_MIN)
        return MERGE_CANONICAL;
    if (local_holds && shared + by_local >= SHARED_MIN)
        return MERGE_LOCAL;
    return MERGE_NOBODY;
}

enum merge_side word_container(struct merge_slice base, struct merge_slice local,
                               struct merge_slice canonical, bool blanks)
{
    if (base.len + local.len + canonical.len > MERGE_LINE_MAX)
        return MERGE_NOBODY;
    struct line_ids ids;
    struct sequence b, l, c;
    struct regions regions = REGIONS_INIT;
    line_ids_init(&ids, base.len / 4);
    sequence_init(&b, &ids, base, blanks);
    sequence_init(&l, &ids, local, blanks);
    sequence_init(&c, &ids, canonical, blanks);
    diff_sequences(b.id, b.n, l.id, l.n, ids.n, &l.diff);
    diff_sequences(b.id, b.n, c.id, c.n, ids.n, &c.diff);
    regions_find(&l.diff, l.id, &c.diff, c.id, &regions);
    enum merge_side side = container(&l, &c, &regions);
    regions_release(&regions);
    sequence_release(&b);
    sequence_release(&l);
    sequence_release(&c);
    line_ids_release(&ids);
    return side;
}

static size_t weight(const struct lines *t, uint32_t at, uint32_t n)
{
    struct merge_slice s = lines_range(t, at, at + n);
    return words_weight(s.p, s.len);
}

enum merge_side word_fuller(struct merge_slice local, struct merge_slice canonical)
{
    if (local.len + canonical.len > MERGE_LINE_MAX)
        return MERGE_NOBODY;
    struct line_ids ids;
    struct lines l, c;
    struct diff d = DIFF_INIT;
    line_ids_init(&ids, canonical.len / 4);
    words_init(&c, &ids, canonical);
    words_init(&l, &ids, local);
    diff_sequences(c.id, c.n, l.id, l.n, ids.n, &d);
    size_t c_own = 0, l_own = 0, more = 0;
    for (size_t i = 0; i < d.len; i++) {
        c_own += d.v[i].a_n;
        l_own += d.v[i].b_n;
        more += weight(&c, d.v[i].a_at, d.v[i].a_n) + weight(&l, d.v[i].b_at, d.v[i].b_n);
    }
    size_t common =
        words_weight(canonical.p, canonical.len) + words_weight(local.p, local.len) - more;
    diff_release(&d);
    lines_release(&c);
    lines_release(&l);
    line_ids_release(&ids);
    if (common < FULLER_MIN || more * FULLER_SHARE > common || (c_own && l_own))
        return MERGE_NOBODY;
    return c_own ? MERGE_CANONICAL : MERGE_LOCAL;
}
