/* GET /sessions/{id}/members, POST /sessions/{id}/refresh, POST /sessions/{id}/kick. */
#include "api/internal.h"

#define NAME_MAX_LEN (SPEC_PROVIDER_MAX + 1 + SPEC_LOGIN_MAX)

void api_session_members(struct http_request *req, void *payload)
{
    struct api *api = payload;
    struct session_caller caller = api_caller(req);
    session_members(api->options.sessions, &caller, http_path_param(req, "id"),
                    api_reply_text_later, api_defer(api, req));
}

void api_session_refresh(struct http_request *req, void *payload)
{
    struct api *api = payload;
    struct session_caller caller = api_caller(req);
    session_refresh(api->options.sessions, &caller, http_path_param(req, "id"),
                    api_reply_text_later, api_defer(api, req));
}

void api_session_kick(struct http_request *req, void *payload)
{
    struct api *api = payload;
    struct json_object *body = http_body_json(req, false);
    const char *login = NULL;
    struct err err = ERR_INIT;
    if (!body)
        return;
    if (json_get_str(body, "login", NAME_MAX_LEN, &login, &err)) {
        http_reply_problem(req, 400, "invalid_request", err.msg);
        return;
    }
    struct session_caller caller = api_caller(req);
    session_kick(api->options.sessions, &caller, http_path_param(req, "id"), login,
                 api_reply_text_later, api_defer(api, req));
}
