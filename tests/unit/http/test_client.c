#include "http/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>

#include "fake.h"

#define ANSWER(status, body) "HTTP/1.1 " status "\r\nConnection: close\r\n\r\n" body

static struct fake f;
static struct http_client *c;
static struct http_response res;
static struct str big = STR_INIT; /* a large reply: outlives the server */

static int setup(void **state)
{
    (void)state;
    memset(&f, 0, sizeof f);
    res = (struct http_response)HTTP_RESPONSE_INIT;
    c = NULL;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    http_client_free(c);
    http_response_release(&res);
    fake_stop(&f);
    str_release(&big);
    return 0;
}

static void serve(const char *first, const char *second)
{
    f.replies[0] = first;
    f.replies[1] = second;
    f.n = second ? 2 : 1;
    fake_start(&f);
    assert_int_equal(http_client_new(&(struct http_options){.unix_socket = f.path}, &c, NULL), 0);
}

static int get(const struct http_request *req, struct err *err)
{
    struct http_request r = *req;
    if (!r.url)
        r.url = "http://engine/x";
    if (!r.timeout_ms)
        r.timeout_ms = 5000;
    return http_perform(c, &r, &res, err);
}

static void test_get(void **state)
{
    (void)state;
    serve("HTTP/1.1 404 Not Found\r\nConnection: close\r\nX-Thing:  a: b \r\n\r\n{\"a\": 1}", NULL);
    struct err err = ERR_INIT;
    assert_int_equal(get(&(struct http_request){0}, &err), 0);
    assert_int_equal(res.status, 404);
    assert_string_equal(http_response_header(&res, "x-thing"), " a: b");
    assert_string_equal(http_response_header(&res, "connection"), "close");
    assert_null(http_response_header(&res, "x-thin"));
    cleanup_json struct json_object *obj = NULL;
    assert_int_equal(http_response_json(&res, &obj, &err), 0);
    assert_true(str_starts_with(f.asked[0].p, "GET /x HTTP/1.1\r\n"));
    assert_non_null(strstr(f.asked[0].p, "User-Agent: SteadyState/"));
    assert_null(strstr(f.asked[0].p, "Authorization"));
}

static void test_post_json_with_bearer(void **state)
{
    (void)state;
    serve(ANSWER("200 OK", "no json"), NULL);
    cleanup_json struct json_object *obj = json_object_new_object();
    json_add_str(obj, "k", "v");
    const char *const headers[] = {"X-Own: 1", NULL};
    struct http_request req = {.method = "POST", .json = obj, .bearer = "t0k", .headers = headers};
    assert_int_equal(get(&req, NULL), 0);
    assert_non_null(strstr(f.asked[0].p, "Content-Type: application/json\r\n"));
    assert_non_null(strstr(f.asked[0].p, "Authorization: Bearer t0k\r\n"));
    assert_non_null(strstr(f.asked[0].p, "X-Own: 1\r\n"));
    assert_true(str_ends_with(f.asked[0].p, "\r\n\r\n{\"k\":\"v\"}"));
    cleanup_json struct json_object *answer = NULL;
    struct err err = ERR_INIT;
    assert_int_equal(http_response_json(&res, &answer, &err), ERR_INVALID);
}

static void test_methods_with_and_without_body(void **state)
{
    (void)state;
    serve(ANSWER("204 No Content", ""), ANSWER("200 OK", ""));
    assert_int_equal(get(&(struct http_request){.method = "POST"}, NULL), 0);
    assert_non_null(strstr(f.asked[0].p, "Content-Length: 0\r\n"));
    struct http_request put = {
        .method = "PUT", .body = "a\0b", .body_len = 3, .content_type = "application/x-tar"};
    assert_int_equal(get(&put, NULL), 0);
    assert_true(str_starts_with(f.asked[1].p, "PUT /x"));
    assert_non_null(strstr(f.asked[1].p, "Content-Type: application/x-tar\r\n"));
    assert_memory_equal(f.asked[1].p + f.asked[1].len - 3, "a\0b", 3);
}

static long give_text(char *p, size_t n, void *payload, struct err *err)
{
    (void)err;
    const char **left = payload;
    size_t len = strlen(*left) < n ? strlen(*left) : n;
    memcpy(p, *left, len);
    *left += len;
    return (long)len;
}

static long give_nothing(char *p, size_t n, void *payload, struct err *err)
{
    (void)p;
    (void)n;
    (void)payload;
    return err_set(err, ERR_CANCELLED, "no more");
}

static void test_upload(void **state)
{
    (void)state;
    serve(ANSWER("200 OK", ""), ANSWER("200 OK", ""));
    const char *text = "streamed";
    struct http_request req = {.method = "POST", .source = give_text, .source_payload = &text};
    assert_int_equal(get(&req, NULL), 0);
    assert_non_null(strstr(f.asked[0].p, "Transfer-Encoding: chunked\r\n"));
    assert_non_null(strstr(f.asked[0].p, "streamed"));
    struct err err = ERR_INIT;
    req.source = give_nothing;
    assert_int_equal(get(&req, &err), ERR_CANCELLED);
    assert_string_equal(err.msg, "no more");
}

