#include "agent/ctl.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/archive.h"
#include "agent/listener.h"
#include "agent/radar.h"
#include "agent/request.h"
#include "agent/terminal.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"

struct channel {
    struct ctl *ctl;
    struct channel *next;
    struct conn *conn;
    int bundle; /* being sent; -1: none */
    uint32_t bundle_id;
    bool archiving;
};

struct ctl {
    struct agent *agent;
    struct listener *listener;
    struct channel *first;
    int n;
    uint64_t next_id;
};

/* --- archive: bundle as data frames --------------------------------------------------------------
 */

static void end_bundle(struct channel *ch, struct json_object *reply)
{
    close(ch->bundle);
    ch->bundle = -1;
    ch->archiving = false;
    conn_send(ch->conn, 'E', ch->bundle_id, "", 0);
    conn_reply(ch->conn, ch->bundle_id, reply);
}

static void send_bundle(struct conn *conn, void *payload)
{
    struct channel *ch = payload;
    char buf[FRAME_DATA_MAX];
    while (ch->bundle >= 0 && !conn_is_full(conn)) {
        ssize_t n = read(ch->bundle, buf, sizeof buf);
        if (n > 0) {
            conn_send(conn, 'D', ch->bundle_id, buf, (size_t)n);
            continue;
        }
        if (n == 0) {
            end_bundle(ch, NULL);
            return;
        }
        struct err err = ERR_INIT;
        (void)err_errno(&err, "read the archive");
        close(ch->bundle);
        ch->bundle = -1;
        ch->archiving = false;
        conn_reply_error(conn, ch->bundle_id, &err);
    }
}

struct archive_request {
    struct agent *agent;
    uint64_t conn_id;
};

static struct channel *find_channel(struct ctl *ctl, uint64_t id)
{
    for (struct channel *ch = ctl ? ctl->first : NULL; ch; ch = ch->next)
        if (conn_id(ch->conn) == id)
            return ch;
    return NULL;
}

struct conn *ctl_find(struct ctl *ctl, uint64_t id)
{
    struct channel *ch = find_channel(ctl, id);
    return ch ? ch->conn : NULL;
}

static void on_archived(int fd, const struct err *err, void *payload)
{
    struct archive_request *r = payload;
    struct channel *ch = find_channel(r->agent->ctl, r->conn_id);
    free(r);
    if (!ch) {
        if (fd >= 0)
            close(fd);
        return;
    }
    if (err->code) {
        ch->archiving = false;
        conn_reply_error(ch->conn, ch->bundle_id, err);
        return;
    }
    if (fd < 0) {
        struct json_object *reply = json_object_new_object();
        json_add_bool(reply, "empty", true);
        ch->archiving = false;
        conn_reply(ch->conn, ch->bundle_id, reply);
        return;
    }
    ch->bundle = fd;
    send_bundle(ch->conn, ch);
}

/* --- verbs -------------------------------------------------------------------------------------
 */

typedef int (*verb_fn)(struct channel *ch, uint32_t id, struct json_object *obj, struct err *err);

static int verb_hello(struct channel *ch, uint32_t id, struct json_object *obj, struct err *err)
{
    struct agent *a = ch->ctl->agent;
    int rc = secrets_from_json(&a->secrets, obj, err);
    if (rc == 0)
        rc = json_opt_i64(obj, "expires_at", 0, INT64_MAX, &a->expires_at, err);
    if (rc < 0)
        return rc;
    radar_expires(a->radar);
    struct json_object *reply = json_object_new_object();
    agent_begin(a);
    json_add_str(reply, "state", agent_state_word(a));
    conn_reply(ch->conn, id, reply);
    return 0;
}

static int verb_users(struct channel *ch, uint32_t id, struct json_object *obj, struct err *err)
{
    struct json_object *list = NULL;
    struct spec_user *users = NULL;
    size_t n = 0;
    int rc = json_opt_array(obj, "users", SPEC_USERS_MAX, &list, err);
    if (rc == 0 && !list)
        rc = err_set(err, ERR_INVALID, "'users' is missing");
    if (rc == 0)
        rc = spec_users_from_json(list, &users, &n, err);
    if (rc == 0)
        rc = people_replace(ch->ctl->agent, users, n, err);
    if (rc == 0)
        conn_reply(ch->conn, id, NULL);
    return rc;
}

