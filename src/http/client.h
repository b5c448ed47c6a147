/*
 * HTTP client: the only user of libcurl. http://, https:// and HTTP over a unix socket.
 *
 * A client is one handle with its kept-alive connection. It belongs to one thread at a time; make
 * one per thread or hand it around under a lock. Every request has a connect and a total time limit
 * and a maximum for the body, counted as it arrives. Redirects are off unless asked for, TLS is
 * always verified, protocols other than http(s) do not exist here. Retrying is the caller's
 * decision: `sent` tells whether the other side can have seen the request.
 *
 *     cleanup_http_client struct http_client *c = NULL;
 *     http_client_new(&(struct http_options){0}, &c, err);
 *     cleanup_http_response struct http_response res = HTTP_RESPONSE_INIT;
 *     struct http_request req = {.method = "POST", .url = url, .json = obj, .bearer = jwt};
 *     if (http_perform(c, &req, &res, err)) ...
 *     if (res.status == 200) ...
 *
 * Errors of http_perform are those of transport only; an answer with any status is success.
 *   ERR_UNAVAILABLE  not reachable, or the connection broke (see `sent`)
 *   ERR_TIMEOUT      no complete answer in time: the outcome is unknown
 *   ERR_LIMIT        body or headers larger than the maximum
 *   ERR_DENIED       the other side's certificate was not accepted
 *   ERR_INVALID      not a URL that is taken here
 * Messages name the URL's host or socket, never headers, query or body.
 */
#ifndef HTTP_CLIENT_H
#define HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"

#define HTTP_CONNECT_TIMEOUT_MS 10000 /* when a request says 0 */
#define HTTP_TIMEOUT_MS 30000         /* when a request says 0 */
#define HTTP_ANSWER_MAX (1024 * 1024) /* when a request says 0 */
#define HTTP_HEADERS_MAX (64 * 1024)  /* all headers of one answer together */
#define HTTP_UPGRADE_HEAD_MAX (8 * 1024)
#define HTTP_NO_TIMEOUT (-1)

struct http_client;

/* Strings are copied. */
struct http_options {
    const char *unix_socket; /* connect there whatever the URL's host says; NULL: by the URL */
    const char *user_agent;  /* NULL: "SteadyState/<version>" */
    const char *ca_file;     /* further trust anchors instead of the system's; NULL: the system's */
    bool https_only;         /* refuse http:// (never with unix_socket) */
};

int http_client_new(const struct http_options *options, struct http_client **out, struct err *err);
void http_client_free(struct http_client *client);
void cleanup_http_clientp(struct http_client **client);
#define cleanup_http_client cleanup(cleanup_http_clientp)

/* Takes the next piece of the answer's body; a negative code ends the transfer and is returned. The
 * response's status and headers are there already. */
typedef int (*http_sink_fn)(const char *p, size_t n, void *payload, struct err *err);
/* Gives up to n bytes of the request's body into p: their number, 0 at the end, negative code. */
typedef long (*http_source_fn)(char *p, size_t n, void *payload, struct err *err);

/* All members are borrowed for the call. At most one of json, body and source is set. */
struct http_request {
    const char *method; /* NULL: "GET" */
    const char *url;
    const char *bearer;         /* "Authorization: Bearer <this>"; a secret */
    const char *const *headers; /* NULL-terminated "Name: value"; NULL: none */

    struct json_object *json; /* sent as application/json */
    const void *body;
    size_t body_len;
    const char *content_type; /* of body or source; NULL: application/octet-stream */
    http_source_fn source;    /* sent chunked, or with source_len when that is known */
    int64_t source_len;       /* with source: bytes, 0: not known */
    void *source_payload;

    http_sink_fn sink; /* NULL: the body is collected in the response */
    void *sink_payload;

    int connect_timeout_ms; /* 0: HTTP_CONNECT_TIMEOUT_MS */
    int timeout_ms;         /* 0: HTTP_TIMEOUT_MS; HTTP_NO_TIMEOUT */
    uint64_t max_body;      /* 0: HTTP_ANSWER_MAX; also counted for a sink */
    int max_redirects;      /* 0: a redirect is an answer like any other */
};

struct http_response {
    long status;         /* 0 when there was no answer */
    bool sent;           /* the request may have reached the other side */
    struct strv headers; /* "name: value", names in lower case, of the last answer */
    struct str body;
};
#define HTTP_RESPONSE_INIT            \
    {                                 \
        0, false, STRV_INIT, STR_INIT \
    }
void http_response_release(struct http_response *res);
#define cleanup_http_response cleanup(http_response_release)

/* *res is emptied first. */
int http_perform(struct http_client *client, const struct http_request *req,
                 struct http_response *res, struct err *err);

/* Value of the first header of that name (given in lower case), or NULL; borrowed. */
const char *http_response_header(const struct http_response *res, const char *name);
/* A 403 or 429 that only means "not so fast", as GitHub and GitLab put it: nothing remaining, a
 * time to wait, or (GitHub's secondary limit) nothing but the words. */
bool http_response_is_rate_limit(const struct http_response *res);
/* The body as JSON: ERR_INVALID when it is none. */
int http_response_json(const struct http_response *res, struct json_object **out, struct err *err);

/* Appends "name=value" with both encoded, "&" in front unless form is empty: bodies of
 * application/x-www-form-urlencoded and queries. A NULL value adds nothing. */
void http_form_add(struct str *form, const char *name, const char *value);

/*
 * Sends the request with "Connection: Upgrade, Upgrade: tcp" on a connection of its own and gives
 * out the raw socket after "101" (or a "200" without length, which old engines send): the bytes
 * behind the header are all still unread in *fd, which is non-blocking and the caller's. Any other
 * answer: returns 0 with *fd = -1, and res as from http_perform. Not for https. json or body of the
 * request only. timeout_ms counts until the header is complete.
 */
int http_upgrade(const struct http_options *options, const struct http_request *req,
                 struct http_response *res, int *fd, struct err *err);

#endif
