#include "api/internal.h"

void api_health(struct http_request *req, void *payload)
{
    struct api *api = payload;
    struct err err = ERR_INIT;
    if (store_check(api->options.store, &err)) {
        http_reply_problemf(req, 503, "database_unavailable", "database: %s", err.msg);
        return;
    }
    struct json_object *obj = json_object_new_object();
    json_add_str(obj, "status", "ok");
    json_add_str(obj, "version", STEADYSTATE_VERSION);
    if (sessions_health(api->options.sessions, obj, &err)) {
        json_object_put(obj);
        http_reply_problemf(req, 503, "engine_unavailable", "engine: %s", err.msg);
        return;
    }
    json_add_str(obj, "database", "ok");
    http_reply_json(req, 200, obj);
}

/* For `doctor`: everything that was looked at, also when nothing works. */
void api_health_checks(struct http_request *req, void *payload)
{
    struct api *api = payload;
    struct err err = ERR_INIT;
    struct json_object *obj = json_object_new_object();
    json_add_str(obj, "version", STEADYSTATE_VERSION);
    json_add_str(obj, "database", store_check(api->options.store, &err) ? err.msg : "ok");
    sessions_checks(api->options.sessions, obj);
    http_reply_json(req, 200, obj);
}
