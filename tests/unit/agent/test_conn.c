#include "agent/conn.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/mem.h"

struct side {
    struct loop *loop;
    struct conn *conn;
    int peer; /* the test's end */
    int frames, closed, drained;
    bool refuse, end_inside, stop_at_frame;
    size_t to_send; /* bulk data still to go, a piece for each drain */
};

static void send_pieces(struct side *s)
{
    static const char piece[FRAME_DATA_MAX];
    while (s->to_send > 0 && !conn_is_full(s->conn)) {
        conn_send(s->conn, 'D', 5, piece, sizeof piece);
        s->to_send--;
    }
}

static int on_frame(struct conn *conn, const struct frame *frame, void *payload)
{
    struct side *s = payload;
    s->frames++;
    assert_int_equal(frame->id, (uint32_t)s->frames);
    if (s->stop_at_frame)
        loop_stop(s->loop);
    if (s->end_inside) {
        conn_end(conn);
        s->conn = NULL;
    }
    return s->refuse ? ERR_INVALID : 0;
}

static void on_closed(struct conn *conn, void *payload)
{
    struct side *s = payload;
    (void)conn;
    s->closed++;
    s->conn = NULL;
    loop_stop(s->loop);
}

static void on_drained(struct conn *conn, void *payload)
{
    struct side *s = payload;
    (void)conn;
    s->drained++;
    send_pieces(s);
}

static const struct conn_ops ops = {on_frame, on_closed, on_drained};

static void open_side(struct side *s)
{
    int fds[2];
    *s = (struct side){0};
    assert_int_equal(loop_new(&s->loop, NULL), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    s->peer = fds[1];
    s->conn = conn_new(s->loop, 42, fds[0], fds[0], &ops, s);
    assert_int_equal(conn_id(s->conn), 42);
}

static void close_side(struct side *s)
{
    conn_end(s->conn);
    if (s->peer >= 0)
        close(s->peer);
    loop_free(s->loop);
}

static void frames_come_whole_however_they_are_cut(void **state)
{
    (void)state;
    struct side s;
    cleanup_str struct str bytes = STR_INIT;
    open_side(&s);
    s.stop_at_frame = true;
    frame_encode(&bytes, 'J', 1, "{}", 2);
    for (size_t i = 0; i < bytes.len; i++)
        assert_int_equal(fd_write_full(s.peer, bytes.p + i, 1, NULL), 0);
    assert_int_equal(loop_run(s.loop, NULL), 0);
    assert_int_equal(s.frames, 1);
    s.stop_at_frame = false;
    str_clear(&bytes);
    frame_encode(&bytes, 'J', 2, "{}", 2);
    frame_encode(&bytes, 'D', 3, "x", 1);
    assert_int_equal(fd_write_full(s.peer, bytes.p, bytes.len, NULL), 0);
    close(s.peer);
    s.peer = -1;
    assert_int_equal(loop_run(s.loop, NULL), 0);
    assert_int_equal(s.frames, 3);
    assert_int_equal(s.closed, 1);
    close_side(&s);
}

static void nonsense_and_refusals_end_it(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct side s;
        cleanup_str struct str bytes = STR_INIT;
        open_side(&s);
        s.refuse = i == 1;
        if (s.refuse)
            frame_encode(&bytes, 'J', 1, "{}", 2);
        else
            str_add(&bytes, "\xff\xff\xff\xff\xff\xff\xff\xff\xff", 9);
        assert_int_equal(fd_write_full(s.peer, bytes.p, bytes.len, NULL), 0);
        assert_int_equal(loop_run(s.loop, NULL), 0);
        assert_int_equal(s.closed, 1);
        assert_int_equal(s.frames, i);
        close_side(&s);
    }
}

static void stop_loop(void *payload)
{
    loop_stop(payload);
}

