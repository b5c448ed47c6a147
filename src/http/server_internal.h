/* What the files of the HTTP server share. Private to src/http/server*.c. */
#ifndef HTTP_SERVER_INTERNAL_H
#define HTTP_SERVER_INTERNAL_H

#include <microhttpd.h>
#include <netinet/in.h>

#include "http/route.h"
#include "http/server.h"

#define HTTP_DRAIN_MAX                                                        \
    (1024 * 1024) /* of a body nobody wants: less is read, more cuts the line \
                   */

enum request_state {
    REQUEST_READING,   /* headers and body are coming in */
    REQUEST_RUNNING,   /* inside its handler */
    REQUEST_DEFERRED,  /* suspended, waiting for an answer */
    REQUEST_ANSWERED,  /* response is set, libmicrohttpd has it or will get it */
    REQUEST_STREAMING, /* answered, data is still coming */
};

struct http_stream {
    struct str data;
    size_t sent;  /* of data */
    bool full;    /* the writer waits for `more` */
    bool waiting; /* the connection is suspended for want of data */
    bool ended;
    bool ok;
    void (*more)(http_ticket ticket, void *payload);
    void *payload;
};

struct http_request {
    struct http_server *server;
    struct MHD_Connection *connection;
    enum request_state state;
    http_ticket ticket;
    int64_t started_ms;
    int64_t deadline_ms;              /* while deferred */
    struct http_request *prev, *next; /* in the server's list */

    char id[HTTP_REQUEST_ID_LEN + 1];
    char address[INET6_ADDRSTRLEN];
    char *path; /* decoded */
    enum http_method method;
    const char *method_name; /* as sent, borrowed */
    struct route_match match;
    bool malformed; /* the request target */
    bool endless;   /* nobody can say where its body ends */
    bool begun;     /* headers have been looked at */

    struct str body;
    size_t body_seen;
    struct json_object *json;
    void *data;
    void (*data_free)(void *);

    struct strv headers; /* name, value, name, ... */
    struct MHD_Response *response;
    int status;
    bool queued;
    struct http_stream *stream;
};

struct http_conn;

struct http_server {
    struct loop *loop;
    struct http_server_options options;
    struct strv cors;
    struct MHD_Daemon *daemon;
    struct loop_watch *watch, *tick, *again;
    struct http_request *requests;
    struct http_conn *conns;
    int port;
    bool tls;
    bool running;                            /* inside MHD_run */
    char id_prefix[HTTP_REQUEST_ID_LEN - 7]; /* 12 digits and NUL */
    uint32_t id_counter;
    uint64_t next_ticket;
};

/* Lets libmicrohttpd work after what runs now has returned: its callers still hold requests, and a
 * resumed connection does not wake the epoll descriptor. */
void http_server_run_soon(struct http_server *server);
/* Ends the suspension of a request whose answer is there. */
void http_request_wake(struct http_request *req);

/* server_request.c */
bool http_request_target_ok(const char *raw);
/* Borrowed from target, which may be in absolute form. */
const char *http_request_path_of(const char *target);
/* One Host, one way to say where the body ends, no parameter twice; else a problem is answered. */
bool http_request_framing_ok(struct http_request *req, const char *version);
bool http_request_query_ok(struct http_request *req);
void http_request_set_address(struct http_request *req);
void http_request_free(struct http_request *req);

/* server_reply.c */
/* Gives the response to libmicrohttpd; MHD_NO closes the connection. */
enum MHD_Result http_reply_queue(struct http_request *req);
void http_reply_set(struct http_request *req, int status, struct MHD_Response *response,
                    const char *content_type);
/* Answer to OPTIONS. */
void http_reply_options(struct http_request *req);

/* server_conn.c */
void http_conn_notify(void *cls, struct MHD_Connection *connection, void **context,
                      enum MHD_ConnectionNotificationCode what);
/* Whether the client has to send now (from here on the clock runs) or we have. */
void http_conn_reading(struct MHD_Connection *connection, bool reading);
/* Ends connections whose request has not come in whole within max_ms. */
void http_conn_end_slow(struct http_server *server, int64_t max_ms);

/* server_stream.c */
/* The client has left: a writer that waits is told. */
void http_stream_gone(struct http_request *req);
void http_stream_free(struct http_stream *stream);

#endif
