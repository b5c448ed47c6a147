/* The life of one session: every change of its state is here. */
#include <string.h>

#include "base/log.h"
#include "compute/provider.h"
#include "session/internal.h"

#define RESUME_PATIENCE_MS 30000 /* from a start that was taken to `ready` */
#define STEADY_MS 60000          /* one that is ready for so long has recovered */

static int64_t now_ms(const struct session *one)
{
    return clock_mono_ms(one->owner->clock);
}

static bool is_due(const struct session *one)
{
    return !one->calling && now_ms(one) >= one->retry_at_ms;
}

/* 1 s, 2 s, 4 s, ... */
static void back_off(struct session *one)
{
    int64_t wait = RETRY_FIRST_MS;
    for (int i = 0; i < one->failures && wait < RETRY_MAX_MS; i++)
        wait *= 2;
    one->failures++;
    one->retry_at_ms = now_ms(one) + (wait < RETRY_MAX_MS ? wait : RETRY_MAX_MS);
}

static void settled(struct session *one)
{
    one->failures = 0;
    one->retry_at_ms = 0;
}

static void set_stage(struct session *one, const char *stage, int progress, const char *message)
{
    session_set_text(&one->row.stage, stage);
    session_set_text(&one->row.message, message);
    one->row.progress = progress;
    session_touch(one);
}

static void log_state(const struct session *one)
{
    log_fields(LOG_LEVEL_INFO, "session state", "session", one->row.id, "state",
               session_state_word(one->state), "reason",
               one->row.reason[0] ? one->row.reason : NULL, "message",
               one->row.message[0] ? one->row.message : NULL, NULL);
}

static void set_state(struct session *one, enum session_state state)
{
    one->state = state;
    settled(one);
    if (state == SESSION_FAILED || state == SESSION_TERMINATED)
        one->row.ended_at = clock_now(one->owner->clock);
    session_save(one);
    log_state(one);
}

static void give_back(struct session *one)
{
    struct err err = ERR_INIT;
    if (store_session_release_lease(one->owner->store, one->row.id, true, &err) != 0)
        log_fields(LOG_LEVEL_ERROR, "lease not given back", "session", one->row.id, "why", err.msg,
                   NULL);
}

/* ---- start
 * -------------------------------------------------------------------------------------------------
 */

static void resume_failed(struct session *one, const char *message)
{
    back_off(one);
    set_stage(one, STAGE_RESUMING, -1, message);
    log_fields(LOG_LEVEL_WARN, "session not resumed", "session", one->row.id, "why", message, NULL);
}

static void call_start(struct session *one, bool resume);

/* Port or subnet are taken by somebody whom the registry does not know: goes on with the next one.
 * False when there is none, or when it has been tried often enough. */
static bool start_elsewhere(struct session *one, enum store_slot slot, const char *why)
{
    struct err err = ERR_INIT;
    if (one->moves >= MOVES_MAX || session_move(one, slot, &err) != 0)
        return false;
    one->moves++;
    log_fields(LOG_LEVEL_WARN, "session moved", "session", one->row.id, "to",
               slot == STORE_SLOT_PORT ? one->spec.magic_link : one->spec.subnet, "why", why, NULL);
    call_start(one, false);
    return true;
}

static void start_failed(struct session *one, int code, const char *message)
{
    bool moved = false;
    if (code == ERR_EXISTS)
        moved = start_elsewhere(one, STORE_SLOT_PORT, message);
    else if (code == ERR_CONFLICT)
        moved = start_elsewhere(one, STORE_SLOT_SUBNET, message);
    if (!moved)
        lifecycle_fail(one, provider_reason(code), message);
}

static void started(struct sessions *s, struct session *one, int code, struct json_object *reply,
                    const struct err *err, void *payload)
{
    (void)s;
    (void)reply;
    (void)payload;
    if (!one || code == ERR_CANCELLED)
        return;
    if (one->state != SESSION_PROVISIONING && one->state != SESSION_RUNNING)
        return; /* ended meanwhile: the stop behind this start cleans up */
    one->calling = false;
    if (code && one->state == SESSION_PROVISIONING)
        start_failed(one, code, err->msg);
    else if (code)
        resume_failed(one, err->msg);
    else if (strcmp(one->row.stage, STAGE_RESUMING) == 0)
        one->retry_at_ms = now_ms(one) + RESUME_PATIENCE_MS;
    else if (one->token_untold)
        lifecycle_give_token(one); /* renewed while the one before was on its way */
}

