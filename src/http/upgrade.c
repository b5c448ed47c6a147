#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/url.h"
#include "http/client.h"
#include "http/client_internal.h"

static int64_t now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Ready for events before the deadline? */
static int wait_fd(int fd, short events, int64_t deadline, struct err *err)
{
    for (;;) {
        int64_t left = deadline - now_ms();
        if (left <= 0)
            return err_set(err, ERR_TIMEOUT, "no answer in time");
        struct pollfd p = {.fd = fd, .events = events};
        int n = poll(&p, 1, left > 3600000 ? 3600000 : (int)left);
        if (n > 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return err_errno(err, "poll");
    }
}

static int send_all(int fd, const char *p, size_t n, int64_t deadline, struct err *err)
{
    while (n) {
        ssize_t w = send(fd, p, n, MSG_NOSIGNAL);
        if (w >= 0) {
            p += w;
            n -= (size_t)w;
        } else if (errno == EAGAIN) {
            int rc = wait_fd(fd, POLLOUT, deadline, err);
            if (rc < 0)
                return rc;
        } else if (errno != EINTR) {
            return err_errno(err, "send");
        }
    }
    return 0;
}

/* Reads up to and with the empty line and not one byte more: what follows belongs to whoever gets
 * the socket. */
static int read_head(int fd, struct str *head, int64_t deadline, struct err *err)
{
    for (;;) {
        int rc = wait_fd(fd, POLLIN, deadline, err);
        if (rc < 0)
            return rc;
        char buf[2048];
        ssize_t n = recv(fd, buf, sizeof buf, MSG_PEEK);
        if (n == 0)
            return err_set(err, ERR_UNAVAILABLE, "the connection ended before an answer");
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (n < 0)
            return err_errno(err, "recv");
        size_t old = head->len, from = old > 3 ? old - 3 : 0;
        str_add(head, buf, (size_t)n);
        char *end = memmem(head->p + from, head->len - from, "\r\n\r\n", 4);
        size_t keep = end ? (size_t)(end + 4 - head->p) : head->len;
        str_truncate(head, keep);
        if (recv(fd, buf, keep - old, 0) != (ssize_t)(keep - old))
            return err_errno(err, "recv");
        if (end)
            return 0;
        if (head->len > HTTP_UPGRADE_HEAD_MAX)
            return err_set(err, ERR_LIMIT, "the answer's header is too large");
    }
}

/* "HTTP/1.1 101 UPGRADED\r\nName: value\r\n..." */
static int parse_head(const struct str *head, struct http_response *res, struct err *err)
{
    uint64_t status = 0;
    if (head->len < 12 || memcmp(head->p, "HTTP/1.", 7) != 0 || head->p[8] != ' ' ||
        num_parse_u64(head->p + 9, 3, 100, 599, &status, NULL) < 0)
        return err_set(err, ERR_UNAVAILABLE, "the answer is not HTTP");
    res->status = (long)status;
    const char *p = head->p;
    while ((p = strstr(p, "\r\n")) != NULL) {
        p += 2;
        http_add_header(&res->headers, p, strcspn(p, "\r"));
    }
    return 0;
}

/* The body of a refusal, so that its reason can be told. */
static int read_refusal(int fd, const struct http_request *req, struct http_response *res,
                        int64_t deadline, struct err *err)
{
    uint64_t max = req->max_body ? req->max_body : HTTP_ANSWER_MAX, length = 0;
    const char *text = http_response_header(res, "content-length");
    if (!text)
        return 0;
    if (num_parse_u64(text, strlen(text), 0, max, &length, NULL) < 0)
        return err_set(err, ERR_LIMIT, "the answer is larger than %llu bytes",
                       (unsigned long long)max);
    while (res->body.len < length) {
        int rc = wait_fd(fd, POLLIN, deadline, err);
        if (rc < 0)
            return rc;
        char buf[4096];
        size_t want = length - res->body.len;
        ssize_t n = recv(fd, buf, want < sizeof buf ? want : sizeof buf, 0);
        if (n == 0)
            return err_set(err, ERR_UNAVAILABLE, "the answer was cut off");
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return err_errno(err, "recv");
        if (n > 0)
            str_add(&res->body, buf, (size_t)n);
    }
    return 0;
}

static int make_request(const struct http_request *req, const char *user_agent, struct str *out,
                        struct err *err)
{
    cleanup_url struct url u = {0};
    int rc = url_parse(req->url, strlen(req->url), &u, err);
    if (rc < 0)
        return rc;
    if (strcmp(u.scheme, "http") != 0)
        return err_set(err, ERR_UNSUPPORTED, "only plain connections can be upgraded");
    cleanup_str_secret struct str json = STR_INIT;
    if (req->json)
        json_print(req->json, &json);
    const char *body = req->json ? json.p : req->body;
    size_t body_len = req->json ? json.len : req->body_len;
    str_addf(out, "%s %s%s%s HTTP/1.1\r\nHost: ", req->method ? req->method : "GET",
             u.path[0] ? u.path : "/", u.query ? "?" : "", u.query ? u.query : "");
    url_add_host_port(out, u.host, u.port);
    str_addf(out, "\r\nUser-Agent: %s\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n", user_agent);
    if (req->json)
        str_adds(out, "Content-Type: application/json\r\n");
    str_addf(out, "Content-Length: %zu\r\n\r\n", body_len);
    if (body_len)
        str_add(out, body, body_len);
    return 0;
}

static int connect_raw(struct http_client *client, const struct http_request *req, int *fd,
                       struct err *err)
{
    CURL *c = client->curl;
    curl_easy_setopt(c, CURLOPT_URL, req->url);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(c, CURLOPT_PROXY, "");
    curl_easy_setopt(c, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(
        c, CURLOPT_CONNECTTIMEOUT_MS,
        (long)(req->connect_timeout_ms ? req->connect_timeout_ms : HTTP_CONNECT_TIMEOUT_MS));
    if (client->unix_socket)
        curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, client->unix_socket);
    CURLcode code = curl_easy_perform(c);
    curl_socket_t theirs = CURL_SOCKET_BAD;
    if (code != CURLE_OK)
        return http_transport_error(client, (int)code, err);
    curl_easy_getinfo(c, CURLINFO_ACTIVESOCKET, &theirs);
    /* curl closes its descriptor together with the handle; the connection lives on in ours. */
    *fd = fcntl(theirs, F_DUPFD_CLOEXEC, 3);
    if (*fd < 0)
        return err_errno(err, "dup");
    return fd_set_nonblock(*fd, true) < 0 ? err_errno(err, "fcntl") : 0;
}

int http_upgrade(const struct http_options *options, const struct http_request *req,
                 struct http_response *res, int *fd, struct err *err)
{
    *fd = -1;
    BUG_ON(req->source != NULL || req->bearer != NULL || req->headers != NULL);
    http_response_release(res);
    int timeout = req->timeout_ms ? req->timeout_ms : HTTP_TIMEOUT_MS;
    int64_t deadline = timeout > 0 ? now_ms() + timeout : INT64_MAX;
    cleanup_http_client struct http_client *client = NULL;
    int rc = http_client_new(options, &client, err);
    if (rc < 0)
        return rc;
    cleanup_str_secret struct str text = STR_INIT;
    cleanup_str struct str head = STR_INIT;
    cleanup_close int sock = -1;
    rc = make_request(req, client->user_agent, &text, err);
    if (rc == 0)
        rc = connect_raw(client, req, &sock, err);
    if (rc == 0) {
        res->sent = true;
        rc = send_all(sock, text.p, text.len, deadline, err);
    }
    if (rc == 0)
        rc = read_head(sock, &head, deadline, err);
    if (rc == 0)
        rc = parse_head(&head, res, err);
    if (rc < 0)
        return rc;
    bool raw =
        res->status == 101 || (res->status == 200 && !http_response_header(res, "content-length") &&
                               !http_response_header(res, "transfer-encoding"));
    if (!raw)
        return read_refusal(sock, req, res, deadline, err);
    *fd = steal_fd(&sock);
    return 0;
}
