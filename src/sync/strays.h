/*
 * Is there anything in a worktree that its index does not know? Looks at names only, and stops at
 * the first: whether that is ignored, or a repository of its own, is for git to say. So "no" means
 * that git would find no untracked file, and "yes" that git has to be asked.
 */
#ifndef SYNC_STRAYS_H
#define SYNC_STRAYS_H

#include <stdbool.h>

#include "git/index.h"

#define STRAYS_DEPTH_MAX 100 /* directories within each other; below it is for git */

/* tree: descriptor of the worktree, whose own .git does not count. The index has no conflicts. True
 * too when a directory cannot be read. */
bool strays_any(int tree, const struct index *index);

#endif
