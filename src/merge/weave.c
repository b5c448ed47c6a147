#include "merge/weave.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void weave_release(struct weave *w)
{
    free(w->v);
    *w = (struct weave)WEAVE_INIT;
}

static size_t count_newlines(const char *p, size_t len)
{
    size_t n = 0;
    for (const char *end = p + len; p < end && (p = memchr(p, '\n', (size_t)(end - p))); p++)
        n++;
    return n;
}

void weave_add(struct weave *w, enum weave_kind kind, enum merge_side by, const char *p, size_t len)
{
    if (!len)
        return;
    if (kind != WEAVE_DELETE) {
        w->visible += len;
        w->last = p[len - 1];
        w->newlines += count_newlines(p, len);
    }
    struct weave_part *last = w->len ? &w->v[w->len - 1] : NULL;
    if (last && last->kind == kind && last->by == by && last->p + last->len == p) {
        last->len += len;
        return;
    }
    VEC_GROW(w->v, w->len, w->cap);
    w->v[w->len++] = (struct weave_part){kind, by, p, len};
}

void weave_settle(struct weave *w)
{
    bool canonical_follows = false;
    for (size_t i = w->len; i-- > 0;) {
        struct weave_part *p = &w->v[i];
        if (p->kind != WEAVE_INSERT || p->by == MERGE_BOTH)
            canonical_follows = false;
        else if (p->by == MERGE_CANONICAL)
            canonical_follows = true;
        else if (canonical_follows)
            p->by = MERGE_CANONICAL;
    }
}

void weave_text(const struct weave *w, struct str *out)
{
    str_reserve(out, w->visible);
    for (size_t i = 0; i < w->len; i++)
        if (w->v[i].kind != WEAVE_DELETE)
            str_add(out, w->v[i].p, w->v[i].len);
}

bool weave_equals(const struct weave *w, const char *p, size_t len)
{
    if (len != w->visible)
        return false;
    for (size_t i = 0; i < w->len; i++) {
        if (w->v[i].kind == WEAVE_DELETE)
            continue;
        if (memcmp(p, w->v[i].p, w->v[i].len) != 0)
            return false;
        p += w->v[i].len;
    }
    return true;
}