static int verb_kick(struct channel *ch, uint32_t id, struct json_object *obj, struct err *err)
{
    const char *provider, *login;
    int rc = request_person(obj, &provider, &login, err);
    if (rc == 0)
        rc = people_kick(ch->ctl->agent, provider, login, err);
    if (rc == 0)
        conn_reply(ch->conn, id, NULL);
    return rc;
}

/* The server asks for the session's creator. */
static int verb_role(struct channel *ch, uint32_t id, struct json_object *obj, struct err *err)
{
    const struct agent *a = ch->ctl->agent;
    const char *provider, *login, *role = NULL;
    const struct terminal_asker asker = {.trusted = true};
    int rc = request_person(obj, &provider, &login, err);
    if (rc == 0)
        rc = json_get_str(obj, "role", REQUEST_VERB_MAX, &role, err);
    if (rc == 0 && !a->terminal)
        rc = err_set(err, ERR_UNAVAILABLE, "the session is not ready");
    if (rc == 0)
        rc = terminal_role(a->terminal, &asker, provider, login, role, err);
    if (rc == 0)
        conn_reply(ch->conn, id, NULL);
    return rc;
}

static int verb_expires(struct channel *ch, uint32_t id, struct json_object *obj, struct err *err)
{
    struct agent *a = ch->ctl->agent;
    int rc = json_get_i64(obj, "expires_at", 1, INT64_MAX, &a->expires_at, err);
    if (rc < 0)
        return rc;
    radar_expires(a->radar);
    conn_reply(ch->conn, id, NULL);
    return 0;
}

static int verb_members(struct channel *ch, uint32_t id, struct json_object *obj, struct err *err)
{
    (void)obj;
    (void)err;
    struct json_object *reply = json_object_new_object();
    json_add(reply, "members", people_members(ch->ctl->agent));
    conn_reply(ch->conn, id, reply);
    return 0;
}

static int verb_health(struct channel *ch, uint32_t id, struct json_object *obj, struct err *err)
{
    struct agent *a = ch->ctl->agent;
    (void)obj;
    (void)err;
    struct json_object *reply = json_object_new_object();
    json_add_str(reply, "state", agent_state_word(a));
    json_add_i64(reply, "last_activity_at", agent_last_activity(a));
    json_add_i64(reply, "connected", presence_people(a->presence));
    if (a->state == AGENT_FAILED) {
        json_add_str(reply, "reason", a->reason);
        json_add_str(reply, "message", a->message);
    }
    conn_reply(ch->conn, id, reply);
    return 0;
}

static int verb_archive(struct channel *ch, uint32_t id, struct json_object *obj, struct err *err)
{
    struct agent *a = ch->ctl->agent;
    (void)obj;
    if (ch->archiving)
        return err_set(err, ERR_INVALID, "an archive is being made already");
    ch->bundle_id = id;
    if (!a->repo_ready) {
        struct json_object *reply = json_object_new_object();
        json_add_bool(reply, "empty", true);
        conn_reply(ch->conn, id, reply);
        return 0;
    }
    ch->archiving = true;
    struct archive_request *r = xcalloc(1, sizeof *r);
    *r = (struct archive_request){a, conn_id(ch->conn)};
    archive_make(a, on_archived, r);
    return 0;
}

static int verb_shutdown(struct channel *ch, uint32_t id, struct json_object *obj, struct err *err)
{
    (void)obj;
    (void)err;
    conn_reply(ch->conn, id, NULL);
    agent_shutdown(ch->ctl->agent);
    return 0;
}

static const struct {
    const char *name;
    verb_fn fn;
} verbs[] = {
    {"hello", verb_hello},     {"users", verb_users},       {"kick", verb_kick},
    {"role", verb_role},       {"members", verb_members},   {"health", verb_health},
    {"archive", verb_archive}, {"shutdown", verb_shutdown}, {"expires", verb_expires},
};

