/* What the sync-log is told: which lines of which files a sync changed, and where it overlapped
 * with whom. Internal to src/sync. */
#ifndef SYNC_SYNC_LOG_H
#define SYNC_SYNC_LOG_H

#include "base/json.h"
#include "sync/work.h"

#define SYNC_LOG_FILES_MAX 1000             /* files whose lines are told */
#define SYNC_LOG_TEXT_MAX ((size_t)1 << 20) /* longer files: no lines */
#define SYNC_LOG_LINES_MAX 4000             /* bytes of "lines" of one file */
#define SYNC_LOG_COMMITS_MAX 500            /* looked at for "with" */

/* [{file, lines: "10:12,20:20"}], lines of the new tree. */
int sync_log_changes(struct repo *repo, const struct oid *old_tree, const struct oid *new_tree,
                     struct json_object **out, struct err *err);

/* [{file, lines, with: [login], kind}]: with whom, by the commits between base and head. */
struct json_object *sync_log_overlaps(struct repo *repo, const struct merge_report *report,
                                      const struct oid *base, const struct oid *head);

/* "3:4" of an overlap, "" without lines. */
void sync_log_lines(const struct merge_overlap *o, struct str *out);

#endif
