/*
 * Start and stop of a session: steps on workers and answers of the agent, in turn.
 *
 *   start: provider start (worker) -> hello -> answer
 *   stop:  [channel, if there is none: attach or start (worker) -> hello -> wait for ready]
 *          [archive -> commit (worker)] -> shutdown -> stop and remove (worker) -> answer
 */
#include <string.h>

#include "base/log.h"
#include "keeper/internal.h"

static const struct provider *provider_of(const struct task *t)
{
    return &t->keeper->options->provider;
}

/* ---- the channel's events
 * ----------------------------------------------------------------------------- */

static void archive_begin_step(struct task *t);
static void stop_failed(struct task *t, const struct err *err);

/* The stop at the head of the queue that waits until its agent is ready. */
static struct task *waiting_task(struct ksession *s)
{
    return s->first && s->first->waits_for_ready ? s->first : NULL;
}

static void settle_waiting(struct ksession *s, bool ready, const char *message)
{
    struct task *t = waiting_task(s);
    if (!t)
        return;
    t->waits_for_ready = false;
    loop_remove(t->timer);
    t->timer = NULL;
    if (ready) {
        archive_begin_step(t);
        return;
    }
    struct err err = ERR_INIT;
    err_set(&err, ERR_FAILED, "the session cannot be archived: %s", message);
    stop_failed(t, &err);
}

static void on_event(void *payload, const char *event, struct json_object *obj)
{
    struct ksession *s = payload;
    struct json_object *clean = keeper_event_filter(s->id, event, obj);
    if (!clean) {
        log_fields(LOG_LEVEL_WARN, "event of an agent ignored", "session", s->id, NULL);
        return;
    }
    if (strcmp(event, "failed") == 0)
        s->failed = true;
    struct task *waiting = waiting_task(s);
    if (!waiting) {
        keeper_send_event(s->keeper, clean);
        return;
    }
    const char *message = "it failed";
    json_opt_str(clean, "message", ERR_MSG_MAX, &message, NULL);
    if (strcmp(event, "ready") == 0)
        settle_waiting(s, true, NULL);
    else if (strcmp(event, "failed") == 0)
        settle_waiting(s, false, message);
    json_object_put(clean);
}

static void on_closed(void *payload, const struct err *why)
{
    struct ksession *s = payload;
    channel_free(s->channel);
    s->channel = NULL;
    if (waiting_task(s)) {
        settle_waiting(s, false, why->msg);
        return;
    }
    if (!s->stopping) {
        struct json_object *event = json_object_new_object();
        json_add_str(event, "event", "gone");
        json_add_str(event, "session_id", s->id);
        json_add_str(event, "message", why->msg);
        keeper_send_event(s->keeper, event);
    }
    ksession_settle(s);
}

static void on_log(void *payload, const char *line)
{
    struct ksession *s = payload;
    log_fields(LOG_LEVEL_INFO, line, "session", s->id, NULL);
}

void ksession_disconnect(struct ksession *s)
{
    struct channel *channel = steal(&s->channel);
    channel_free(channel);
}

static int connect_channel(struct task *t)
{
    struct ksession *s = t->session;
    struct channel_handlers handlers = {
        .on_event = on_event, .on_closed = on_closed, .on_log = on_log, .payload = s};
    ksession_disconnect(s);
    s->failed = false;
    return channel_new(t->keeper->loop, &t->conn, &handlers, &s->channel, &t->err);
}

static void say_hello(struct task *t, channel_reply_fn on_reply)
{
    channel_call(t->session->channel, "hello", steal(&t->hello), KEEPER_HELLO_MS, NULL, on_reply,
                 t);
}

/* ---- start
 * ------------------------------------------------------------------------------------------------
 */

static void report(void *payload, const char *stage, int percent, const char *message)
{
    struct task *t = payload;
    struct json_object *event = json_object_new_object();
    json_add_str(event, "event", "stage");
    json_add_str(event, "session_id", t->req.session_id);
    json_add_str(event, "stage", stage);
    json_add_i64(event, "progress", percent);
    json_add_str(event, "message", message);
    keeper_send_event(t->keeper, event);
}

static int provider_start(struct task *t)
{
    const struct provider *p = provider_of(t);
    struct provider_progress progress = {.report = report, .payload = t};
    return p->ops->start(p->self, &t->req.spec, &progress, &t->conn, &t->err);
}

static void hello_work(struct task *t)
{
    t->code =
        secrets_hello(&t->keeper->options->secrets, &t->req.spec, t->req.token, &t->hello, &t->err);
    if (t->code == 0 && t->req.expires_at)
        json_add_i64(t->hello, "expires_at", t->req.expires_at);
}

static void start_work(struct task *t)
{
    hello_work(t);
    if (t->code == 0)
        t->code = provider_start(t);
}

static void restart_work(struct task *t)
{
    const struct provider *p = provider_of(t);
    t->code = p->ops->stop(p->self, t->req.session_id, KEEPER_STOP_GRACE_MS, &t->err);
    if (t->code == 0 || t->code == ERR_NOT_FOUND) {
        err_clear(&t->err);
        start_work(t);
    }
}

static void start_hello_reply(int code, struct json_object *reply, const struct err *err,
                              void *payload)
{
    (void)reply; /* an agent tells everybody who says hello what became of it, by an event */
    struct task *t = payload;
    if (code) {
        ksession_disconnect(t->session);
        task_fail(t, err);
        return;
    }
    task_finish(t);
}

