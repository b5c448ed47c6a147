/* GET /sessions/{id}/members, POST /sessions/{id}/refresh, POST /sessions/{id}/kick. */
#include "api/body.h"
#include "api/internal.h"

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
    if (body_read_kick(body, &login, &err)) {
        http_reply_err(req, &err);
        return;
    }
    struct session_caller caller = api_caller(req);
    session_kick(api->options.sessions, &caller, http_path_param(req, "id"), login,
                 api_reply_text_later, api_defer(api, req));
}
