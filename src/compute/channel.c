#include "compute/channel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/frame.h"
#include "engine/mux.h"

#define READ_PIECE (64 * 1024)
#define READ_ROUNDS 4 /* then the loop serves others */
#define LOG_LINE_MAX 1024

struct request {
    uint32_t id;
    channel_data_fn on_data;
    channel_reply_fn on_reply;
    void *payload;
    struct loop_watch *timer;
    struct channel *channel;
    struct request *next;
};

struct channel {
    struct loop *loop;
    struct loop_watch *watch;
    struct loop_watch *soon; /* calls `closed` from the loop, for failures inside channel_call */
    struct channel_handlers handlers;
    int fd;
    enum channel_wire wire;
    struct engine_mux mux;
    struct str in;
    struct str out;
    struct str log;
    struct request *requests;
    size_t n_requests;
    uint32_t last_id;
    struct err why; /* set: broken */
    bool closed;    /* on_closed was called */
    bool freed;     /* by a handler, while depth > 0 */
    int depth;      /* handlers on the stack */
};

static void destroy(struct channel *c)
{
    loop_remove(c->watch);
    loop_remove(c->soon);
    if (c->fd >= 0)
        close(c->fd);
    str_release_secret(&c->out);
    str_release(&c->in);
    str_release(&c->log);
    free(c);
}

static void enter(struct channel *c)
{
    c->depth++;
}

/* False: the channel does not exist any more. */
static bool leave(struct channel *c)
{
    if (--c->depth > 0 || !c->freed)
        return !c->freed;
    destroy(c);
    return false;
}

static struct request *take_request(struct channel *c, uint32_t id)
{
    for (struct request **p = &c->requests; *p; p = &(*p)->next) {
        if ((*p)->id != id)
            continue;
        struct request *r = *p;
        *p = r->next;
        c->n_requests--;
        return r;
    }
    return NULL;
}

static void answer(struct request *r, int code, struct json_object *reply, const struct err *err)
{
    loop_remove(r->timer);
    if (r->on_reply)
        r->on_reply(code, reply, err, r->payload);
    free(r);
}

static void answer_all(struct channel *c, const struct err *err)
{
    while (c->requests)
        answer(take_request(c, c->requests->id), err->code, NULL, err);
}

/* The end, and the answer to whoever still asks afterwards; the caller is inside enter/leave. */
static void close_now(struct channel *c)
{
    if (c->freed)
        return;
    loop_remove(c->watch);
    c->watch = NULL;
    loop_remove(c->soon);
    c->soon = NULL;
    struct err gone = ERR_INIT;
    err_set(&gone, c->handlers.closed_code, "%s", c->why.msg);
    answer_all(c, &gone);
    if (c->freed || c->closed)
        return;
    c->closed = true;
    c->handlers.on_closed(c->handlers.payload, &c->why);
}

static void on_soon(void *payload)
{
    struct channel *c = payload;
    c->soon = NULL;
    enter(c);
    close_now(c);
    leave(c);
}

/* Breaks the channel outside of the loop's callbacks. */
static void break_soon(struct channel *c)
{
    if (!c->soon)
        c->soon = loop_add_timer(c->loop, 0, false, on_soon, c);
}

static void on_timeout(void *payload)
{
    struct request *r = payload;
    struct channel *c = r->channel;
    struct err err = ERR_INIT;
    err_set(&err, ERR_TIMEOUT, "the %s did not answer in time", c->handlers.peer);
    /* The entry stays, so that its late answer is known and dropped. */
    channel_reply_fn fn = r->on_reply;
    void *owner = r->payload;
    r->timer = NULL;
    r->on_reply = NULL;
    r->on_data = NULL;
    r->payload = NULL;
    enter(c);
    fn(ERR_TIMEOUT, NULL, &err, owner);
    leave(c);
}

/* ---- towards the other side ---------------------------------------------------------------------
 */

