/*
 * Looks at a person's worktree and tells the agent what is unsynced in it, as long as somebody
 * wants to know. Runs as that person, in a process of its own that the agent starts; takes no lock
 * and writes nothing but to its descriptor.
 */
#ifndef WATCH_SCAN_H
#define WATCH_SCAN_H

#include "base/err.h"
#include "sync/sync.h"
#include "watch/unsynced.h"

#define SCAN_DIRS_MAX 8192  /* directories whose files are watched */
#define SCAN_SETTLE_MS 150  /* from a change to the look at it */
#define SCAN_PAUSE_MS 500   /* between two looks, at least; */
#define SCAN_PAUSE_TIMES 10 /* and this many times as long as the last one took */

/* One look: differences of the worktree to the last synced commit, by git's own rules. dirs (may be
 * NULL) gets the directories that hold files git would look at, "" for the top. ERR_UNAVAILABLE: a
 * sync is under way or the worktree is not complete yet. */
int scan_worktree(const struct sync_place *place, struct unsynced *out, struct strv *dirs,
                  struct err *err);

/* Frames {"event": "unsynced", ...} to fd, one now and one after each change, until fd closes.
 * Returns the exit code. */
int scan_run(const struct sync_place *place, int fd);

#endif