static void call_start(struct session *one, bool resume)
{
    struct json_object *args = json_object_new_object();
    json_add(args, "spec", session_spec_to_json(&one->spec, true));
    json_add_bool(args, "resume", resume);
    json_add_i64(args, "expires_at", one->row.expires_at);
    /* A copy of its own: the arguments are written out and freed at another time. */
    const char *host = NULL, *username = NULL, *secret = NULL;
    if (one->token && json_get_str(one->token, "host", 65536, &host, NULL) == 0 &&
        json_get_str(one->token, "username", 65536, &username, NULL) == 0 &&
        json_get_str(one->token, "secret", 65536, &secret, NULL) == 0)
        json_add(args, "token", session_token_new(host, username, secret));
    one->token_untold = false;
    one->calling = true;
    pending_call(one->owner, one->row.id, "start", args, NULL, started, NULL);
}

static const char *token_text(struct json_object *token, const char *member)
{
    const char *text = "";
    if (token)
        json_opt_str(token, member, 65536, &text, NULL);
    return text;
}

/* Questions that were asked at once may be answered in any order; an older token has ended. */
static bool take_token(struct session *one, const struct session_people *people, int64_t due)
{
    struct json_object *token = people->token;
    if (people->token_serial < one->token_serial)
        return false;
    one->token_serial = people->token_serial;
    one->token_due = due;
    if (one->token &&
        str_equal_secret(token_text(one->token, "secret"), token_text(token, "secret")))
        return false;
    struct json_object *own = session_token_new(
        token_text(token, "host"), token_text(token, "username"), token_text(token, "secret"));
    session_token_free(one->token);
    one->token = own;
    one->token_untold = true;
    return true;
}

bool lifecycle_take_token(struct session *one, const struct session_people *people)
{
    struct sessions *s = one->owner;
    int64_t now = clock_now(s->clock), due = 0;
    if (!people->token)
        return false;
    if (people->token_ends_at) {
        int64_t left = people->token_ends_at - now;
        int64_t before = left / 3 < RENEW_BEFORE_S ? left / 3 : RENEW_BEFORE_S;
        due = people->token_ends_at - before;
        due = due > now ? due : now + 1;
    }
    bool fresh = take_token(one, people, due);
    for (size_t i = 0; fresh && i < s->len; i++) {
        struct session *other = s->order[i];
        const struct session_caller creator = {.provider = one->row.creator_provider,
                                               .subject = one->row.creator_subject};
        if (other != one && other->token && session_owns(other, &creator) &&
            strcmp(token_text(other->token, "host"), token_text(people->token, "host")) == 0 &&
            take_token(other, people, due))
            lifecycle_give_token(other);
    }
    return fresh;
}

void lifecycle_give_token(struct session *one)
{
    if (one->state == SESSION_RUNNING && !one->calling)
        call_start(one, true);
}

static void provision_found(struct sessions *s, struct session *one, int code,
                            const struct session_people *people, const struct err *err,
                            void *payload)
{
    (void)payload;
    if (!one || code == ERR_CANCELLED)
        return;
    one->finding = false;
    if (one->state != SESSION_PROVISIONING)
        return;
    if (code) {
        lifecycle_fail(one, "keys_unavailable", err->msg);
        return;
    }
    access_set_people(&one->access, people);
    access_fill_users(&one->access, &one->spec);
    lifecycle_take_token(one, people);
    one->people_at = clock_now(s->clock);
    session_save(one);
    call_start(one, false);
}

void lifecycle_provision(struct session *one)
{
    one->begun = true;
    one->finding = true;
    pending_people(one, false, provision_found, NULL);
}

void lifecycle_resume(struct session *one)
{
    if (strcmp(one->row.stage, STAGE_RESUMING) != 0)
        set_stage(one, STAGE_RESUMING, -1, "");
    if (is_due(one))
        call_start(one, true);
}

/* ---- the end
 * ---------------------------------------------------------------------------------------------------
 */