static int take(const char *p, size_t n, void *payload, struct err *err)
{
    (void)err;
    str_add(payload, p, n);
    return 0;
}

static int refuse(const char *p, size_t n, void *payload, struct err *err)
{
    (void)p;
    (void)n;
    (void)payload;
    return err_set(err, ERR_NO_SPACE, "full");
}

static void test_download(void **state)
{
    (void)state;
    serve(ANSWER("200 OK", "a lot"), ANSWER("200 OK", "a lot"));
    cleanup_str struct str got = STR_INIT;
    struct err err = ERR_INIT;
    struct http_request req = {.sink = take, .sink_payload = &got};
    assert_int_equal(get(&req, NULL), 0);
    assert_string_equal(got.p, "a lot");
    assert_int_equal(res.body.len, 0);
    req.sink = refuse;
    assert_int_equal(get(&req, &err), ERR_NO_SPACE);
    assert_string_equal(err.msg, "full");
}

static void test_body_maximum(void **state)
{
    (void)state;
    serve(ANSWER("200 OK", "0123456789"), ANSWER("200 OK", "0123456789"));
    struct err err = ERR_INIT;
    assert_int_equal(get(&(struct http_request){.max_body = 10}, &err), 0);
    assert_int_equal(get(&(struct http_request){.max_body = 9}, &err), ERR_LIMIT);
    assert_string_equal(err.msg, "the answer is larger than 9 bytes");
}

static void test_headers_maximum(void **state)
{
    (void)state;
    str_adds(&big, "HTTP/1.1 200 OK\r\n");
    while (big.len < HTTP_HEADERS_MAX + 100)
        str_adds(&big, "X-Filler: 0123456789012345678901234567890123456789\r\n");
    str_adds(&big, "\r\n");
    serve(big.p, NULL);
    assert_int_equal(get(&(struct http_request){0}, NULL), ERR_LIMIT);
}

static void test_redirect_is_an_answer(void **state)
{
    (void)state;
    serve("HTTP/1.1 302 Found\r\nLocation: http://engine/y\r\nConnection: close\r\n\r\n", NULL);
    assert_int_equal(get(&(struct http_request){0}, NULL), 0);
    assert_int_equal(res.status, 302);
}

static void test_no_answer(void **state)
{
    (void)state;
    serve("", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    struct err err = ERR_INIT;
    assert_int_equal(get(&(struct http_request){0}, &err), ERR_UNAVAILABLE);
    assert_true(res.sent);
    assert_non_null(strstr(err.msg, f.path));
    err_clear(&err);
    assert_int_equal(get(&(struct http_request){0}, &err), ERR_UNAVAILABLE);
    assert_true(res.sent);
}

static void test_no_http(void **state)
{
    (void)state;
    serve("SSH-2.0-x\r\n\r\n", "HTTP/");
    struct err err = ERR_INIT;
    assert_int_equal(get(&(struct http_request){0}, &err), ERR_UNAVAILABLE);
    assert_int_equal(get(&(struct http_request){0}, NULL), ERR_UNAVAILABLE);
    assert_non_null(strstr(err.msg, "does not speak HTTP"));
}

static void test_slow_answer(void **state)
{
    (void)state;
    serve(NULL, ANSWER("200 OK", ""));
    struct err err = ERR_INIT;
    assert_int_equal(get(&(struct http_request){.timeout_ms = 150}, &err), ERR_TIMEOUT);
    assert_true(res.sent);
    assert_int_equal(get(&(struct http_request){0}, NULL), 0); /* the client is usable still */
}

static void test_nobody_there(void **state)
{
    (void)state;
    serve(ANSWER("200 OK", ""), NULL);
    struct err err = ERR_INIT;
    cleanup_http_client struct http_client *other = NULL;
    http_client_new(&(struct http_options){.unix_socket = "/nonexistent/sock"}, &other, NULL);
    struct http_request req = {.url = "http://engine/"};
    assert_int_equal(http_perform(other, &req, &res, &err), ERR_UNAVAILABLE);
    assert_false(res.sent);
    assert_non_null(strstr(err.msg, "/nonexistent/sock"));
    cleanup_http_client struct http_client *strict = NULL;
    http_client_new(&(struct http_options){.https_only = true}, &strict, NULL);
    assert_int_equal(http_perform(strict, &req, &res, NULL), ERR_INVALID);
    req.url = "file:///etc/passwd";
    assert_int_equal(http_perform(other, &req, &res, NULL), ERR_INVALID);
    assert_int_equal(res.body.len, 0);
}

static void test_line_breaks_are_refused(void **state)
{
    (void)state;
    serve(ANSWER("200 OK", ""), NULL);
    struct err err = ERR_INIT;
    const char *const headers[] = {"X: 1\r\nY: 2", NULL};
    assert_int_equal(get(&(struct http_request){.headers = headers}, &err), ERR_INVALID);
    err_clear(&err);
    assert_int_equal(get(&(struct http_request){.bearer = "a\nb"}, &err), ERR_INVALID);
    assert_null(strstr(err.msg, "a?b"));
}

static void test_form(void **state)
{
    (void)state;
    serve(ANSWER("200 OK", ""), NULL);
    cleanup_str struct str form = STR_INIT;
    http_form_add(&form, "a b", "1&2");
    http_form_add(&form, "none", NULL);
    http_form_add(&form, "c", "");
    assert_string_equal(form.p, "a%20b=1%262&c=");
}

/* --- upgrade ------------------------------------------------------------------------------- */

static int upgrade(int *fd, int timeout_ms, struct err *err)
{
    cleanup_json struct json_object *obj = json_object_new_object();
    struct http_request req = {.method = "POST",
                               .url = "http://engine/v1/attach?x=1",
                               .json = obj,
                               .timeout_ms = timeout_ms};
    return http_upgrade(&(struct http_options){.unix_socket = f.path}, &req, &res, fd, err);
}

static void test_upgrade(void **state)
{
    (void)state;
    serve("HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\nfirst bytes", NULL);
    cleanup_close int fd = -1;
    struct err err = ERR_INIT;
    assert_int_equal(upgrade(&fd, 5000, &err), 0);
    assert_int_equal(res.status, 101);
    assert_true(str_starts_with(f.asked[0].p, "POST /v1/attach?x=1 HTTP/1.1\r\nHost: engine\r\n"));
    assert_non_null(strstr(f.asked[0].p, "\r\nUpgrade: tcp\r\n"));
    assert_true(str_ends_with(f.asked[0].p, "\r\n\r\n{}"));
    cleanup_str struct str got = STR_INIT;
    while (got.len < 11) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&p, 1, 5000), 1);
        char buf[64];
        ssize_t n = read(fd, buf, sizeof buf);
        assert_true(n > 0);
        str_add(&got, buf, (size_t)n);
    }
    assert_string_equal(got.p, "first bytes");
}

