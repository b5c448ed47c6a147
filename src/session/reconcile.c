/* Keeping the world as the registry says: what runs, what should not, what has lived long enough.
 */
#include <string.h>

#include "base/log.h"
#include "session/internal.h"

/* ---- what the engine has
 * ------------------------------------------------------------------------------ */

static void removed(struct sessions *s, struct session *one, int code, struct json_object *reply,
                    const struct err *err, void *payload)
{
    (void)s;
    (void)one;
    (void)reply;
    (void)payload;
    if (code && code != ERR_CANCELLED)
        log_warn("leftovers of a session not removed: %s", err->msg);
}

static void remove_leftover(struct sessions *s, const char *id)
{
    struct json_object *args = json_object_new_object();
    json_add_str(args, "session_id", id);
    log_fields(LOG_LEVEL_WARN, "removing what is left of a session", "session", id, NULL);
    pending_call(s, NULL, "remove", args, NULL, removed, NULL);
}

static bool is_over(const struct session *one)
{
    return one->state == SESSION_TERMINATED || (one->state == SESSION_FAILED && !one->row.stage[0]);
}

static void compare(struct sessions *s, struct json_object *found)
{
    const char *id = "";
    bool running = false;
    bool connected = false;
    json_opt_str(found, "session_id", SESSION_ID_LEN, &id, NULL);
    json_opt_bool(found, "running", &running, NULL);
    json_opt_bool(found, "connected", &connected, NULL);
    if (!session_id_is_valid(id))
        return;
    struct session *one = registry_find(s, id);
    if (!one || is_over(one))
        remove_leftover(s, id);
    else if (one->state == SESSION_RUNNING && !(running && connected))
        lifecycle_resume(one);
}

static bool list_has(struct json_object *list, const char *id)
{
    for (size_t i = 0; list && i < json_object_array_length(list); i++) {
        const char *its = "";
        json_opt_str(json_object_array_get_idx(list, i), "session_id", SESSION_ID_LEN, &its, NULL);
        if (strcmp(its, id) == 0)
            return true;
    }
    return false;
}

static void listed(struct sessions *s, struct session *none, int code, struct json_object *reply,
                   const struct err *err, void *payload)
{
    (void)none;
    (void)payload;
    s->listing = false;
    if (code == ERR_CANCELLED)
        return;
    if (code) {
        s->list_at_ms = INT64_MIN; /* at the next tick again */
        if (!s->list_failed)
            log_warn("sessions cannot be listed: %s", err->msg);
        s->list_failed = true;
        return;
    }
    if (s->list_failed)
        log_info("sessions can be listed again");
    s->list_failed = false;
    struct json_object *list = NULL;
    json_opt_array(reply, "sessions", SIZE_MAX, &list, NULL);
    for (size_t i = 0; list && i < json_object_array_length(list); i++)
        compare(s, json_object_array_get_idx(list, i));
    for (size_t i = 0; i < s->len; i++) {
        struct session *one = s->order[i];
        if (one->state == SESSION_RUNNING && !list_has(list, one->row.id))
            lifecycle_resume(one);
    }
}

static void told_info(struct sessions *s, struct session *none, int code, struct json_object *reply,
                      const struct err *err, void *payload)
{
    (void)none;
    (void)payload;
    s->asking_info = false;
    if (code == ERR_CANCELLED)
        return;
    err_clear(&s->info_err);
    json_object_put(s->info);
    s->info = code ? NULL : json_object_get(reply);
    if (code)
        s->info_err = *err;
}

void reconcile_tick(struct sessions *s)
{
    int64_t now = clock_mono_ms(s->clock);
    if (!s->asking_info && (s->info_at_ms == INT64_MIN || now - s->info_at_ms >= INFO_EVERY_MS)) {
        s->asking_info = true;
        s->info_at_ms = now;
        pending_call(s, NULL, "info", NULL, NULL, told_info, NULL);
    }
    if (!s->listing && (s->list_at_ms == INT64_MIN || now - s->list_at_ms >= LIST_EVERY_MS)) {
        s->listing = true;
        s->list_at_ms = now;
        pending_call(s, NULL, "list", NULL, NULL, listed, NULL);
    }
}

bool sessions_keeper_answered(const struct sessions *s)
{
    return s->info || s->info_err.code;
}

