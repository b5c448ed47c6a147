#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "base/mem.h"
#include "http/server_internal.h"

#define STREAM_BLOCK (64 * 1024)

void http_stream_free(struct http_stream *stream)
{
    if (!stream)
        return;
    str_release(&stream->data);
    free(stream);
}

static void call_more(struct http_request *req)
{
    struct http_stream *s = req->stream;
    if (s->full && s->data.len - s->sent < HTTP_STREAM_HIGH_WATER / 2) {
        s->full = false;
        if (s->more)
            s->more(req->ticket, s->payload);
    }
}

void http_stream_gone(struct http_request *req)
{
    struct http_stream *s = req->stream;
    if (s && s->full && !s->ended && s->more)
        s->more(req->ticket, s->payload);
}

/* libmicrohttpd wants the next bytes. */
static ssize_t read_block(void *cls, uint64_t pos, char *buf, size_t max)
{
    struct http_request *req = cls;
    struct http_stream *s = req->stream;
    (void)pos;
    size_t n = s->data.len - s->sent;
    if (n > max)
        n = max;
    if (n) {
        memcpy(buf, s->data.p + s->sent, n);
        s->sent += n;
        if (s->sent == s->data.len) {
            str_clear(&s->data);
            s->sent = 0;
        }
        call_more(req);
        return (ssize_t)n;
    }
    if (s->ended)
        return s->ok ? MHD_CONTENT_READER_END_OF_STREAM : MHD_CONTENT_READER_END_WITH_ERROR;
    s->waiting = true;
    MHD_suspend_connection(req->connection);
    return 0;
}

http_ticket http_stream_begin(struct http_request *req, int status, const char *content_type,
                              uint64_t size, void (*more)(http_ticket ticket, void *payload),
                              void *payload)
{
    req->stream = xcalloc(1, sizeof *req->stream);
    req->stream->data = (struct str)STR_INIT;
    req->stream->more = more;
    req->stream->payload = payload;
    if (!req->ticket)
        req->ticket = ++req->server->next_ticket;
    struct MHD_Response *r =
        MHD_create_response_from_callback(size, STREAM_BLOCK, read_block, req, NULL);
    http_reply_set(req, status, r, content_type);
    req->state = REQUEST_STREAMING;
    return req->ticket;
}

static struct http_request *find(struct http_server *server, http_ticket ticket)
{
    for (struct http_request *req = server->requests; req; req = req->next)
        if (req->ticket == ticket && req->stream)
            return req;
    return NULL;
}

static void wake(struct http_request *req)
{
    if (!req->stream->waiting)
        return;
    req->stream->waiting = false;
    MHD_resume_connection(req->connection);
    http_server_run_soon(req->server);
}

int http_stream_write(struct http_server *server, http_ticket ticket, const void *p, size_t n)
{
    struct http_request *req = find(server, ticket);
    if (!req)
        return ERR_NOT_FOUND;
    struct http_stream *s = req->stream;
    str_consume(&s->data, s->sent);
    s->sent = 0;
    str_add(&s->data, p, n);
    s->full = s->data.len >= HTTP_STREAM_HIGH_WATER;
    bool full = s->full;
    wake(req);
    return full ? ERR_LIMIT : 0;
}

void http_stream_end(struct http_server *server, http_ticket ticket, bool ok)
{
    struct http_request *req = find(server, ticket);
    if (!req)
        return;
    req->stream->ended = true;
    req->stream->ok = ok;
    wake(req);
}
