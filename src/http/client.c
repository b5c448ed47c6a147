#include "http/client.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/url.h"
#include "http/client_internal.h"

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

/* curl_easy_init would do it too, but not safely from two threads. */
static void curl_setup(void)
{
    BUG_ON(curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK);
}

int http_client_new(const struct http_options *options, struct http_client **out, struct err *err)
{
    pthread_once(&curl_once, curl_setup);
    struct http_client *c = xcalloc(1, sizeof *c);
    c->curl = curl_easy_init();
    if (!c->curl) {
        free(c);
        return err_set(err, ERR_FAILED, "cannot set up an HTTP client");
    }
    if (options->unix_socket)
        c->unix_socket = xstrdup(options->unix_socket);
    if (options->ca_file)
        c->ca_file = xstrdup(options->ca_file);
    c->user_agent =
        xstrdup(options->user_agent ? options->user_agent : "SteadyState/" STEADYSTATE_VERSION);
    c->https_only = options->https_only;
    *out = c;
    return 0;
}

void http_client_free(struct http_client *c)
{
    if (!c)
        return;
    curl_easy_cleanup(c->curl);
    free(c->unix_socket);
    free(c->ca_file);
    free(c->user_agent);
    free(c);
}

void cleanup_http_clientp(struct http_client **client)
{
    http_client_free(*client);
}

void http_response_release(struct http_response *res)
{
    strv_release(&res->headers);
    str_release(&res->body);
    *res = (struct http_response)HTTP_RESPONSE_INIT;
}

const char *http_response_header(const struct http_response *res, const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < res->headers.len; i++)
        if (strncmp(res->headers.v[i], name, n) == 0 && res->headers.v[i][n] == ':')
            return res->headers.v[i] + n + (res->headers.v[i][n + 1] == ' ' ? 2 : 1);
    return NULL;
}

bool http_response_is_rate_limit(const struct http_response *res)
{
    const char *remaining = http_response_header(res, "x-ratelimit-remaining");
    return res->status == 429 ||
           (res->status == 403 &&
            ((remaining && strcmp(remaining, "0") == 0) ||
             http_response_header(res, "retry-after") ||
             (res->body.len && memmem(res->body.p, res->body.len, "rate limit", 10))));
}

int http_response_json(const struct http_response *res, struct json_object **out, struct err *err)
{
    if (json_parse(res->body.p, res->body.len, out, NULL) < 0)
        return err_set(err, ERR_INVALID, "the answer is not JSON");
    return 0;
}

void http_form_add(struct str *form, const char *name, const char *value)
{
    if (!value)
        return;
    if (form->len)
        str_addc(form, '&');
    url_encode(form, name, strlen(name));
    str_addc(form, '=');
    url_encode(form, value, strlen(value));
}

/* --- one transfer -------------------------------------------------------------------------- */

struct transfer {
    struct http_client *client;
    const struct http_request *req;
    struct http_response *res;
    uint64_t max_body;
    uint64_t received;
    size_t header_bytes;
    struct err *err;
    struct err callback; /* first failure inside a callback */
};

static size_t on_body(char *p, size_t size, size_t n, void *payload)
{
    struct transfer *t = payload;
    n *= size;
    if (n > t->max_body - t->received) {
        err_set(&t->callback, ERR_LIMIT, "the answer is larger than %llu bytes",
                (unsigned long long)t->max_body);
        return CURL_WRITEFUNC_ERROR;
    }
    t->received += n;
    if (!t->req->sink) {
        str_add(&t->res->body, p, n);
        return n;
    }
    curl_easy_getinfo(t->client->curl, CURLINFO_RESPONSE_CODE, &t->res->status);
    int rc = t->req->sink(p, n, t->req->sink_payload, &t->callback);
    if (rc < 0) {
        err_set(&t->callback, rc, "the transfer was given up");
        return CURL_WRITEFUNC_ERROR;
    }
    return n;
}

static size_t on_header(char *p, size_t size, size_t n, void *payload)
{
    struct transfer *t = payload;
    n *= size;
    t->header_bytes += n;
    if (t->header_bytes > HTTP_HEADERS_MAX) {
        err_set(&t->callback, ERR_LIMIT, "the answer's headers are larger than %d bytes",
                HTTP_HEADERS_MAX);
        return CURL_WRITEFUNC_ERROR;
    }
    if (n >= 5 && memcmp(p, "HTTP/", 5) == 0)
        strv_release(&t->res->headers); /* a redirect or 100 Continue came before */
    else
        http_add_header(&t->res->headers, p, n);
    return n;
}

