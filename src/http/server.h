/*
 * HTTP server on libmicrohttpd (server*.c are its only users), driven by the program's event
 * loop on one thread.
 *
 * A handler either answers before it returns, or calls http_defer and answers later from the loop:
 * the connection is suspended meanwhile. A deferred request is named by a ticket, never by pointer,
 * because the server may have ended it (deadline, shutdown).
 *
 * Limits: HTTP_BODY_MAX or the route's own, HTTP_HEADER_MAX, HTTP_CONNECTIONS_MAX (and per
 * address), HTTP_IDLE_TIMEOUT_S for a silent connection, HTTP_READING_MAX_MS for one that drips,
 * HTTP_DEFER_MAX_MS for a deferred answer.
 * Every answer carries X-Request-Id, Cache-Control: no-store unless set otherwise, and the usual
 * hardening headers.
 */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/str.h"

#define HTTP_BODY_MAX (64 * 1024)
#define HTTP_HEADER_MAX (8 * 1024) /* request line and headers together */
#define HTTP_CONNECTIONS_MAX 1024
#define HTTP_CONNECTIONS_PER_ADDRESS 256
#define HTTP_IDLE_TIMEOUT_S 30
#define HTTP_READING_MAX_MS                                               \
    60000 /* from the end of the answer before to the request's last byte \
           */
#define HTTP_DEFER_MAX_MS 60000
#define HTTP_STREAM_HIGH_WATER (1024 * 1024)
#define HTTP_REQUEST_ID_LEN 20

struct http_server;
struct http_request; /* valid inside a handler and inside http_resume .. answer */

enum http_method { HTTP_GET, HTTP_POST, HTTP_DELETE, HTTP_METHODS };

/* Who may call a route; what it means is decided by the gate. */
enum http_access { HTTP_PUBLIC, HTTP_LOGIN };

struct http_route {
    enum http_method method;
    const char *pattern; /* "/sessions/{id}/kick": {name} is one segment */
    enum http_access access;
    int bucket;      /* rate limit class, for the gate */
    size_t body_max; /* 0: a body that is sent is thrown away; longer than HTTP_BODY_MAX: 413 */
    void (*handler)(struct http_request *req, void *payload);
};

struct http_server_options {
    const char *bind;                       /* numeric address */
    int port;                               /* 0: any, see http_server_port */
    const char *tls_cert_pem, *tls_key_pem; /* texts; NULL: plain HTTP */
    const struct http_route *routes;
    size_t n_routes;
    char *const *cors_origins; /* exact origins; n 0: no CORS */
    size_t n_cors_origins;
    bool trust_forwarded;   /* the last X-Forwarded-For entry is the client's address */
    int64_t reading_max_ms; /* 0: HTTP_READING_MAX_MS (tests) */
    /* Called before a route's handler (and before its body is read, so that nothing expensive
     * happens for strangers). Answers and returns false to end the request there. */
    bool (*gate)(struct http_request *req, const struct http_route *route, void *payload);
    void *payload; /* for gate and handlers */
};

/* Borrows routes until http_server_free. ERR_INVALID: bind is no address, or certificate and key do
 * not serve. */
int http_server_start(struct loop *loop, const struct http_server_options *options,
                      struct http_server **out, struct err *err);
int http_server_port(const struct http_server *server);
/* Stops listening; what is under way may finish. */
void http_server_quiesce(struct http_server *server);
/* Answers deferred requests with 503 and closes everything. NULL is allowed. */
void http_server_free(struct http_server *server);

/* ---- the request; strings are borrowed for its life ---- */

const char *http_path_param(struct http_request *req, const char *name);
const char *http_query(struct http_request *req, const char *name);  /* decoded, NULL when absent */
const char *http_header(struct http_request *req, const char *name); /* NULL when absent */
const char *http_client_address(struct http_request *req);
const char *http_request_id(struct http_request *req);
enum http_method http_request_method(struct http_request *req);
const char *http_request_path(struct http_request *req);

/* The body as a JSON object. On failure the problem has been answered: the handler just returns. An
 * empty body is {} when allow_empty is set. Owned by the request. */
struct json_object *http_body_json(struct http_request *req, bool allow_empty);

/* Something of the upper layer's that lives as long as the request (freed by `free_fn`). */
void http_set_data(struct http_request *req, void *data, void (*free_fn)(void *));
void *http_data(struct http_request *req);

/* ---- answers: exactly one per request ---- */

/* Before the answer; name and value are copied, control bytes refused (BUG). */
void http_reply_header(struct http_request *req, const char *name, const char *value);

/* Takes obj. */
void http_reply_json(struct http_request *req, int status, struct json_object *obj);
/* JSON text that is already there; copied, or taken (text is empty afterwards). */
void http_reply_json_text(struct http_request *req, int status, const char *text, size_t len);
void http_reply_json_take(struct http_request *req, int status, struct str *text);
/* application/problem+json {type, title, status, detail, error}. */
void http_reply_problem(struct http_request *req, int status, const char *word, const char *detail);
void http_reply_problemf(struct http_request *req, int status, const char *word, const char *fmt,
                         ...) __attribute__((format(printf, 4, 5)));
/* Status and word from an error value: ERR_INVALID 400 invalid_request, ERR_UNSUPPORTED 400
 * not_supported, ERR_UNAUTHENTICATED 401, ERR_DENIED 403, ERR_NOT_FOUND 404, ERR_CONFLICT and
 * ERR_EXISTS 409 conflict, ERR_LIMIT 403 quota_exceeded, ERR_UNAVAILABLE 503 unavailable,
 * ERR_TIMEOUT 504 timeout, ERR_NO_SPACE 503 no_space; anything else is 500 with its text in the log
 * only. */
void http_reply_err(struct http_request *req, const struct err *err);

/* ---- later answers ---- */

typedef uint64_t http_ticket; /* never 0 */

http_ticket http_defer(struct http_request *req);
/* The request behind a ticket, to be answered now; NULL when it is gone. */
struct http_request *http_resume(struct http_server *server, http_ticket ticket);

/* ---- long answers, fed from the loop ---- */

#define HTTP_SIZE_UNKNOWN UINT64_MAX

/* Begins an answer of size bytes, or a chunked one (the request may be a resumed one). `more` is
 * called when less than
 * HTTP_STREAM_HIGH_WATER is waiting after it had been full; may be NULL. It is also called when the
 * client leaves meanwhile (http_stream_write then says so). */
http_ticket http_stream_begin(struct http_request *req, int status, const char *content_type,
                              uint64_t size, void (*more)(http_ticket ticket, void *payload),
                              void *payload);
/* ERR_NOT_FOUND: the client is gone. ERR_LIMIT: taken, but wait for `more` before the next. */
int http_stream_write(struct http_server *server, http_ticket ticket, const void *p, size_t n);
/* ok false cuts the connection, so that the client sees a broken answer. */
void http_stream_end(struct http_server *server, http_ticket ticket, bool ok);

#endif