static int flush(struct channel *c)
{
    while (c->out.len > 0) {
        ssize_t n = send(c->fd, c->out.p, c->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == ENOTSOCK)
            n = write(c->fd, c->out.p, c->out.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0)
            return err_errno(&c->why, "write to the %s", c->handlers.peer);
        str_consume(&c->out, (size_t)n);
    }
    if (c->out.len == 0)
        str_release_secret(&c->out);
    loop_set_events(c->watch, EPOLLIN | (c->out.len ? (uint32_t)EPOLLOUT : 0));
    return 0;
}

void channel_call(struct channel *c, const char *verb, struct json_object *args, int timeout_ms,
                  channel_data_fn on_data, channel_reply_fn on_reply, void *payload)
{
    struct request *r = xcalloc(1, sizeof *r);
    *r = (struct request){.on_data = on_data,
                          .on_reply = on_reply,
                          .payload = payload,
                          .channel = c,
                          .next = c->requests};
    r->id = ++c->last_id ? c->last_id : ++c->last_id;
    c->requests = r;
    c->n_requests++;
    cleanup_json struct json_object *obj = args ? args : json_object_new_object();
    if (c->closed || c->why.code || c->n_requests > CHANNEL_REQUESTS_MAX ||
        c->out.len > CHANNEL_BACKLOG_MAX) {
        err_set(&c->why, ERR_UNAVAILABLE, "the %s does not read its control channel",
                c->handlers.peer);
        break_soon(c);
        return;
    }
    json_add_str(obj, "verb", verb);
    cleanup_str_secret struct str text = STR_INIT;
    json_print(obj, &text);
    if (text.len > FRAME_MAX - 5) {
        err_set(&c->why, ERR_LIMIT, "message of %zu bytes", text.len);
        break_soon(c);
        return;
    }
    frame_encode(&c->out, 'J', r->id, text.p, text.len);
    if (timeout_ms > 0)
        r->timer = loop_add_timer(c->loop, timeout_ms, false, on_timeout, r);
    if (flush(c) != 0)
        break_soon(c);
}

/* ---- from the other side ------------------------------------------------------------------------
 */

static int handle_event(struct channel *c, struct json_object *obj)
{
    const char *event = NULL;
    if (json_get_str(obj, "event", 64, &event, &c->why) != 0)
        return c->why.code;
    c->handlers.on_event(c->handlers.payload, event, obj);
    return 0;
}

static int handle_reply(struct channel *c, uint32_t id, struct json_object *obj)
{
    struct request *r = take_request(c, id);
    if (!r)
        return err_set(&c->why, ERR_INVALID, "the %s answered what nobody asked", c->handlers.peer);
    struct err err = ERR_INIT;
    int code = frame_reply_check(obj, &err);
    answer(r, code, code ? NULL : obj, code ? &err : NULL);
    return 0;
}

static int handle_data(struct channel *c, const struct frame *f)
{
    for (struct request *r = c->requests; r; r = r->next) {
        if (r->id != f->id)
            continue;
        if (!r->on_reply)
            return 0; /* timed out */
        if (!r->on_data)
            break;
        if (f->kind == 'E' || r->on_data(f->payload, f->len, r->payload) >= 0)
            return 0;
        return err_set(&c->why, ERR_CANCELLED, "reading from the %s was ended", c->handlers.peer);
    }
    return err_set(&c->why, ERR_INVALID, "the %s sent data that nobody asked for",
                   c->handlers.peer);
}

static int handle_frame(struct channel *c, const struct frame *f)
{
    if (f->kind != 'J')
        return handle_data(c, f);
    cleanup_json struct json_object *obj = NULL;
    int rc = json_parse(f->payload, f->len, &obj, &c->why);
    if (rc)
        return rc;
    if (!json_object_is_type(obj, json_type_object))
        return err_set(&c->why, ERR_INVALID, "a message must be a JSON object");
    return f->id == 0 ? handle_event(c, obj) : handle_reply(c, f->id, obj);
}

/* Handles every whole frame of the buffer. */
static int drain(struct channel *c)
{
    size_t used = 0;
    int rc = 0;
    while (rc == 0 && !c->freed && !c->closed) {
        struct frame f;
        long n = frame_decode(c->in.p + used, c->in.len - used, &f, &c->why);
        if (n <= 0) {
            rc = (int)n;
            break;
        }
        rc = handle_frame(c, &f);
        used += (size_t)n;
    }
    if (c->freed)
        return rc;
    str_consume(&c->in, used);
    if (c->in.len == 0)
        str_release(&c->in); /* hundreds of idle channels keep no buffers */
    return rc;
}