static void cleaned_up(struct sessions *s, struct session *one, int code, struct json_object *reply,
                       const struct err *err, void *payload)
{
    (void)s;
    (void)reply;
    (void)payload;
    if (!one || code == ERR_CANCELLED || one->state != SESSION_FAILED)
        return;
    one->calling = false;
    if (code) {
        back_off(one);
        log_fields(LOG_LEVEL_WARN, "failed session not cleaned up", "session", one->row.id, "why",
                   err->msg, NULL);
        return;
    }
    settled(one);
    session_set_text(&one->row.stage, "");
    session_save(one);
    give_back(one);
}

static void stopped(struct sessions *s, struct session *one, int code, struct json_object *reply,
                    const struct err *err, void *payload)
{
    (void)s;
    (void)payload;
    if (!one || code == ERR_CANCELLED || one->state != SESSION_TERMINATING)
        return;
    one->calling = false;
    if (code) {
        back_off(one);
        set_stage(one, one->row.stage, -1, err->msg);
        log_fields(LOG_LEVEL_WARN, "session not ended", "session", one->row.id, "why", err->msg,
                   NULL);
        return;
    }
    bool archived = false;
    json_opt_bool(reply, "archived", &archived, NULL);
    one->row.archived = one->row.archived || archived;
    session_set_text(&one->row.stage, "");
    set_state(one, SESSION_TERMINATED);
    give_back(one);
}

static void call_stop(struct session *one, bool archive, pending_fn fn)
{
    struct json_object *args = session_args(one);
    json_add(args, "spec", session_spec_to_json(&one->spec, true));
    json_add_bool(args, "archive", archive);
    one->calling = true;
    pending_call(one->owner, one->row.id, "stop", args, NULL, fn, NULL);
}

void lifecycle_fail(struct session *one, const char *reason, const char *message)
{
    session_set_text(&one->row.reason, reason);
    session_set_text(&one->row.message, message);
    session_set_text(&one->row.stage, STAGE_CLEANUP);
    set_state(one, SESSION_FAILED);
    call_stop(one, false, cleaned_up);
}

void lifecycle_terminate(struct session *one, const char *message)
{
    if (one->state == SESSION_TERMINATING || one->state == SESSION_TERMINATED)
        return;
    bool nothing_left = one->state == SESSION_FAILED && !one->row.stage[0];
    session_set_text(&one->row.message, message);
    if (nothing_left) {
        set_state(one, SESSION_TERMINATED);
        return;
    }
    session_set_text(&one->row.stage, one->row.ever_ran ? STAGE_ARCHIVING : STAGE_CLEANUP);
    one->row.progress = -1;
    set_state(one, SESSION_TERMINATING);
    call_stop(one, one->row.ever_ran, stopped);
}

/* ---- events of the keeper
 * ---------------------------------------------------------------------------------------- */

static void on_stage(struct session *one, struct json_object *obj)
{
    const char *stage = "";
    const char *message = "";
    int64_t progress = -1;
    json_opt_str(obj, "stage", 64, &stage, NULL);
    json_opt_str(obj, "message", ERR_MSG_MAX, &message, NULL);
    json_opt_i64(obj, "progress", -1, 100, &progress, NULL);
    if (one->state == SESSION_PROVISIONING)
        set_stage(one, stage, (int)progress, message);
}

static void on_ready(struct session *one)
{
    bool resumed = one->state == SESSION_RUNNING;
    if (!resumed && one->state != SESSION_PROVISIONING)
        return;
    set_stage(one, "ready", 100, "");
    one->retry_at_ms = 0;
    one->ready_at_ms = now_ms(one);
    if (resumed) {
        /* It may have been started from what was true when it was made. */
        people_tell(one);
        session_save(one);
        return;
    }
    one->row.ever_ran = true;
    one->row.last_activity_at = clock_now(one->owner->clock);
    set_state(one, SESSION_RUNNING);
}

static void cleared_for_move(struct sessions *s, struct session *one, int code,
                             struct json_object *reply, const struct err *err, void *payload)
{
    (void)s;
    (void)reply;
    (void)payload;
    if (!one || code == ERR_CANCELLED || one->state != SESSION_PROVISIONING)
        return;
    one->calling = false;
    const char *why = code ? err->msg : "the session's port is in use";
    if (code || !start_elsewhere(one, STORE_SLOT_PORT, why))
        lifecycle_fail(one, "port_taken", why);
}

