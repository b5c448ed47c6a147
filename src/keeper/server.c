#include "keeper/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/frame.h"
#include "base/log.h"
#include "base/mem.h"
#include "keeper/internal.h"

#define READ_PIECE (64 * 1024)
#define TASKS_MAX 1024
#define REST_MS 15000

/* ---- towards the api process
 * ------------------------------------------------------------------------ */

static void flush(struct keeper *k)
{
    pthread_mutex_lock(&k->out_lock);
    while (k->out.len > 0 && !k->api_gone) {
        ssize_t n = send(k->options->fd, k->out.p, k->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break; /* full, or gone: then reading says so */
        str_consume(&k->out, (size_t)n);
    }
    if (k->out.len == 0)
        str_release(&k->out);
    uint32_t want = EPOLLIN | (k->out.len ? (uint32_t)EPOLLOUT : 0);
    pthread_mutex_unlock(&k->out_lock);
    if (k->api_watch)
        loop_set_events(k->api_watch, want);
}

static void on_wake(void *payload)
{
    flush(payload);
}

void keeper_send_json(struct keeper *k, uint32_t id, struct json_object *obj)
{
    pthread_mutex_lock(&k->out_lock);
    frame_encode_json(&k->out, id, obj);
    pthread_mutex_unlock(&k->out_lock);
    json_object_put(obj);
    loop_wake(k->loop);
}

void keeper_send_event(struct keeper *k, struct json_object *obj)
{
    pthread_mutex_lock(&k->out_lock);
    if (k->out.len < KEEPER_EVENT_BACKLOG_MAX)
        frame_encode_json(&k->out, 0, obj);
    pthread_mutex_unlock(&k->out_lock);
    json_object_put(obj);
    loop_wake(k->loop);
}

static void send_data(struct keeper *k, uint32_t id, const struct str *data)
{
    pthread_mutex_lock(&k->out_lock);
    for (size_t at = 0; at < data->len; at += FRAME_DATA_MAX) {
        size_t n = data->len - at < FRAME_DATA_MAX ? data->len - at : FRAME_DATA_MAX;
        frame_encode(&k->out, 'D', id, data->p + at, n);
    }
    frame_encode(&k->out, 'E', id, "", 0);
    pthread_mutex_unlock(&k->out_lock);
}

/* ---- tasks
 * --------------------------------------------------------------------------------------------- */

static void run_work(void *payload)
{
    struct task *t = payload;
    t->work(t);
}

static void run_after(void *payload)
{
    struct task *t = payload;
    t->after(t);
}

void task_work(struct task *t, void (*work)(struct task *t), void (*after)(struct task *t))
{
    t->work = work;
    t->after = after;
    work_submit(t->keeper->pool, run_work, run_after, t);
}

static void free_task(struct task *t)
{
    keeper_request_release(&t->req);
    json_object_put(t->reply);
    json_object_put(t->hello);
    str_release(&t->data);
    provider_conn_release(&t->conn);
    archive_abort(t->archive);
    loop_remove(t->timer);
    free(t);
}

static void free_session(struct ksession *s)
{
    for (struct ksession **p = &s->keeper->sessions; *p; p = &(*p)->next) {
        if (*p != s)
            continue;
        *p = s->next;
        break;
    }
    channel_free(s->channel);
    free(s);
}

void ksession_settle(struct ksession *s)
{
    if (!s->first && !s->channel)
        free_session(s);
}

static void next_task(struct ksession *s)
{
    struct task *done = s->first;
    s->first = done->next;
    if (!s->first)
        s->last = NULL;
    if (s->first)
        task_begin(s->first);
    else
        ksession_settle(s);
}

void task_finish(struct task *t)
{
    struct keeper *k = t->keeper;
    struct ksession *s = t->session;
    if (t->code == 0) {
        if (t->req.verb == KEEPER_ARCHIVE_GET)
            send_data(k, t->id, &t->data);
        struct json_object *reply = t->reply ? steal(&t->reply) : json_object_new_object();
        json_add_bool(reply, "ok", true);
        keeper_send_json(k, t->id, reply);
    } else {
        keeper_send_json(k, t->id, frame_error_reply(&t->err));
    }
    k->tasks--;
    if (s)
        next_task(s);
    free_task(t);
    if (k->api_gone && k->tasks == 0)
        loop_stop(k->loop);
}

void task_fail(struct task *t, const struct err *err)
{
    t->err = *err;
    t->code = err->code;
    task_finish(t);
}

static struct ksession *find_session(struct keeper *k, const char *id)
{
    for (struct ksession *s = k->sessions; s; s = s->next)
        if (strcmp(s->id, id) == 0)
            return s;
    return NULL;
}

static struct ksession *get_session(struct keeper *k, const char *id)
{
    struct ksession *s = find_session(k, id);
    if (s)
        return s;
    s = xcalloc(1, sizeof *s);
    s->keeper = k;
    memcpy(s->id, id, sizeof s->id);
    s->next = k->sessions;
    k->sessions = s;
    return s;
}

/* Verbs that change what a session is made of wait for each other; the rest only borrow its
 * channel. */
static bool is_serial(enum keeper_verb verb)
{
    return verb == KEEPER_START || verb == KEEPER_STOP || verb == KEEPER_REMOVE;
}

static void dispatch(struct keeper *k, uint32_t id, struct keeper_request *req)
{
    struct task *t = xcalloc(1, sizeof *t);
    t->keeper = k;
    t->id = id;
    t->req = *req;
    t->data = (struct str)STR_INIT;
    t->conn = (struct provider_conn)PROVIDER_CONN_INIT;
    *req = (struct keeper_request){0};
    k->tasks++;
    if (!is_serial(t->req.verb)) {
        task_begin(t);
        return;
    }
    struct ksession *s = get_session(k, t->req.session_id);
    t->session = s;
    if (s->last)
        s->last->next = t;
    else
        s->first = t;
    s->last = t;
    if (s->first == t)
        task_begin(t);
}

/* ---- from the api process
 * ------------------------------------------------------------------------------ */

static int handle(struct keeper *k, const struct frame *f)
{
    cleanup_json struct json_object *obj = NULL;
    cleanup_keeper_request struct keeper_request req = {0};
    struct err err = ERR_INIT;
    bool unknown = false;
    if (f->kind != 'J' || f->id == 0)
        return err_set(&k->fatal, ERR_INVALID, "a frame that is no request");
    int rc = json_parse(f->payload, f->len, &obj, &k->fatal);
    if (rc)
        return rc;
    rc = keeper_request_parse(obj, k->options->server_id, &req, &unknown, &err);
    if (unknown)
        return err_set(&k->fatal, ERR_UNSUPPORTED, "unknown verb");
    if (rc == 0 && k->tasks >= TASKS_MAX)
        rc = err_set(&err, ERR_LIMIT, "the keeper is busy");
    if (rc)
        keeper_send_json(k, f->id, frame_error_reply(&err));
    else
        dispatch(k, f->id, &req);
    return 0;
}

static int drain(struct keeper *k)
{
    size_t used = 0;
    for (;;) {
        struct frame f;
        long n = frame_decode(k->in.p + used, k->in.len - used, &f, &k->fatal);
        if (n < 0)
            return (int)n;
        if (n == 0)
            break;
        int rc = handle(k, &f);
        if (rc)
            return rc;
        used += (size_t)n;
    }
    str_consume(&k->in, used);
    if (k->in.len == 0)
        str_release_secret(&k->in);
    return 0;
}

static void on_drained_out(void *payload)
{
    struct keeper *k = payload;
    k->drain_timer = NULL;
    loop_stop(k->loop);
}

/* Sessions go on; what is half done gets a moment. */
static void api_gone(struct keeper *k)
{
    loop_remove(k->api_watch);
    k->api_watch = NULL;
    k->api_gone = true;
    if (k->tasks == 0)
        loop_stop(k->loop);
    else
        k->drain_timer = loop_add_timer(k->loop, KEEPER_DRAIN_MS, false, on_drained_out, k);
}

static void on_api(int fd, uint32_t events, void *payload)
{
    struct keeper *k = payload;
    if (events & EPOLLOUT)
        flush(k);
    if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        return;
    char buf[READ_PIECE];
    ssize_t n = read(fd, buf, sizeof buf);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0) {
        api_gone(k);
        return;
    }
    str_add(&k->in, buf, (size_t)n);
    mem_wipe(buf, (size_t)n);
    if (drain(k) != 0) {
        log_error("keeper: %s", k->fatal.msg);
        api_gone(k);
    }
}

