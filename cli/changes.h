/* What differs between two trees of the worktree's repository, as people see it: renames found,
 * lines counted, binary files named. */
#ifndef CLI_CHANGES_H
#define CLI_CHANGES_H

#include "base/json.h"
#include "git/raw_diff.h"
#include "sync/sync.h"

/* Paths of arguments, relative to the worktree; empty: everything. */
int changes_paths(const struct sync_place *place, char *const *typed, int n, struct strv *out,
                  struct err *err);

int changes_between(const struct sync_place *place, const struct oid *from, const struct oid *to,
                    const struct strv *paths, struct raw_diff *out, struct err *err);

/* [{file, change, old_file?, binary?, added?, deleted?}] */
struct json_object *changes_json(const struct raw_diff *changes);

/* A title, then "  M path" lines, at most `max`, then how many more; nothing when there are none.
 */
void changes_print(const char *title, const struct raw_diff *changes, size_t max);

/* `git diff` itself on the caller's terminal: colour, pager, renames. options: NULL-terminated.
 * *status: its exit status. */
int changes_show(const struct sync_place *place, const struct oid *from, const struct oid *to,
                 const char *const *options, const struct strv *paths, int *status,
                 struct err *err);

#endif
