/*
 * One file in three versions: which content and mode it has afterwards. The names are not decided
 * here (merge/outcome.h).
 */
#ifndef MERGE_CONTENT_H
#define MERGE_CONTENT_H

#include <stdbool.h>

#include "merge/paths.h"
#include "merge/report.h"

struct content_input {
    const char *name; /* in the result */
    struct file at[VERSIONS];
    bool moved[VERSIONS]; /* that side has it under a name of its own */
};

struct content_result {
    struct file file;   /* what gets the name; may not exist */
    struct file beside; /* local's, to be kept beside it; mostly does not exist */
    enum merge_overlap_kind beside_kind;
    struct merge_report report; /* everything but beside_kind; no paths */
    bool merged_text;
};
#define CONTENT_RESULT_INIT                                 \
    {                                                       \
        {0}, {0}, MERGE_FILE_TYPE, MERGE_REPORT_INIT, false \
    }

int content_merge(const struct merge_store *store, size_t text_max, const struct content_input *in,
                  struct content_result *out, struct err *err);

#endif
