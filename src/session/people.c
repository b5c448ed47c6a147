/* Who may come in while a session lives: found anew, told to the agent, shown, thrown out. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "session/internal.h"

static void told(struct sessions *s, struct session *one, int code, struct json_object *reply,
                 const struct err *err, void *payload)
{
    (void)reply;
    (void)payload;
    if (!one || !code || code == ERR_CANCELLED)
        return;
    one->retell_at_ms = clock_mono_ms(s->clock) + RETELL_MS;
    log_fields(LOG_LEVEL_WARN, "keys not renewed in the session", "session", one->row.id, "why",
               err->msg, NULL);
}

void people_tell(struct session *one)
{
    access_fill_users(&one->access, &one->spec);
    one->retell_at_ms = 0;
    if (one->state != SESSION_RUNNING)
        return;
    struct json_object *args = session_args(one);
    json_add(args, "users", spec_users_to_json(one->spec.users, one->spec.n_users));
    pending_call(one->owner, one->row.id, "users", args, NULL, told, NULL);
}

/* ---- found anew
 * ---------------------------------------------------------------------------------------- */

struct again {
    uint64_t question;
    pending_fn done;
    void *payload;
};

static void found_again(struct sessions *s, struct session *one, int code,
                        const struct session_people *people, const struct err *err, void *payload)
{
    struct again *a = payload;
    if (one) {
        one->finding = false;
        one->people_at = clock_now(s->clock);
    }
    if (one && code && code != ERR_CANCELLED)
        log_fields(LOG_LEVEL_WARN, "keys of a session not found", "session", one->row.id, "why",
                   err->msg, NULL);
    /* The token was tried and could not be renewed: not at every tick again. */
    if (one && code && one->token_due)
        one->token_due = one->people_at + RENEW_AGAIN_S;
    /* An answer to an earlier question tells what was true before the last one. */
    if (one && code == 0 && a->question > one->found) {
        one->found = a->question;
        if (access_set_people(&one->access, people)) {
            people_tell(one);
            session_save(one);
        }
    }
    if (one && code == 0 && lifecycle_take_token(one, people))
        lifecycle_give_token(one);
    if (a->done)
        a->done(s, one, code, NULL, err, a->payload);
    free(a);
}

void people_find_again(struct session *one, bool fresh, pending_fn done, void *payload)
{
    struct again *a = xcalloc(1, sizeof *a);
    *a = (struct again){.question = ++one->finds, .done = done, .payload = payload};
    one->finding = true;
    pending_people(one, fresh, found_again, a);
}

/* ---- members
 * -----------------------------------------------------------------------------------------------
 */

struct asker {
    session_reply_fn done;
    void *payload;
};

static struct asker *asker_new(session_reply_fn done, void *payload)
{
    struct asker *a = xcalloc(1, sizeof *a);
    *a = (struct asker){.done = done, .payload = payload};
    return a;
}

static void asker_fail(struct asker *a, int code, const char *text)
{
    struct err err = ERR_INIT;
    err_set(&err, code, "%s", text);
    a->done(code, NULL, 0, &err, a->payload);
    free(a);
}

/* What the agent says of somebody; NULL: nothing. */
static struct json_object *find_member(struct json_object *list, const char *provider,
                                       const char *login)
{
    for (size_t i = 0; list && i < json_object_array_length(list); i++) {
        struct json_object *one = json_object_array_get_idx(list, i);
        const char *p = "";
        const char *l = "";
        json_opt_str(one, "provider", SPEC_PROVIDER_MAX, &p, NULL);
        json_opt_str(one, "login", SPEC_LOGIN_MAX, &l, NULL);
        if (strcmp(p, provider) == 0 && strcmp(l, login) == 0)
            return one;
    }
    return NULL;
}

