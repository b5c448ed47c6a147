#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "http/server_internal.h"

#define FORWARDED_MAX 1024
#define QUERY_MAX 32 /* parameters of one request */

const char *http_path_param(struct http_request *req, const char *name)
{
    for (size_t i = 0; i < req->match.n_params; i++)
        if (strlen(name) == req->match.params[i].name_len &&
            memcmp(name, req->match.params[i].name, req->match.params[i].name_len) == 0)
            return req->match.params[i].value;
    return NULL;
}

const char *http_query(struct http_request *req, const char *name)
{
    return MHD_lookup_connection_value(req->connection, MHD_GET_ARGUMENT_KIND, name);
}

const char *http_header(struct http_request *req, const char *name)
{
    return MHD_lookup_connection_value(req->connection, MHD_HEADER_KIND, name);
}

const char *http_client_address(struct http_request *req)
{
    return req->address;
}

const char *http_request_id(struct http_request *req)
{
    return req->id;
}

enum http_method http_request_method(struct http_request *req)
{
    return req->method;
}

const char *http_request_path(struct http_request *req)
{
    return req->path;
}

void http_set_data(struct http_request *req, void *data, void (*free_fn)(void *))
{
    if (req->data && req->data_free)
        req->data_free(req->data);
    req->data = data;
    req->data_free = free_fn;
}

void *http_data(struct http_request *req)
{
    return req->data;
}

void http_request_free(struct http_request *req)
{
    if (req->data && req->data_free)
        req->data_free(req->data);
    if (req->response)
        MHD_destroy_response(req->response);
    http_stream_free(req->stream);
    json_object_put(req->json);
    str_release(&req->body);
    strv_release(&req->headers);
    free(req->path);
    free(req);
}

/* The path of "http://host/path", the form that everybody must understand (RFC 9112, 3.2.2). */
static const char *origin_form(const char *target)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
        if (strncasecmp(target, schemes[i], strlen(schemes[i])) == 0) {
            target += strlen(schemes[i]);
            return target + strcspn(target, "/?#");
        }
    return target;
}

const char *http_request_path_of(const char *target)
{
    const char *path = origin_form(target);
    return *path ? path : "/";
}

/* Checked before libmicrohttpd decodes it, because a decoded NUL would cut the text. */
bool http_request_target_ok(const char *raw)
{
    raw = http_request_path_of(raw);
    if (raw[0] != '/')
        return false;
    for (const unsigned char *p = (const unsigned char *)raw; *p; p++) {
        if (*p <= 0x20 || *p >= 0x7f)
            return false;
        if (*p != '%')
            continue;
        if (!isxdigit(p[1]) || !isxdigit(p[2]) || (p[1] < '2' && isdigit(p[1])))
            return false; /* also no control bytes: %00 .. %1f */
    }
    return true;
}

/* What stands in the headers as a whole. */
struct head {
    unsigned hosts, lengths, codings;
    const char *coding;    /* the last Transfer-Encoding */
    const char *forwarded; /* the last X-Forwarded-For */
};

static enum MHD_Result look_at_header(void *cls, enum MHD_ValueKind kind, const char *name,
                                      const char *value)
{
    struct head *h = cls;
    (void)kind;
    if (strcasecmp(name, "Host") == 0) {
        h->hosts++;
    } else if (strcasecmp(name, "Content-Length") == 0) {
        h->lengths++;
    } else if (strcasecmp(name, "Transfer-Encoding") == 0) {
        h->codings++;
        h->coding = value ? value : "";
    } else if (strcasecmp(name, "X-Forwarded-For") == 0) {
        h->forwarded = value;
    }
    return MHD_YES;
}

static struct head look_at_head(struct http_request *req)
{
    struct head h = {0};
    MHD_get_connection_values(req->connection, MHD_HEADER_KIND, look_at_header, &h);
    return h;
}

bool http_request_framing_ok(struct http_request *req, const char *version)
{
    struct head h = look_at_head(req);
    if (h.hosts > 1 || (h.hosts == 0 && strcmp(version, "HTTP/1.1") == 0)) {
        http_reply_header(req, "Connection", "close");
        http_reply_problem(req, 400, "invalid_request", "a request must have one Host");
        return false;
    }
    /* Where two programs could see different ends of a body, a second request is smuggled. */
    req->endless = h.lengths > 1 || h.codings > 1 || (h.lengths && h.codings) ||
                   (h.codings && strcasecmp(h.coding, "chunked") != 0);
    if (!req->endless)
        return true;
    http_reply_header(req, "Connection", "close");
    if (h.lengths > 1 || h.codings > 1 || h.lengths)
        http_reply_problem(req, 400, "invalid_request", "the length of the body is ambiguous");
    else
        http_reply_problem(req, 501, "not_supported", "the only transfer encoding is chunked");
    return false;
}

