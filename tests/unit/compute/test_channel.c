#include "compute/channel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/frame.h"
#include "base/mem.h"

/* A channel on one end of a socket pair, the test plays the agent on the other. */
struct fixture {
    struct loop *loop;
    struct channel *channel;
    int agent;
    char event[64];
    int closed;
    struct err why;
    char line[64];
    bool free_on_event;
    /* last answer */
    int answers;
    int code;
    int64_t number;
    struct str data;
};

static void on_event(void *payload, const char *event, struct json_object *obj)
{
    (void)obj;
    struct fixture *f = payload;
    snprintf(f->event, sizeof f->event, "%s", event);
    if (f->free_on_event) {
        channel_free(f->channel);
        f->channel = NULL;
    }
    loop_stop(f->loop);
}

static void on_closed(void *payload, const struct err *why)
{
    struct fixture *f = payload;
    f->closed++;
    f->why = *why;
    loop_stop(f->loop);
}

static void on_log(void *payload, const char *line)
{
    struct fixture *f = payload;
    snprintf(f->line, sizeof f->line, "%s", line);
}

static void open_channel(struct fixture *f, enum channel_wire wire, const char *early, size_t n)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    f->agent = fds[1];
    struct provider_conn conn = PROVIDER_CONN_INIT;
    conn.fd = fds[0];
    conn.wire = wire;
    str_add(&conn.early, early, n);
    struct channel_handlers handlers = {
        .on_event = on_event, .on_closed = on_closed, .on_log = on_log, .payload = f};
    assert_int_equal(channel_new(f->loop, &conn, &handlers, &f->channel, NULL), 0);
    assert_int_equal(conn.fd, -1);
}

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    f->data = (struct str)STR_INIT;
    f->agent = -1;
    assert_int_equal(loop_new(&f->loop, NULL), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    channel_free(f->channel);
    if (f->agent >= 0)
        close(f->agent);
    loop_free(f->loop);
    str_release(&f->data);
    free(f);
    return 0;
}

static void run(struct fixture *f)
{
    assert_int_equal(loop_run(f->loop, NULL), 0);
}

static void send_text(struct fixture *f, char kind, uint32_t id, const char *text)
{
    assert_int_equal(frame_write(f->agent, kind, id, text, strlen(text), NULL), 0);
}

static void on_reply(int code, struct json_object *reply, const struct err *err, void *payload)
{
    struct fixture *f = payload;
    f->answers++;
    f->code = code;
    f->number = -1;
    assert_true((code == 0) == (reply != NULL));
    assert_true((code == 0) == (err == NULL));
    if (reply)
        json_opt_i64(reply, "n", 0, 1000, &f->number, NULL);
    loop_stop(f->loop);
}

static int on_data(const char *data, size_t len, void *payload)
{
    struct fixture *f = payload;
    str_add(&f->data, data, len);
    return f->data.len > 100 ? -1 : 0;
}

static uint32_t read_request(struct fixture *f, const char *verb)
{
    cleanup_json struct json_object *obj = NULL;
    uint32_t id = 0;
    assert_int_equal(frame_read_json(f->agent, &id, &obj, NULL), 0);
    const char *got = NULL;
    assert_int_equal(json_get_str(obj, "verb", 64, &got, NULL), 0);
    assert_string_equal(got, verb);
    assert_int_not_equal(id, 0);
    return id;
}

static void test_request_and_answer(void **state)
{
    struct fixture *f = *state;
    open_channel(f, CHANNEL_PLAIN, "", 0);
    struct json_object *args = json_object_new_object();
    json_add_i64(args, "x", 1);
    channel_call(f->channel, "health", args, 0, NULL, on_reply, f);
    uint32_t id = read_request(f, "health");
    assert_int_equal(f->answers, 0);
    send_text(f, 'J', id, "{\"ok\":true,\"n\":7}");
    run(f);
    assert_int_equal(f->answers, 1);
    assert_int_equal(f->number, 7);

    channel_call(f->channel, "kick", NULL, 0, NULL, on_reply, f);
    id = read_request(f, "kick");
    send_text(f, 'J', id, "{\"ok\":false,\"error\":\"not_found\",\"detail\":\"nobody\"}");
    run(f);
    assert_int_equal(f->code, ERR_NOT_FOUND);
}

