/* What the commands inside a session share. */
#ifndef CLI_INSIDE_H
#define CLI_INSIDE_H

#include "base/json.h"
#include "opt.h"
#include "sync/sync.h"

/* The beginning of every command in here: options, operands (in argv[*first..argc)), and where we
 * are. `doing` completes "cannot ...". After a message or help the
 * exit code, else -1 to go on. */
struct inside_start {
    const struct opt *opts;
    const struct command_help *help;
    const char *doing;
    int min_operands, max_operands;
};
int inside_begin(int argc, char **argv, const struct inside_start *start, int *first,
                 struct sync_place *place);

/* A file as a path relative to the worktree, from how it was typed: relative to where we are, or to
 * the worktree's top when we are outside of it. NULL with err set when it is outside. */
char *inside_path(const struct sync_place *place, const char *typed, struct err *err);

/* Exit code and message for a failed sync, publish or the like. */
int inside_fail(const char *what, const struct err *err);

/* A name as a JSON string: what is not UTF-8 is made printable. */
struct json_object *inside_json_text(const char *text);
struct json_object *inside_files_json(const struct sync_files *files);
struct json_object *inside_overlaps_json(const struct merge_report *report);
void inside_add_oid(struct json_object *obj, const char *key, const struct oid *oid);

/* "  M path" lines on stdout, at most `max`, then how many more. */
void inside_print_files(const char *title, const struct sync_files *files, size_t max);
void inside_print_overlaps(const struct merge_report *report);

#endif
