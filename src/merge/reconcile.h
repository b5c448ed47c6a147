/*
 * What to make of a region that both sides changed, where git's merge would stop.
 */
#ifndef MERGE_RECONCILE_H
#define MERGE_RECONCILE_H

#include "merge/lines.h"
#include "merge/regions.h"
#include "merge/report.h"
#include "merge/weave.h"

/* The three versions of one text, numbered together, and the two diffs. */
struct versions {
    struct line_ids ids;
    struct lines base, local, canonical;
    struct diff local_diff, canonical_diff; /* from base */
};

/* Appends the region's base bytes and both sides' insertions to the weave, overlaps to the
 * report. The weave stands at a line start, or at the end of a line without a newline. */
void reconcile_region(const struct versions *v, const struct region *r, struct weave *w,
                      struct merge_report *report);

#endif
