/* Connections, so that none is held by sending a request byte by byte: libmicrohttpd's time limit
 * begins anew with each byte. */
#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/server_internal.h"

struct http_conn {
    struct http_conn *prev, *next;
    struct MHD_Connection *connection;
    int64_t since_ms;
    bool reading; /* a request is awaited or coming in since then */
};

static void set_reading(struct http_conn *conn, bool reading)
{
    conn->reading = reading;
    conn->since_ms = clock_mono_ms(&clock_real);
}

static void opened(struct http_server *server, struct MHD_Connection *connection, void **context)
{
    struct http_conn *conn = xcalloc(1, sizeof *conn);
    conn->connection = connection;
    set_reading(conn, true);
    conn->next = server->conns;
    if (conn->next)
        conn->next->prev = conn;
    server->conns = conn;
    *context = conn;
}

static void closed(struct http_server *server, struct http_conn *conn)
{
    if (conn->prev)
        conn->prev->next = conn->next;
    else
        server->conns = conn->next;
    if (conn->next)
        conn->next->prev = conn->prev;
    free(conn);
}

void http_conn_notify(void *cls, struct MHD_Connection *connection, void **context,
                      enum MHD_ConnectionNotificationCode what)
{
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        opened(cls, connection, context);
    } else if (*context) {
        closed(cls, *context);
        *context = NULL;
    }
}

void http_conn_reading(struct MHD_Connection *connection, bool reading)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    if (info && info->socket_context)
        set_reading(info->socket_context, reading);
}

void http_conn_end_slow(struct http_server *server, int64_t max_ms)
{
    int64_t now = clock_mono_ms(&clock_real);
    for (struct http_conn *conn = server->conns; conn; conn = conn->next) {
        if (!conn->reading || now - conn->since_ms <= max_ms)
            continue;
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(conn->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        /* libmicrohttpd sees the end of the stream and does the rest. */
        if (info)
            shutdown(info->connect_fd, SHUT_RDWR);
        conn->reading = false;
        log_debug("http: a request that came in too slowly was ended");
    }
}
