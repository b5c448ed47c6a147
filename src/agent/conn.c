#include "agent/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"

#define READ_PIECE (64 * 1024)

struct conn {
    struct loop *loop;
    uint64_t id;
    int in_fd, out_fd;
    struct loop_watch *in, *out;
    struct str in_buf, out_buf;
    const struct conn_ops *ops;
    void *payload;
    unsigned busy; /* callbacks under way */
    bool ended;
    bool ending; /* after everything is sent */
    bool was_full;
};

static void on_in(int fd, uint32_t events, void *payload);
static void on_out(int fd, uint32_t events, void *payload);

static bool can_poll(int fd)
{
    struct stat st;
    return fd >= 0 && fstat(fd, &st) == 0 &&
           (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode) || isatty(fd));
}

struct conn *conn_new(struct loop *loop, uint64_t id, int in_fd, int out_fd,
                      const struct conn_ops *ops, void *payload)
{
    struct conn *c = xcalloc(1, sizeof *c);
    *c = (struct conn){.loop = loop,
                       .id = id,
                       .in_fd = in_fd,
                       .out_fd = out_fd,
                       .in_buf = STR_INIT,
                       .out_buf = STR_INIT,
                       .ops = ops,
                       .payload = payload};
    (void)fd_set_nonblock(in_fd, true);
    (void)fd_set_nonblock(out_fd, true);
    if (can_poll(in_fd))
        c->in = loop_add_fd(loop, in_fd, EPOLLIN, on_in, c);
    return c;
}

static void release(struct conn *c)
{
    if (!c->ended || c->busy > 0)
        return;
    str_release(&c->in_buf);
    str_release(&c->out_buf);
    free(c);
}

void conn_end(struct conn *c)
{
    if (!c || c->ended)
        return;
    c->ended = true;
    loop_remove(c->in);
    loop_remove(c->out);
    c->in = c->out = NULL;
    if (c->out_fd != c->in_fd && c->out_fd >= 0)
        close(c->out_fd);
    if (c->in_fd >= 0)
        close(c->in_fd);
    c->in_fd = c->out_fd = -1;
    release(c);
}

/* The other side ended it, or broke the protocol. */
static void closed(struct conn *c)
{
    if (c->ended)
        return;
    c->busy++;
    c->ops->on_closed(c, c->payload);
    c->busy--;
    if (c->ended)
        release(c);
    else
        conn_end(c);
}

uint64_t conn_id(const struct conn *c)
{
    return c->id;
}

int conn_fd(const struct conn *c)
{
    return c->in_fd;
}

/* Returns false when the connection is over. */
static bool take_frames(struct conn *c)
{
    size_t used = 0;
    bool ok = true;
    while (ok && !c->ended && !c->ending) {
        struct frame frame;
        struct err err = ERR_INIT;
        long n = frame_decode(c->in_buf.p + used, c->in_buf.len - used, &frame, &err);
        if (n == 0)
            break;
        if (n > 0 && c->ops->on_frame(c, &frame, c->payload) >= 0) {
            used += (size_t)n;
            continue;
        }
        if (n < 0)
            log_warn("a connection is closed: %s", err.msg);
        ok = false;
    }
    if (ok && !c->ended)
        str_consume(&c->in_buf, used);
    return ok;
}

static void on_in(int fd, uint32_t events, void *payload)
{
    struct conn *c = payload;
    (void)events;
    ssize_t n = read(fd, str_reserve(&c->in_buf, READ_PIECE), READ_PIECE);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    c->busy++;
    bool over = n <= 0;
    if (n > 0) {
        str_grew(&c->in_buf, (size_t)n);
        over = !take_frames(c);
    }
    if (over && !c->ended) {
        if (c->ending) {
            /* It has gone, but may still read. */
            loop_remove(c->in);
            c->in = NULL;
        } else {
            closed(c);
        }
    }
    c->busy--;
    release(c);
}

static void want_out(struct conn *c, bool want)
{
    if (want && !c->out) {
        /* One descriptor cannot be watched twice; a copy of it can. */
        if (c->in_fd == c->out_fd) {
            int copy = dup(c->out_fd);
            if (copy < 0)
                return;
            (void)fd_set_cloexec(copy, true);
            c->out_fd = copy;
        }
        if (can_poll(c->out_fd))
            c->out = loop_add_fd(c->loop, c->out_fd, EPOLLOUT, on_out, c);
    } else if (!want && c->out) {
        loop_remove(c->out);
        c->out = NULL;
    }
}

/* Sends what goes without waiting; false when the peer is gone. */
static bool flush(struct conn *c)
{
    while (c->out_buf.len > 0) {
        ssize_t n = write(c->out_fd, c->out_buf.p, c->out_buf.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        if (n <= 0)
            return false;
        str_consume(&c->out_buf, (size_t)n);
    }
    return true;
}

static void after_flush(struct conn *c, bool alive)
{
    if (!alive || (c->ending && c->out_buf.len == 0)) {
        closed(c);
        return;
    }
    want_out(c, c->out_buf.len > 0);
    if (c->was_full && c->out_buf.len < CONN_OUT_HIGH) {
        c->was_full = false;
        if (c->ops->on_drained)
            c->ops->on_drained(c, c->payload);
    }
}

static void on_out(int fd, uint32_t events, void *payload)
{
    struct conn *c = payload;
    (void)fd;
    (void)events;
    c->busy++;
    after_flush(c, flush(c));
    c->busy--;
    release(c);
}

/* Sending never ends the connection under its caller: a broken one is found by the watch. */
static void push_out(struct conn *c)
{
    if (c->out_buf.len > CONN_OUT_HIGH)
        c->was_full = true;
    if (c->out_buf.len > CONN_OUT_MAX) {
        log_warn("a connection that does not read is dropped");
        (void)shutdown(c->in_fd, SHUT_RDWR);
        str_clear(&c->out_buf);
        return;
    }
    if (!c->out && !flush(c))
        str_clear(&c->out_buf);
    want_out(c, c->out_buf.len > 0);
}

void conn_send(struct conn *c, char kind, uint32_t id, const void *p, size_t n)
{
    if (c->ended)
        return;
    frame_encode(&c->out_buf, kind, id, p, n);
    push_out(c);
}

void conn_send_json(struct conn *c, uint32_t id, struct json_object *obj)
{
    if (c->ended)
        return;
    frame_encode_json(&c->out_buf, id, obj);
    push_out(c);
}

bool conn_is_full(const struct conn *c)
{
    return c->out_buf.len > CONN_OUT_HIGH;
}

void conn_end_after_send(struct conn *c)
{
    if (c->ended)
        return;
    c->ending = true;
    want_out(c, true);
}

void conn_reply(struct conn *c, uint32_t id, struct json_object *obj)
{
    if (!obj)
        obj = json_object_new_object();
    json_add_bool(obj, "ok", true);
    conn_send_json(c, id, obj);
    json_object_put(obj);
}

void conn_reply_error(struct conn *c, uint32_t id, const struct err *err)
{
    cleanup_json struct json_object *obj = frame_error_reply(err);
    conn_send_json(c, id, obj);
}
