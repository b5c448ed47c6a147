/* The server on a thread of its own, a plain socket as its client. */
#include "http/server.h"

#include "http_client.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

static struct world {
    struct loop *loop;
    struct http_server *server;
    pthread_t thread;
    http_ticket ticket;
    int pieces;
    bool trust;
} world;

static void on_hello(struct http_request *req, void *payload)
{
    (void)payload;
    struct json_object *obj = json_object_new_object();
    json_add_str(obj, "id", http_path_param(req, "id"));
    json_add_str(obj, "q", http_query(req, "q"));
    json_add_str(obj, "from", http_client_address(req));
    http_reply_json(req, 200, obj);
}

static void on_echo(struct http_request *req, void *payload)
{
    (void)payload;
    struct json_object *body = http_body_json(req, false);
    if (body)
        http_reply_json(req, 201, json_object_get(body));
}

static void answer_later(void *payload)
{
    (void)payload;
    /* The timer of one who left may answer the next one, whose own then fires after the end. */
    struct http_request *req = world.server ? http_resume(world.server, world.ticket) : NULL;
    if (req)
        http_reply_problem(req, 409, "conflict", "later");
}

static void on_later(struct http_request *req, void *payload)
{
    (void)payload;
    world.ticket = http_defer(req);
    loop_add_timer(world.loop, 5, false, answer_later, NULL);
}

static void on_defer_and_answer(struct http_request *req, void *payload)
{
    (void)payload;
    world.ticket = http_defer(req);
    answer_later(NULL);
}

static void on_never(struct http_request *req, void *payload)
{
    (void)payload;
    http_defer(req);
}

#define PIECES 40
static void feed(http_ticket ticket, void *payload)
{
    (void)payload;
    static char piece[100000];
    memset(piece, 'x', sizeof piece);
    int rc = 0;
    while (rc == 0 && world.pieces < PIECES) {
        rc = http_stream_write(world.server, ticket, piece, sizeof piece);
        world.pieces++;
    }
    if (world.pieces == PIECES && rc != ERR_NOT_FOUND)
        http_stream_end(world.server, ticket, true);
}

static void feed_soon(void *payload)
{
    feed(world.ticket, payload);
}

static void on_stream(struct http_request *req, void *payload)
{
    (void)payload;
    world.pieces = 0;
    world.ticket =
        http_stream_begin(req, 200, "application/octet-stream", HTTP_SIZE_UNKNOWN, feed, NULL);
    loop_add_timer(world.loop, 1, false, feed_soon, NULL);
}

static void cut(void *payload)
{
    (void)payload;
    http_stream_end(world.server, world.ticket, false);
}

static void on_broken_stream(struct http_request *req, void *payload)
{
    (void)payload;
    world.ticket =
        http_stream_begin(req, 200, "application/octet-stream", HTTP_SIZE_UNKNOWN, NULL, NULL);
    assert_int_equal(http_stream_write(world.server, world.ticket, "abc", 3), 0);
    loop_add_timer(world.loop, 1, false, cut, NULL);
}

static void on_fail(struct http_request *req, void *payload)
{
    (void)payload;
    struct err err = ERR_INIT;
    err_set(&err, ERR_FAILED, "a path of the server: /secret");
    http_reply_err(req, &err);
}

static const struct http_route routes[] = {
    {HTTP_GET, "/hello/{id}", HTTP_PUBLIC, 0, 0, on_hello},
    {HTTP_POST, "/echo", HTTP_PUBLIC, 0, HTTP_BODY_MAX, on_echo},
    {HTTP_POST, "/locked", HTTP_LOGIN, 0, HTTP_BODY_MAX, on_echo},
    {HTTP_GET, "/later", HTTP_PUBLIC, 0, 0, on_later},
    {HTTP_GET, "/at-once", HTTP_PUBLIC, 0, 0, on_defer_and_answer},
    {HTTP_GET, "/never", HTTP_PUBLIC, 0, 0, on_never},
    {HTTP_GET, "/stream", HTTP_PUBLIC, 0, 0, on_stream},
    {HTTP_GET, "/broken", HTTP_PUBLIC, 0, 0, on_broken_stream},
    {HTTP_GET, "/fail", HTTP_PUBLIC, 0, 0, on_fail},
};

static bool gate(struct http_request *req, const struct http_route *route, void *payload)
{
    (void)payload;
    if (route->access == HTTP_PUBLIC)
        return true;
    http_reply_problem(req, 401, "unauthenticated", "log in");
    return false;
}