static void start_connected(struct task *t)
{
    if (t->code == 0 && !t->session->channel)
        t->code = connect_channel(t);
    if (t->code) {
        task_finish(t);
        return;
    }
    t->session->stopping = false;
    say_hello(t, start_hello_reply);
}

void task_begin_start(struct task *t)
{
    struct ksession *s = t->session;
    if (s->channel && s->failed) {
        ksession_disconnect(s);
        task_work(t, restart_work, start_connected);
    } else if (s->channel) { /* connected: it needs nothing but its secrets anew */
        task_work(t, hello_work, start_connected);
    } else {
        task_work(t, start_work, start_connected);
    }
}

/* ---- stop
 * --------------------------------------------------------------------------------------------------
 */

static void remove_work(struct task *t)
{
    const struct provider *p = provider_of(t);
    const char *id = t->req.session_id;
    t->code = p->ops->stop(p->self, id, KEEPER_STOP_GRACE_MS, &t->err);
    if (t->code == 0 || t->code == ERR_NOT_FOUND) {
        err_clear(&t->err);
        t->code = p->ops->remove(p->self, id, &t->err);
    }
    if (t->code)
        return;
    t->reply = json_object_new_object();
    json_add_bool(t->reply, "archived", t->archived);
    if (!t->archived)
        return;
    cleanup_free char *name = xasprintf("%s.bundle", id);
    json_add_str(t->reply, "bundle", name);
}

static void remove_step(struct task *t)
{
    ksession_disconnect(t->session);
    task_work(t, remove_work, task_finish);
}

static void shutdown_reply(int code, struct json_object *reply, const struct err *err,
                           void *payload)
{
    (void)code; /* an agent that does not answer is ended by the provider */
    (void)reply;
    (void)err;
    remove_step(payload);
}

static void shutdown_step(struct task *t)
{
    t->session->stopping = true;
    if (t->session->channel)
        channel_call(t->session->channel, "shutdown", NULL, KEEPER_SHUTDOWN_MS, NULL,
                     shutdown_reply, t);
    else
        remove_step(t);
}

/* The volume stays: the next stop tries again. */
static void stop_failed(struct task *t, const struct err *err)
{
    archive_abort(t->archive);
    t->archive = NULL;
    task_fail(t, err);
}

static void commit_work(struct task *t)
{
    int64_t size = 0;
    t->code = archive_commit(steal(&t->archive), &size, &t->err);
}

static void commit_after(struct task *t)
{
    if (t->code) {
        task_finish(t);
        return;
    }
    t->archived = true;
    shutdown_step(t);
}

static int archive_data(const char *data, size_t len, void *payload)
{
    struct task *t = payload;
    if (!t->archive) /* made with the first piece: nothing unpublished leaves no file */
        t->code =
            archive_begin(t->keeper->options->archive_dir, t->req.session_id, &t->archive, &t->err);
    if (t->code == 0)
        t->code = archive_write(t->archive, data, len, &t->err);
    return t->code;
}

static void archive_reply(int code, struct json_object *reply, const struct err *err, void *payload)
{
    struct task *t = payload;
    (void)reply;
    if (t->code) { /* our disk, not the agent: that is the reason to tell */
        struct err own = t->err;
        stop_failed(t, &own);
    } else if (code) {
        stop_failed(t, err);
    } else if (t->archive) {
        task_work(t, commit_work, commit_after);
    } else {
        shutdown_step(t);
    }
}

static void archive_begin_step(struct task *t)
{
    channel_call(t->session->channel, "archive", NULL, KEEPER_ARCHIVE_MS, archive_data,
                 archive_reply, t);
}

static void on_ready_timeout(void *payload)
{
    struct task *t = payload;
    t->timer = NULL;
    settle_waiting(t->session, false, "it did not become ready");
}

static void stop_hello_reply(int code, struct json_object *reply, const struct err *err,
                             void *payload)
{
    struct task *t = payload;
    if (code) {
        stop_failed(t, err);
        return;
    }
    const char *state = "";
    json_opt_str(reply, "state", 16, &state, NULL);
    t->waits_for_ready = true;
    if (strcmp(state, "ready") == 0)
        settle_waiting(t->session, true, NULL);
    else if (strcmp(state, "failed") == 0)
        settle_waiting(t->session, false, "it failed");
    else
        t->timer = loop_add_timer(t->keeper->loop, KEEPER_READY_MS, false, on_ready_timeout, t);
}

static void attach_work(struct task *t)
{
    const struct provider *p = provider_of(t);
    hello_work(t);
    if (t->code)
        return;
    t->code = p->ops->attach(p->self, t->req.session_id, &t->conn, &t->err);
    if (t->code != ERR_NOT_FOUND)
        return;
    err_clear(&t->err);
    t->code = provider_start(t);
}

static void attach_after(struct task *t)
{
    if (t->code == 0)
        t->code = connect_channel(t);
    if (t->code) {
        task_finish(t);
        return;
    }
    say_hello(t, stop_hello_reply);
}

void task_begin_stop(struct task *t)
{
    if (!t->req.archive)
        shutdown_step(t);
    else if (t->session->channel)
        archive_begin_step(t);
    else
        task_work(t, attach_work, attach_after);
}
