/* fd, path, proc, loop: what touches the system. */
#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/loop.h"
#include "base/path.h"
#include "base/proc.h"

struct fixture {
    char dir[64];
    int fd;
};

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    snprintf(f->dir, sizeof f->dir, "/tmp/test-system-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->fd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(f->fd >= 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    path_force_fallback(false);
    close(f->fd);
    assert_int_equal(path_remove_tree(AT_FDCWD, f->dir, NULL), 0);
    assert_int_equal(access(f->dir, F_OK), -1);
    free(f);
    return 0;
}

static void test_write_and_read(void **state)
{
    struct fixture *f = *state;
    cleanup_str struct str text = STR_INIT;
    struct stat st;
    assert_int_equal(fd_write_file(f->fd, "a", "one", 3, 0640, NULL), 0);
    assert_int_equal(fd_write_file(f->fd, "a", "two", 3, 0600, NULL), 0);
    assert_int_equal(fd_read_file(f->fd, "a", 3, &text, NULL), 0);
    assert_string_equal(text.p, "two");
    assert_int_equal(fstatat(f->fd, "a", &st, 0), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(fd_write_volatile(f->fd, "a", "3", 1, 0640, NULL), 0);
    str_clear(&text);
    assert_int_equal(fd_read_file(f->fd, "a", 3, &text, NULL), 0);
    assert_string_equal(text.p, "3");
    assert_int_equal(fstatat(f->fd, "a", &st, 0), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    assert_int_equal(fd_write_volatile(f->fd, "no/a", "3", 1, 0640, NULL), ERR_NOT_FOUND);
    assert_int_equal(fd_write_file(f->fd, "a", "two", 3, 0600, NULL), 0);
    str_clear(&text);
    assert_int_equal(fd_read_file(f->fd, "a", 2, &text, NULL), ERR_LIMIT);
    assert_int_equal(symlinkat("a", f->fd, "link"), 0);
    assert_int_equal(fd_read_file(f->fd, "link", 9, &text, NULL), ERR_DENIED);
    assert_int_equal(mkfifoat(f->fd, "fifo", 0600), 0);
    assert_int_equal(fd_read_file(f->fd, "fifo", 9, &text, NULL), ERR_INVALID);
    assert_int_equal(fd_read_file(f->fd, "none", 9, &text, NULL), ERR_NOT_FOUND);
}

static void check_beneath(struct fixture *f)
{
    assert_int_equal(mkdirat(f->fd, "d", 0700), 0);
    assert_int_equal(mkdirat(f->fd, "d/e", 0700), 0);
    assert_int_equal(symlinkat("/etc", f->fd, "d/out"), 0);
    assert_int_equal(symlinkat("e", f->fd, "d/in"), 0);
    cleanup_close int ok = path_open_beneath(f->fd, "d/e/f", O_CREAT | O_WRONLY, 0600, NULL);
    assert_true(ok >= 0);
    assert_int_equal(path_open_beneath(f->fd, "d/out/passwd", O_RDONLY, 0, NULL), ERR_DENIED);
    assert_int_equal(path_open_beneath(f->fd, "d/in/f", O_RDONLY, 0, NULL), ERR_DENIED);
    assert_int_equal(path_open_beneath(f->fd, "d/out", O_RDONLY, 0, NULL), ERR_DENIED);
    assert_int_equal(path_open_beneath(f->fd, "d/out", O_PATH, 0, NULL), ERR_DENIED);
    assert_int_equal(path_open_beneath(f->fd, "d/out", O_RDONLY | O_DIRECTORY, 0, NULL),
                     ERR_DENIED);
    static const char *const bad[] = {"../x", "/etc/passwd", "d/../../x", "", "d//e", "d/", "./d"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(path_open_beneath(f->fd, bad[i], O_RDONLY, 0, NULL), ERR_INVALID);
    assert_int_equal(path_open_beneath(f->fd, "none/x", O_RDONLY, 0, NULL), ERR_NOT_FOUND);
    const char *name = NULL;
    cleanup_close int parent = path_open_parent(f->fd, "n/m/leaf", true, &name, NULL);
    assert_true(parent >= 0);
    assert_string_equal(name, "leaf");
    assert_int_equal(path_open_parent(f->fd, "d/out/new/leaf", true, &name, NULL), ERR_DENIED);
    assert_int_equal(access("/etc/new", F_OK), -1);
}

static void test_beneath(void **state)
{
    check_beneath(*state);
}

static void test_beneath_fallback(void **state)
{
    path_force_fallback(true);
    check_beneath(*state);
}

static void test_proc(void **state)
{
    (void)state;
    cleanup_strv struct strv argv = STRV_INIT;
    strv_pushl(&argv, "sh", "-c", "cat; echo oops >&2; exit 3", NULL);
    struct proc_spec spec = PROC_SPEC_INIT;
    spec.file = "sh";
    spec.argv = argv.v;
    cleanup_proc_result struct proc_result r = {0, STR_INIT, STR_INIT};
    assert_int_equal(proc_run(&spec, "hello", 5, 100, 10000, &r, NULL), 0);
    assert_int_equal(r.status, 3);
    assert_string_equal(r.out.p, "hello");
    assert_string_equal(r.errs.p, "oops\n");

    spec.file = "/nonexistent/program";
    pid_t pid;
    assert_int_equal(proc_start(&spec, &pid, NULL), ERR_NOT_FOUND);
}

static void test_proc_limits(void **state)
{
    (void)state;
    cleanup_strv struct strv argv = STRV_INIT;
    strv_pushl(&argv, "sh", "-c", "sleep 100 & sleep 100", NULL);
    struct proc_spec spec = PROC_SPEC_INIT;
    spec.file = "sh";
    spec.argv = argv.v;
    struct proc_result r;
    struct err err = ERR_INIT;
    assert_int_equal(proc_run(&spec, NULL, 0, 100, 100, &r, &err), ERR_TIMEOUT);
    proc_result_release(&r);

    cleanup_strv struct strv flood = STRV_INIT;
    strv_pushl(&flood, "sh", "-c", "while :; do echo x; done", NULL);
    spec.argv = flood.v;
    assert_int_equal(proc_run(&spec, NULL, 0, 1000, 10000, &r, NULL), ERR_LIMIT);
    proc_result_release(&r);
}

struct counter {
    struct loop *loop;
    int timers, reads, wakes, signals;
    struct loop_watch *self;
};

static void on_timer(void *payload)
{
    struct counter *c = payload;
    if (++c->timers == 3) {
        loop_remove(c->self);
        kill(getpid(), SIGUSR1);
        loop_wake(c->loop);
    }
}

static void on_wake(void *payload)
{
    struct counter *c = payload;
    c->wakes++;
}

static void on_signal(int signo, void *payload)
{
    struct counter *c = payload;
    assert_int_equal(signo, SIGUSR1);
    c->signals++;
    loop_stop(c->loop);
}

static void on_read(int fd, uint32_t events, void *payload)
{
    struct counter *c = payload;
    char byte;
    assert_true(events & EPOLLIN);
    assert_int_equal(read(fd, &byte, 1), 1);
    c->reads++;
}

/* Resident pages of this process that belong to files, in kB. */
static long rss_file(void)
{
    cleanup_str struct str text = STR_INIT;
    cleanup_close int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    assert_int_equal(fd_read_all(fd, 65536, &text, NULL), 0);
    const char *line = strstr(text.p, "RssFile:");
    assert_non_null(line);
    return strtol(line + 8, NULL, 10);
}

static int changed_data = 1;
static const char unchanged_text[] = "as it was";

static void test_memory_is_given_back(void **state)
{
    (void)state;
    changed_data = 2;
    long before = rss_file();
    mem_give_back();
    assert_true(rss_file() < before);
    assert_int_equal(changed_data, 2);
    assert_string_equal(unchanged_text, "as it was");
}

static void test_loop(void **state)
{
    (void)state;
    struct counter c = {0};
    int fds[2];
    const int signals[] = {SIGUSR1};
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(loop_new(&c.loop, NULL), 0);
    assert_int_equal(loop_add_signals(c.loop, signals, 1, on_signal, &c, NULL), 0);
    loop_set_wake(c.loop, on_wake, &c);
    c.self = loop_add_timer(c.loop, 1, true, on_timer, &c);
    struct loop_watch *reader = loop_add_fd(c.loop, fds[0], EPOLLIN, on_read, &c);
    assert_int_equal(write(fds[1], "ab", 2), 2);
    assert_int_equal(loop_run(c.loop, NULL), 0);
    assert_int_equal(c.timers, 3);
    assert_int_equal(c.reads, 2);
    assert_int_equal(c.signals, 1);
    loop_remove(reader);
    loop_free(c.loop);
    close(fds[0]);
    close(fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_write_and_read, setup, teardown),
        cmocka_unit_test_setup_teardown(test_beneath, setup, teardown),
        cmocka_unit_test_setup_teardown(test_beneath_fallback, setup, teardown),
        cmocka_unit_test(test_proc),
        cmocka_unit_test(test_proc_limits),
        cmocka_unit_test(test_memory_is_given_back),
        cmocka_unit_test(test_loop),
    };
    return cmocka_run_group_tests_name("base/system", tests, NULL, NULL);
}
