/* The archive of a session that ends: the session branch and everything in the worktrees that the
 * branch does not have, as one git bundle. */
#ifndef AGENT_ARCHIVE_H
#define AGENT_ARCHIVE_H

#include "agent/agent.h"

/* Each worktree's snapshot in canonical; in the bundle under the same name. */
#define UNSYNCED_PREFIX "refs/steadystate/unsynced/"
#define ARCHIVE_HOME_SECONDS 120 /* for one worktree */

/* fd: the bundle, at its beginning, owned by the callee; -1 with err->code 0: there is nothing. */
typedef void (*archive_fn)(int fd, const struct err *err, void *payload);

/* On a job; then done, on the loop's thread. */
void archive_make(struct agent *a, archive_fn done, void *payload);

/* `steadystate-agent snapshot`: one worktree's unsynced state, run as its owner with its session
 * environment. The pack goes to pack_fd, the commit's id (zeros: nothing) to stdout. Returns the
 * exit code. */
int archive_snapshot(const char *author_name, const char *author_email, int pack_fd);

#endif
