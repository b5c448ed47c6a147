/*
 * The REST engine against a real one: STEADYSTATE_TEST_ENGINE (unix:///path), image
 * STEADYSTATE_TEST_IMAGE (anything with a shell and coreutils). Run by test_engine.py for Podman
 * and for dockerd.
 *
 * Covers every verb, the errors that only an engine can make (names, ports and subnets in use,
 * wrong states, missing objects), an answer that comes too late and one that is cut off. Not
 * covered: an engine with a full disk, rootless engines.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/enc.h"
#include "base/fd.h"
#include "engine/mux.h"
#include "engine/rest.h"
#include "engine/tar.h"

#define WAIT_MS 15000

static struct {
    const char *socket;
    const char *image;
    struct engine e;
    char id[SESSION_ID_LEN + 1];
    char name[64];
    char label[64];
    char bridge[16];
    char subnet[32];
    int port;
    struct strv labels;
} t;

#define OK(call)                                        \
    do {                                                \
        struct err err = ERR_INIT;                      \
        struct err *e_ = &err;                          \
        int rc_ = (call);                               \
        if (rc_ != 0)                                   \
            fail_msg("%s: %d %s", #call, rc_, e_->msg); \
    } while (0)
#define FAILS(code, call)                                                    \
    do {                                                                     \
        struct err err = ERR_INIT;                                           \
        int rc_ = (call);                                                    \
        if (rc_ != (code))                                                   \
            fail_msg("%s: %d instead of %d: %s", #call, rc_, code, err.msg); \
        assert_true(rc_ == 0 || err.msg[0] != '\0');                         \
    } while (0)

/* A port that nobody has now. Tests that need it taken or free say so by a listener of their own.
 */
static int free_port(void)
{
    cleanup_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    assert_int_equal(bind(fd, (struct sockaddr *)&a, n), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    return ntohs(a.sin_port);
}

static int listen_on(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                            .sin_port = htons((uint16_t)port)};
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, 1), 0);
    return fd;
}

static const char script[] = "echo ready; echo noise >&2; "
                             "trap 'exit 7' TERM; "
                             "while read -r line; do echo \"got $line\"; done; "
                             "sleep 1000 & wait";

static const char *const caps[] = {"SETUID", "SETGID", "SYS_CHROOT", "CHOWN", NULL};
static const struct engine_tmpfs tmpfs[] = {{"/run", "mode=755,size=16m"},
                                            {"/tmp", "mode=1777,size=16m,exec"}};

static void fill_spec(struct engine_container_spec *spec, struct strv *argv)
{
    strv_pushl(argv, "/bin/sh", "-c", script, NULL);
    *spec = (struct engine_container_spec){
        .name = t.name,
        .image = t.image,
        .entrypoint = argv,
        .labels = &t.labels,
        .hostname = "session",
        .user = "0:0",
        .workdir = "/",
        .open_stdin = true,
        .network = t.name,
        .port = 2222,
        .host_ip = "127.0.0.1",
        .host_port = t.port,
        .volume = t.name,
        .volume_path = "/session",
        .tmpfs = tmpfs,
        .n_tmpfs = 2,
        .cap_add = caps,
        .read_only = true,
        .userns_base = 1700000000,
        .userns_size = 65536,
        .memory = 256UL * 1024 * 1024,
        .cpus_milli = 500,
        .pids = 100,
        .nofile = 1024,
        .nproc = 1024,
    };
}

static int make_network(const char *name, const char *subnet, const char *bridge, struct err *err)
{
    return t.e.ops->network_create(
        t.e.self,
        &(struct engine_network){
            .name = name, .subnet = subnet, .bridge = bridge, .labels = &t.labels},
        err);
}

static void make_all(char id[ENGINE_ID_MAX + 1])
{
    cleanup_strv struct strv argv = STRV_INIT;
    struct engine_container_spec spec;
    fill_spec(&spec, &argv);
    OK(make_network(t.name, t.subnet, t.bridge, &err));
    OK(t.e.ops->volume_create(t.e.self, t.name, &t.labels, &err));
    OK(t.e.ops->container_create(t.e.self, &spec, id, &err));
}