static void on_failed(struct session *one, struct json_object *obj)
{
    const char *reason = "internal";
    const char *message = "";
    json_opt_str(obj, "reason", 64, &reason, NULL);
    json_opt_str(obj, "message", ERR_MSG_MAX, &message, NULL);
    /* A local agent finds out itself; what it made is no use with another port. */
    if (one->state == SESSION_PROVISIONING && strcmp(reason, "port_taken") == 0)
        call_stop(one, false, cleared_for_move);
    else if (one->state == SESSION_PROVISIONING)
        lifecycle_fail(one, reason, message);
    else if (one->state == SESSION_RUNNING)
        resume_failed(one, message);
}

static void on_gone(struct session *one, struct json_object *obj)
{
    const char *message = "";
    json_opt_str(obj, "message", ERR_MSG_MAX, &message, NULL);
    if (one->state == SESSION_PROVISIONING && !one->calling) {
        cleanup_free char *text = xasprintf("the session ended while it was made: %s", message);
        lifecycle_fail(one, "internal", text);
    } else if (one->state == SESSION_RUNNING) {
        log_fields(LOG_LEVEL_WARN, "session gone", "session", one->row.id, "why", message, NULL);
        /* The first time at once; one that goes again and again waits longer and longer. */
        if (one->failures == 0)
            one->failures = 1;
        else
            back_off(one);
        lifecycle_resume(one);
    }
}

static void on_activity(struct session *one, struct json_object *obj)
{
    int64_t now = clock_now(one->owner->clock);
    int64_t at = now;
    json_opt_i64(obj, "at", 0, INT64_MAX, &at, NULL);
    at = at < now ? at : now;
    if (at <= one->row.last_activity_at)
        return;
    one->row.last_activity_at = at;
    str_clear(&one->info);
}

static void on_kicked(struct session *one, struct json_object *obj)
{
    const char *provider = NULL, *login = NULL;
    if (one->state == SESSION_RUNNING &&
        json_get_str(obj, "provider", SPEC_PROVIDER_MAX, &provider, NULL) == 0 &&
        json_get_str(obj, "login", SPEC_LOGIN_MAX, &login, NULL) == 0)
        people_kicked_inside(one, provider, login);
}

void lifecycle_event(const char *event, struct json_object *obj, void *payload)
{
    const char *id = NULL;
    if (json_get_str(obj, "session_id", SESSION_ID_LEN, &id, NULL) != 0)
        return;
    struct session *one = registry_find(payload, id);
    if (!one)
        return;
    if (strcmp(event, "stage") == 0)
        on_stage(one, obj);
    else if (strcmp(event, "ready") == 0)
        on_ready(one);
    else if (strcmp(event, "failed") == 0)
        on_failed(one, obj);
    else if (strcmp(event, "gone") == 0)
        on_gone(one, obj);
    else if (strcmp(event, "activity") == 0 || strcmp(event, "presence") == 0)
        on_activity(one, obj);
    else if (strcmp(event, "kicked") == 0)
        on_kicked(one, obj);
}

/* ---- what is due
 * ----------------------------------------------------------------------------------------------------
 */

static void tick_provisioning(struct session *one)
{
    if (!one->begun)
        lifecycle_provision(one);
    else if (clock_now(one->owner->clock) - one->row.updated_at > PROVISION_MAX_S)
        lifecycle_fail(one, "internal", "nothing was heard of it for an hour");
}

static void tick_running(struct session *one)
{
    bool resuming = strcmp(one->row.stage, STAGE_RESUMING) == 0;
    if ((resuming || one->token_untold) && is_due(one))
        call_start(one, true);
    if (one->retell_at_ms && now_ms(one) >= one->retell_at_ms)
        people_tell(one);
    if (!resuming && one->failures > 0 && now_ms(one) - one->ready_at_ms >= STEADY_MS)
        settled(one);
    if (one->row.last_activity_at - one->saved_activity >= ACTIVITY_SAVE_S)
        session_save(one);
}

void lifecycle_tick(struct session *one)
{
    switch (one->state) {
    case SESSION_PROVISIONING:
        tick_provisioning(one);
        break;
    case SESSION_RUNNING:
        tick_running(one);
        break;
    case SESSION_TERMINATING:
        if (is_due(one))
            call_stop(one, one->row.ever_ran, stopped);
        break;
    case SESSION_FAILED:
        if (strcmp(one->row.stage, STAGE_CLEANUP) == 0 && is_due(one))
            call_stop(one, false, cleaned_up);
        break;
    case SESSION_TERMINATED:
        break;
    }
}
