#include "merge/reconcile.h"

void reconcile_region(const struct versions *v, const struct region *r, struct weave *w,
                      struct merge_report *report)
{
    struct merge_slice b = lines_range(&v->base, r->base, r->base + r->base_n);
    struct merge_slice l = lines_range(&v->local, r->local, r->local + r->local_n);
    struct merge_slice c = lines_range(&v->canonical, r->canonical, r->canonical + r->canonical_n);
    struct merge_overlap *o = merge_report_add(report, MERGE_BOTH_REWROTE, MERGE_BOTH);
    o->line = w->newlines + 1;
    o->lines = r->local_n + r->canonical_n;
    str_add(&o->local, l.p, l.len);
    str_add(&o->canonical, c.p, c.len);
    weave_add(w, WEAVE_INSERT, MERGE_CANONICAL, c.p, c.len);
    if (c.len && c.p[c.len - 1] != '\n' && l.len)
        weave_add(w, WEAVE_INSERT, MERGE_LOCAL, "\n", 1);
    weave_add(w, WEAVE_INSERT, MERGE_LOCAL, l.p, l.len);
    weave_add(w, WEAVE_DELETE, MERGE_BOTH, b.p, b.len);
}