struct parameters {
    const char *names[QUERY_MAX];
    size_t n;
    bool bad;
};

static enum MHD_Result look_at_parameter(void *cls, enum MHD_ValueKind kind, const char *name,
                                         const char *value)
{
    struct parameters *p = cls;
    (void)kind;
    (void)value;
    for (size_t i = 0; i < p->n; i++)
        p->bad = p->bad || strcmp(p->names[i], name) == 0;
    p->bad = p->bad || p->n == QUERY_MAX;
    if (p->bad)
        return MHD_NO;
    p->names[p->n++] = name;
    return MHD_YES;
}

bool http_request_query_ok(struct http_request *req)
{
    struct parameters p = {.n = 0};
    MHD_get_connection_values(req->connection, MHD_GET_ARGUMENT_KIND, look_at_parameter, &p);
    if (p.bad)
        http_reply_problem(req, 400, "invalid_request",
                           "a query parameter is there twice, or there are too many");
    return !p.bad;
}

/* The entry that our own proxy added stands last, be it in the client's line or in one of its own;
 * the ones before it are the client's to invent. */
static bool forwarded_address(struct http_request *req)
{
    const char *value = look_at_head(req).forwarded;
    if (!value || strlen(value) > FORWARDED_MAX)
        return false;
    const char *last = strrchr(value, ',');
    last = last ? last + 1 : value;
    while (*last == ' ' || *last == '\t')
        last++;
    size_t n = strcspn(last, " \t");
    unsigned char raw[16];
    char text[INET6_ADDRSTRLEN];
    if (n == 0 || n >= sizeof text)
        return false;
    memcpy(text, last, n);
    text[n] = '\0';
    if (inet_pton(AF_INET, text, raw) != 1 && inet_pton(AF_INET6, text, raw) != 1)
        return false;
    memcpy(req->address, text, n + 1);
    return true;
}

void http_request_set_address(struct http_request *req)
{
    req->address[0] = '\0';
    if (req->server->options.trust_forwarded && forwarded_address(req))
        return;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(req->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (!info || !info->client_addr)
        return;
    const struct sockaddr *sa = info->client_addr;
    if (sa->sa_family == AF_INET) {
        inet_ntop(AF_INET, &((const struct sockaddr_in *)sa)->sin_addr, req->address,
                  sizeof req->address);
    } else if (sa->sa_family == AF_INET6) {
        const struct in6_addr *v6 = &((const struct sockaddr_in6 *)sa)->sin6_addr;
        if (IN6_IS_ADDR_V4MAPPED(v6))
            inet_ntop(AF_INET, v6->s6_addr + 12, req->address, sizeof req->address);
        else
            inet_ntop(AF_INET6, v6, req->address, sizeof req->address);
    }
}

/* application/json, with or without parameters. */
static bool is_json(const char *content_type)
{
    static const char want[] = "application/json";
    size_t n = sizeof want - 1;
    if (!content_type || strncasecmp(content_type, want, n) != 0)
        return false;
    const char *rest = content_type + n;
    while (*rest == ' ' || *rest == '\t')
        rest++;
    return !*rest || *rest == ';';
}

struct json_object *http_body_json(struct http_request *req, bool allow_empty)
{
    if (req->json)
        return req->json;
    if (req->body.len == 0 && allow_empty) {
        req->json = json_object_new_object();
        return req->json;
    }
    const char *encoding = http_header(req, "Content-Encoding");
    if (!is_json(http_header(req, "Content-Type")) || encoding) {
        http_reply_problem(req, 415, "unsupported_media_type",
                           "the body must be application/json without a content encoding");
        return NULL;
    }
    struct err err = ERR_INIT;
    if (json_parse(req->body.p, req->body.len, &req->json, &err) ||
        json_check_exact(req->body.p, req->body.len, req->json, &err)) {
        http_reply_problem(req, 400, "invalid_request", err.msg);
        return NULL;
    }
    if (!json_object_is_type(req->json, json_type_object)) {
        http_reply_problem(req, 400, "invalid_request", "the body must be a JSON object");
        return NULL;
    }
    return req->json;
}
