#include "api/api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/internal.h"
#include "base/mem.h"

#define JSON_MAX HTTP_BODY_MAX

/* The whole policy: who may call what, how often, with how much. */
/* clang-format off */
static const struct http_route routes[] = {
    {HTTP_GET, "/health", HTTP_PUBLIC, API_BUCKET_OTHER, 0, api_health},
    {HTTP_GET, "/health/checks", HTTP_PUBLIC, API_BUCKET_OTHER, 0, api_health_checks},
    {HTTP_POST, "/auth/device", HTTP_PUBLIC, API_BUCKET_AUTH, 0, api_auth_device},
    {HTTP_POST, "/auth/poll", HTTP_PUBLIC, API_BUCKET_AUTH, JSON_MAX, api_auth_poll},
    {HTTP_POST, "/auth/token", HTTP_PUBLIC, API_BUCKET_TOKEN, JSON_MAX, api_auth_token},
    {HTTP_POST, "/auth/refresh", HTTP_PUBLIC, API_BUCKET_AUTH, JSON_MAX, api_auth_refresh},
    {HTTP_POST, "/auth/revoke", HTTP_PUBLIC, API_BUCKET_AUTH, JSON_MAX, api_auth_revoke},
    {HTTP_GET, "/auth/me", HTTP_LOGIN, API_BUCKET_OTHER, 0, api_auth_me},
    {HTTP_POST, "/sessions", HTTP_LOGIN, API_BUCKET_OTHER, JSON_MAX, api_sessions_create},
    {HTTP_GET, "/sessions", HTTP_LOGIN, API_BUCKET_OTHER, 0, api_sessions_list},
    {HTTP_GET, "/sessions/{id}", HTTP_LOGIN, API_BUCKET_OTHER, 0, api_session_get},
    {HTTP_DELETE, "/sessions/{id}", HTTP_LOGIN, API_BUCKET_OTHER, 0, api_session_delete},
    {HTTP_POST, "/sessions/{id}/extend", HTTP_LOGIN, API_BUCKET_OTHER, JSON_MAX, api_session_extend},
    {HTTP_GET, "/sessions/{id}/members", HTTP_LOGIN, API_BUCKET_OTHER, 0, api_session_members},
    {HTTP_POST, "/sessions/{id}/refresh", HTTP_LOGIN, API_BUCKET_OTHER, 0, api_session_refresh},
    {HTTP_POST, "/sessions/{id}/kick", HTTP_LOGIN, API_BUCKET_OTHER, JSON_MAX, api_session_kick},
    {HTTP_POST, "/sessions/{id}/role", HTTP_LOGIN, API_BUCKET_OTHER, JSON_MAX, api_session_role},
    {HTTP_POST, "/sessions/{id}/approve", HTTP_LOGIN, API_BUCKET_OTHER, JSON_MAX, api_session_approve},
    {HTTP_GET, "/archives", HTTP_LOGIN, API_BUCKET_OTHER, 0, api_archives_list},
    {HTTP_GET, "/archives/{id}", HTTP_LOGIN, API_BUCKET_OTHER, 0, api_archive_get},
};
/* clang-format on */

/* ---- the gate ---- */

static int per_minute(const struct api *api, int bucket)
{
    const struct api_rates *r = &api->options.rates;
    return bucket == API_BUCKET_TOKEN ? r->token : bucket == API_BUCKET_AUTH ? r->auth : r->other;
}

/* wait: seconds, 0: none. */
static bool pass_wait(struct http_request *req, int wait, const char *what)
{
    if (wait == 0)
        return true;
    char text[16];
    snprintf(text, sizeof text, "%d", wait);
    http_reply_header(req, "Retry-After", text);
    http_reply_problemf(req, 429, "rate_limited", "too many requests %s", what);
    return false;
}

static bool pass_limit(struct api *api, struct http_request *req, int bucket)
{
    return pass_wait(req,
                     limits_take(api->limits, bucket, http_client_address(req),
                                 per_minute(api, bucket), clock_mono_ms(api->options.clock)),
                     "from this address");
}

/* Somebody with many addresses is still one account. */
static bool pass_account(struct api *api, struct http_request *req, int bucket)
{
    struct session_caller who = api_caller(req);
    return pass_wait(req,
                     limits_take_account(api->limits, bucket, who.provider, who.subject,
                                         per_minute(api, bucket),
                                         clock_mono_ms(api->options.clock)),
                     "of this account");
}