static void it_may_be_ended_inside_its_own_callback(void **state)
{
    (void)state;
    struct side s;
    cleanup_str struct str bytes = STR_INIT;
    open_side(&s);
    s.end_inside = true;
    frame_encode(&bytes, 'J', 1, "{}", 2);
    frame_encode(&bytes, 'J', 2, "{}", 2);
    assert_int_equal(fd_write_full(s.peer, bytes.p, bytes.len, NULL), 0);
    (void)loop_add_timer(s.loop, 50, false, stop_loop, s.loop);
    assert_int_equal(loop_run(s.loop, NULL), 0);
    assert_int_equal(s.frames, 1);
    assert_int_equal(s.closed, 0);
    close_side(&s);
}

static void *read_slowly(struct side *s, size_t want)
{
    char *buf = xmalloc(want);
    assert_int_equal(fd_set_nonblock(s->peer, true), 0);
    size_t have = 0;
    while (have < want) {
        ssize_t n = read(s->peer, buf + have, want - have > 5000 ? 5000 : want - have);
        if (n > 0) {
            have += (size_t)n;
            continue;
        }
        (void)loop_add_timer(s->loop, 1, false, stop_loop, s->loop);
        assert_int_equal(loop_run(s->loop, NULL), 0);
    }
    return buf;
}

static void bulk_data_waits_for_a_slow_reader(void **state)
{
    (void)state;
    enum { PIECES = 64 };
    struct side s;
    open_side(&s);
    s.to_send = PIECES;
    send_pieces(&s);
    assert_true(s.to_send > 0);
    free(read_slowly(&s, (size_t)PIECES * (FRAME_DATA_MAX + FRAME_HEADER)));
    assert_int_equal(s.to_send, 0);
    assert_true(s.drained > 0);
    assert_int_equal(s.closed, 0);
    close_side(&s);
}

static void a_reader_that_stays_away_is_dropped(void **state)
{
    (void)state;
    static const char piece[FRAME_DATA_MAX];
    struct side s;
    open_side(&s);
    for (size_t sent = 0; sent < 2 * (size_t)CONN_OUT_MAX; sent += sizeof piece)
        conn_send(s.conn, 'D', 1, piece, sizeof piece);
    assert_int_equal(loop_run(s.loop, NULL), 0);
    assert_int_equal(s.closed, 1);
    close_side(&s);
}

static void the_last_words_arrive(void **state)
{
    (void)state;
    struct side s;
    struct err err = ERR_INIT;
    cleanup_json struct json_object *answer = NULL;
    uint32_t id = 0;
    open_side(&s);
    (void)err_set(&err, ERR_DENIED, "no");
    conn_reply_error(s.conn, 9, &err);
    conn_end_after_send(s.conn);
    assert_int_equal(loop_run(s.loop, NULL), 0);
    assert_int_equal(s.closed, 1);
    assert_int_equal(frame_read_json(s.peer, &id, &answer, NULL), 0);
    assert_int_equal(id, 9);
    err_clear(&err);
    assert_int_equal(frame_reply_check(answer, &err), ERR_DENIED);
    assert_string_equal(err.msg, "no");
    close_side(&s);
}

static void a_regular_file_as_input_is_only_not_read(void **state)
{
    (void)state;
    struct side s = {0};
    int fds[2];
    assert_int_equal(loop_new(&s.loop, NULL), 0);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(null >= 0);
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    s.peer = fds[0];
    s.conn = conn_new(s.loop, 1, null, fds[1], &ops, &s);
    conn_reply(s.conn, 3, NULL);
    uint32_t id = 0;
    cleanup_json struct json_object *answer = NULL;
    assert_int_equal(frame_read_json(s.peer, &id, &answer, NULL), 0);
    assert_int_equal(id, 3);
    close_side(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_come_whole_however_they_are_cut),
        cmocka_unit_test(nonsense_and_refusals_end_it),
        cmocka_unit_test(it_may_be_ended_inside_its_own_callback),
        cmocka_unit_test(bulk_data_waits_for_a_slow_reader),
        cmocka_unit_test(a_reader_that_stays_away_is_dropped),
        cmocka_unit_test(the_last_words_arrive),
        cmocka_unit_test(a_regular_file_as_input_is_only_not_read),
    };
    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
