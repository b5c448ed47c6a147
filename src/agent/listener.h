/*
 * A unix socket that is listened on: whoever connects is told apart by SO_PEERCRED. Belongs to the
 * loop's thread.
 */
#ifndef AGENT_LISTENER_H
#define AGENT_LISTENER_H

#include <sys/types.h>

#include "base/err.h"
#include "base/loop.h"

/* fd: non-blocking, taken by the function. */
typedef void (*listener_fn)(int fd, pid_t pid, uid_t uid, void *payload);

struct listener;
int listener_new(struct loop *loop, const char *path, mode_t mode, listener_fn fn, void *payload,
                 struct listener **out, struct err *err);
/* Removes the socket too. NULL allowed. */
void listener_free(struct listener *listener);

#endif
