/*
 * One line that both sides changed, merged word by word.
 */
#ifndef MERGE_LINE_MERGE_H
#define MERGE_LINE_MERGE_H

#include "merge/report.h"
#include "merge/text.h"
#include "merge/weave.h"

enum line_outcome {
    LINE_MERGED,        /* the edits are of different words: nothing to report */
    LINE_BOTH_INSERTED, /* at one point: canonical's words first */
    LINE_LOCAL_DELETED, /* words that canonical changed: the change stayed */
    LINE_CANONICAL_DELETED,
    LINE_CLASH, /* the same words differently: nothing was added to the weave */
};

/* Appends the merged line to the weave, unless the sides clash. */
enum line_outcome line_merge(struct merge_slice base, struct merge_slice local,
                             struct merge_slice canonical, struct weave *w);

#endif
