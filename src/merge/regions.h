/*
 * Two diffs of one base laid over each other: the regions where git's three-way merge would take
 * one side, and those where it would stop.
 *
 * Hunks of different sides that overlap or touch make one region; identical ones are agreed upon.
 * (git's own rule at its default level, held against `git merge-file` in the tests.)
 */
#ifndef MERGE_REGIONS_H
#define MERGE_REGIONS_H

#include <stddef.h>
#include <stdint.h>

#include "merge/diff.h"

enum region_kind {
    REGION_LOCAL,     /* only local changed it */
    REGION_CANONICAL, /* only canonical changed it */
    REGION_SAME,      /* both made the same of it */
    REGION_CLASH,     /* git would stop */
};

/* A run of lines of each version that stand for each other. */
struct region {
    enum region_kind kind;
    uint32_t base, base_n;
    uint32_t local, local_n;
    uint32_t canonical, canonical_n;
};

struct regions {
    struct region *v; /* ascending; between two regions all three versions are the same */
    size_t len;
    size_t cap;
    size_t clashes;
};
#define REGIONS_INIT  \
    {                 \
        NULL, 0, 0, 0 \
    }
void regions_release(struct regions *r);

/* The numbers are those that the diffs were made of. */
void regions_find(const struct diff *local, const uint32_t *local_id, const struct diff *canonical,
                  const uint32_t *canonical_id, struct regions *out);

#endif