static size_t on_source(char *p, size_t size, size_t n, void *payload)
{
    struct transfer *t = payload;
    long got = t->req->source(p, size * n, t->req->source_payload, &t->callback);
    if (got < 0) {
        err_set(&t->callback, (int)got, "the upload was given up");
        return CURL_READFUNC_ABORT;
    }
    return (size_t)got;
}

void http_add_header(struct strv *headers, const char *p, size_t n)
{
    while (n && (p[n - 1] == '\r' || p[n - 1] == '\n' || p[n - 1] == ' '))
        n--;
    const char *colon = memchr(p, ':', n);
    if (!colon)
        return;
    char *line = xstrndup(p, n);
    for (size_t i = 0; i < (size_t)(colon - p) && line[i]; i++)
        if (line[i] >= 'A' && line[i] <= 'Z')
            line[i] = (char)(line[i] - 'A' + 'a');
    strv_push_take(headers, line);
}

static void slist_add(struct curl_slist **list, const char *line)
{
    struct curl_slist *grown = curl_slist_append(*list, line);
    BUG_ON(!grown);
    *list = grown;
}

/* curl copies each line, the bearer among them. */
static void slist_free_secret(struct curl_slist *list)
{
    for (struct curl_slist *l = list; l; l = l->next)
        mem_wipe(l->data, strlen(l->data));
    curl_slist_free_all(list);
}

static bool has_line_break(const char *s)
{
    return strpbrk(s, "\r\n") != NULL;
}

static int make_headers(const struct http_request *req, struct curl_slist **list, struct err *err)
{
    cleanup_str_secret struct str line = STR_INIT;
    if (req->json || req->body || req->source) {
        str_addf(&line, "Content-Type: %s",
                 req->json           ? "application/json"
                 : req->content_type ? req->content_type
                                     : "application/octet-stream");
        slist_add(list, line.p);
    }
    /* A peer that does not answer it would cost a second. */
    slist_add(list, "Expect:");
    if (req->bearer) {
        if (has_line_break(req->bearer))
            return err_set(err, ERR_INVALID, "a token contains a line break");
        str_clear(&line);
        str_addf(&line, "Authorization: Bearer %s", req->bearer);
        slist_add(list, line.p);
    }
    for (const char *const *h = req->headers; h && *h; h++) {
        if (has_line_break(*h))
            return err_set(err, ERR_INVALID, "a header contains a line break");
        slist_add(list, *h);
    }
    return 0;
}

static void set_limits(struct transfer *t)
{
    const struct http_request *req = t->req;
    CURL *c = t->client->curl;
    long connect = req->connect_timeout_ms ? req->connect_timeout_ms : HTTP_CONNECT_TIMEOUT_MS;
    long total = req->timeout_ms ? req->timeout_ms : HTTP_TIMEOUT_MS;
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, connect);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, total > 0 ? total : 0L);
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, req->max_redirects > 0 ? 1L : 0L);
    curl_easy_setopt(c, CURLOPT_MAXREDIRS, (long)req->max_redirects);
    t->max_body = req->max_body ? req->max_body : HTTP_ANSWER_MAX;
}

static void set_peer(struct http_client *client)
{
    CURL *c = client->curl;
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, client->https_only ? "https" : "http,https");
    curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, "https");
    curl_easy_setopt(c, CURLOPT_USERAGENT, client->user_agent);
    curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L);
    if (client->ca_file)
        curl_easy_setopt(c, CURLOPT_CAINFO, client->ca_file);
    if (client->unix_socket) {
        curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, client->unix_socket);
        curl_easy_setopt(c, CURLOPT_PROXY, ""); /* http_proxy is not meant for a local socket */
    }
}

