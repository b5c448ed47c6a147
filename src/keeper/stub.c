#include "keeper/stub.h"

#include <stdlib.h>

#include "base/mem.h"
#include "compute/channel.h"

struct keeper_stub {
    struct keeper_link link;
    struct channel *channel;
    keeper_event_fn on_event;
    void *event_payload;
    void (*on_lost)(void *payload, const struct err *why);
    void *lost_payload;
};

struct call {
    keeper_data_fn on_data;
    keeper_reply_fn on_reply;
    void *payload;
};

static int pass_data(const char *data, size_t len, void *payload)
{
    struct call *call = payload;
    if (!call->on_data)
        return -1;
    call->on_data(data, len, call->payload);
    return 0;
}

static void pass_reply(int code, struct json_object *reply, const struct err *err, void *payload)
{
    struct call *call = payload;
    call->on_reply(code, reply, err, call->payload);
    free(call);
}

static void stub_call(void *self, const char *verb, struct json_object *args,
                      keeper_data_fn on_data, keeper_reply_fn on_reply, void *payload)
{
    struct keeper_stub *stub = self;
    struct call *call = xcalloc(1, sizeof *call);
    *call = (struct call){.on_data = on_data, .on_reply = on_reply, .payload = payload};
    channel_call(stub->channel, verb, args, 0, pass_data, pass_reply, call);
}

static void stub_set_events(void *self, keeper_event_fn fn, void *payload)
{
    struct keeper_stub *stub = self;
    stub->on_event = fn;
    stub->event_payload = payload;
}

static void on_event(void *payload, const char *event, struct json_object *obj)
{
    struct keeper_stub *stub = payload;
    if (stub->on_event)
        stub->on_event(event, obj, stub->event_payload);
}

static void on_closed(void *payload, const struct err *why)
{
    struct keeper_stub *stub = payload;
    stub->on_lost(stub->lost_payload, why);
}

int keeper_stub_new(struct loop *loop, int fd,
                    void (*on_lost)(void *payload, const struct err *why), void *payload,
                    struct keeper_stub **out, struct err *err)
{
    *out = NULL;
    struct keeper_stub *stub = xcalloc(1, sizeof *stub);
    struct provider_conn conn = PROVIDER_CONN_INIT;
    conn.fd = fd;
    stub->link =
        (struct keeper_link){.call = stub_call, .set_events = stub_set_events, .self = stub};
    stub->on_lost = on_lost;
    stub->lost_payload = payload;
    struct channel_handlers handlers = {.peer = "keeper",
                                        .closed_code = ERR_CANCELLED,
                                        .on_event = on_event,
                                        .on_closed = on_closed,
                                        .payload = stub};
    int rc = channel_new(loop, &conn, &handlers, &stub->channel, err);
    if (rc) {
        free(stub);
        return rc;
    }
    *out = stub;
    return 0;
}

void keeper_stub_free(struct keeper_stub *stub)
{
    if (!stub)
        return;
    channel_free(stub->channel);
    free(stub);
}

const struct keeper_link *keeper_stub_link(struct keeper_stub *stub)
{
    return &stub->link;
}