static void free_identity(void *p)
{
    identity_release(p);
    free(p);
}

static bool pass_login(struct api *api, struct http_request *req)
{
    static const char scheme[] = "Bearer ";
    const char *value = http_header(req, "Authorization");
    if (!value || strncasecmp(value, scheme, sizeof scheme - 1) != 0) {
        http_reply_problem(req, 401, "unauthenticated", "log in first: no bearer token was sent");
        return false;
    }
    const char *token = value + sizeof scheme - 1;
    const struct identity *who = NULL;
    struct err err = ERR_INIT;
    if (jwt_signer_check(api->jwt, token, strlen(token), &who, &err)) {
        http_reply_problem(req, 401, "unauthenticated", err.msg);
        return false;
    }
    struct identity *own = xcalloc(1, sizeof *own);
    identity_copy(who, own);
    http_set_data(req, own, free_identity);
    return true;
}

static bool gate(struct http_request *req, const struct http_route *route, void *payload)
{
    struct api *api = payload;
    return pass_limit(api, req, route->bucket) &&
           (route->access == HTTP_PUBLIC ||
            (pass_login(api, req) && pass_account(api, req, route->bucket)));
}

struct session_caller api_caller(struct http_request *req)
{
    const struct identity *who = http_data(req);
    BUG_ON(!who);
    return (struct session_caller){who->provider, who->subject, who->login};
}

/* ---- later answers ---- */

struct api_ticket *api_defer(struct api *api, struct http_request *req)
{
    struct api_ticket *t = xcalloc(1, sizeof *t);
    t->api = api;
    t->ticket = http_defer(req);
    return t;
}

struct http_request *api_ticket_take(struct api_ticket *t)
{
    struct http_request *req = http_resume(t->api->server, t->ticket);
    free(t);
    return req;
}

void api_reply_session_err(struct http_request *req, const struct err *err)
{
    if (err->code == ERR_UNAVAILABLE)
        http_reply_problem(req, 503, "engine_unavailable", err->msg);
    else
        http_reply_err(req, err);
}

void api_reply_text_later(int code, const char *json, size_t len, const struct err *err,
                          void *payload)
{
    struct http_request *req = api_ticket_take(payload);
    if (!req)
        return;
    if (code)
        api_reply_session_err(req, err);
    else
        http_reply_json_text(req, 200, json, len);
}

/* ---- life ---- */

static int start_server(struct api *api, struct err *err)
{
    const struct api_options *o = &api->options;
    struct http_server_options h = {
        .bind = o->bind,
        .port = o->port,
        .tls_cert_pem = o->tls_cert_pem,
        .tls_key_pem = o->tls_key_pem,
        .routes = routes,
        .n_routes = ARRAY_LEN(routes),
        .cors_origins = o->cors_origins,
        .n_cors_origins = o->n_cors_origins,
        .trust_forwarded = o->trust_forwarded,
        .gate = gate,
        .payload = api,
    };
    return http_server_start(o->loop, &h, &api->server, err);
}

int api_start(const struct api_options *options, struct api **out, struct err *err)
{
    struct api *api = xcalloc(1, sizeof *api);
    api->options = *options;
    api->refresh = (struct refresh_options){options->store, options->clock, options->refresh_ttl};
    api->limits = limits_new();
    api->devices = devices_new(options->store, options->vault, options->clock);
    struct jwt_options jwt = {options->jwt_secret, options->jwt_previous, options->jwt_issuer,
                              options->jwt_ttl, options->clock};
    int rc = jwt_signer_new(&jwt, &api->jwt, err);
    if (!rc)
        rc = start_server(api, err);
    if (rc) {
        api_free(api);
        return rc;
    }
    *out = api;
    return 0;
}

int api_port(const struct api *api)
{
    return http_server_port(api->server);
}

void api_quiesce(struct api *api)
{
    http_server_quiesce(api->server);
}

void api_free(struct api *api)
{
    if (!api)
        return;
    api->ending = true;
    http_server_free(api->server);
    devices_free(api->devices);
    limits_free(api->limits);
    jwt_signer_free(api->jwt);
    free(api);
}
