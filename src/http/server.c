#include "http/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/enc.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "http/server_internal.h"

#define BACKLOG 511
/* Of a connection: headers well over HTTP_HEADER_MAX, so that it is us who refuse them, parsed, and
 * the answer's head. libmicrohttpd clears all of it before each request. */
#define POOL_SIZE (32 * 1024)
#define TICK_MS 1000
#define RUN_ROUNDS 64

/* ---- one request ---- */

static void set_request_id(struct http_server *server, char id[HTTP_REQUEST_ID_LEN + 1])
{
    size_t n = sizeof server->id_prefix - 1;
    memcpy(id, server->id_prefix, n);
    uint32_t v = server->id_counter++;
    for (size_t i = HTTP_REQUEST_ID_LEN; i > n; v >>= 4)
        id[--i] = "0123456789abcdef"[v & 15];
    id[HTTP_REQUEST_ID_LEN] = '\0';
}

static struct http_request *request_new(struct http_server *server, struct MHD_Connection *c)
{
    struct http_request *req = xcalloc(1, sizeof *req);
    req->server = server;
    req->connection = c;
    req->body = (struct str)STR_INIT;
    req->headers = (struct strv)STRV_INIT;
    req->started_ms = clock_mono_ms(&clock_real);
    set_request_id(server, req->id);
    req->next = server->requests;
    if (req->next)
        req->next->prev = req;
    server->requests = req;
    return req;
}

/* First callback for a request: nothing but the raw target is known. */
static void *on_target(void *cls, const char *target, struct MHD_Connection *connection)
{
    struct http_request *req = request_new(cls, connection);
    req->malformed = !http_request_target_ok(target);
    return req;
}

static void log_request(const struct http_request *req)
{
    char status[16], ms[24];
    enum log_level level = LOG_LEVEL_DEBUG;
    if (req->status >= 500)
        level = LOG_LEVEL_WARN;
    else if (req->method != HTTP_GET)
        level = LOG_LEVEL_INFO;
    if (!log_enabled(level))
        return;
    snprintf(status, sizeof status, "%d", req->status);
    snprintf(ms, sizeof ms, "%lld", (long long)(clock_mono_ms(&clock_real) - req->started_ms));
    log_fields(level, "request", "id", req->id, "from", req->address, "method",
               http_method_name(req->method), "path", req->path, "status", status, "ms", ms, NULL);
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **con_cls,
                         enum MHD_RequestTerminationCode why)
{
    struct http_server *server = cls;
    struct http_request *req = *con_cls;
    (void)why;
    if (!req)
        return;
    *con_cls = NULL;
    http_conn_reading(connection, true);
    if (req->prev)
        req->prev->next = req->next;
    else
        server->requests = req->next;
    if (req->next)
        req->next->prev = req->prev;
    if (req->begun)
        log_request(req);
    http_stream_gone(req);
    http_request_free(req);
}

static size_t content_length(struct http_request *req)
{
    const char *text = http_header(req, "Content-Length");
    uint64_t n = 0;
    if (!text || num_parse_u64(text, strlen(text), 0, UINT64_MAX, &n, NULL))
        return 0;
    return n > SIZE_MAX ? SIZE_MAX : (size_t)n;
}

static size_t header_size(struct http_request *req)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(req->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    return info ? info->header_size : 0;
}

/* Everything that can be said without the body. */
static void judge_head(struct http_request *req, const char *version, size_t length)
{
    const struct http_server_options *o = &req->server->options;
    if (header_size(req) > HTTP_HEADER_MAX) {
        http_reply_problem(req, 431, "invalid_request", "the headers are too long");
        return;
    }
    if (req->malformed) {
        http_reply_problem(req, 400, "invalid_request", "the request target is malformed");
        return;
    }
    if (!http_request_framing_ok(req, version) || !http_request_query_ok(req))
        return;
    if (req->match.allowed == 0) {
        http_reply_problem(req, 404, "not_found", "there is no such resource");
        return;
    }
    if (strcmp(req->method_name, "OPTIONS") == 0) {
        http_reply_options(req);
        return;
    }
    if (!req->match.route) {
        cleanup_str struct str allow = STR_INIT;
        route_allow(req->match.allowed, &allow);
        http_reply_header(req, "Allow", allow.p);
        http_reply_problemf(req, 405, "method_not_allowed", "this resource takes %s", allow.p);
        return;
    }
    if (length > HTTP_BODY_MAX) {
        http_reply_problem(req, 413, "too_large", "the body is longer than 65536 bytes");
        return;
    }
    if (o->gate && !o->gate(req, req->match.route, o->payload))
        BUG_ON(!req->response);
}