static int setup(void **state)
{
    (void)state;
    memset(&t.id, 0, sizeof t.id);
    rnd_session_id(t.id);
    snprintf(t.name, sizeof t.name, "sstest-%s", t.id);
    snprintf(t.label, sizeof t.label, "steadystate.session=%s", t.id);
    snprintf(t.bridge, sizeof t.bridge, "sst%.12s", t.id);
    unsigned char r[2];
    rnd_bytes(r, sizeof r);
    snprintf(t.subnet, sizeof t.subnet, "10.23.%d.%d/28", 64 + r[0] % 64, r[1] & 0xf0);
    t.port = free_port();
    strv_push(&t.labels, t.label);
    strv_push(&t.labels, "steadystate.server=test");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    t.e.ops->container_remove(t.e.self, t.name, NULL);
    t.e.ops->network_remove(t.e.self, t.name, NULL);
    t.e.ops->volume_remove(t.e.self, t.name, NULL);
    strv_release(&t.labels);
    return 0;
}

struct output {
    struct str out;
    struct str err;
};

static int collect(enum engine_stream stream, const char *p, size_t n, void *payload,
                   struct err *err)
{
    (void)err;
    struct output *o = payload;
    str_add(stream == ENGINE_STDOUT ? &o->out : &o->err, p, n);
    return 0;
}

/* Reads until both are seen or the connection ends. */
static void read_until(int fd, struct engine_mux *mux, struct output *o, const char *out,
                       const char *errs)
{
    for (;;) {
        if ((!out || strstr(o->out.p, out)) && (!errs || strstr(o->err.p, errs)) && (out || errs))
            return;
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, WAIT_MS) != 1)
            fail_msg("nothing came; so far: %s / %s", o->out.p, o->err.p);
        char buf[4096];
        ssize_t n = read(fd, buf, sizeof buf);
        if (n < 0 && errno == EAGAIN)
            continue;
        if (n <= 0) {
            if (!out && !errs)
                return;
            fail_msg("the connection ended; so far: %s / %s", o->out.p, o->err.p);
        }
        OK(engine_mux_feed(mux, buf, (size_t)n, collect, o, &err));
    }
}

/* --- tests --------------------------------------------------------------------------------- */

static void test_info(void **state)
{
    (void)state;
    struct engine_info info;
    OK(t.e.ops->ping(t.e.self, &err));
    OK(t.e.ops->info(t.e.self, &info, &err));
    assert_true(strcmp(info.name, "podman") == 0 || strcmp(info.name, "docker") == 0);
    assert_true(strlen(info.version) > 0);
    assert_true(info.limits);
    assert_int_equal(info.userns_option, strcmp(info.name, "podman") == 0);
    print_message("engine: %s %s, %s, cgroup v%d\n", info.name, info.version, info.runtime,
                  info.cgroup_version);
}

static void test_image(void **state)
{
    (void)state;
    cleanup_engine_image struct engine_image image = {0};
    OK(t.e.ops->image_inspect(t.e.self, t.image, &image, &err));
    assert_true(str_starts_with(image.id, "sha256:"));
    FAILS(ERR_NOT_FOUND,
          t.e.ops->image_inspect(t.e.self, "localhost/steadystate-nothing:no", &image, &err));
    FAILS(ERR_NOT_FOUND, t.e.ops->image_inspect(t.e.self, "../containers/x?a=b", &image, &err));
    cleanup_strv struct strv argv = STRV_INIT;
    struct engine_container_spec spec;
    fill_spec(&spec, &argv);
    spec.image = "localhost/steadystate-nothing:no";
    spec.network = NULL;
    spec.port = 0;
    spec.volume = NULL;
    char id[ENGINE_ID_MAX + 1];
    FAILS(ERR_NOT_FOUND, t.e.ops->container_create(t.e.self, &spec, id, &err));
}

