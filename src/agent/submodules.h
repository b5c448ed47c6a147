/*
 * Submodules at the origin's own address, fetched with the session's token: bare mirrors beside
 * canonical, and the list of them (git/submodule_list.h) for those who make worktrees.
 *
 * Only what the origin's branch names when the session starts is fetched, and later only more of
 * the branches of what was fetched then. What people write into .gitmodules in the session never
 * is: the token reads more than they may.
 */
#ifndef AGENT_SUBMODULES_H
#define AGENT_SUBMODULES_H

#include "git/submodule_list.h"
#include "git/transport.h"

#define SUBMODULES_SECONDS 300 /* for all of them; what is left then is not fetched */

struct submodules {
    const struct transport_remote *remote; /* of the session's repository */
    const struct transport_helper *helper;
    const char *canonical;
};

/* Takes away what an earlier start left. Blocks. */
int submodules_remove(const struct submodules *s, struct err *err);

/* Mirrors the submodules of `branch` (NULL: HEAD) of the repository in repo_dir, theirs too. One
 * that cannot be had is in the list with the reason, and in the log; only what hinders the list
 * itself is an error. Without .gitmodules nothing is made. Blocks. */
int submodules_mirror(const struct submodules *s, const char *repo_dir, const char *branch,
                      struct err *err);

/* Fetches the branches again of those mirrors that lack what commit `head` of canonical points at.
 * What fails is in the log only. Blocks. */
void submodules_refresh(const struct submodules *s, const struct oid *head);

#endif