static void stop(void *payload)
{
    http_server_free(world.server);
    world.server = NULL;
    loop_stop(payload);
}

static void *run(void *payload)
{
    loop_run(payload, NULL);
    return NULL;
}

static int start(bool cors, bool trust, int64_t reading_max_ms)
{
    static char origin[] = "https://ui.example";
    static char *origins[] = {origin};
    memset(&world, 0, sizeof world);
    struct http_server_options o = {
        .bind = "127.0.0.1",
        .routes = routes,
        .n_routes = ARRAY_LEN(routes),
        .cors_origins = origins,
        .n_cors_origins = cors ? 1 : 0,
        .trust_forwarded = trust,
        .reading_max_ms = reading_max_ms,
        .gate = gate,
    };
    struct err err = ERR_INIT;
    if (loop_new(&world.loop, &err) || http_server_start(world.loop, &o, &world.server, &err))
        return -1;
    loop_set_wake(world.loop, stop, world.loop);
    return pthread_create(&world.thread, NULL, run, world.loop);
}

static int setup(void **state)
{
    (void)state;
    return start(false, false, 0);
}

static int setup_cors(void **state)
{
    (void)state;
    return start(true, false, 0);
}

static int setup_trust(void **state)
{
    (void)state;
    return start(false, true, 0);
}

static int setup_hasty(void **state)
{
    (void)state;
    return start(false, false, 200);
}

static int teardown(void **state)
{
    (void)state;
    loop_wake(world.loop);
    pthread_join(world.thread, NULL);
    loop_free(world.loop);
    return 0;
}

static int dial(void)
{
    return client_dial(http_server_port(world.server));
}

static int raw(const char *text, size_t len, struct str *out)
{
    return client_raw(http_server_port(world.server), text, len, out);
}

static int ask(const char *method, const char *target, const char *headers, const char *body,
               struct str *out)
{
    return client_ask(http_server_port(world.server), method, target, headers, body, out);
}

#define JSON "Content-Type: application/json\r\n"

static void test_answers(void **state)
{
    (void)state;
    cleanup_str struct str a = STR_INIT;
    assert_int_equal(ask("GET", "/hello/you?q=a%20b+c", NULL, NULL, &a), 200);
    assert_has(&a, "{\"id\":\"you\",\"q\":\"a b c\",\"from\":\"127.0.0.1\"}");
    assert_has(&a, "X-Request-Id: ");
    assert_has(&a, "Content-Type: application/json\r\n");
    assert_has(&a, "X-Content-Type-Options: nosniff");
    assert_has(&a, "Cache-Control: no-store");
    assert_null(strstr(a.p, "Access-Control"));
    assert_int_equal(ask("HEAD", "/hello/you", NULL, NULL, &a), 200);
    assert_string_equal(a.p + a.len - 4, "\r\n\r\n");
    assert_int_equal(ask("POST", "/echo", JSON, "{\"a\":[1,2]}", &a), 201);
    assert_has(&a, "{\"a\":[1,2]}");
}