static void test_upgrade_refused(void **state)
{
    (void)state;
    serve("HTTP/1.1 409 Conflict\r\nContent-Length: 14\r\n\r\n{\"message\":1}\n",
          "HTTP/1.1 500 X\r\nContent-Length: 14\r\n\r\nshort");
    int fd = -1;
    struct err err = ERR_INIT;
    assert_int_equal(upgrade(&fd, 5000, &err), 0);
    assert_int_equal(fd, -1);
    assert_int_equal(res.status, 409);
    assert_string_equal(res.body.p, "{\"message\":1}\n");
    assert_int_equal(upgrade(&fd, 5000, &err), ERR_UNAVAILABLE);
    assert_int_equal(fd, -1);
}

static void test_upgrade_nonsense(void **state)
{
    (void)state;
    serve("SSH-2.0-thing\r\n\r\n", "");
    int fd = -1;
    struct err err = ERR_INIT;
    assert_int_equal(upgrade(&fd, 5000, &err), ERR_UNAVAILABLE);
    assert_int_equal(fd, -1);
    err_clear(&err);
    assert_int_equal(upgrade(&fd, 5000, &err), ERR_UNAVAILABLE);
}

static void test_upgrade_too_slow_or_large(void **state)
{
    (void)state;
    str_adds(&big, "HTTP/1.1 101 X\r\n");
    while (big.len < HTTP_UPGRADE_HEAD_MAX + 4096)
        str_adds(&big, "X-Filler: 0123456789012345678901234567890123456789\r\n");
    f.replies[0] = NULL;
    f.replies[1] = big.p;
    f.n = 2;
    fake_start(&f);
    int fd = -1;
    struct err err = ERR_INIT;
    assert_int_equal(upgrade(&fd, 100, &err), ERR_TIMEOUT);
    err_clear(&err);
    assert_int_equal(upgrade(&fd, 5000, &err), ERR_LIMIT);
    assert_int_equal(fd, -1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_get),
        T(test_post_json_with_bearer),
        T(test_methods_with_and_without_body),
        T(test_upload),
        T(test_download),
        T(test_body_maximum),
        T(test_headers_maximum),
        T(test_redirect_is_an_answer),
        T(test_no_answer),
        T(test_no_http),
        T(test_slow_answer),
        T(test_nobody_there),
        T(test_line_breaks_are_refused),
        T(test_form),
        T(test_upgrade),
        T(test_upgrade_refused),
        T(test_upgrade_nonsense),
        T(test_upgrade_too_slow_or_large),
    };
    return cmocka_run_group_tests_name("http/client", tests, NULL, NULL);
}