static void test_answers_may_overtake(void **state)
{
    struct fixture *f = *state;
    open_channel(f, CHANNEL_PLAIN, "", 0);
    channel_call(f->channel, "a", NULL, 0, NULL, on_reply, f);
    channel_call(f->channel, "b", NULL, 0, NULL, on_reply, f);
    uint32_t a = read_request(f, "a");
    uint32_t b = read_request(f, "b");
    send_text(f, 'J', b, "{\"ok\":true,\"n\":2}");
    run(f);
    assert_int_equal(f->number, 2);
    send_text(f, 'J', a, "{\"ok\":true,\"n\":1}");
    run(f);
    assert_int_equal(f->number, 1);
}

static void test_data_before_the_answer(void **state)
{
    struct fixture *f = *state;
    open_channel(f, CHANNEL_PLAIN, "", 0);
    channel_call(f->channel, "archive", NULL, 0, on_data, on_reply, f);
    uint32_t id = read_request(f, "archive");
    send_text(f, 'D', id, "one ");
    send_text(f, 'D', id, "two");
    send_text(f, 'E', id, "");
    send_text(f, 'J', id, "{\"ok\":true}");
    run(f);
    assert_string_equal(f->data.p, "one two");
    assert_int_equal(f->code, 0);
}

static void test_data_can_be_stopped(void **state)
{
    struct fixture *f = *state;
    open_channel(f, CHANNEL_PLAIN, "", 0);
    channel_call(f->channel, "archive", NULL, 0, on_data, on_reply, f);
    uint32_t id = read_request(f, "archive");
    char big[200];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    send_text(f, 'D', id, big);
    run(f);
    assert_int_equal(f->closed, 1);
    assert_int_equal(f->code, ERR_UNAVAILABLE);
}

static void test_events_in_any_pieces(void **state)
{
    struct fixture *f = *state;
    cleanup_str struct str bytes = STR_INIT;
    frame_encode(&bytes, 'J', 0, "{\"event\":\"ready\"}", 17);
    open_channel(f, CHANNEL_PLAIN, bytes.p, 5); /* five came with the handshake */
    for (size_t i = 5; i < bytes.len; i++)
        assert_int_equal(write(f->agent, bytes.p + i, 1), 1);
    run(f);
    assert_string_equal(f->event, "ready");
}

static void mux(struct str *out, char stream, const void *p, size_t n)
{
    const char head[8] = {stream, 0, 0, 0, 0, 0, 0, (char)n};
    str_add(out, head, sizeof head);
    str_add(out, p, n);
}

static void test_mux_carries_frames_and_log(void **state)
{
    struct fixture *f = *state;
    cleanup_str struct str frame = STR_INIT;
    cleanup_str struct str bytes = STR_INIT;
    frame_encode(&frame, 'J', 0, "{\"event\":\"stage\"}", 17);
    mux(&bytes, 2, "oh \x1b[2J\n", 8);
    mux(&bytes, 1, frame.p, 10);
    mux(&bytes, 1, frame.p + 10, frame.len - 10);
    open_channel(f, CHANNEL_MUX, bytes.p, bytes.len);
    run(f);
    assert_string_equal(f->event, "stage");
    assert_string_equal(f->line, "oh \\x1b[2J");
}

static void breaks(struct fixture *f, char kind, uint32_t id, const char *payload)
{
    open_channel(f, CHANNEL_PLAIN, "", 0);
    send_text(f, kind, id, payload);
    run(f);
    assert_int_equal(f->closed, 1);
    assert_int_equal(f->why.code, ERR_INVALID);
}

static void test_unknown_id_ends_it(void **state)
{
    breaks(*state, 'J', 99, "{\"ok\":true}");
}

