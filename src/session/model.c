#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/url.h"
#include "session/internal.h"

static const char *const state_words[] = {
    [SESSION_PROVISIONING] = "Provisioning",
    [SESSION_RUNNING] = "Running",
    [SESSION_FAILED] = "Failed",
    [SESSION_TERMINATING] = "Terminating",
    [SESSION_TERMINATED] = "Terminated",
};

const char *session_state_word(enum session_state state)
{
    return state_words[state];
}

int session_state_parse(const char *word, enum session_state *out, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(state_words); i++) {
        if (strcmp(state_words[i], word) != 0)
            continue;
        *out = (enum session_state)i;
        return 0;
    }
    return err_set(err, ERR_INVALID,
                   "'state' must be one of Provisioning, Running, Failed, "
                   "Terminating, Terminated");
}

void session_set_text(char **field, const char *value)
{
    char *copy = xstrdup(value);
    free(*field);
    *field = copy;
}

static struct json_object *make_info(const struct session *one)
{
    const struct session_spec *spec = &one->spec;
    const struct store_session *row = &one->row;
    cleanup_str struct str endpoint = STR_INIT;
    str_addf(&endpoint, "ssh://%s@", spec->ssh_user);
    url_add_host_port(&endpoint, spec->ssh_host, spec->ssh_port);
    struct json_object *obj = json_object_new_object();
    json_add_str(obj, "id", row->id);
    json_add_str(obj, "state", session_state_word(one->state));
    json_add_str(obj, "mode", spec->mode);
    json_add_str(obj, "repo_url", spec->repo_url);
    /* null: the one that the origin names */
    json_add(obj, "branch", spec->branch ? json_object_new_string(spec->branch) : NULL);
    json_add_str(obj, "session_branch", spec->session_branch);
    json_add_str(obj, "environment", spec->environment);
    json_add_str(obj, "creator", row->creator_login);
    json_add_str(obj, "creator_provider", row->creator_provider);
    json_add_str(obj, "compute_provider", row->compute);
    json_add_str(obj, "endpoint", endpoint.p);
    json_add_str(obj, "magic_link", spec->magic_link);
    json_add_str(obj, "host_public_key", spec->host_key_public);
    json_add_bool(obj, "public", one->access.is_public);
    if (spec->approve)
        json_add_bool(obj, "approve", true);
    json_add_str(obj, "stage", row->stage);
    json_add_i64(obj, "progress", row->progress);
    json_add_str(obj, "message", row->message);
    if (row->reason[0])
        json_add_str(obj, "reason", row->reason);
    json_add_bool(obj, "archived", row->archived);
    json_add_i64(obj, "created_at", row->created_at);
    json_add_i64(obj, "updated_at", row->updated_at);
    json_add_i64(obj, "expires_at", row->expires_at);
    json_add_i64(obj, "last_activity_at", row->last_activity_at);
    return obj;
}

const struct str *session_info(struct session *one)
{
    if (one->info.len == 0) {
        cleanup_json struct json_object *obj = make_info(one);
        json_print(obj, &one->info);
    }
    return &one->info;
}

void session_touch(struct session *one)
{
    one->row.updated_at = clock_now(one->owner->clock);
    str_clear(&one->info);
}

char *session_spec_text(const struct session_spec *spec)
{
    cleanup_json struct json_object *obj = session_spec_to_json(spec, true);
    cleanup_str struct str text = STR_INIT;
    json_object_object_del(obj, "users"); /* they are in `access` */
    json_print(obj, &text);
    return str_detach(&text);
}

char *session_access_text(const struct access *access)
{
    cleanup_json struct json_object *obj = access_to_json(access);
    cleanup_str struct str text = STR_INIT;
    json_print(obj, &text);
    return str_detach(&text);
}

void session_save(struct session *one)
{
    session_touch(one);
    struct store_session row = one->row;
    struct err err = ERR_INIT;
    cleanup_free_secret char *spec = session_spec_text(&one->spec);
    cleanup_free char *access = session_access_text(&one->access);
    row.spec = spec;
    row.access = access;
    row.state = (char *)(uintptr_t)session_state_word(one->state);
    if (store_session_update(one->owner->store, &row, &err) != 0)
        log_fields(LOG_LEVEL_ERROR, "session not stored", "session", row.id, "why", err.msg, NULL);
    else
        one->saved_activity = row.last_activity_at;
}

static int add_kick(const char *provider, const char *login, void *payload, struct err *err)
{
    (void)err;
    access_kick(payload, provider, login);
    return 0;
}

static int fill_from_row(struct session *one, const struct store_session *row, struct err *err)
{
    cleanup_json struct json_object *spec = NULL;
    cleanup_json struct json_object *access = NULL;
    int rc;
    if ((rc = session_state_parse(row->state, &one->state, err)) != 0 ||
        (rc = json_parse(row->spec, strlen(row->spec), &spec, err)) != 0 ||
        (rc = session_spec_from_json(spec, &one->spec, err)) != 0 ||
        (rc = json_parse(row->access, strlen(row->access), &access, err)) != 0 ||
        (rc = access_from_json(access, &one->access, err)) != 0)
        return rc;
    one->row = (struct store_session){
        .id = xstrdup(row->id),
        .creator_provider = xstrdup(row->creator_provider),
        .creator_subject = xstrdup(row->creator_subject),
        .creator_login = xstrdup(row->creator_login),
        .stage = xstrdup(row->stage),
        .message = xstrdup(row->message),
        .reason = xstrdup(row->reason),
        .compute = xstrdup(row->compute),
        .progress = row->progress,
        .archived = row->archived,
        .ever_ran = row->ever_ran,
        .created_at = row->created_at,
        .updated_at = row->updated_at,
        .expires_at = row->expires_at,
        .last_activity_at = row->last_activity_at,
        .ended_at = row->ended_at,
    };
    access_know(&one->access, row->creator_provider, row->creator_subject, row->creator_login);
    one->saved_activity = row->last_activity_at;
    return 0;
}

int session_from_row(struct sessions *s, const struct store_session *row, struct session **out,
                     struct err *err)
{
    struct session *one = session_new(s);
    int rc = fill_from_row(one, row, err);
    if (rc) {
        session_discard(one);
        return err_wrap(err, "session %s", row->id);
    }
    *out = one;
    return 0;
}

int session_load_kicks(struct session *one, struct err *err)
{
    int rc = store_kick_each(one->owner->store, one->row.id, add_kick, &one->access, err);
    access_fill_users(&one->access, &one->spec);
    return rc;
}
