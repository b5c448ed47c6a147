/* The api process's end of the socket pair: a keeper_link over a channel. One loop, one thread. */
#ifndef KEEPER_STUB_H
#define KEEPER_STUB_H

#include "base/err.h"
#include "base/loop.h"
#include "keeper/link.h"

struct keeper_stub;

/* Takes fd. on_lost: the keeper is gone; every call under way has been answered ERR_CANCELLED,
 * and so is every later one. */
int keeper_stub_new(struct loop *loop, int fd,
                    void (*on_lost)(void *payload, const struct err *why), void *payload,
                    struct keeper_stub **out, struct err *err);
void keeper_stub_free(struct keeper_stub *stub); /* NULL is allowed */

/* Borrowed; valid as long as the stub. */
const struct keeper_link *keeper_stub_link(struct keeper_stub *stub);

#endif
