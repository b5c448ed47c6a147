/* The verbs that are one step: a blocking call, or one question to an agent. */
#include <string.h>
#include <sys/statvfs.h>

#include "keeper/internal.h"

#define DISK_WARN_MIB 1024
#define DISK_LEAST_MIB 100

static const struct provider *provider_of(const struct task *t)
{
    return &t->keeper->options->provider;
}

/* ---- blocking
 * --------------------------------------------------------------------------------------- */

static struct json_object *checks_json(const struct provider_checks *checks)
{
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < checks->len; i++) {
        const struct provider_check *c = &checks->v[i];
        struct json_object *one = json_object_new_object();
        json_add_str(one, "check", c->name);
        json_add_str(one, "result", provider_verdict_word(c->verdict));
        json_add_str(one, "detail", c->detail);
        json_add_str(one, "mend", c->mend);
        json_object_array_add(list, one);
    }
    return list;
}

/* Where archives are written; the store lies on the same disk unless somebody moved it. */
static void check_disk(const char *dir, struct provider_checks *out)
{
    struct statvfs st;
    if (statvfs(dir, &st) != 0)
        return;
    uint64_t free_mib = (uint64_t)st.f_bavail * st.f_frsize >> 20;
    if (free_mib >= DISK_WARN_MIB && st.f_favail > 0)
        provider_checks_add(out, "disk", PROVIDER_FINE, NULL,
                            "%llu MiB free for the server's state", (unsigned long long)free_mib);
    else
        provider_checks_add(
            out, "disk",
            free_mib < DISK_LEAST_MIB || st.f_favail == 0 ? PROVIDER_WRONG : PROVIDER_WARNING,
            "Make room on the disk of STEADYSTATE_STATE_DIR: 'steadystate archive "
            "list', 'podman system df'.",
            "%llu MiB free for the server's state and archives", (unsigned long long)free_mib);
}

static void info_work(struct task *t)
{
    const struct provider *p = provider_of(t);
    struct provider_info info = {0};
    t->code = p->ops->info(p->self, &info, &t->err);
    if (t->code == 0) {
        struct json_object *engine = json_object_new_object();
        json_add_str(engine, "name", info.engine);
        json_add_str(engine, "version", info.version);
        json_add_bool(engine, "rootless", info.rootless);
        json_add_bool(engine, "userns", info.userns);
        json_add_i64(engine, "cgroup_version", info.cgroup_version);
        struct json_object *warnings = json_object_new_array();
        for (size_t i = 0; i < info.warnings.len; i++)
            json_object_array_add(warnings, json_object_new_string(info.warnings.v[i]));
        t->reply = json_object_new_object();
        json_add_str(t->reply, "provider", p->ops->name);
        json_add(t->reply, "engine", engine);
        json_add_str(t->reply, "detail", info.detail);
        json_add_bool(t->reply, "working", info.ok);
        json_add(t->reply, "warnings", warnings);
        check_disk(t->keeper->options->archive_dir, &info.checks);
        json_add(t->reply, "checks", checks_json(&info.checks));
    }
    provider_info_release(&info);
}

static void list_work(struct task *t)
{
    const struct provider *p = provider_of(t);
    struct provider_sessions found = {0};
    t->code = p->ops->list(p->self, &found, &t->err);
    if (t->code == 0) {
        struct json_object *list = json_object_new_array();
        for (size_t i = 0; i < found.len; i++) {
            struct json_object *one = json_object_new_object();
            json_add_str(one, "session_id", found.v[i].id);
            json_add_bool(one, "running", found.v[i].running);
            json_add_str(one, "spec_hash", found.v[i].spec_hash);
            json_object_array_add(list, one);
        }
        t->reply = json_object_new_object();
        json_add(t->reply, "sessions", list);
    }
    provider_sessions_release(&found);
}

/* Which of them have a channel is known on the loop's thread only. */
static void list_after(struct task *t)
{
    struct json_object *list = NULL;
    if (t->reply)
        json_opt_array(t->reply, "sessions", SIZE_MAX, &list, NULL);
    for (size_t i = 0; list && i < json_object_array_length(list); i++) {
        struct json_object *one = json_object_array_get_idx(list, i);
        const char *id = "";
        json_opt_str(one, "session_id", SESSION_ID_LEN, &id, NULL);
        bool connected = false;
        for (struct ksession *s = t->keeper->sessions; s; s = s->next)
            connected = connected || (s->channel && strcmp(s->id, id) == 0);
        json_add_bool(one, "connected", connected);
    }
    task_finish(t);
}

static void remove_work(struct task *t)
{
    const struct provider *p = provider_of(t);
    t->code = p->ops->remove(p->self, t->req.session_id, &t->err);
}

static void archives_work(struct task *t)
{
    struct archive_list list;
    t->code = archive_list(t->keeper->options->archive_dir, &list, &t->err);
    if (t->code)
        return;
    struct json_object *array = json_object_new_array();
    for (size_t i = 0; i < list.len; i++) {
        struct json_object *one = json_object_new_object();
        json_add_str(one, "session_id", list.v[i].session_id);
        json_add_i64(one, "size", list.v[i].size);
        json_add_i64(one, "created_at", list.v[i].created_at);
        json_object_array_add(array, one);
    }
    archive_list_release(&list);
    t->reply = json_object_new_object();
    json_add(t->reply, "archives", array);
}

static void archive_get_work(struct task *t)
{
    int64_t size = 0;
    t->code = archive_read(t->keeper->options->archive_dir, t->req.session_id, t->req.offset,
                           (size_t)t->req.length, &t->data, &size, &t->err);
    if (t->code)
        return;
    t->reply = json_object_new_object();
    json_add_i64(t->reply, "size", size);
}

