/* GET /archives and GET /archives/{id}: what was saved of ended sessions. An archive is read piece
 * by piece from the keeper, as fast as the client takes it. */
#include <stdlib.h>
#include <string.h>

#include "api/internal.h"
#include "base/log.h"
#include "base/mem.h"

struct download {
    struct api *api;
    struct api_ticket *waiting; /* until the first piece is there */
    http_ticket stream;
    struct identity who;
    char id[SESSION_ID_LEN + 1];
    uint64_t offset;
};

static void download_free(struct download *d)
{
    identity_release(&d->who);
    free(d);
}

static void on_piece(int code, const char *data, size_t len, uint64_t size, const struct err *err,
                     void *payload);

static void ask_piece(struct download *d)
{
    struct session_caller caller = {d->who.provider, d->who.subject, d->who.login};
    session_archive_read(d->api->options.sessions, &caller, d->id, d->offset, on_piece, d);
}

static void on_more(http_ticket ticket, void *payload)
{
    struct download *d = payload;
    (void)ticket;
    if (d->api->ending)
        download_free(d);
    else
        ask_piece(d);
}

static void end(struct download *d, bool ok)
{
    http_stream_end(d->api->server, d->stream, ok);
    download_free(d);
}

/* Takes one piece of an answer that has begun. */
static void pass_on(struct download *d, const char *data, size_t len, uint64_t size)
{
    d->offset += len;
    if (d->offset > size || (len == 0 && d->offset < size)) {
        end(d, false);
        return;
    }
    int rc = http_stream_write(d->api->server, d->stream, data, len);
    if (rc == ERR_NOT_FOUND)
        download_free(d);
    else if (d->offset == size)
        end(d, true);
    else if (rc == 0)
        ask_piece(d);
}

/* False: the request was answered with an error, or is gone. */
static bool begin(struct download *d, int code, uint64_t size, const struct err *err)
{
    struct http_request *req = api_ticket_take(steal(&d->waiting));
    if (!req)
        return false;
    if (code) {
        api_reply_session_err(req, err);
        return false;
    }
    cleanup_free char *name = xasprintf("attachment; filename=\"%s.bundle\"", d->id);
    http_reply_header(req, "Content-Disposition", name);
    d->stream = http_stream_begin(req, 200, "application/octet-stream", size, on_more, d);
    return true;
}

static void on_piece(int code, const char *data, size_t len, uint64_t size, const struct err *err,
                     void *payload)
{
    struct download *d = payload;
    if (d->waiting) {
        if (begin(d, code, size, err))
            pass_on(d, data, len, size);
        else
            download_free(d);
    } else if (code) {
        log_fields(LOG_LEVEL_WARN, "archive cannot be read on", "session", d->id, "why", err->msg,
                   NULL);
        end(d, false);
    } else {
        pass_on(d, data, len, size);
    }
}

void api_archives_list(struct http_request *req, void *payload)
{
    struct api *api = payload;
    struct session_caller caller = api_caller(req);
    session_archives(api->options.sessions, &caller, api_reply_text_later, api_defer(api, req));
}

void api_archive_get(struct http_request *req, void *payload)
{
    struct api *api = payload;
    const char *id = http_path_param(req, "id");
    if (!session_id_is_valid(id)) {
        http_reply_problem(req, 404, "not_found", "no such archive");
        return;
    }
    struct download *d = xcalloc(1, sizeof *d);
    d->api = api;
    memcpy(d->id, id, sizeof d->id);
    identity_copy(http_data(req), &d->who);
    d->waiting = api_defer(api, req);
    ask_piece(d);
}
