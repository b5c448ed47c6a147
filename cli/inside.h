/* What the commands inside a session share. */
#ifndef CLI_INSIDE_H
#define CLI_INSIDE_H

#include "base/json.h"
#include "sync/sync.h"

/* Where we are; after a message the exit code, else -1 to go on. */
int inside_place(const char *command, struct sync_place *place);

/* Exit code and message for a failed sync, publish or the like. */
int inside_fail(const char *what, const struct err *err);

struct json_object *inside_files_json(const struct sync_files *files);
struct json_object *inside_overlaps_json(const struct merge_report *report);
void inside_add_oid(struct json_object *obj, const char *key, const struct oid *oid);

/* "  M path" lines on stdout, at most `max`, then how many more. */
void inside_print_files(const char *title, const struct sync_files *files, size_t max);
void inside_print_overlaps(const struct merge_report *report);

#endif
