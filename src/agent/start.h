/* Removing a tree that belongs to a helper. */
#ifndef AGENT_START_H
#define AGENT_START_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

/* Removes path and everything in it: what is inside as uid (the agent may not write there), the
 * directory itself as the agent. has_uid false: all as the agent. */
int start_remove_as(const char *path, bool has_uid, uid_t uid, gid_t gid, struct err *err);

/* `steadystate-agent empty DIR`: removes what is in it. Returns the exit code. */
int start_empty(const char *path);

/* `steadystate-agent terminal`: a client of the shared terminal (terminal_child.c). Returns on
 * failure only. args: session branch, author's name and address, tmux, its socket, its
 * configuration, `type` or `watch`. */
int start_terminal(char *const *args);

#endif
