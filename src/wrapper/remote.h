/*
 * The session as a git remote: `git clone`, `fetch` and `push` over the session's SSH.
 *
 * Fetching is git upload-pack on canonical, as the person, who can read it and no more. A push goes
 * to git receive-pack on an empty repository of that push's own, <home>/.worktree/push-XXXXXX, that
 * borrows canonical's objects; it shows no branches, so that git at the other end never refuses to
 * send, and gives every ref to its proc-receive hook (wrapper/hook.h), which is this program again.
 */
#ifndef WRAPPER_REMOTE_H
#define WRAPPER_REMOTE_H

#include <stdbool.h>

#include "wrapper/seat.h"

#define REMOTE_PUSH_PREFIX "push-"

enum remote_kind { REMOTE_NONE, REMOTE_FETCH, REMOTE_ARCHIVE, REMOTE_PUSH };

/*
 * What a command of an SSH client asks of the session's repository: "git-upload-pack '<path>'",
 * git-receive-pack or git-upload-archive, also as "git upload-pack", the path quoted as git does.
 * Paths that mean the session: nothing, "/", "~", "~/", and <repo name> with or without ".git"
 * after "/", "~/" or nothing; and canonical's own path. Everything else is REMOTE_NONE, an ordinary
 * command. Pure.
 */
enum remote_kind remote_parse(const char *command, const char *repo_name, const char *canonical);

/* Serves it on stdin and stdout; returns the exit status, or does not return. envp: the person's
 * environment. */
int remote_serve(enum remote_kind kind, const struct seat *seat, char *const *envp);

#endif