static void log_line(struct channel *c)
{
    cleanup_str struct str line = STR_INIT;
    str_add_printable(&line, c->log.p, c->log.len);
    str_clear(&c->log);
    if (c->handlers.on_log && line.len > 0)
        c->handlers.on_log(c->handlers.payload, line.p);
}

static int on_stream(enum engine_stream stream, const char *p, size_t n, void *payload,
                     struct err *err)
{
    (void)err;
    struct channel *c = payload;
    if (stream != ENGINE_STDERR) {
        str_add(&c->in, p, n);
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        if (p[i] != '\n')
            str_addc(&c->log, p[i]);
        if (p[i] == '\n' || c->log.len >= LOG_LINE_MAX)
            log_line(c);
    }
    return 0;
}

static int feed(struct channel *c, const char *p, size_t n)
{
    if (c->wire == CHANNEL_MUX) {
        int rc = engine_mux_feed(&c->mux, p, n, on_stream, c, &c->why);
        if (rc)
            return rc;
    } else {
        str_add(&c->in, p, n);
    }
    return drain(c);
}

static int read_some(struct channel *c)
{
    char buf[READ_PIECE];
    for (int round = 0; round < READ_ROUNDS; round++) {
        ssize_t n = read(c->fd, buf, sizeof buf);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return 0;
        if (n < 0)
            return err_errno(&c->why, "read from the %s", c->handlers.peer);
        if (n == 0)
            return err_set(&c->why, ERR_UNAVAILABLE, "the %s closed its control channel",
                           c->handlers.peer);
        int rc = feed(c, buf, (size_t)n);
        if (rc || c->freed || c->closed || (size_t)n < sizeof buf)
            return rc;
    }
    return 0;
}

static void on_ready(int fd, uint32_t events, void *payload)
{
    (void)fd;
    struct channel *c = payload;
    enter(c);
    int rc = 0;
    if (events & EPOLLOUT)
        rc = flush(c);
    if (rc == 0 && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        rc = read_some(c);
    if (rc != 0)
        close_now(c);
    leave(c);
}

static void on_early(void *payload)
{
    struct channel *c = payload;
    c->soon = NULL;
    enter(c);
    if (c->why.code || drain(c) != 0)
        close_now(c);
    leave(c);
}

int channel_new(struct loop *loop, struct provider_conn *conn,
                const struct channel_handlers *handlers, struct channel **out, struct err *err)
{
    *out = NULL;
    int rc = fd_set_nonblock(conn->fd, true) == 0 ? 0 : err_errno(err, "control channel");
    if (rc) {
        provider_conn_release(conn);
        return rc;
    }
    struct channel *c = xcalloc(1, sizeof *c);
    c->loop = loop;
    c->handlers = *handlers;
    if (!c->handlers.peer)
        c->handlers.peer = "session";
    if (!c->handlers.closed_code)
        c->handlers.closed_code = ERR_UNAVAILABLE;
    c->wire = conn->wire;
    c->fd = steal_fd(&conn->fd);
    c->in = (struct str)STR_INIT;
    c->out = (struct str)STR_INIT;
    c->log = (struct str)STR_INIT;
    c->watch = loop_add_fd(loop, c->fd, EPOLLIN, on_ready, c);
    if (conn->early.len > 0) {
        if (c->wire == CHANNEL_MUX)
            engine_mux_feed(&c->mux, conn->early.p, conn->early.len, on_stream, c, &c->why);
        else
            str_add(&c->in, conn->early.p, conn->early.len);
        c->soon = loop_add_timer(loop, 0, false, on_early, c);
    }
    provider_conn_release(conn);
    *out = c;
    return 0;
}

void channel_free(struct channel *c)
{
    if (!c || c->freed)
        return;
    c->freed = true;
    struct err err = ERR_INIT;
    err_set(&err, ERR_CANCELLED, "the control channel was closed");
    answer_all(c, &err);
    if (c->depth == 0)
        destroy(c);
}