static struct json_object *member_to_json(const struct session *one, const struct session_person *p,
                                          struct json_object *list)
{
    struct json_object *live = find_member(list, p->provider, p->login);
    bool connected = false;
    int64_t since = 0;
    if (live) {
        json_opt_bool(live, "connected", &connected, NULL);
        json_opt_i64(live, "since", 0, INT64_MAX, &since, NULL);
    }
    struct json_object *obj = json_object_new_object();
    json_add_str(obj, "login", p->login);
    json_add_str(obj, "login_now", p->now);
    json_add_str(obj, "provider", p->provider);
    json_add_str(obj, "rule", p->rule);
    json_add_i64(obj, "keys", (int64_t)p->keys.len);
    json_add_bool(obj, "connected", connected);
    if (connected)
        json_add_i64(obj, "since", since);
    static const char *const terminal[] = {"role", "keyboard", "waiting"};
    for (size_t i = 0; live && i < ARRAY_LEN(terminal); i++) {
        struct json_object *value = NULL;
        if (json_object_object_get_ex(live, terminal[i], &value))
            json_add(obj, terminal[i], json_object_get(value));
    }
    json_add_bool(obj, "kicked", access_is_kicked(&one->access, p->provider, p->login));
    return obj;
}

static void answer_members(struct sessions *s, struct session *one, int code,
                           struct json_object *reply, const struct err *err, void *payload)
{
    (void)s;
    (void)err;
    struct asker *a = payload;
    if (code == ERR_CANCELLED || !one) {
        asker_fail(a, one ? ERR_CANCELLED : ERR_NOT_FOUND,
                   one ? "the server is stopping" : "no such session");
        return;
    }
    /* An agent that cannot be asked just has nobody connected. */
    struct json_object *list = NULL;
    if (code == 0)
        json_opt_array(reply, "members", SPEC_USERS_MAX, &list, NULL);
    struct json_object *members = json_object_new_array();
    for (size_t i = 0; i < one->access.people.len; i++)
        json_object_array_add(members, member_to_json(one, &one->access.people.v[i], list));
    cleanup_json struct json_object *obj = json_object_new_object();
    cleanup_str struct str text = STR_INIT;
    json_add(obj, "members", members);
    json_print(obj, &text);
    a->done(0, text.p, text.len, NULL, a->payload);
    free(a);
}

static void show_members(struct session *one, struct asker *a)
{
    if (one->state == SESSION_RUNNING)
        pending_call(one->owner, one->row.id, "members", session_args(one), NULL, answer_members,
                     a);
    else
        answer_members(one->owner, one, ERR_UNAVAILABLE, NULL, NULL, a);
}

void session_members(struct sessions *s, const struct session_caller *caller, const char *id,
                     session_reply_fn done, void *payload)
{
    struct session *one = NULL;
    struct err err = ERR_INIT;
    int rc = registry_lookup(s, caller, id, true, &one, &err);
    if (rc)
        done(rc, NULL, 0, &err, payload);
    else
        show_members(one, asker_new(done, payload));
}

static void refreshed(struct sessions *s, struct session *one, int code, struct json_object *reply,
                      const struct err *err, void *payload)
{
    (void)s;
    (void)reply;
    if (code && code != ERR_CANCELLED)
        asker_fail(payload, ERR_UNAVAILABLE, err->msg);
    else if (code || !one)
        asker_fail(payload, code ? code : ERR_NOT_FOUND, code ? err->msg : "no such session");
    else
        show_members(one, payload);
}

void sessions_login(struct sessions *s)
{
    for (size_t i = 0; i < s->len; i++)
        if (s->order[i]->access.is_public)
            s->order[i]->people_at = 0;
}

void session_refresh(struct sessions *s, const struct session_caller *caller, const char *id,
                     session_reply_fn done, void *payload)
{
    struct session *one = NULL;
    struct err err = ERR_INIT;
    int rc = registry_lookup(s, caller, id, true, &one, &err);
    if (rc == 0 && one->state != SESSION_PROVISIONING && one->state != SESSION_RUNNING)
        rc = err_set(&err, ERR_CONFLICT, "the session has ended");
    if (rc)
        done(rc, NULL, 0, &err, payload);
    else
        people_find_again(one, true, refreshed, asker_new(done, payload));
}

/* ---- kick
 * ----------------------------------------------------------------------------------------------------
 */

