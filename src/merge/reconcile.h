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

/* Pairs of lines that one merge compares at most. */
#define RECONCILE_PAIRS_MAX ((size_t)2 << 20)

/* Appends the region's base bytes and both sides' insertions to the weave, overlaps to the
 * report. The weave stands at a line start, or at the end of a line without a newline. *budget
 * starts as RECONCILE_PAIRS_MAX for a text; once it is used up, lines that both sides rewrote are
 * no longer compared word by word. */
void reconcile_region(const struct versions *v, const struct region *region, size_t *budget,
                      struct weave *w, struct merge_report *report);

#endif
