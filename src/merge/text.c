#include "merge/text.h"

#include <stdlib.h>
#include <string.h>

#include "merge/converge.h"
#include "merge/reconcile.h"

void merge_text_result_release(struct merge_text_result *r)
{
    str_release(&r->text);
    merge_report_release(&r->report);
}

void merge_updates_release(struct merge_updates *u)
{
    str_release(&u->base);
    str_release(&u->local);
    str_release(&u->canonical);
}

static bool same(struct merge_slice a, struct merge_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

static void versions_init(struct versions *v, struct merge_slice base, struct merge_slice local,
                          struct merge_slice canonical)
{
    line_ids_init(&v->ids, base.len / 24);
    lines_init(&v->base, &v->ids, base, NULL);
    lines_init(&v->local, &v->ids, local, &v->base);
    lines_init(&v->canonical, &v->ids, canonical, &v->base);
    v->local_diff = v->canonical_diff = (struct diff)DIFF_INIT;
    diff_sequences(v->base.id, v->base.n, v->local.id, v->local.n, v->ids.n, &v->local_diff);
    diff_sequences(v->base.id, v->base.n, v->canonical.id, v->canonical.n, v->ids.n,
                   &v->canonical_diff);
}

static void versions_release(struct versions *v)
{
    diff_release(&v->local_diff);
    diff_release(&v->canonical_diff);
    lines_release(&v->base);
    lines_release(&v->local);
    lines_release(&v->canonical);
    line_ids_release(&v->ids);
}

static void weave_slice(struct weave *w, enum weave_kind kind, enum merge_side by,
                        struct merge_slice s)
{
    weave_add(w, kind, by, s.p, s.len);
}

static void weave_region(const struct versions *v, const struct region *r, size_t *budget,
                         struct weave *w, struct merge_report *report)
{
    struct merge_slice base = lines_range(&v->base, r->base, r->base + r->base_n);
    struct merge_slice canonical =
        lines_range(&v->canonical, r->canonical, r->canonical + r->canonical_n);
    switch (r->kind) {
    case REGION_LOCAL:
        weave_slice(w, WEAVE_INSERT, MERGE_LOCAL,
                    lines_range(&v->local, r->local, r->local + r->local_n));
        weave_slice(w, WEAVE_DELETE, MERGE_LOCAL, base);
        break;
    case REGION_CANONICAL:
        weave_slice(w, WEAVE_INSERT, MERGE_CANONICAL, canonical);
        weave_slice(w, WEAVE_DELETE, MERGE_CANONICAL, base);
        break;
    case REGION_SAME:
        weave_slice(w, WEAVE_INSERT, MERGE_BOTH, canonical);
        weave_slice(w, WEAVE_DELETE, MERGE_BOTH, base);
        break;
    case REGION_CLASH:
        reconcile_region(v, r, budget, w, report);
        break;
    }
}

/* The whole merge but for the document. Returns whether git would not have stopped. */
static bool weave_merge(const struct versions *v, struct weave *w, struct merge_report *report)
{
    struct regions regions = REGIONS_INIT;
    regions_find(&v->local_diff, v->local.id, &v->canonical_diff, v->canonical.id, &regions);
    size_t budget = RECONCILE_PAIRS_MAX;
    uint32_t at = 0;
    for (size_t i = 0; i < regions.len; i++) {
        const struct region *r = &regions.v[i];
        weave_slice(w, WEAVE_KEEP, MERGE_NOBODY, lines_range(&v->base, at, r->base));
        weave_region(v, r, &budget, w, report);
        at = r->base + r->base_n;
    }
    weave_slice(w, WEAVE_KEEP, MERGE_NOBODY, lines_range(&v->base, at, v->base.n));
    weave_settle(w);
    bool clean = regions.clashes == 0;
    regions_release(&regions);
    return clean;
}

static int check_lengths(struct merge_slice base, struct merge_slice local,
                         struct merge_slice canonical, struct err *err)
{
    if (base.len > MERGE_TEXT_MAX || local.len > MERGE_TEXT_MAX || canonical.len > MERGE_TEXT_MAX)
        return err_set(err, ERR_LIMIT, "merge: a version is longer than %zu bytes", MERGE_TEXT_MAX);
    return 0;
}

static bool all_utf8(struct merge_slice base, struct merge_slice local,
                     struct merge_slice canonical)
{
    return str_is_utf8(base.p, base.len) && str_is_utf8(local.p, local.len) &&
           str_is_utf8(canonical.p, canonical.len);
}

int merge_text(struct merge_slice base, struct merge_slice local, struct merge_slice canonical,
               struct merge_text_result *out, struct err *err)
{
    int rc = check_lengths(base, local, canonical, err);
    if (rc < 0)
        return rc;
    if (same(base, local) || same(base, canonical) || same(local, canonical)) {
        struct merge_slice changed = same(base, canonical) ? local : canonical;
        str_add(&out->text, changed.p, changed.len);
        out->git_clean = true;
        return 0;
    }
    struct versions v;
    struct weave w = WEAVE_INIT;
    versions_init(&v, base, local, canonical);
    out->git_clean = weave_merge(&v, &w, &out->report);
    rc = weave_converge(&w, !all_utf8(base, local, canonical), &out->text, NULL, err);
    out->through_crdt = rc == 0 && weave_equals(&w, out->text.p, out->text.len);
    if (!out->through_crdt) {
        /* A document too large for ycrdt, or a fault in it: people still get their merge. */
        err_clear(err);
        str_clear(&out->text);
        weave_text(&w, &out->text);
    }
    weave_release(&w);
    versions_release(&v);
    return 0;
}

int merge_text_updates(struct merge_slice base, struct merge_slice local,
                       struct merge_slice canonical, struct merge_updates *out, struct err *err)
{
    int rc = check_lengths(base, local, canonical, err);
    if (rc < 0)
        return rc;
    if (!all_utf8(base, local, canonical))
        return err_set(err, ERR_INVALID,
                       "merge: a version is not UTF-8, so it has no document "
                       "that others could read");
    struct versions v;
    struct weave w = WEAVE_INIT;
    struct merge_report report = MERGE_REPORT_INIT;
    versions_init(&v, base, local, canonical);
    weave_merge(&v, &w, &report);
    cleanup_str struct str text = STR_INIT;
    rc = weave_converge(&w, false, &text, out, err);
    merge_report_release(&report);
    weave_release(&w);
    versions_release(&v);
    return rc;
}

size_t merge_changed_lines(struct merge_slice before, struct merge_slice after,
                           struct merge_lines **out)
{
    struct line_ids ids;
    struct lines a, b;
    struct diff d = DIFF_INIT;
    line_ids_init(&ids, before.len / 24);
    lines_init(&a, &ids, before, NULL);
    lines_init(&b, &ids, after, &a);
    diff_sequences(a.id, a.n, b.id, b.n, ids.n, &d);
    *out = xreallocarray(NULL, d.len + 1, sizeof **out);
    for (size_t i = 0; i < d.len; i++)
        (*out)[i] = (struct merge_lines){(size_t)d.v[i].b_at + 1, d.v[i].b_n};
    size_t n = d.len;
    diff_release(&d);
    lines_release(&a);
    lines_release(&b);
    line_ids_release(&ids);
    return n;
}