static void check_read_back(const char *id)
{
    cleanup_engine_container struct engine_container c = {0};
    OK(t.e.ops->container_inspect(t.e.self, id, &c, &err));
    struct engine_info info;
    OK(t.e.ops->info(t.e.self, &info, &err));
    assert_string_equal(c.name, t.name);
    assert_string_equal(c.id, id);
    assert_int_equal(c.state, ENGINE_RUNNING);
    assert_string_equal(engine_label(&c.labels, "steadystate.session"), t.id);
    assert_int_equal(c.memory, 256UL * 1024 * 1024);
    assert_int_equal(c.nano_cpus, 500000000);
    assert_int_equal(c.pids, 100);
    assert_true(c.read_only);
    assert_true(c.no_new_privileges);
    assert_false(c.privileged);
    assert_int_equal(c.caps.len, 4);
    assert_string_equal(c.caps.v[0], "CAP_CHOWN");
    assert_string_equal(c.caps.v[3], "CAP_SYS_CHROOT");
    assert_int_equal(c.host_port, t.port);
    assert_true(str_starts_with(c.ip, "10.23."));
    if (info.userns_option)
        assert_string_equal(c.userns_mode, "private");
}

static void run_exec(const char *command, const char *input, int want_status, const char *want_out)
{
    cleanup_strv struct strv argv = STRV_INIT;
    strv_pushl(&argv, "/bin/sh", "-c", command, NULL);
    cleanup_close int fd = -1;
    char id[ENGINE_ID_MAX + 1];
    OK(t.e.ops->exec(t.e.self, t.name,
                     &(struct engine_exec){.argv = &argv, .want_stdin = input != NULL}, &fd, id,
                     &err));
    if (input) {
        assert_int_equal(fd_set_nonblock(fd, false), 0);
        OK(fd_write_full(fd, input, strlen(input), &err));
        assert_int_equal(fd_set_nonblock(fd, true), 0);
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
    }
    struct engine_mux mux = {0};
    struct output o = {STR_INIT, STR_INIT};
    read_until(fd, &mux, &o, NULL, NULL);
    assert_string_equal(o.out.p, want_out);
    int status = -1;
    OK(t.e.ops->exec_status(t.e.self, id, &status, &err));
    assert_int_equal(status, want_status);
    str_release(&o.out);
    str_release(&o.err);
}

static void test_life(void **state)
{
    (void)state;
    char id[ENGINE_ID_MAX + 1];
    make_all(id);
    OK(t.e.ops->volume_create(t.e.self, t.name, &t.labels, &err)); /* again */

    cleanup_str struct str tar = STR_INIT;
    OK(tar_add_dir(&tar, "ssh", 0700, 0, 0, &err));
    OK(tar_add_file(&tar, "ssh/host_key", 0600, 0, 0, "secret\n", 7, &err));
    OK(tar_add_file(&tar, "spec.json", 0640, 10001, 10002, "{}", 2, &err));
    tar_finish(&tar);
    OK(t.e.ops->archive_put(t.e.self, t.name, "/session", tar.p, tar.len, &err));

    cleanup_close int fd = -1;
    OK(t.e.ops->attach(t.e.self, t.name, &fd, &err));
    OK(t.e.ops->container_start(t.e.self, t.name, &err));
    OK(t.e.ops->container_start(t.e.self, t.name, &err)); /* again */
    struct engine_mux mux = {0};
    struct output o = {STR_INIT, STR_INIT};
    read_until(fd, &mux, &o, "ready\n", "noise\n");
    OK(fd_write_full(fd, "hello\n", 6, &err));
    read_until(fd, &mux, &o, "got hello\n", NULL);
    check_read_back(id);
    run_exec("stat -c '%a %u %g' /session/ssh /session/ssh/host_key /session/spec.json; "
             "cat /session/ssh/host_key",
             NULL, 0, "700 0 0\n600 0 0\n640 10001 10002\nsecret\n");
    run_exec("cat; exit 9", "in\n", 9, "in\n");
    run_exec("touch /etc/x 2>/dev/null || echo read-only", NULL, 0, "read-only\n");
    run_exec("grep CapBnd /proc/self/status", NULL, 0, "CapBnd:\t00000000000400c1\n");
    run_exec(
        "grep NoNewPrivs /proc/self/status; "
        "grep -E '^Max (processes|open files)' /proc/self/limits | tr -s ' ' | cut -d' ' -f2-4",
        NULL, 0, "NoNewPrivs:\t1\nprocesses 1024 1024\nopen files 1024\n");

    OK(t.e.ops->container_stop(t.e.self, t.name, 5, &err));
    OK(t.e.ops->container_stop(t.e.self, t.name, 5, &err)); /* again */
    cleanup_engine_container struct engine_container c = {0};
    OK(t.e.ops->container_inspect(t.e.self, t.name, &c, &err));
    assert_int_equal(c.state, ENGINE_EXITED);
    assert_int_equal(c.exit_code, 7);
    read_until(fd, &mux, &o, NULL, NULL); /* the attachment ends with it */

    cleanup_close int second = -1;
    OK(t.e.ops->attach(t.e.self, t.name, &second, &err));
    OK(t.e.ops->container_start(t.e.self, t.name, &err));
    str_clear(&o.out);
    str_clear(&o.err);
    struct engine_mux mux2 = {0};
    read_until(second, &mux2, &o, "ready\n", "noise\n");
    check_read_back(id);
    run_exec("cat /session/ssh/host_key", NULL, 0, "secret\n");
    str_release(&o.out);
    str_release(&o.err);
}

