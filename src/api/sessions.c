/* POST and GET /sessions, GET and DELETE /sessions/{id}, POST /sessions/{id}/extend. */
#include <stdlib.h>
#include <string.h>

#include "api/body.h"
#include "api/internal.h"
#include "base/mem.h"
#include "base/num.h"

/* The id of the path, or NULL after a 404: a malformed id belongs to nothing. */
static const char *path_id(struct http_request *req)
{
    const char *id = http_path_param(req, "id");
    if (id && session_id_is_valid(id))
        return id;
    http_reply_problem(req, 404, "not_found", "no such session");
    return NULL;
}

/* ---- create ---- */

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

/* "nope:bob" could never let anybody in. */
static int check_providers(const struct api *api, const struct strv *names, struct err *err)
{
    for (size_t i = 0; i < names->len; i++) {
        const char *colon = strchr(names->v[i], ':');
        if (!colon)
            continue;
        cleanup_free char *provider = xstrndup(names->v[i], (size_t)(colon - names->v[i]));
        if (auth_providers_has(api->options.providers, provider))
            continue;
        cleanup_str struct str known = STR_INIT;
        cleanup_str struct str shown = STR_INIT;
        auth_providers_names(api->options.providers, &known);
        str_add_printable(&shown, names->v[i], strnlen(names->v[i], 100));
        return err_set(err, ERR_INVALID,
                       "'allowed_users': '%s' names no login provider of this server; there is: %s",
                       shown.p, known.p);
    }
    return 0;
}

void api_sessions_create(struct http_request *req, void *payload)
{
    struct api *api = payload;
    struct json_object *body = http_body_json(req, false);
    if (!body)
        return;
    struct session_request r;
    cleanup_strv struct strv names = STRV_INIT;
    struct err err = ERR_INIT;
    if (body_read_create(body, &r, &names, &err) || check_providers(api, &names, &err)) {
        http_reply_err(req, &err);
        return;
    }
    struct session_caller caller = api_caller(req);
    session_create(api->options.sessions, &caller, &r, created, api_defer(api, req));
}

/* ---- read ---- */

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
        http_reply_json_take(req, 200, &json);
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
        http_reply_json_take(req, 200, &json);
}

/* ---- change ---- */

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
        http_reply_json_take(req, 202, &json);
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
    if (body_read_extend(body, &ttl, &err)) {
        http_reply_err(req, &err);
        return;
    }
    struct session_caller caller = api_caller(req);
    cleanup_str struct str json = STR_INIT;
    if (session_extend(api->options.sessions, &caller, id, ttl, &json, &err))
        api_reply_session_err(req, &err);
    else
        http_reply_json_take(req, 200, &json);
}
