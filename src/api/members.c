/* GET /sessions/{id}/members, POST /sessions/{id}/refresh, and POST of
 * /sessions/{id}/kick, /role and /approve. */
#include "api/body.h"
#include "api/internal.h"

void api_session_members(struct http_request *req, void *payload)
{
    struct api *api = payload;
    struct session_caller caller = api_caller(req);
    session_members(api->options.sessions, &caller, http_path_param(req, "id"),
                    api_reply_text_later, api_defer(api, req));
}

/* What is not there is where the people are known: a forge, the users file. */
static void refreshed(int code, const char *json, size_t len, const struct err *err, void *payload)
{
    if (code != ERR_UNAVAILABLE) {
        api_reply_text_later(code, json, len, err, payload);
        return;
    }
    struct http_request *req = api_ticket_take(payload);
    if (req)
        http_reply_problem(req, 502, "provider_unavailable", err->msg);
}

void api_session_refresh(struct http_request *req, void *payload)
{
    struct api *api = payload;
    struct session_caller caller = api_caller(req);
    session_refresh(api->options.sessions, &caller, http_path_param(req, "id"), refreshed,
                    api_defer(api, req));
}

void api_session_kick(struct http_request *req, void *payload)
{
    struct api *api = payload;
    struct json_object *body = http_body_json(req, false);
    const char *login = NULL;
    struct err err = ERR_INIT;
    if (!body)
        return;
    if (body_read_kick(body, &login, &err)) {
        http_reply_err(req, &err);
        return;
    }
    struct session_caller caller = api_caller(req);
    session_kick(api->options.sessions, &caller, http_path_param(req, "id"), login,
                 api_reply_text_later, api_defer(api, req));
}

static void give_role(struct http_request *req, struct api *api, struct json_object *body,
                      bool approve)
{
    const char *login = NULL;
    const char *role = "approve";
    struct err err = ERR_INIT;
    if (approve ? body_read_kick(body, &login, &err) : body_read_role(body, &login, &role, &err)) {
        http_reply_err(req, &err);
        return;
    }
    struct session_caller caller = api_caller(req);
    session_role(api->options.sessions, &caller, http_path_param(req, "id"), login, role,
                 api_reply_text_later, api_defer(api, req));
}

void api_session_role(struct http_request *req, void *payload)
{
    struct json_object *body = http_body_json(req, false);
    if (body)
        give_role(req, payload, body, false);
}

void api_session_approve(struct http_request *req, void *payload)
{
    struct json_object *body = http_body_json(req, false);
    if (body)
        give_role(req, payload, body, true);
}