static int dispatch(struct channel *ch, uint32_t id, struct json_object *obj, const char *name,
                    struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        if (strcmp(verbs[i].name, name) == 0)
            return verbs[i].fn(ch, id, obj, err);
    return err_set(err, ERR_UNSUPPORTED, "no such verb");
}

/* --- channels ----------------------------------------------------------------------------------
 */

static int on_frame(struct conn *conn, const struct frame *frame, void *payload)
{
    struct channel *ch = payload;
    cleanup_json struct json_object *obj = NULL;
    const char *name = NULL;
    struct err err = ERR_INIT;
    int rc = request_parse(frame, &obj, &name, &err);
    if (rc < 0)
        return rc;
    rc = dispatch(ch, frame->id, obj, name, &err);
    if (rc < 0) {
        err.code = rc;
        conn_reply_error(conn, frame->id, &err);
    }
    return 0;
}

static void channel_free(struct channel *ch)
{
    if (ch->bundle >= 0)
        close(ch->bundle);
    free(ch);
}

/* The end of a channel means that the keeper is gone; the session goes on. */
static void on_closed(struct conn *conn, void *payload)
{
    struct channel *ch = payload;
    (void)conn;
    for (struct channel **at = &ch->ctl->first; *at; at = &(*at)->next) {
        if (*at == ch) {
            *at = ch->next;
            break;
        }
    }
    ch->ctl->n--;
    channel_free(ch);
}

static const struct conn_ops conn_ops = {
    .on_frame = on_frame, .on_closed = on_closed, .on_drained = send_bundle};

void ctl_add(struct ctl *ctl, int in_fd, int out_fd)
{
    struct channel *ch = xcalloc(1, sizeof *ch);
    *ch = (struct channel){.ctl = ctl, .next = ctl->first, .bundle = -1};
    ctl->first = ch;
    ctl->n++;
    ch->conn = conn_new(ctl->agent->loop, ++ctl->next_id, in_fd, out_fd, &conn_ops, ch);
}

static void on_accept(int fd, pid_t pid, uid_t uid, void *payload)
{
    struct ctl *ctl = payload;
    cleanup_close int got = fd;
    (void)pid;
    if (uid != 0 && uid != ctl->agent->uid)
        return;
    if (ctl->n >= CTL_CONNECTIONS_MAX) {
        log_warn("too many control connections");
        return;
    }
    int taken = steal_fd(&got);
    ctl_add(ctl, taken, taken);
}

bool ctl_is_heard(const struct ctl *ctl)
{
    return ctl->first != NULL;
}

void ctl_event(struct ctl *ctl, const char *event, struct json_object *obj)
{
    if (!obj)
        obj = json_object_new_object();
    json_add_str(obj, "event", event);
    for (struct channel *ch = ctl->first; ch; ch = ch->next)
        conn_send_json(ch->conn, 0, obj);
    json_object_put(obj);
}

void ctl_event_stage(struct ctl *ctl, const char *stage, int progress, const char *message)
{
    struct json_object *o = json_object_new_object();
    json_add_str(o, "stage", stage);
    json_add_i64(o, "progress", progress);
    json_add_str(o, "message", message);
    ctl_event(ctl, "stage", o);
}

static int make_ctl_dir(const char *path, struct err *err)
{
    cleanup_free char *dir = xstrdup(path);
    *strrchr(dir, '/') = 0;
    return path_make_dirs(dir, 0700, err);
}

int ctl_new(struct agent *a, struct ctl **out, struct err *err)
{
    int rc = make_ctl_dir(a->layout.ctl, err);
    if (rc < 0)
        return rc;
    struct ctl *ctl = xcalloc(1, sizeof *ctl);
    ctl->agent = a;
    rc = listener_new(a->loop, a->layout.ctl, 0600, on_accept, ctl, &ctl->listener, err);
    if (rc < 0) {
        free(ctl);
        return rc;
    }
    *out = ctl;
    return 0;
}

void ctl_free(struct ctl *ctl)
{
    if (!ctl)
        return;
    for (struct channel *ch = ctl->first, *next; ch; ch = next) {
        next = ch->next;
        conn_end(ch->conn);
        channel_free(ch);
    }
    listener_free(ctl->listener);
    free(ctl);
}
