/*
 * The worktree into an index of our own, by git's own rules: `git add -A`. Internal to src/sync.
 *
 * When little changed, only that goes through git: which files differ from the index is seen by
 * their stat data (scan.h), `git ls-files --others` names the new ones meanwhile, and both go
 * through `git add -A` into a small index that holds them alone. The result is what `git add -A`
 * makes of the whole. Whatever is unusual goes the thorough way.
 */
#ifndef SYNC_ADD_H
#define SYNC_ADD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "base/str.h"
#include "sync/work.h"

/* w->index holds git's own index, whose file had the status `written` as it was read, and the
 * worktree's state afterwards. False: it has to be done by add_all (many files, submodules,
 * conflicts, a file that cannot be read, a repository within, ...). Not for core.ignoreCase. */
bool add_changed(struct work *w, const struct stat *written);

/* The whole, from git's own index into w->index. What git could not take is in w->warning. */
int add_all(struct work *w, struct err *err);

/* Output of `git ls-files --others -z`, appended. False: a repository within, too many, or
 * malformed. */
bool add_parse_untracked(const char *p, size_t n, struct strv *out);

#endif