static void kicked(struct sessions *s, struct session *one, int code, struct json_object *reply,
                   const struct err *err, void *payload)
{
    (void)s;
    (void)reply;
    /* Nobody of that name in the agent's table is as good as closed. */
    if (code == ERR_NOT_FOUND)
        code = 0;
    if (code || !one)
        asker_fail(payload, code ? code : ERR_NOT_FOUND, code ? err->msg : "no such session");
    else
        show_members(one, payload);
}

static int keep_out(struct session *one, const char *provider, const char *login, struct err *err)
{
    const struct store_session *row = &one->row;
    if (strcmp(provider, row->creator_provider) == 0 && strcmp(login, row->creator_login) == 0)
        return err_set(err, ERR_INVALID, "the creator cannot be kicked");
    int rc = store_kick_add(one->owner->store, row->id, provider, login,
                            clock_now(one->owner->clock), err);
    if (rc)
        return rc;
    access_kick(&one->access, provider, login);
    people_tell(one);
    session_save(one);
    log_fields(LOG_LEVEL_INFO, "kicked", "session", row->id, "provider", provider, "login", login,
               NULL);
    return 0;
}

void people_kicked_inside(struct session *one, const char *provider, const char *login)
{
    struct err err = ERR_INIT;
    if (!access_is_kicked(&one->access, provider, login) &&
        keep_out(one, provider, login, &err) != 0)
        log_fields(LOG_LEVEL_WARN, "kick from inside", "session", one->row.id, "why", err.msg,
                   NULL);
}

void session_kick(struct sessions *s, const struct session_caller *caller, const char *id,
                  const char *login, session_reply_fn done, void *payload)
{
    struct session *one = NULL;
    struct err err = ERR_INIT;
    cleanup_str struct str name = STR_INIT;
    int rc = registry_lookup(s, caller, id, true, &one, &err);
    if (rc == 0)
        rc = access_name(login, one->row.creator_provider, &name, &err);
    char *colon = strchr(name.p, ':');
    const char *target = NULL;
    if (rc == 0) {
        *colon = '\0';
        target = access_session_login(&one->access, name.p, colon + 1);
        rc = keep_out(one, name.p, target, &err);
    }
    if (rc) {
        done(rc, NULL, 0, &err, payload);
        return;
    }
    struct asker *a = asker_new(done, payload);
    if (one->state != SESSION_RUNNING) {
        show_members(one, a);
        return;
    }
    struct json_object *args = session_args(one);
    json_add_str(args, "provider", name.p);
    json_add_str(args, "login", target);
    pending_call(s, one->row.id, "kick", args, NULL, kicked, a);
}

/* ---- roles at the shared terminal
 * --------------------------------------------------------------------------- */

static void role_given(struct sessions *s, struct session *one, int code, struct json_object *reply,
                       const struct err *err, void *payload)
{
    (void)s;
    (void)reply;
    if (code || !one)
        asker_fail(payload, code ? code : ERR_NOT_FOUND, code ? err->msg : "no such session");
    else
        show_members(one, payload);
}

void session_role(struct sessions *s, const struct session_caller *caller, const char *id,
                  const char *login, const char *role, session_reply_fn done, void *payload)
{
    struct session *one = NULL;
    struct err err = ERR_INIT;
    cleanup_str struct str name = STR_INIT;
    int rc = registry_lookup(s, caller, id, true, &one, &err);
    if (rc == 0 && one->state != SESSION_RUNNING)
        rc = err_set(&err, ERR_CONFLICT, "the session does not run");
    if (rc == 0)
        rc = access_name(login, one->row.creator_provider, &name, &err);
    if (rc) {
        done(rc, NULL, 0, &err, payload);
        return;
    }
    char *colon = strchr(name.p, ':');
    *colon = '\0';
    struct json_object *args = session_args(one);
    json_add_str(args, "provider", name.p);
    json_add_str(args, "login", access_session_login(&one->access, name.p, colon + 1));
    json_add_str(args, "role", role);
    pending_call(s, one->row.id, "role", args, NULL, role_given, asker_new(done, payload));
}
