/*
 * Which files of an index the worktree may not have as the index says: their stat data is looked
 * at, never their content. Pure over the file system: nothing is written, no git runs.
 */
#ifndef SYNC_SCAN_H
#define SYNC_SCAN_H

#include <stdbool.h>
#include <time.h>

#include "git/index.h"

/*
 * changed[i] becomes true unless entry i is unchanged beyond doubt: a file or a link of the same
 * kind, owner, size, inode and times, reached through no symbolic link, and older than the index.
 * That is git's own rule (racy-git) or stricter: git compares a part of these. Times count in
 * nanoseconds when the index has them; "older" in whole seconds, as git counts it.
 *
 * tree: descriptor of the worktree. written: when the index was written (its file's time stamp).
 * threads: 0 is as many as there are processors, at most 4.
 */
void scan_changed(int tree, const struct index *index, time_t written, int threads, bool *changed);

#endif