static void test_list(void **state)
{
    (void)state;
    char id[ENGINE_ID_MAX + 1];
    make_all(id);
    for (int kind = ENGINE_CONTAINERS; kind <= ENGINE_VOLUMES; kind++) {
        cleanup_engine_list struct engine_list list = {0}, none = {0};
        OK(t.e.ops->list(t.e.self, (enum engine_kind)kind, t.label, &list, &err));
        assert_int_equal(list.len, 1);
        assert_string_equal(list.v[0].name, t.name);
        assert_string_equal(engine_label(&list.v[0].labels, "steadystate.session"), t.id);
        OK(t.e.ops->list(t.e.self, (enum engine_kind)kind, "steadystate.session=no/such \"thing\"",
                         &none, &err));
        assert_int_equal(none.len, 0);
    }
    cleanup_engine_list struct engine_list list = {0};
    OK(t.e.ops->list(t.e.self, ENGINE_CONTAINERS, t.label, &list, &err));
    assert_int_equal(list.v[0].state, ENGINE_CREATED);
}

static void test_in_use(void **state)
{
    (void)state;
    char id[ENGINE_ID_MAX + 1];
    make_all(id);
    cleanup_strv struct strv argv = STRV_INIT;
    struct engine_container_spec spec;
    fill_spec(&spec, &argv);
    FAILS(ERR_EXISTS, t.e.ops->container_create(t.e.self, &spec, id, &err));
    FAILS(ERR_EXISTS, make_network(t.name, "10.23.200.0/28", "sstother", &err));
    FAILS(ERR_CONFLICT, make_network("sstest-other", t.subnet, "sstother", &err));
    FAILS(ERR_CONFLICT, t.e.ops->volume_remove(t.e.self, t.name, &err));
    FAILS(ERR_CONFLICT, t.e.ops->container_kill(t.e.self, t.name, "KILL", &err));
    strv_release(&argv);
    strv_push(&argv, "true");
    int fd = -1;
    FAILS(ERR_CONFLICT,
          t.e.ops->exec(t.e.self, t.name, &(struct engine_exec){.argv = &argv}, &fd, id, &err));
    assert_int_equal(fd, -1);

    cleanup_close int taken = listen_on(t.port);
    FAILS(ERR_EXISTS, t.e.ops->container_start(t.e.self, t.name, &err));
    close(steal_fd(&taken));
    OK(t.e.ops->container_start(t.e.self, t.name, &err));
    FAILS(ERR_CONFLICT, t.e.ops->network_remove(t.e.self, t.name, &err));
}

