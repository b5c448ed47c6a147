/*
 * A framed connection on the loop: ctl.sock, the control channel on stdin and stdout, agent.sock.
 * Belongs to the loop's thread. Others name a connection by its number (conn_id), never by pointer:
 * it may end while they work.
 */
#ifndef AGENT_CONN_H
#define AGENT_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/frame.h"
#include "base/json.h"
#include "base/loop.h"

#define CONN_OUT_MAX (8 * 1024 * 1024) /* a peer that does not read is dropped beyond it */
#define CONN_OUT_HIGH (512 * 1024)     /* bulk data waits above it */

struct conn;

struct conn_ops {
    /* One whole frame; borrowed. A negative result ends the connection. */
    int (*on_frame)(struct conn *conn, const struct frame *frame, void *payload);
    /* It is over (not called by conn_end). The connection is gone after this returns. */
    void (*on_closed)(struct conn *conn, void *payload);
    /* The output fell below CONN_OUT_HIGH; NULL: not wanted. */
    void (*on_drained)(struct conn *conn, void *payload);
};

/* Takes both descriptors (they may be the same). What cannot be polled (a regular file as stdin)
 * is not read. */
struct conn *conn_new(struct loop *loop, uint64_t id, int in_fd, int out_fd,
                      const struct conn_ops *ops, void *payload);
/* Closes without a call of on_closed; what was not sent is lost. NULL allowed. Safe inside its
 * callbacks. */
void conn_end(struct conn *conn);

uint64_t conn_id(const struct conn *conn);
int conn_fd(const struct conn *conn);

void conn_send_json(struct conn *conn, uint32_t id, struct json_object *obj); /* obj is borrowed */
void conn_send(struct conn *conn, char kind, uint32_t id, const void *p, size_t n);
bool conn_is_full(const struct conn *conn); /* above CONN_OUT_HIGH */
/* Ends after everything is sent; reads nothing more. */
void conn_end_after_send(struct conn *conn);

/* Answers: {"ok":true} plus members of obj (taken; NULL: none), or the error. */
void conn_reply(struct conn *conn, uint32_t id, struct json_object *obj);
void conn_reply_error(struct conn *conn, uint32_t id, const struct err *err);

#endif