static enum MHD_Result begin(struct http_request *req, const char *target, const char *method,
                             const char *version)
{
    req->begun = true;
    const char *path = http_request_path_of(target);
    req->path = xstrdup(path);
    req->method_name = method;
    req->method = http_method_parse(method);
    http_request_set_address(req);
    route_find(req->server->options.routes, req->server->options.n_routes, req->method, path,
               &req->match);
    size_t length = content_length(req);
    judge_head(req, version, length);
    /* A small unwanted body is read to its end, so that the client gets to see the answer; of one
     * without a clear end nothing may be read. */
    if (req->response && (length > HTTP_DRAIN_MAX || req->endless)) {
        http_conn_reading(req->connection, false);
        return http_reply_queue(req);
    }
    return MHD_YES;
}

static enum MHD_Result take_body(struct http_request *req, const char *data, size_t *size)
{
    req->body_seen += *size;
    if (req->body_seen > HTTP_DRAIN_MAX)
        return MHD_NO;
    if (!req->response && req->body_seen > HTTP_BODY_MAX)
        http_reply_problem(req, 413, "too_large", "the body is longer than 65536 bytes");
    if (!req->response && req->match.route->body_max) {
        if (req->body_seen > req->match.route->body_max)
            http_reply_problemf(req, 413, "too_large", "the body is longer than %zu bytes",
                                req->match.route->body_max);
        else
            str_add(&req->body, data, *size);
    }
    *size = 0;
    return MHD_YES;
}

static enum MHD_Result finish(struct http_request *req)
{
    http_conn_reading(req->connection, false);
    if (!req->response) {
        const struct http_server_options *o = &req->server->options;
        req->state = REQUEST_RUNNING;
        req->match.route->handler(req, o->payload);
        if (req->state == REQUEST_DEFERRED && !req->response) {
            MHD_suspend_connection(req->connection);
            return MHD_YES;
        }
    }
    return http_reply_queue(req);
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *data,
                                  size_t *size, void **con_cls)
{
    struct http_request *req = *con_cls;
    (void)cls;
    (void)connection;
    if (!req->begun)
        return begin(req, path, method, version);
    if (*size)
        return take_body(req, data, size);
    if (req->queued)
        return MHD_YES;
    return finish(req);
}

static void on_again(void *payload);

void http_server_run_soon(struct http_server *server)
{
    if (!server->again)
        server->again = loop_add_timer(server->loop, 0, false, on_again, server);
}

/* ---- later answers ---- */

http_ticket http_defer(struct http_request *req)
{
    BUG_ON(req->state != REQUEST_RUNNING);
    req->state = REQUEST_DEFERRED;
    req->ticket = ++req->server->next_ticket;
    req->deadline_ms = clock_mono_ms(&clock_real) + HTTP_DEFER_MAX_MS;
    return req->ticket;
}

struct http_request *http_resume(struct http_server *server, http_ticket ticket)
{
    for (struct http_request *req = server->requests; req; req = req->next)
        if (req->ticket == ticket && req->state == REQUEST_DEFERRED)
            return req;
    return NULL;
}

void http_request_wake(struct http_request *req)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(req->connection, MHD_CONNECTION_INFO_CONNECTION_SUSPENDED);
    /* An answer from inside the handler that deferred: nothing is suspended yet. */
    if (!info || info->suspended == MHD_NO)
        return;
    MHD_resume_connection(req->connection);
    http_server_run_soon(req->server);
}

static void end_deferred(struct http_server *server, int64_t now, int status, const char *word,
                         const char *detail)
{
    for (struct http_request *req = server->requests; req; req = req->next)
        if (req->state == REQUEST_DEFERRED && req->deadline_ms <= now)
            http_reply_problem(req, status, word, detail);
}

/* ---- the loop ---- */

static void run(struct http_server *server)
{
    MHD_UNSIGNED_LONG_LONG wait = 0;
    int rounds = RUN_ROUNDS;
    do
        MHD_run(server->daemon);
    while (--rounds && MHD_get_timeout(server->daemon, &wait) == MHD_YES && wait == 0);
    if (rounds == 0)
        http_server_run_soon(server);
}

static void on_again(void *payload)
{
    struct http_server *server = payload;
    server->again = NULL;
    run(server);
}

static void on_readable(int fd, uint32_t events, void *payload)
{
    (void)fd;
    (void)events;
    run(payload);
}

static void on_tick(void *payload)
{
    struct http_server *server = payload;
    end_deferred(server, clock_mono_ms(&clock_real), 504, "timeout", "no answer came in time");
    http_conn_end_slow(server, server->options.reading_max_ms);
    run(server);
}

/* ---- life ---- */

static int open_socket(const char *address, int port, struct err *err)
{
    struct sockaddr_storage ss = {0};
    socklen_t len;
    if (strchr(address, ':')) {
        struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)&ss;
        sin6->sin6_family = AF_INET6;
        sin6->sin6_port = htons((uint16_t)port);
        len = sizeof *sin6;
        if (inet_pton(AF_INET6, address, &sin6->sin6_addr) != 1)
            return err_set(err, ERR_INVALID, "%s is not a numeric address", address);
    } else {
        struct sockaddr_in *sin = (struct sockaddr_in *)&ss;
        sin->sin_family = AF_INET;
        sin->sin_port = htons((uint16_t)port);
        len = sizeof *sin;
        if (inet_pton(AF_INET, address, &sin->sin_addr) != 1)
            return err_set(err, ERR_INVALID, "%s is not a numeric address", address);
    }
    cleanup_close int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_errno(err, "socket");
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&ss, len) || listen(fd, BACKLOG))
        return err_errno(err, "cannot listen on %s port %d", address, port);
    return steal_fd(&fd);
}