static void test_missing(void **state)
{
    (void)state;
    cleanup_engine_container struct engine_container c = {0};
    cleanup_strv struct strv argv = STRV_INIT;
    strv_push(&argv, "true");
    int fd = -1, status;
    char id[ENGINE_ID_MAX + 1];
    FAILS(ERR_NOT_FOUND, t.e.ops->container_inspect(t.e.self, t.name, &c, &err));
    FAILS(ERR_NOT_FOUND, t.e.ops->container_start(t.e.self, t.name, &err));
    FAILS(ERR_NOT_FOUND, t.e.ops->container_stop(t.e.self, t.name, 1, &err));
    FAILS(ERR_NOT_FOUND, t.e.ops->container_kill(t.e.self, t.name, "KILL", &err));
    FAILS(ERR_NOT_FOUND, t.e.ops->archive_put(t.e.self, t.name, "/session", "", 0, &err));
    FAILS(ERR_NOT_FOUND, t.e.ops->attach(t.e.self, t.name, &fd, &err));
    FAILS(ERR_NOT_FOUND,
          t.e.ops->exec(t.e.self, t.name, &(struct engine_exec){.argv = &argv}, &fd, id, &err));
    FAILS(ERR_NOT_FOUND, t.e.ops->exec_status(t.e.self, "0123456789abcdef", &status, &err));
    OK(t.e.ops->container_remove(t.e.self, t.name, &err));
    OK(t.e.ops->network_remove(t.e.self, t.name, &err));
    OK(t.e.ops->volume_remove(t.e.self, t.name, &err));
}

static void test_bad_command(void **state)
{
    (void)state;
    cleanup_strv struct strv argv = STRV_INIT;
    struct engine_container_spec spec;
    char id[ENGINE_ID_MAX + 1];
    fill_spec(&spec, &argv);
    strv_release(&argv);
    strv_push(&argv, "/nothing/here");
    spec.network = NULL;
    spec.port = 0;
    spec.volume = NULL;
    OK(t.e.ops->container_create(t.e.self, &spec, id, &err));
    struct err err = ERR_INIT;
    assert_true(t.e.ops->container_start(t.e.self, t.name, &err) < 0);
    assert_non_null(strstr(err.msg, "/nothing/here"));
}

static void test_exec_not_found(void **state)
{
    (void)state;
    char id[ENGINE_ID_MAX + 1];
    make_all(id);
    OK(t.e.ops->container_start(t.e.self, t.name, &err));
    cleanup_strv struct strv argv = STRV_INIT;
    strv_push(&argv, "/nothing/here");
    cleanup_close int fd = -1;
    OK(t.e.ops->exec(t.e.self, t.name, &(struct engine_exec){.argv = &argv}, &fd, id, &err));
    struct engine_mux mux = {0};
    struct output o = {STR_INIT, STR_INIT};
    read_until(fd, &mux, &o, NULL, NULL);
    str_release(&o.out);
    str_release(&o.err);
    int status = 0;
    OK(t.e.ops->exec_status(t.e.self, id, &status, &err));
    assert_true(status == 126 || status == 127);
}

/* --- a slow way to the engine --------------------------------------------------------------- */

/* Hands one request on at once and its answer back never: what a client with a time limit sees of
 * an engine that is too slow, or a part of the answer and then the end. */
struct proxy {
    char path[96];
    int listener;
    size_t answer_bytes; /* of the answer, 0: hold the connection until the client leaves */
    pthread_t thread;
};

static void *proxy_run(void *payload)
{
    struct proxy *p = payload;
    cleanup_close int client = accept(p->listener, NULL, NULL);
    cleanup_close int engine = fd_unix_connect(t.socket, NULL);
    char buf[8192];
    ssize_t n = read(client, buf, sizeof buf);
    if (n <= 0 || fd_write_full(engine, buf, (size_t)n, NULL) < 0)
        return NULL;
    if (p->answer_bytes) {
        if (fd_read_full(engine, buf, p->answer_bytes, NULL) == 0)
            (void)fd_write_full(client, buf, p->answer_bytes, NULL);
        return NULL;
    }
    while (read(client, buf, sizeof buf) > 0)
        continue;
    /* The engine finds its client gone, too. */
    return NULL;
}

