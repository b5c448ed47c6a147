#include "engine/rest.h"

#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "engine/rest/rest_internal.h"

static void rest_free(void *self)
{
    struct rest *r = self;
    for (size_t i = 0; i < r->n_idle; i++)
        http_client_free(r->idle[i]);
    strv_release(&r->dialect.default_caps);
    pthread_mutex_destroy(&r->lock);
    free(r->socket);
    free(r);
}

static const struct engine_ops rest_ops = {
    .ping = rest_ping,
    .info = rest_info,
    .image_inspect = rest_image_inspect,
    .network_create = rest_network_create,
    .network_remove = rest_network_remove,
    .volume_create = rest_volume_create,
    .volume_remove = rest_volume_remove,
    .container_create = rest_container_create,
    .container_inspect = rest_container_inspect,
    .container_start = rest_container_start,
    .container_stop = rest_container_stop,
    .container_kill = rest_container_kill,
    .container_remove = rest_container_remove,
    .archive_put = rest_archive_put,
    .attach = rest_attach,
    .exec = rest_exec,
    .exec_status = rest_exec_status,
    .list = rest_list,
    .free = rest_free,
};

int engine_rest_new(const struct engine_rest_options *options, struct engine *out, struct err *err)
{
    if (strlen(options->socket) >= sizeof((struct sockaddr_un *)0)->sun_path)
        return err_set(err, ERR_INVALID, "the engine's socket path is too long: %s",
                       options->socket);
    struct rest *r = xcalloc(1, sizeof *r);
    r->socket = xstrdup(options->socket);
    r->timeout_ms = options->timeout_ms ? options->timeout_ms : REST_TIMEOUT_MS;
    pthread_mutex_init(&r->lock, NULL);
    /* Made now, not with the first request: curl's start goes through much of the TLS library,
     * which belongs to what a server does before it serves. */
    int rc = http_client_new(&(struct http_options){.unix_socket = r->socket}, &r->idle[0], err);
    if (rc < 0) {
        rest_free(r);
        return rc;
    }
    r->n_idle = 1;
    out->ops = &rest_ops;
    out->self = r;
    return 0;
}