static void test_refusals(void **state)
{
    (void)state;
    cleanup_str struct str a = STR_INIT;
    assert_int_equal(ask("GET", "/nope", NULL, NULL, &a), 404);
    assert_has(&a, "Content-Type: application/problem+json");
    assert_has(&a, "\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":404,");
    assert_has(&a, "\"error\":\"not_found\"");
    assert_int_equal(ask("DELETE", "/echo", NULL, NULL, &a), 405);
    assert_has(&a, "Allow: POST, OPTIONS");
    assert_int_equal(ask("PUT", "/hello/x", JSON, "{}", &a), 405);
    assert_has(&a, "Allow: GET, HEAD, OPTIONS");
    assert_int_equal(ask("POST", "/echo", "Content-Type: text/plain\r\n", "{}", &a), 415);
    assert_int_equal(ask("POST", "/echo", NULL, "{}", &a), 415);
    assert_int_equal(ask("POST", "/echo", JSON "Content-Encoding: gzip\r\n", "{}", &a), 415);
    assert_int_equal(ask("POST", "/echo", JSON, "{\"a\":", &a), 400);
    assert_int_equal(ask("POST", "/echo", JSON, "[1]", &a), 400);
    assert_int_equal(ask("POST", "/echo", JSON, "{} {}", &a), 400);
    assert_int_equal(ask("POST", "/locked", JSON, "{}", &a), 401);
    assert_has(&a, "WWW-Authenticate: Bearer");
    assert_int_equal(ask("GET", "/hello/a%00b", NULL, NULL, &a), 400);
    assert_int_equal(ask("GET", "/hello/a%0ab", NULL, NULL, &a), 400);
    assert_int_equal(ask("GET", "/hello/a%zz", NULL, NULL, &a), 400);
    assert_int_equal(ask("GET", "/fail", NULL, NULL, &a), 500);
    assert_null(strstr(a.p, "secret"));
}

static void test_sizes(void **state)
{
    (void)state;
    cleanup_str struct str a = STR_INIT;
    cleanup_str struct str body = STR_INIT;
    str_adds(&body, "{\"a\":\"");
    while (body.len < HTTP_BODY_MAX - 2)
        str_addc(&body, 'x');
    str_adds(&body, "\"}");
    assert_int_equal(body.len, HTTP_BODY_MAX);
    assert_int_equal(ask("POST", "/echo", JSON, body.p, &a), 201);
    str_addc(&body, ' ');
    assert_int_equal(ask("POST", "/echo", JSON, body.p, &a), 413);
    assert_has(&a, "too_large");
    /* read to its end, so that the answer is seen */
    while (body.len < 900000)
        str_addc(&body, ' ');
    assert_int_equal(ask("POST", "/echo", JSON, body.p, &a), 413);
    assert_int_equal(ask("POST", "/locked", JSON, "{}", &a), 401);

    cleanup_str struct str head = STR_INIT;
    str_adds(&head, "X-Long: ");
    while (head.len < HTTP_HEADER_MAX - 200)
        str_addc(&head, 'x');
    str_adds(&head, "\r\n");
    assert_int_equal(ask("GET", "/hello/x", head.p, NULL, &a), 200);
    str_truncate(&head, head.len - 2);
    while (head.len < HTTP_HEADER_MAX)
        str_addc(&head, 'x');
    str_adds(&head, "\r\n");
    assert_int_equal(ask("GET", "/hello/x", head.p, NULL, &a), 431);
}

static void test_chunked_bodies(void **state)
{
    (void)state;
    cleanup_str struct str a = STR_INIT;
    const char small[] = "POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" JSON
                         "Transfer-Encoding: chunked\r\n\r\n7\r\n{\"a\":1}\r\n0\r\n\r\n";
    assert_int_equal(raw(small, sizeof small - 1, &a), 201);
    cleanup_str struct str big = STR_INIT;
    str_adds(&big, "POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" JSON
                   "Transfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 70; i++) {
        str_adds(&big, "400\r\n");
        for (int k = 0; k < 1024; k++)
            str_addc(&big, ' ');
        str_adds(&big, "\r\n");
    }
    str_adds(&big, "0\r\n\r\n");
    assert_int_equal(raw(big.p, big.len, &a), 413);
}

static void test_malformed_requests(void **state)
{
    (void)state;
    cleanup_str struct str a = STR_INIT;
    const char *bad[] = {
        "GET\r\n\r\n",
        "\x16\x03\x01\x02\r\n\r\n",
        "GET /hello/x HTTP/1.1\r\n\r\n",
        "GET /hello/x HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
        "GET hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "GET /hello/\xff HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        cleanup_close int fd = dial();
        assert_int_equal(fd_write_full(fd, bad[i], strlen(bad[i]), NULL), 0);
        shutdown(fd, SHUT_WR);
        str_clear(&a);
        fd_read_all(fd, 1 << 20, &a, NULL);
        assert_null(strstr(a.p, " 200 "));
    }
    assert_int_equal(ask("GET", "/hello/alive", NULL, NULL, &a), 200);
}

static void test_framing(void **state)
{
    (void)state;
    cleanup_str struct str a = STR_INIT;
    const struct {
        int status;
        const char *text;
    } cases[] = {
        {400, "GET /hello/x HTTP/1.1\r\nConnection: close\r\n\r\n"},
        {400, "GET /hello/x HTTP/1.1\r\nHost: x\r\nHost: y\r\nConnection: close\r\n\r\n"},
        {400, "GET /hello/x y HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"},
        {400, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n"
              "Connection: close\r\n" JSON "\r\n{} "},
        {400,
         "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n"
         "Transfer-Encoding: chunked\r\nConnection: close\r\n" JSON "\r\n2\r\n{}\r\n0\r\n\r\n"},
        {501, "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n" JSON
              "\r\n2\r\n{}\r\n0\r\n\r\n"},
        {501, "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n" JSON "\r\n"},
        {200, "GET /hello/x HTTP/1.0\r\n\r\n"},
        {200, "GET http://x/hello/x?q=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"},
        {404, "GET HTTP://x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"},
        {400, "GET ftp://x/hello/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(raw(cases[i].text, strlen(cases[i].text), &a), cases[i].status);
        assert_has(&a, "X-Request-Id: ");
        if (cases[i].status >= 400)
            assert_has(&a, "application/problem+json");
    }
}

static void test_repeated_members_and_parameters(void **state)
{
    (void)state;
    cleanup_str struct str a = STR_INIT;
    cleanup_str struct str many = STR_INIT;
    assert_int_equal(ask("GET", "/hello/x?q=1&p=2", NULL, NULL, &a), 200);
    assert_int_equal(ask("GET", "/hello/x?q=1&q=1", NULL, NULL, &a), 400);
    str_adds(&many, "/hello/x?");
    for (int i = 0; i < 200; i++)
        str_addf(&many, "p%d&", i);
    assert_int_equal(ask("GET", many.p, NULL, NULL, &a), 400);
    assert_has(&a, "X-Request-Id: ");
    assert_int_equal(ask("POST", "/echo", JSON, "{\"a\":1,\"a\":2}", &a), 400);
    assert_int_equal(ask("POST", "/echo", JSON, "{\"a\":\"\\ud800\"}", &a), 400);
}

/* The client sends a byte now and then: its silence never lasts, its request never ends. */
static void test_dripping_client_is_ended(void **state)
{
    (void)state;
    cleanup_str struct str a = STR_INIT;
    const char *slow[] = {"GET /hel", "GET /hello/x HTTP/1.1\r\nHost: x\r\nX-A: ",
                          "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n" JSON
                          "\r\n"};
    for (size_t i = 0; i < ARRAY_LEN(slow); i++) {
        cleanup_close int fd = dial();
        struct timeval often = {0, 50000};
        char c;
        ssize_t n;
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &often, sizeof often);
        assert_int_equal(fd_write_full(fd, slow[i], strlen(slow[i]), NULL), 0);
        while ((n = recv(fd, &c, 1, 0)) < 0 && (errno == EAGAIN || errno == EINTR))
            if (send(fd, "x", 1, MSG_NOSIGNAL) < 0)
                break;
        assert_true(n <= 0);
    }
    assert_int_equal(ask("GET", "/hello/alive", NULL, NULL, &a), 200);
}

static void test_later(void **state)
{
    (void)state;
    cleanup_str struct str a = STR_INIT;
    assert_int_equal(ask("GET", "/later", NULL, NULL, &a), 409);
    assert_has(&a, "later");
    assert_int_equal(ask("GET", "/at-once", NULL, NULL, &a), 409);
}

static void test_keep_alive(void **state)
{
    (void)state;
    cleanup_str struct str a = STR_INIT;
    const char two[] = "POST /locked HTTP/1.1\r\nHost: x\r\n" JSON "Content-Length: 2\r\n\r\n{}"
                       "GET /later HTTP/1.1\r\nHost: x\r\n\r\n"
                       "GET /hello/z HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert_int_equal(raw(two, sizeof two - 1, &a), 401);
    assert_has(&a, " 409 ");
    assert_has(&a, "{\"id\":\"z\"");
}

static void test_stream(void **state)
{
    (void)state;
    cleanup_str struct str a = STR_INIT;
    assert_int_equal(ask("GET", "/stream", NULL, NULL, &a), 200);
    size_t xs = 0;
    for (size_t i = 0; i < a.len; i++)
        xs += a.p[i] == 'x';
    assert_true(xs >= PIECES * 100000);
    assert_string_equal(a.p + a.len - 5, "0\r\n\r\n");
    assert_int_equal(ask("GET", "/broken", NULL, NULL, &a), 200);
    assert_null(strstr(a.p, "0\r\n\r\n"));
    assert_has(&a, "abc");
}

/* The teardown stops the server while these wait. */
static void test_stop_while_waiting(void **state)
{
    (void)state;
    cleanup_close int fd = dial();
    const char text[] = "GET /never HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_int_equal(fd_write_full(fd, text, sizeof text - 1, NULL), 0);
    cleanup_str struct str a = STR_INIT;
    assert_int_equal(ask("GET", "/hello/x", NULL, NULL, &a), 200);
}

static void test_client_leaves_while_deferred(void **state)
{
    (void)state;
    int fd = dial();
    const char text[] = "GET /later HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_int_equal(fd_write_full(fd, text, sizeof text - 1, NULL), 0);
    close(fd);
    cleanup_str struct str a = STR_INIT;
    assert_int_equal(ask("GET", "/later", NULL, NULL, &a), 409);
}

static void test_options_without_cors(void **state)
{
    (void)state;
    cleanup_str struct str a = STR_INIT;
    assert_int_equal(ask("OPTIONS", "/echo",
                         "Origin: https://ui.example\r\nAccess-Control-Request-Method: POST\r\n",
                         NULL, &a),
                     204);
    assert_has(&a, "Allow: POST, OPTIONS");
    assert_null(strstr(a.p, "Access-Control"));
    assert_int_equal(ask("OPTIONS", "/nope", NULL, NULL, &a), 404);
}

static void test_cors(void **state)
{
    (void)state;
    cleanup_str struct str a = STR_INIT;
    assert_int_equal(ask("OPTIONS", "/echo", "Origin: https://ui.example\r\n", NULL, &a), 204);
    assert_has(&a, "Access-Control-Allow-Origin: https://ui.example");
    assert_has(&a, "Access-Control-Allow-Methods: POST, OPTIONS");
    assert_has(&a, "Access-Control-Allow-Headers: Authorization, Content-Type");
    assert_int_equal(ask("OPTIONS", "/echo", "Origin: https://evil.example\r\n", NULL, &a), 204);
    assert_null(strstr(a.p, "Access-Control-Allow"));
    assert_int_equal(ask("GET", "/hello/x", "Origin: https://ui.example\r\n", NULL, &a), 200);
    assert_has(&a, "Access-Control-Allow-Origin: https://ui.example");
    assert_has(&a, "Vary: Origin");
}

static void test_forwarded(void **state)
{
    (void)state;
    cleanup_str struct str a = STR_INIT;
    assert_int_equal(ask("GET", "/hello/x", "X-Forwarded-For: 1.2.3.4, 192.0.2.9\r\n", NULL, &a),
                     200);
    assert_has(&a, "\"from\":\"192.0.2.9\"");
    /* a proxy may add a line of its own */
    assert_int_equal(ask("GET", "/hello/x",
                         "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: 192.0.2.7\r\n", NULL, &a),
                     200);
    assert_has(&a, "\"from\":\"192.0.2.7\"");
    assert_int_equal(ask("GET", "/hello/x", "X-Forwarded-For: junk\r\n", NULL, &a), 200);
    assert_has(&a, "\"from\":\"127.0.0.1\"");
}

static void test_forwarded_is_not_believed(void **state)
{
    (void)state;
    cleanup_str struct str a = STR_INIT;
    assert_int_equal(ask("GET", "/hello/x", "X-Forwarded-For: 1.2.3.4\r\n", NULL, &a), 200);
    assert_has(&a, "\"from\":\"127.0.0.1\"");
}

static void test_port_taken(void **state)
{
    (void)state;
    struct http_server *other = NULL;
    struct http_server_options o = {.bind = "127.0.0.1", .port = http_server_port(world.server)};
    struct err err = ERR_INIT;
    assert_true(http_server_start(world.loop, &o, &other, &err) < 0);
    assert_non_null(strstr(err.msg, "cannot listen on 127.0.0.1"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_answers),
        T(test_refusals),
        T(test_sizes),
        T(test_chunked_bodies),
        T(test_malformed_requests),
        T(test_framing),
        T(test_repeated_members_and_parameters),
        T(test_later),
        T(test_keep_alive),
        T(test_stream),
        T(test_stop_while_waiting),
        T(test_client_leaves_while_deferred),
        T(test_options_without_cors),
        T(test_forwarded_is_not_believed),
        T(test_port_taken),
        cmocka_unit_test_setup_teardown(test_cors, setup_cors, teardown),
        cmocka_unit_test_setup_teardown(test_forwarded, setup_trust, teardown),
        cmocka_unit_test_setup_teardown(test_dripping_client_is_ended, setup_hasty, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