static int bound_port(int fd)
{
    struct sockaddr_storage ss = {0};
    socklen_t len = sizeof ss;
    if (getsockname(fd, (struct sockaddr *)&ss, &len))
        return 0;
    return ss.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&ss)->sin6_port)
                                    : ntohs(((struct sockaddr_in *)&ss)->sin_port);
}

__attribute__((format(printf, 2, 0))) static void on_mhd_log(void *cls, const char *fmt, va_list ap)
{
    char line[512];
    (void)cls;
    vsnprintf(line, sizeof line, fmt, ap);
    size_t n = strlen(line);
    if (n && line[n - 1] == '\n')
        line[n - 1] = '\0';
    log_debug("http: %s", line);
}

static struct MHD_Daemon *start_daemon(struct http_server *s, int fd)
{
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)s->options.tls_key_pem},
        {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)s->options.tls_cert_pem},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (char[]){"NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"}},
        {MHD_OPTION_END, 0, NULL},
    };
    if (s->tls)
        flags |= MHD_USE_TLS;
    else
        tls[0].option = MHD_OPTION_END;
    return MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, s, MHD_OPTION_EXTERNAL_LOGGER, on_mhd_log, NULL,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)HTTP_CONNECTIONS_MAX,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)HTTP_CONNECTIONS_PER_ADDRESS,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)HTTP_IDLE_TIMEOUT_S,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)POOL_SIZE, MHD_OPTION_STRICT_FOR_CLIENT, 0,
        MHD_OPTION_URI_LOG_CALLBACK, on_target, s, MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
        MHD_OPTION_NOTIFY_CONNECTION, http_conn_notify, s, MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
}

static void set_id_prefix(struct http_server *s)
{
    unsigned char raw[6];
    cleanup_str struct str hex = STR_INIT;
    rnd_bytes(raw, sizeof raw);
    enc_hex(&hex, raw, sizeof raw);
    memcpy(s->id_prefix, hex.p, sizeof s->id_prefix);
}

int http_server_start(struct loop *loop, const struct http_server_options *options,
                      struct http_server **out, struct err *err)
{
    cleanup_close int fd = open_socket(options->bind, options->port, err);
    if (fd < 0)
        return fd;
    struct http_server *s = xcalloc(1, sizeof *s);
    s->loop = loop;
    s->options = *options;
    if (s->options.reading_max_ms == 0)
        s->options.reading_max_ms = HTTP_READING_MAX_MS;
    s->tls = options->tls_cert_pem != NULL;
    s->cors = (struct strv)STRV_INIT;
    for (size_t i = 0; i < options->n_cors_origins; i++)
        strv_push(&s->cors, options->cors_origins[i]);
    set_id_prefix(s);
    s->port = bound_port(fd);
    s->daemon = start_daemon(s, fd);
    const union MHD_DaemonInfo *info =
        s->daemon ? MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
    if (!info) {
        http_server_free(s);
        if (options->tls_cert_pem)
            return err_set(err, ERR_INVALID, "certificate and key cannot be used, or are no pair");
        return err_set(err, ERR_FAILED, "cannot start the HTTP server");
    }
    steal_fd(&fd);
    s->watch = loop_add_fd(loop, info->epoll_fd, EPOLLIN, on_readable, s);
    s->tick = loop_add_timer(loop, TICK_MS, true, on_tick, s);
    *out = s;
    return 0;
}

int http_server_port(const struct http_server *server)
{
    return server->port;
}

void http_server_quiesce(struct http_server *server)
{
    int fd = MHD_quiesce_daemon(server->daemon);
    if (fd >= 0)
        close(fd);
}

/* libmicrohttpd must not be stopped while a connection is suspended. */
static void resume_streams(struct http_server *server)
{
    for (struct http_request *req = server->requests; req; req = req->next)
        if (req->stream && req->stream->waiting) {
            req->stream->waiting = false;
            req->stream->ended = true;
            req->stream->ok = false;
            MHD_resume_connection(req->connection);
        }
}

void http_server_free(struct http_server *server)
{
    if (!server)
        return;
    loop_remove(server->watch);
    loop_remove(server->tick);
    if (server->daemon) {
        end_deferred(server, INT64_MAX, 503, "unavailable", "the server is stopping");
        resume_streams(server);
        for (int i = 0; i < RUN_ROUNDS; i++)
            MHD_run(server->daemon);
        MHD_stop_daemon(server->daemon);
    }
    loop_remove(server->again);
    strv_release(&server->cors);
    free(server);
}
