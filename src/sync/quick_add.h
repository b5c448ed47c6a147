/*
 * The worktree into an index when little changed: `git status` says which paths differ (it looks at
 * the files with several threads and writes nothing), and only those go through `git add -A`, in a
 * small index that holds them alone. The result is what `git add -A` makes of the whole.
 */
#ifndef SYNC_QUICK_ADD_H
#define SYNC_QUICK_ADD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "sync/work.h"

/* w->index holds git's index as parsed from WORK_INDEX, and the worktree's state afterwards. False:
 * nothing is changed, and `git add -A` itself has to do it (too many paths, submodules, conflicts,
 * a file that cannot be read). */
bool quick_add(struct work *w);

/* Output of `git status --porcelain -z --no-renames`: paths that differ from the index are
 * appended. False: something that needs `git add -A`, or malformed. */
bool quick_add_parse(const char *p, size_t n, struct strv *out);

#endif
