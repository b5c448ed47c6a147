/*
 * A control channel to an agent (docs/protocols.md section 3): frames over any pollable descriptor,
 * non-blocking, on one event loop. Requests answer through callbacks; events go to the owner.
 *
 * What comes from the other side is not trusted: a malformed frame, a frame of a request that
 * nobody made, or more than CHANNEL_BACKLOG_MAX waiting to be sent ends the channel.
 */
#ifndef COMPUTE_CHANNEL_H
#define COMPUTE_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/json.h"
#include "base/loop.h"
#include "compute/provider.h"

#define CHANNEL_BACKLOG_MAX (8UL * 1024 * 1024)
#define CHANNEL_REQUESTS_MAX 1024

struct channel;

struct channel_handlers {
    const char *peer; /* who is at the other end, for messages: a literal; NULL: "session" */
    int closed_code;  /* what pending requests get when it closes; 0: ERR_UNAVAILABLE */
    /* {"event":...}: borrowed. May free the channel. */
    void (*on_event)(void *payload, const char *event, struct json_object *obj);
    /* The channel is broken or was closed by the other side; every pending request has been
     * answered with closed_code. Nothing is called after it. The owner frees the channel, here
     * or later. */
    void (*on_closed)(void *payload, const struct err *why);
    /* A line of the program's stderr (CHANNEL_MUX only), printable; may be NULL. */
    void (*on_log)(void *payload, const char *line);
    void *payload;
};

/* Takes conn over (it is empty afterwards), also on failure. */
int channel_new(struct loop *loop, struct provider_conn *conn,
                const struct channel_handlers *handlers, struct channel **out, struct err *err);
/* Pending requests are answered with ERR_CANCELLED. on_closed is not called. NULL is allowed. */
void channel_free(struct channel *channel);

/* Exactly once, never from inside channel_call: code 0 with the whole answer (borrowed), or an
 * error. */
typedef void (*channel_reply_fn)(int code, struct json_object *reply, const struct err *err,
                                 void *payload);
/* 'D' frames before the answer; a negative return ends the channel (ERR_CANCELLED). May be NULL:
 * data is then a breach of the protocol. */
typedef int (*channel_data_fn)(const char *data, size_t len, void *payload);

/* Sends {"verb":verb, ...args}. args is taken; NULL: none. timeout_ms 0: none; when it passes the
 * request is answered with ERR_TIMEOUT and a late answer is dropped. */
void channel_call(struct channel *channel, const char *verb, struct json_object *args,
                  int timeout_ms, channel_data_fn on_data, channel_reply_fn on_reply,
                  void *payload);

#endif