static void release(struct keeper *k)
{
    /* Whatever still runs is given up with the process; its threads may use all of this. */
    loop_remove(k->api_watch);
    loop_remove(k->drain_timer);
    k->api_watch = k->drain_timer = NULL;
    while (k->sessions && k->tasks == 0) {
        ksession_disconnect(k->sessions);
        free_session(k->sessions);
    }
    if (k->tasks > 0)
        return;
    work_pool_free(k->pool);
    loop_free(k->loop);
    pthread_mutex_destroy(&k->out_lock);
    str_release(&k->in);
    str_release(&k->out);
    close(k->options->fd);
    free(k);
}

static void on_rest(void *payload)
{
    (void)payload;
    mem_give_back();
}

int keeper_serve(const struct keeper_options *options, struct err *err)
{
    struct keeper *k = xcalloc(1, sizeof *k);
    k->options = options;
    k->in = (struct str)STR_INIT;
    k->out = (struct str)STR_INIT;
    pthread_mutex_init(&k->out_lock, NULL);
    int rc = archive_prepare(options->archive_dir, err);
    if (rc == 0)
        rc = fd_set_nonblock(options->fd, true);
    if (rc == 0)
        rc = loop_new(&k->loop, err);
    if (rc == 0)
        rc = work_pool_new(k->loop, KEEPER_THREADS, &k->pool, err);
    if (rc == 0) {
        loop_set_wake(k->loop, on_wake, k);
        loop_add_timer(k->loop, REST_MS, true, on_rest, NULL);
        k->api_watch = loop_add_fd(k->loop, options->fd, EPOLLIN, on_api, k);
        rc = loop_run(k->loop, err);
    }
    if (rc == 0 && k->fatal.code)
        rc = err_set(err, k->fatal.code, "%s", k->fatal.msg);
    release(k);
    return rc;
}