static void proxy_start(struct proxy *p, size_t answer_bytes)
{
    snprintf(p->path, sizeof p->path, "/tmp/%s.sock", t.name);
    unlink(p->path);
    p->answer_bytes = answer_bytes;
    p->listener = fd_unix_listen(p->path, 0600, 4, NULL);
    assert_true(p->listener >= 0);
    assert_int_equal(fd_set_nonblock(p->listener, false), 0);
    assert_int_equal(pthread_create(&p->thread, NULL, proxy_run, p), 0);
}

static void proxy_stop(struct proxy *p)
{
    pthread_join(p->thread, NULL);
    close(p->listener);
    unlink(p->path);
}

static void test_slow_engine_starts_all_the_same(void **state)
{
    (void)state;
    char id[ENGINE_ID_MAX + 1];
    make_all(id);
    struct proxy p;
    struct engine slow;
    proxy_start(&p, 0);
    OK(engine_rest_new(&(struct engine_rest_options){.socket = p.path, .timeout_ms = 200}, &slow,
                       &err));
    FAILS(ERR_TIMEOUT, slow.ops->container_start(slow.self, t.name, &err));
    engine_free(&slow);
    proxy_stop(&p);
    for (int i = 0;; i++) {
        cleanup_engine_container struct engine_container c = {0};
        OK(t.e.ops->container_inspect(t.e.self, t.name, &c, &err));
        if (c.state == ENGINE_RUNNING)
            break;
        if (i == WAIT_MS / 50)
            fail_msg("the container did not start");
        nanosleep(&(struct timespec){0, 50000000}, NULL);
    }
    OK(t.e.ops->container_start(t.e.self, t.name, &err));
}

static void test_answer_that_is_cut_off(void **state)
{
    (void)state;
    for (size_t bytes = 5; bytes < 200; bytes += 90) {
        struct proxy p;
        struct engine cut;
        cleanup_engine_list struct engine_list list = {0};
        proxy_start(&p, bytes);
        OK(engine_rest_new(&(struct engine_rest_options){.socket = p.path}, &cut, &err));
        FAILS(ERR_UNAVAILABLE, cut.ops->list(cut.self, ENGINE_CONTAINERS, "a=b", &list, &err));
        engine_free(&cut);
        proxy_stop(&p);
    }
}

int main(void)
{
    const char *url = getenv("STEADYSTATE_TEST_ENGINE");
    t.image = getenv("STEADYSTATE_TEST_IMAGE");
    struct err err = ERR_INIT;
    if (!url || !t.image || engine_socket_of_url(url, &t.socket, &err) < 0 ||
        engine_rest_new(&(struct engine_rest_options){.socket = t.socket}, &t.e, &err) < 0) {
        fprintf(stderr, "set STEADYSTATE_TEST_ENGINE and STEADYSTATE_TEST_IMAGE %s\n", err.msg);
        return 2;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_info, setup, teardown),
        cmocka_unit_test_setup_teardown(test_image, setup, teardown),
        cmocka_unit_test_setup_teardown(test_life, setup, teardown),
        cmocka_unit_test_setup_teardown(test_list, setup, teardown),
        cmocka_unit_test_setup_teardown(test_in_use, setup, teardown),
        cmocka_unit_test_setup_teardown(test_missing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_command, setup, teardown),
        cmocka_unit_test_setup_teardown(test_exec_not_found, setup, teardown),
        cmocka_unit_test_setup_teardown(test_slow_engine_starts_all_the_same, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answer_that_is_cut_off, setup, teardown),
    };
    int failed = cmocka_run_group_tests_name("engine", tests, NULL, NULL);
    engine_free(&t.e);
    return failed;
}
