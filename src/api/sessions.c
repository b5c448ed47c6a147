/* POST and GET /sessions, GET and DELETE /sessions/{id}, POST /sessions/{id}/extend. */
#include <stdlib.h>
#include <string.h>

#include "api/internal.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/url.h"

#define NAME_MAX_LEN (SPEC_PROVIDER_MAX + 1 + SPEC_LOGIN_MAX)
#define WORD_MAX 64
#define TTL_MAX (400LL * 86400) /* the session layer knows the configured one */

/* The id of the path, or NULL after a 404: a malformed id belongs to nothing. */
static const char *path_id(struct http_request *req)
{
    const char *id = http_path_param(req, "id");
    if (id && session_id_is_valid(id))
        return id;
    http_reply_problem(req, 404, "not_found", "no such session");
    return NULL;
}

/* ---- create
 * ---------------------------------------------------------------------------------------- */

static int read_names(struct json_object *body, struct strv *names, bool *given, struct err *err)
{
    struct json_object *list = NULL;
    int rc = json_opt_array(body, "allowed_users", SESSION_ALLOWED_MAX, &list, err);
    if (rc || !list)
        return rc;
    *given = true;
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *item = json_object_array_get_idx(list, i);
        const char *text = json_object_get_string(item);
        size_t n = (size_t)json_object_get_string_len(item);
        if (!json_object_is_type(item, json_type_string) || n > NAME_MAX_LEN || strlen(text) != n)
            return err_set(err, ERR_INVALID, "'allowed_users' must be a list of logins");
        strv_push(names, text);
    }
    return 0;
}

static int read_request(struct json_object *body, struct session_request *r, struct strv *names,
                        struct err *err)
{
    int rc;
    if ((rc = json_get_str(body, "repo_url", URL_MAX, &r->repo_url, err)) != 0 ||
        (rc = json_opt_str(body, "mode", WORD_MAX, &r->mode, err)) != 0 ||
        (rc = json_opt_str(body, "branch", SPEC_BRANCH_MAX, &r->branch, err)) != 0 ||
        (rc = json_opt_str(body, "environment", WORD_MAX, &r->environment, err)) != 0 ||
        (rc = json_opt_bool(body, "public", &r->is_public, err)) != 0 ||
        (rc = json_opt_i64(body, "ttl_secs", 1, TTL_MAX, &r->ttl_secs, err)) != 0)
        return rc;
    rc = read_names(body, names, &r->allowed_given, err);
    r->allowed_users = names->v;
    r->n_allowed_users = names->len;
    return rc;
}

static void created(int code, const char *json, size_t len, const struct err *err, void *payload)
{
    struct http_request *req = api_ticket_take(payload);
    if (!req)
        return;
    if (code) {
        api_reply_session_err(req, err);
        return;
    }
    cleanup_json struct json_object *info = NULL;
    const char *id = NULL;
    if (json_parse(json, len, &info, NULL) == 0 &&
        json_get_str(info, "id", SESSION_ID_LEN, &id, NULL) == 0) {
        cleanup_free char *location = xasprintf("/sessions/%s", id);
        http_reply_header(req, "Location", location);
    }
    http_reply_json_text(req, 202, json, len);
}

void api_sessions_create(struct http_request *req, void *payload)
{
    struct api *api = payload;
    struct json_object *body = http_body_json(req, false);
    if (!body)
        return;
    struct session_request r = {0};
    cleanup_strv struct strv names = STRV_INIT;
    struct err err = ERR_INIT;
    if (read_request(body, &r, &names, &err)) {
        http_reply_problem(req, 400, "invalid_request", err.msg);
        return;
    }
    struct session_caller caller = api_caller(req);
    session_create(api->options.sessions, &caller, &r, created, api_defer(api, req));
}

/* ---- read
 * ------------------------------------------------------------------------------------------ */

/* A query parameter that is there but empty counts as absent. */
static const char *query(struct http_request *req, const char *name)
{
    const char *value = http_query(req, name);
    return value && *value ? value : NULL;
}

void api_sessions_list(struct http_request *req, void *payload)
{
    struct api *api = payload;
    const char *state = query(req, "state"), *after = query(req, "after");
    const char *limit_text = query(req, "limit");
    int limit = 0;
    if (limit_text && num_parse_int(limit_text, 1, SESSION_LIST_MAX, &limit, NULL)) {
        http_reply_problemf(req, 400, "invalid_request", "'limit' must be 1 to %d",
                            SESSION_LIST_MAX);
        return;
    }
    if (after && !session_id_is_valid(after)) {
        http_reply_problem(req, 400, "invalid_request", "'after' must be a session's id");
        return;
    }
    struct session_caller caller = api_caller(req);
    cleanup_str struct str json = STR_INIT;
    struct err err = ERR_INIT;
    if (session_list(api->options.sessions, &caller, state, after, limit, &json, &err))
        api_reply_session_err(req, &err);
    else
        http_reply_json_text(req, 200, json.p, json.len);
}

void api_session_get(struct http_request *req, void *payload)
{
    struct api *api = payload;
    const char *id = path_id(req);
    if (!id)
        return;
    struct session_caller caller = api_caller(req);
    cleanup_str struct str json = STR_INIT;
    struct err err = ERR_INIT;
    if (session_get(api->options.sessions, &caller, id, &json, &err))
        api_reply_session_err(req, &err);
    else
        http_reply_json_text(req, 200, json.p, json.len);
}

/* ---- change
 * ---------------------------------------------------------------------------------------- */

void api_session_delete(struct http_request *req, void *payload)
{
    struct api *api = payload;
    const char *id = path_id(req);
    if (!id)
        return;
    struct session_caller caller = api_caller(req);
    cleanup_str struct str json = STR_INIT;
    struct err err = ERR_INIT;
    if (session_delete(api->options.sessions, &caller, id, &json, &err))
        api_reply_session_err(req, &err);
    else
        http_reply_json_text(req, 202, json.p, json.len);
}

void api_session_extend(struct http_request *req, void *payload)
{
    struct api *api = payload;
    const char *id = path_id(req);
    struct json_object *body = id ? http_body_json(req, false) : NULL;
    if (!body)
        return;
    int64_t ttl = 0;
    struct err err = ERR_INIT;
    if (json_get_i64(body, "ttl_secs", 1, TTL_MAX, &ttl, &err)) {
        http_reply_problem(req, 400, "invalid_request", err.msg);
        return;
    }
    struct session_caller caller = api_caller(req);
    cleanup_str struct str json = STR_INIT;
    if (session_extend(api->options.sessions, &caller, id, ttl, &json, &err))
        api_reply_session_err(req, &err);
    else
        http_reply_json_text(req, 200, json.p, json.len);
}