int sessions_health(struct sessions *s, struct json_object *obj, struct err *err)
{
    json_add_str(obj, "provider", s->config.compute_provider);
    if (s->info_err.code)
        return err_set(err, ERR_UNAVAILABLE, "%s", s->info_err.msg);
    if (!s->info)
        return err_set(err, ERR_UNAVAILABLE, "the engine has not answered yet");
    struct json_object *engine = NULL;
    struct json_object *warnings = NULL;
    json_opt_object(s->info, "engine", &engine, NULL);
    json_opt_array(s->info, "warnings", SIZE_MAX, &warnings, NULL);
    if (engine)
        json_add(obj, "engine", json_object_get(engine));
    if (warnings)
        json_add(obj, "warnings", json_object_get(warnings));
    bool working = false;
    const char *detail = "the engine does not work";
    json_opt_bool(s->info, "working", &working, NULL);
    json_opt_str(s->info, "detail", ERR_MSG_MAX, &detail, NULL);
    return working ? 0 : err_set(err, ERR_UNAVAILABLE, "%s", detail);
}

/* ---- reaper
 * -----------------------------------------------------------------------------------------------
 */

static bool is_idle(const struct session *one)
{
    const struct sessions *s = one->owner;
    return s->config.idle_ttl > 0 && one->state == SESSION_RUNNING &&
           clock_now(s->clock) - one->row.last_activity_at > s->config.idle_ttl;
}

/* Somebody may be connected and just think: the agent knows. */
static void idle_answer(struct sessions *s, struct session *one, int code,
                        struct json_object *reply, const struct err *err, void *payload)
{
    (void)err;
    (void)payload;
    if (!one)
        return;
    one->asking_health = false;
    if (code == ERR_CANCELLED)
        return;
    int64_t connected = 0;
    int64_t at = 0;
    if (code == 0) {
        json_opt_i64(reply, "connected", 0, INT64_MAX, &connected, NULL);
        json_opt_i64(reply, "last_activity_at", 0, INT64_MAX, &at, NULL);
    }
    int64_t now = clock_now(s->clock);
    if (connected > 0)
        at = now;
    if (at > one->row.last_activity_at)
        one->row.last_activity_at = at < now ? at : now;
    if (is_idle(one))
        lifecycle_terminate(one, "nobody used it");
}

static void reap(struct session *one)
{
    struct sessions *s = one->owner;
    int64_t now = clock_now(s->clock);
    bool alive = one->state == SESSION_PROVISIONING || one->state == SESSION_RUNNING;
    if (alive && one->row.expires_at <= now) {
        lifecycle_terminate(one, "its time was over");
    } else if (is_idle(one) && !one->asking_health) {
        one->asking_health = true;
        pending_call(s, one->row.id, "health", session_args(one), NULL, idle_answer, NULL);
    } else if (one->state == SESSION_RUNNING && !one->finding &&
               (now - one->people_at >= PEOPLE_EVERY_S ||
                (one->token_due && now >= one->token_due))) {
        people_find_again(one, false, NULL, NULL);
    }
}

static void expired(struct sessions *s, struct session *none, int code, struct json_object *reply,
                    const struct err *err, void *payload)
{
    (void)s;
    (void)none;
    (void)reply;
    (void)payload;
    if (code && code != ERR_CANCELLED)
        log_warn("old archives not removed: %s", err->msg);
}

static void forget(struct sessions *s, int64_t before)
{
    for (size_t i = s->len; i-- > 0;) {
        struct session *one = s->order[i];
        struct err err = ERR_INIT;
        if (!is_over(one) || one->row.ended_at >= before)
            continue;
        if (store_session_delete(s->store, one->row.id, &err) == 0)
            registry_remove(s, one);
        else
            log_error("session not forgotten: %s", err.msg);
    }
}

static void housekeeping(struct sessions *s, int64_t now)
{
    struct json_object *args = json_object_new_object();
    s->housekeeping_at = now;
    json_add_i64(args, "before", now - SESSION_FORGET_AFTER);
    pending_call(s, NULL, "archive_expire", args, NULL, expired, NULL);
    forget(s, now - SESSION_FORGET_AFTER);
    if (store_refresh_expire(s->store, now, NULL) != 0 ||
        store_device_expire(s->store, now, NULL) != 0)
        log_error("expired tokens not removed");
}

void reaper_tick(struct sessions *s)
{
    int64_t now = clock_now(s->clock);
    if (now - s->housekeeping_at >= HOUSEKEEPING_S)
        housekeeping(s, now);
    for (size_t i = 0; i < s->len; i++)
        reap(s->order[i]);
}