static void set_body(struct transfer *t, const struct str *json)
{
    const struct http_request *req = t->req;
    CURL *c = t->client->curl;
    const char *method = req->method ? req->method : "GET";
    if (req->source) {
        curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(c, CURLOPT_READFUNCTION, on_source);
        curl_easy_setopt(c, CURLOPT_READDATA, t);
        if (req->source_len)
            curl_easy_setopt(c, CURLOPT_INFILESIZE_LARGE, (curl_off_t)req->source_len);
    } else if (req->json || req->body) {
        curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE,
                         (curl_off_t)(req->json ? json->len : req->body_len));
        curl_easy_setopt(c, CURLOPT_POSTFIELDS, req->json ? json->p : (const char *)req->body);
    } else if (strcmp(method, "POST") == 0) {
        curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, 0L);
        curl_easy_setopt(c, CURLOPT_POSTFIELDS, "");
    } else if (strcmp(method, "HEAD") == 0) {
        curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
    }
    if (strcmp(method, "HEAD") != 0)
        curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, method);
}

/* Did a connection exist, so that the other side may have seen the request? */
static bool was_sent(CURL *c)
{
    long bytes = 0;
    curl_easy_getinfo(c, CURLINFO_REQUEST_SIZE, &bytes);
    return bytes > 0;
}

int http_transport_error(struct http_client *client, int curl_code, struct err *err)
{
    char *url = NULL;
    curl_easy_getinfo(client->curl, CURLINFO_EFFECTIVE_URL, &url);
    cleanup_str struct str peer = STR_INIT;
    if (client->unix_socket) {
        str_adds(&peer, client->unix_socket);
    } else {
        cleanup_url struct url u = {0};
        if (url && url_parse(url, strcspn(url, "#"), &u, NULL) == 0)
            url_add_host_port(&peer, u.host, u.port);
        else
            str_adds(&peer, "the server");
    }
    const char *why = curl_easy_strerror((CURLcode)curl_code);
    switch ((CURLcode)curl_code) {
    case CURLE_OPERATION_TIMEDOUT:
        if (!was_sent(client->curl))
            return err_set(err, ERR_UNAVAILABLE, "%s cannot be reached: time-out", peer.p);
        return err_set(err, ERR_TIMEOUT, "%s did not answer in time", peer.p);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
        return err_set(err, ERR_DENIED, "the certificate of %s is not trusted: %s", peer.p, why);
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        /* curl says so of an answer that is not HTTP, too. */
        if (was_sent(client->curl))
            return err_set(err, ERR_UNAVAILABLE, "%s does not speak HTTP", peer.p);
        return err_set(err, ERR_INVALID, "not a usable URL: %s", why);
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
        return err_set(err, ERR_UNAVAILABLE, "%s cannot be reached: %s", peer.p, why);
    case CURLE_TOO_MANY_REDIRECTS:
        return err_set(err, ERR_FAILED, "%s: %s", peer.p, why);
    default:
        return err_set(err, ERR_UNAVAILABLE, "connection to %s broke: %s", peer.p, why);
    }
}

static void response_clear(struct http_response *res)
{
    strv_release(&res->headers);
    str_clear(&res->body);
    res->status = 0;
    res->sent = false;
}

int http_perform(struct http_client *client, const struct http_request *req,
                 struct http_response *res, struct err *err)
{
    BUG_ON((req->json != NULL) + (req->body != NULL) + (req->source != NULL) > 1);
    response_clear(res);
    struct transfer t = {.client = client, .req = req, .res = res, .err = err};
    CURL *c = client->curl;
    cleanup_str_secret struct str json = STR_INIT;
    if (req->json)
        json_print(req->json, &json);
    struct curl_slist *headers = NULL;
    int rc = make_headers(req, &headers, err);
    if (rc < 0) {
        slist_free_secret(headers);
        return rc;
    }
    /* Options only: the connection stays. */
    curl_easy_reset(c);
    set_peer(client);
    set_limits(&t);
    set_body(&t, &json);
    curl_easy_setopt(c, CURLOPT_URL, req->url);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, &t);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, &t);
    CURLcode code = curl_easy_perform(c);
    res->sent = was_sent(c);
    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &res->status);
    if (t.callback.code)
        rc = err_set(err, t.callback.code, "%s", t.callback.msg);
    else if (code != CURLE_OK)
        rc = http_transport_error(client, (int)code, err);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, NULL);
    slist_free_secret(headers);
    return rc;
}