static void test_unasked_data_ends_it(void **state)
{
    breaks(*state, 'D', 1, "x");
}

static void test_bad_json_ends_it(void **state)
{
    breaks(*state, 'J', 0, "[1");
}

static void test_event_without_name_ends_it(void **state)
{
    struct fixture *f = *state;
    open_channel(f, CHANNEL_PLAIN, "", 0);
    send_text(f, 'J', 0, "{\"event\":5}");
    run(f);
    assert_int_equal(f->closed, 1);
}

static void test_close_answers_what_is_pending(void **state)
{
    struct fixture *f = *state;
    open_channel(f, CHANNEL_PLAIN, "", 0);
    channel_call(f->channel, "a", NULL, 0, NULL, on_reply, f);
    channel_call(f->channel, "b", NULL, 0, NULL, on_reply, f);
    close(f->agent);
    f->agent = -1;
    run(f);
    assert_int_equal(f->closed, 1);
    assert_int_equal(f->answers, 2);
    assert_int_equal(f->code, ERR_UNAVAILABLE);

    /* Asking a closed channel is answered too, on_closed stays at one. */
    channel_call(f->channel, "c", NULL, 0, NULL, on_reply, f);
    assert_int_equal(f->answers, 2);
    run(f);
    assert_int_equal(f->answers, 3);
    assert_int_equal(f->closed, 1);
}

static void test_free_inside_a_handler(void **state)
{
    struct fixture *f = *state;
    open_channel(f, CHANNEL_PLAIN, "", 0);
    f->free_on_event = true;
    channel_call(f->channel, "a", NULL, 0, NULL, on_reply, f);
    send_text(f, 'J', 0, "{\"event\":\"one\"}");
    send_text(f, 'J', 0, "{\"event\":\"two\"}");
    run(f);
    assert_string_equal(f->event, "one");
    assert_int_equal(f->code, ERR_CANCELLED);
    assert_int_equal(f->closed, 0);
}

static void test_timeout_then_late_answer(void **state)
{
    struct fixture *f = *state;
    open_channel(f, CHANNEL_PLAIN, "", 0);
    channel_call(f->channel, "slow", NULL, 1, on_data, on_reply, f);
    run(f);
    assert_int_equal(f->code, ERR_TIMEOUT);
    uint32_t id = read_request(f, "slow");
    send_text(f, 'D', id, "late");
    send_text(f, 'J', id, "{\"ok\":true}");
    send_text(f, 'J', 0, "{\"event\":\"still-there\"}");
    run(f);
    assert_string_equal(f->event, "still-there");
    assert_int_equal(f->answers, 1);
    assert_int_equal(f->data.len, 0);
}

static void test_backlog_is_bounded(void **state)
{
    struct fixture *f = *state;
    open_channel(f, CHANNEL_PLAIN, "", 0);
    cleanup_free char *big = xcalloc(1, 900 * 1024 + 1);
    memset(big, 'x', 900 * 1024);
    int asked = 0;
    while (f->answers == 0 && asked < 30) {
        struct json_object *args = json_object_new_object();
        json_add_str(args, "x", big);
        channel_call(f->channel, "a", args, 0, NULL, on_reply, f);
        asked++;
    }
    assert_int_equal(asked, 30);
    run(f);
    assert_int_equal(f->closed, 1);
    assert_int_equal(f->answers, 30);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_request_and_answer),
        T(test_answers_may_overtake),
        T(test_data_before_the_answer),
        T(test_data_can_be_stopped),
        T(test_events_in_any_pieces),
        T(test_mux_carries_frames_and_log),
        T(test_unknown_id_ends_it),
        T(test_unasked_data_ends_it),
        T(test_bad_json_ends_it),
        T(test_event_without_name_ends_it),
        T(test_close_answers_what_is_pending),
        T(test_free_inside_a_handler),
        T(test_timeout_then_late_answer),
        T(test_backlog_is_bounded),
    };
    return cmocka_run_group_tests_name("compute/channel", tests, NULL, NULL);
}
