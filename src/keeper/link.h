/*
 * The api side's view of the keeper: calls that answer later, and events. An interface, so that the
 * session layer runs against a fake in tests; the real one is keeper/stub.h.
 *
 * Verbs, members and events are those of docs/protocols.md section 2.
 */
#ifndef KEEPER_LINK_H
#define KEEPER_LINK_H

#include <stddef.h>

#include "base/err.h"
#include "base/json.h"

/* Exactly once for each call, on the loop's thread, never from inside `call`. code 0: reply is the
 * whole answer (borrowed). Otherwise reply is NULL and err says why; ERR_UNAVAILABLE: the keeper is
 * gone. */
typedef void (*keeper_reply_fn)(int code, struct json_object *reply, const struct err *err,
                                void *payload);
/* Data that came before the answer, in order; borrowed. */
typedef void (*keeper_data_fn)(const char *data, size_t len, void *payload);
/* "stage", "ready", ...: event is the whole object, borrowed. */
typedef void (*keeper_event_fn)(const char *event, struct json_object *obj, void *payload);

struct keeper_link {
    /* On the loop's thread. args is taken (NULL: none); on_data may be NULL (no data is expected).
     */
    void (*call)(void *self, const char *verb, struct json_object *args, keeper_data_fn on_data,
                 keeper_reply_fn on_reply, void *payload);
    /* Once, before the loop runs. */
    void (*set_events)(void *self, keeper_event_fn fn, void *payload);
    void *self;
};

#endif
