/*
 * Submodules in a person's worktree: the first checkout of those that the agent mirrored
 * (git/submodule_list.h), and what is edited in them. Runs as that person.
 *
 * Each is as `git submodule update --init` makes it: .git/modules/<name> with a detached HEAD, a
 * .git file at its path, and submodule.<name>.url and active in the superproject's configuration;
 * but its objects are borrowed from the mirror, so that nothing is fetched and no token is needed.
 */
#ifndef SYNC_SUBMODULES_H
#define SYNC_SUBMODULES_H

#include "base/err.h"
#include "base/str.h"
#include "git/index.h"

/* git_dir, worktree: of the superproject, absolute; its files are there. What could not be had is
 * one line in *said, for the person. Safe to repeat. */
int submodules_check_out(const char *canonical, const char *git_dir, const char *worktree,
                         struct str *said, struct err *err);

/* Paths of the index's submodules whose own files were edited or are new: no sync takes these
 * along. Nothing is asked where no submodule was ever checked out. */
int submodules_edited(const struct index *index, const char *git_dir, const char *worktree,
                      struct strv *out, struct err *err);
/* Output of `git status --porcelain=v2 -z`, those paths appended. Pure. */
void submodules_parse_status(const char *p, size_t n, struct strv *out);

#endif
