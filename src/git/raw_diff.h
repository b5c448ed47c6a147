/* `git diff --raw --numstat -z`, read: what differs between two trees, with renames and counts.
 * Pure. */
#ifndef GIT_RAW_DIFF_H
#define GIT_RAW_DIFF_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define RAW_DIFF_MAX 1000000 /* files */

struct raw_change {
    char status;    /* A M D T R C */
    int similarity; /* percent, of R and C */
    char *path;
    char *old_path; /* of R and C, else NULL */
    unsigned old_mode, new_mode;
    int64_t added, deleted; /* lines; -1: binary, or not counted */
};
struct raw_diff {
    struct raw_change *v;
    size_t len;
    size_t cap;
};
void raw_diff_release(struct raw_diff *d);
#define cleanup_raw_diff cleanup(raw_diff_release)

/* out is empty before. ERR_INVALID, ERR_LIMIT. */
int raw_diff_parse(const char *text, size_t len, struct raw_diff *out, struct err *err);

#endif
