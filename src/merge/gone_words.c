#include "merge/gone_words.h"

#include <stdbool.h>

#include "base/mem.h"
#include "merge/lines.h"
#include "merge/words.h"

/* Letters that make a word one that is recognised elsewhere. */
#define WORD_KNOWN 3

static uint32_t *count_words(const struct lines *t, uint32_t ids)
{
    uint32_t *n = xcalloc((size_t)ids + 1, sizeof *n);
    for (uint32_t i = 0; i < t->n; i++)
        if (lines_len(t, i) >= WORD_KNOWN && word_kind_of(t->p + t->start[i]) == WORD_LETTERS)
            n[t->id[i]]++;
    return n;
}

static bool any_gone(const uint32_t *base, const uint32_t *without, const uint32_t *with,
                     uint32_t ids)
{
    for (uint32_t i = 0; i < ids; i++)
        if (base[i] && !without[i] && with[i] > base[i])
            return true;
    return false;
}

enum merge_side gone_words_by(struct merge_slice base, struct merge_slice local,
                              struct merge_slice canonical)
{
    struct line_ids ids;
    struct lines b, l, c;
    line_ids_init(&ids, base.len / 4);
    words_init(&b, &ids, base);
    words_init(&l, &ids, local);
    words_init(&c, &ids, canonical);
    cleanup_free uint32_t *in_base = count_words(&b, ids.n);
    cleanup_free uint32_t *in_local = count_words(&l, ids.n);
    cleanup_free uint32_t *in_canonical = count_words(&c, ids.n);
    enum merge_side by = MERGE_NOBODY;
    if (any_gone(in_base, in_canonical, in_local, ids.n))
        by = MERGE_CANONICAL;
    else if (any_gone(in_base, in_local, in_canonical, ids.n))
        by = MERGE_LOCAL;
    lines_release(&b);
    lines_release(&l);
    lines_release(&c);
    line_ids_release(&ids);
    return by;
}
