#include <stdlib.h>
#include <string.h>

#include "base/url.h"
#include "engine/errors.h"
#include "engine/rest/rest_internal.h"

static struct http_client *take_client(struct rest *r)
{
    struct http_client *client = NULL;
    pthread_mutex_lock(&r->lock);
    if (r->n_idle)
        client = r->idle[--r->n_idle];
    pthread_mutex_unlock(&r->lock);
    return client;
}

static void give_back(struct rest *r, struct http_client *client)
{
    pthread_mutex_lock(&r->lock);
    if (r->n_idle < REST_IDLE_MAX) {
        r->idle[r->n_idle++] = client;
        client = NULL;
    }
    pthread_mutex_unlock(&r->lock);
    http_client_free(client);
}

static void make_url(const struct rest_call *call, struct str *url)
{
    str_addf(url, "http://engine/v1.41%s", call->path);
}

void rest_add_path(struct str *path, const char *kind, const char *name, const char *suffix)
{
    str_addf(path, "/%s/", kind);
    url_encode(path, name, strlen(name));
    str_adds(path, suffix);
}

static int perform(struct rest *r, struct http_client *client, const struct rest_call *call,
                   struct http_response *res, struct err *err)
{
    cleanup_str struct str url = STR_INIT;
    make_url(call, &url);
    struct http_request req = {
        .method = call->method,
        .url = url.p,
        .json = call->json,
        .body = call->tar,
        .body_len = call->tar_len,
        /* With any other type both engines answer 200 and unpack nothing. */
        .content_type = call->tar ? "application/x-tar" : NULL,
        .connect_timeout_ms = REST_CONNECT_TIMEOUT_MS,
        .timeout_ms = r->timeout_ms + call->extra_ms,
        .max_body = ENGINE_ANSWER_MAX,
    };
    int rc = http_perform(client, &req, res, err);
    if (rc < 0 && err)
        err_wrap(err, "%s", call->what);
    return rc;
}

int rest_call(struct rest *r, const struct rest_call *call, struct json_object **out, long *status,
              struct err *err)
{
    struct http_client *client = take_client(r);
    int rc = 0;
    if (!client)
        rc = http_client_new(&(struct http_options){.unix_socket = r->socket}, &client, err);
    if (rc < 0)
        return rc;
    cleanup_http_response struct http_response res = HTTP_RESPONSE_INIT;
    rc = perform(r, client, call, &res, err);
    if (status)
        *status = res.status;
    if (call->libpod)
        *call->libpod = http_response_header(&res, "libpod-api-version") != NULL;
    /* A connection that broke is not kept. */
    if (rc < 0)
        http_client_free(client);
    else
        give_back(r, client);
    if (rc < 0)
        return rc;
    if ((res.status < 200 || res.status >= 300) && res.status != 304)
        return engine_error(res.status, res.body.p, res.body.len, call->what, err);
    if (!out)
        return 0;
    *out = NULL;
    /* Nothing at all: curl takes an answer whose header is cut off for a complete one. */
    if (!res.body.len || json_parse(res.body.p, res.body.len, out, NULL) < 0)
        return err_set(err, ERR_UNAVAILABLE, "%s: the engine's answer is not JSON", call->what);
    return 0;
}

int rest_hijack(struct rest *r, const struct rest_call *call, int *fd, struct err *err)
{
    cleanup_str struct str url = STR_INIT;
    make_url(call, &url);
    struct http_request req = {
        .method = call->method,
        .url = url.p,
        .json = call->json,
        .connect_timeout_ms = REST_CONNECT_TIMEOUT_MS,
        .timeout_ms = r->timeout_ms,
    };
    cleanup_http_response struct http_response res = HTTP_RESPONSE_INIT;
    int rc = http_upgrade(&(struct http_options){.unix_socket = r->socket}, &req, &res, fd, err);
    if (rc < 0 && err)
        err_wrap(err, "%s", call->what);
    if (rc < 0)
        return rc;
    if (*fd < 0)
        return engine_error(res.status, res.body.p, res.body.len, call->what, err);
    return 0;
}

int rest_answer_error(const char *what, const struct err *read, struct err *err)
{
    return err_set(err, ERR_FAILED, "%s: the engine's answer is not understood: %.200s", what,
                   read->msg);
}
