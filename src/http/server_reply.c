#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "http/server_internal.h"

#define DETAIL_MAX 512
#define CORS_MAX_AGE "600"

void http_reply_header(struct http_request *req, const char *name, const char *value)
{
    for (const char *p = value; *p; p++)
        BUG_ON((unsigned char)*p < 0x20 || *p == 0x7f);
    strv_push(&req->headers, name);
    strv_push(&req->headers, value);
}

static const char *allowed_origin(struct http_request *req)
{
    if (req->server->cors.len == 0)
        return NULL;
    const char *origin = http_header(req, "Origin");
    return origin && strv_has(&req->server->cors, origin) ? origin : NULL;
}

static void add_fixed_headers(struct http_request *req, struct MHD_Response *r)
{
    MHD_add_response_header(r, "X-Request-Id", req->id);
    MHD_add_response_header(r, "Cache-Control", "no-store");
    MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(r, "Content-Security-Policy",
                            "default-src 'none'; frame-ancestors 'none'");
    if (req->server->tls)
        MHD_add_response_header(r, "Strict-Transport-Security", "max-age=31536000");
    if (req->server->cors.len)
        MHD_add_response_header(r, "Vary", "Origin");
    const char *origin = allowed_origin(req);
    if (origin) {
        MHD_add_response_header(r, "Access-Control-Allow-Origin", origin);
        MHD_add_response_header(r, "Access-Control-Expose-Headers",
                                "X-Request-Id, Location, Retry-After");
    }
}

void http_reply_set(struct http_request *req, int status, struct MHD_Response *response,
                    const char *content_type)
{
    BUG_ON(req->response != NULL);
    BUG_ON(!response);
    if (content_type)
        MHD_add_response_header(response, "Content-Type", content_type);
    add_fixed_headers(req, response);
    for (size_t i = 0; i + 1 < req->headers.len; i += 2)
        MHD_add_response_header(response, req->headers.v[i], req->headers.v[i + 1]);
    if (status == 401)
        MHD_add_response_header(response, "WWW-Authenticate", "Bearer");
    req->response = response;
    req->status = status;
    bool suspended = req->state == REQUEST_DEFERRED;
    if (req->state != REQUEST_READING)
        req->state = REQUEST_ANSWERED;
    if (suspended)
        http_request_wake(req);
}

enum MHD_Result http_reply_queue(struct http_request *req)
{
    BUG_ON(!req->response);
    req->queued = true;
    return MHD_queue_response(req->connection, (unsigned)req->status, req->response);
}

static void reply_text(struct http_request *req, int status, struct str *text,
                       const char *content_type)
{
    size_t n = text->len;
    struct MHD_Response *r =
        MHD_create_response_from_buffer(n, str_detach(text), MHD_RESPMEM_MUST_FREE);
    http_reply_set(req, status, r, content_type);
}

void http_reply_json(struct http_request *req, int status, struct json_object *obj)
{
    struct str text = STR_INIT;
    json_print(obj, &text);
    str_addc(&text, '\n');
    json_object_put(obj);
    reply_text(req, status, &text, "application/json");
}

void http_reply_json_text(struct http_request *req, int status, const char *text, size_t len)
{
    struct str copy = STR_INIT;
    str_add(&copy, text, len);
    str_addc(&copy, '\n');
    reply_text(req, status, &copy, "application/json");
}

void http_reply_json_take(struct http_request *req, int status, struct str *text)
{
    str_addc(text, '\n');
    reply_text(req, status, text, "application/json");
}

static const char *title_of(int status)
{
    const char *phrase = MHD_get_reason_phrase_for((unsigned)status);
    return phrase ? phrase : "Error";
}

void http_reply_problem(struct http_request *req, int status, const char *word, const char *detail)
{
    struct json_object *obj = json_object_new_object();
    json_add_str(obj, "type", "about:blank");
    json_add_str(obj, "title", title_of(status));
    json_add_i64(obj, "status", status);
    json_add_str(obj, "detail", detail);
    json_add_str(obj, "error", word);
    struct str text = STR_INIT;
    json_print(obj, &text);
    str_addc(&text, '\n');
    json_object_put(obj);
    reply_text(req, status, &text, "application/problem+json");
}

void http_reply_problemf(struct http_request *req, int status, const char *word, const char *fmt,
                         ...)
{
    char detail[DETAIL_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(detail, sizeof detail, fmt, ap);
    va_end(ap);
    http_reply_problem(req, status, word, detail);
}

static const struct {
    int code, status;
    const char *word;
} mapping[] = {
    {ERR_INVALID, 400, "invalid_request"},
    {ERR_UNSUPPORTED, 400, "not_supported"},
    {ERR_UNAUTHENTICATED, 401, "unauthenticated"},
    {ERR_DENIED, 403, "forbidden"},
    {ERR_LIMIT, 403, "quota_exceeded"},
    {ERR_NOT_FOUND, 404, "not_found"},
    {ERR_CONFLICT, 409, "conflict"},
    {ERR_EXISTS, 409, "conflict"},
    {ERR_UNAVAILABLE, 503, "unavailable"},
    {ERR_NO_SPACE, 503, "no_space"},
    {ERR_CANCELLED, 503, "unavailable"},
    {ERR_TIMEOUT, 504, "timeout"},
};

void http_reply_err(struct http_request *req, const struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(mapping); i++)
        if (mapping[i].code == err->code) {
            http_reply_problem(req, mapping[i].status, mapping[i].word, err->msg);
            return;
        }
    log_fields(LOG_LEVEL_ERROR, "request failed", "request", req->id, "path", req->path, "error",
               err->msg, NULL);
    http_reply_problem(req, 500, "internal", "the server failed; its log says why");
}

void http_reply_options(struct http_request *req)
{
    cleanup_str struct str allow = STR_INIT;
    route_allow(req->match.allowed, &allow);
    http_reply_header(req, "Allow", allow.p);
    if (allowed_origin(req)) {
        http_reply_header(req, "Access-Control-Allow-Methods", allow.p);
        http_reply_header(req, "Access-Control-Allow-Headers", "Authorization, Content-Type");
        http_reply_header(req, "Access-Control-Max-Age", CORS_MAX_AGE);
    }
    struct MHD_Response *r = MHD_create_response_from_buffer(0, str_empty, MHD_RESPMEM_PERSISTENT);
    http_reply_set(req, 204, r, NULL);
}