static void archive_expire_work(struct task *t)
{
    int64_t removed = 0;
    t->code = archive_expire(t->keeper->options->archive_dir, t->req.before, &removed, &t->err);
    t->reply = json_object_new_object();
    json_add_i64(t->reply, "removed", removed);
}

/* ---- questions to an agent
 * ---------------------------------------------------------------------------- */

static struct channel *channel_of(struct task *t)
{
    for (struct ksession *s = t->keeper->sessions; s; s = s->next)
        if (strcmp(s->id, t->req.session_id) == 0)
            return s->channel;
    return NULL;
}

static void add_word(struct json_object *from, const char *key, const char *const *words, size_t n,
                     struct json_object *to)
{
    const char *word = "";
    json_opt_str(from, key, 16, &word, NULL);
    for (size_t i = 0; i < n; i++)
        if (strcmp(words[i], word) == 0)
            json_add_str(to, key, word);
}

/* What somebody does and may do at the shared terminal. */
static void add_terminal(struct json_object *from, struct json_object *to)
{
    static const char *const does[] = {"typing", "watching"};
    static const char *const may[] = {"watch", "type", "own"};
    bool waiting = false;
    add_word(from, "role", does, ARRAY_LEN(does), to);
    add_word(from, "keyboard", may, ARRAY_LEN(may), to);
    json_opt_bool(from, "waiting", &waiting, NULL);
    if (waiting)
        json_add_bool(to, "waiting", true);
}

/* An agent is as trusted as its session: each member is read and written anew. */
static struct json_object *members_filter(struct json_object *answer)
{
    struct json_object *from = NULL;
    struct json_object *list = json_object_new_array();
    json_opt_array(answer, "members", SPEC_USERS_MAX, &from, NULL);
    for (size_t i = 0; from && i < json_object_array_length(from); i++) {
        struct json_object *one = json_object_array_get_idx(from, i);
        struct json_object *person = keeper_event_filter("", "presence", one);
        if (!person)
            continue;
        int64_t since = 0;
        json_opt_i64(one, "since", 0, INT64_MAX, &since, NULL);
        json_add_i64(person, "since", since);
        add_terminal(one, person);
        json_object_object_del(person, "event");
        json_object_object_del(person, "session_id");
        json_object_array_add(list, person);
    }
    struct json_object *reply = json_object_new_object();
    json_add(reply, "members", list);
    return reply;
}

static struct json_object *health_filter(struct json_object *answer)
{
    const char *state = "";
    int64_t at = 0;
    int64_t connected = 0;
    json_opt_str(answer, "state", 16, &state, NULL);
    json_opt_i64(answer, "last_activity_at", 0, INT64_MAX, &at, NULL);
    json_opt_i64(answer, "connected", 0, 1000000, &connected, NULL);
    bool known = strcmp(state, "starting") == 0 || strcmp(state, "ready") == 0;
    struct json_object *reply = json_object_new_object();
    json_add_str(reply, "state", known ? state : "failed");
    json_add_i64(reply, "last_activity_at", at);
    json_add_i64(reply, "connected", connected);
    return reply;
}

static void on_answer(int code, struct json_object *reply, const struct err *err, void *payload)
{
    struct task *t = payload;
    if (code) {
        task_fail(t, err);
        return;
    }
    if (t->req.verb == KEEPER_MEMBERS)
        t->reply = members_filter(reply);
    else if (t->req.verb == KEEPER_HEALTH)
        t->reply = health_filter(reply);
    task_finish(t);
}

static void ask(struct task *t)
{
    struct channel *channel = channel_of(t);
    if (!channel && t->req.verb == KEEPER_HEALTH) {
        t->reply = json_object_new_object();
        json_add_str(t->reply, "state", "gone");
        task_finish(t);
        return;
    }
    if (!channel) {
        struct err err = ERR_INIT;
        err_set(&err, ERR_UNAVAILABLE, "the session is not connected");
        task_fail(t, &err);
        return;
    }
    struct json_object *args = json_object_new_object();
    if (t->req.verb == KEEPER_USERS)
        json_add(args, "users", spec_users_to_json(t->req.users, t->req.n_users));
    json_add_str(args, "login", t->req.login);
    json_add_str(args, "provider", t->req.provider);
    json_add_str(args, "role", t->req.role);
    if (t->req.verb == KEEPER_EXPIRES)
        json_add_i64(args, "expires_at", t->req.expires_at);
    channel_call(channel, keeper_verb_name(t->req.verb), args, KEEPER_ANSWER_MS, NULL, on_answer,
                 t);
}

static void remove_begin(struct task *t)
{
    ksession_disconnect(t->session);
    task_work(t, remove_work, task_finish);
}

void task_begin(struct task *t)
{
    switch (t->req.verb) {
    case KEEPER_INFO:
        task_work(t, info_work, task_finish);
        break;
    case KEEPER_LIST:
        task_work(t, list_work, list_after);
        break;
    case KEEPER_ARCHIVES:
        task_work(t, archives_work, task_finish);
        break;
    case KEEPER_ARCHIVE_GET:
        task_work(t, archive_get_work, task_finish);
        break;
    case KEEPER_ARCHIVE_EXPIRE:
        task_work(t, archive_expire_work, task_finish);
        break;
    case KEEPER_REMOVE:
        remove_begin(t);
        break;
    case KEEPER_START:
        task_begin_start(t);
        break;
    case KEEPER_STOP:
        task_begin_stop(t);
        break;
    default: /* users, kick, role, expires, members, health */
        ask(t);
    }
}
