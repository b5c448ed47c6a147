#include "merge/list_end.h"

#include <string.h>

#include "merge/words.h"

size_t list_entry_len(struct merge_slice line)
{
    size_t len = line.len;
    if (len && line.p[len - 1] == '\n')
        len--;
    if (len && line.p[len - 1] == '\r')
        len--;
    return len;
}

static struct merge_slice line_of(const struct lines *t, uint32_t line)
{
    struct merge_slice s = lines_range(t, line, line + 1);
    s.len = list_entry_len(s);
    return s;
}

/* Whether a text that ends here is an entry, and no comma behind it. */
static bool last_entry(const struct lines *t, const struct edit *e)
{
    struct merge_slice s = line_of(t, e->line_to - 1);
    return s.len && s.p[s.len - 1] != ',' && word_kind_of(s.p + s.len - 1) != WORD_BLANK;
}

bool edits_extend_list(const struct versions *v, const struct edit *canonical,
                       const struct edit *local)
{
    if (!canonical->from || !canonical->line_from || !local->line_from)
        return false;
    uint32_t above = canonical->line_from - 1;
    if (v->canonical.id[above] != v->local.id[local->line_from - 1])
        return false;
    struct merge_slice was = line_of(&v->base, canonical->from - 1);
    struct merge_slice is = line_of(&v->canonical, above);
    return was.len && is.len == was.len + 1 && is.p[was.len] == ',' &&
           memcmp(is.p, was.p, was.len) == 0 && last_entry(&v->canonical, canonical) &&
           last_entry(&v->local, local);
}
