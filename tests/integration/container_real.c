/*
 * Provider "container" on a real engine, with an image whose agent is a shell script
 * (test_engine.py makes it): what it prints at start, it prints on the control connection, and it
 * runs the lines that come in. Environment: STEADYSTATE_TEST_ENGINE, _IMAGE, _SUBNET (a /28),
 * _PORT, _DIR (for the policy file), _GUARD=1 (the host's firewall may be changed).
 *
 * Covers: start, what protects the session seen from inside, published port, a second control
 * connection, end and restart on the same port and volume, a taken port, what is reachable through
 * the gateway, and that nothing is left. Not covered: the real agent (test_story.py).
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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/enc.h"
#include "base/fd.h"
#include "base/num.h"
#include "compute/container/container.h"
#include "engine/mux.h"
#include "engine/rest.h"

#define WAIT_MS 30000

static struct {
    struct engine_info info;
    struct provider p;
    struct session_spec spec;
    bool guard;
} t;

struct talk {
    struct provider_conn conn;
    struct engine_mux mux;
    struct str out;
};

static void talk_end(struct talk *k)
{
    provider_conn_release(&k->conn);
    str_release(&k->out);
}

static int collect(enum engine_stream stream, const char *p, size_t n, void *payload,
                   struct err *err)
{
    (void)stream;
    (void)err;
    str_add(payload, p, n);
    return 0;
}

/* Reads until text appears; NULL: until the end. */
static void expect(struct talk *k, const char *text)
{
    while (!text || !strstr(k->out.p, text)) {
        struct pollfd p = {.fd = k->conn.fd, .events = POLLIN};
        if (poll(&p, 1, WAIT_MS) != 1)
            fail_msg("waited for '%s', got: %s", text ? text : "the end", k->out.p);
        char buf[4096];
        ssize_t n = read(k->conn.fd, buf, sizeof buf);
        if (n < 0 && errno == EAGAIN)
            continue;
        if (n <= 0) {
            if (text)
                fail_msg("the end instead of '%s': %s", text, k->out.p);
            return;
        }
        assert_int_equal(engine_mux_feed(&k->mux, buf, (size_t)n, collect, &k->out, NULL), 0);
    }
}

static void say(struct talk *k, const char *line)
{
    str_clear(&k->out);
    struct err err = ERR_INIT;
    if (fd_write_full(k->conn.fd, line, strlen(line), &err) < 0)
        fail_msg("%s", err.msg);
}

static void start(struct talk *k)
{
    struct err err = ERR_INIT;
    memset(k, 0, sizeof *k);
    k->out = (struct str)STR_INIT;
    if (t.p.ops->start(t.p.self, &t.spec, NULL, &k->conn, &err) < 0)
        fail_msg("start: %s", err.msg);
}

static bool is_running(size_t *count)
{
    struct provider_sessions list = {0};
    struct err err = ERR_INIT;
    if (t.p.ops->list(t.p.self, &list, &err) < 0)
        fail_msg("list: %s", err.msg);
    bool running = false;
    for (size_t i = 0; i < list.len; i++)
        running = running || list.v[i].running;
    *count = list.len;
    provider_sessions_release(&list);
    return running;
}

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

static void wait_stopped(void)
{
    size_t n;
    for (int i = 0; is_running(&n); i++) {
        if (i == WAIT_MS / 50)
            fail_msg("the container runs on");
        pause_ms(50);
    }
}

/* Connects to the published port until somebody answers. */
static void wait_port(void)
{
    for (int i = 0; i < WAIT_MS / 50; i++) {
        cleanup_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct sockaddr_in a = {.sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                .sin_port = htons((uint16_t)t.spec.ssh_port)};
        char text[16] = "";
        const char ask[] = "GET / HTTP/1.0\r\n\r\n";
        if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0 &&
            send(fd, ask, sizeof ask - 1, MSG_NOSIGNAL) > 0 && recv(fd, text, 8, 0) > 0 &&
            strncmp(text, "HTTP/1", 6) == 0)
            return;
        pause_ms(50);
    }
    fail_msg("nobody answers on port %d", t.spec.ssh_port);
}

static int setup(void **state)
{
    (void)state;
    rnd_session_id(t.spec.id);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    size_t n = 0;
    if (t.p.ops->remove(t.p.self, t.spec.id, &err) < 0)
        fail_msg("remove: %s", err.msg);
    is_running(&n);
    assert_int_equal(n, 0);
    return 0;
}

static void test_protected(void **state)
{
    (void)state;
    struct talk k;
    start(&k);
    expect(&k, "ready\n");
    assert_non_null(strstr(k.out.p, "600 0 0 /session/spec.json\n"));
    assert_non_null(strstr(k.out.p, "600 0 0 /session/ssh/host_key\n"));
    say(&k, "cat /proc/self/status; echo end\n");
    expect(&k, "end\n");
    assert_non_null(strstr(k.out.p, "CapBnd:\t00000000000400c1\n"));
    assert_non_null(strstr(k.out.p, "NoNewPrivs:\t1\n"));
    assert_non_null(strstr(k.out.p, "Seccomp:\t2\n"));
    say(&k, "unshare -U true || echo refused; echo end\n");
    expect(&k, "end\n");
    assert_non_null(strstr(k.out.p, "refused\n"));
    say(&k, "touch /usr/x || echo refused; mkdir /session/d && echo made; echo end\n");
    expect(&k, "end\n");
    assert_non_null(strstr(k.out.p, "refused\nmade\n"));
    say(&k, "printf '#!/bin/sh\\necho runs\\n' >/tmp/x; chmod +x /tmp/x; /tmp/x; echo end\n");
    expect(&k, "end\n");
    assert_non_null(strstr(k.out.p, "runs\n"));
    say(&k, "cat /proc/self/uid_map; echo end\n");
    expect(&k, "end\n");
    cleanup_strv struct strv map = STRV_INIT;
    cleanup_free char *base = xasprintf("%u", t.spec.uid_base);
    strv_split(&map, k.out.p, " \n");
    assert_int_equal(map.len, 4);
    if (t.info.userns_option) {
        assert_string_equal(map.v[0], "0");
        assert_string_equal(map.v[1], base);
        assert_string_equal(map.v[2], "65536");
    }
    say(&k, "ls /sys/class/net; hostname -I; echo end\n");
    expect(&k, "end\n");
    cleanup_free char *prefix = xstrndup(t.spec.subnet, strlen(t.spec.subnet) - strlen("0/28"));
    assert_non_null(strstr(k.out.p, prefix));
    wait_port();
    talk_end(&k);
}

static void test_second_connection(void **state)
{
    (void)state;
    struct talk k, ctl = {.conn = PROVIDER_CONN_INIT, .out = STR_INIT};
    struct err err = ERR_INIT;
    assert_int_equal(t.p.ops->attach(t.p.self, t.spec.id, &ctl.conn, &err), ERR_NOT_FOUND);
    start(&k);
    expect(&k, "ready\n");
    err_clear(&err);
    if (t.p.ops->attach(t.p.self, t.spec.id, &ctl.conn, &err) < 0)
        fail_msg("attach: %s", err.msg);
    say(&ctl, "over ctl\n");
    expect(&ctl, "over ctl\n");
    talk_end(&ctl);

    /* start of what runs is one more connection, too; the first may have gone */
    talk_end(&k);
    start(&k);
    say(&k, "again\n");
    expect(&k, "again\n");
    talk_end(&k);
}

static void test_ends_and_comes_back(void **state)
{
    (void)state;
    struct talk k;
    start(&k);
    expect(&k, "ready\n");
    say(&k, "echo work >/session/work; exit 3\n");
    expect(&k, NULL);
    talk_end(&k);
    wait_stopped();
    start(&k);
    expect(&k, "ready\n");
    say(&k, "cat /session/work; echo end\n");
    expect(&k, "end\n");
    assert_non_null(strstr(k.out.p, "work\n"));
    wait_port();
    assert_int_equal(t.p.ops->stop(t.p.self, t.spec.id, 2000, NULL), 0);
    expect(&k, NULL);
    talk_end(&k);
    wait_stopped();
}

static int listen_on(const char *address, int port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    assert_int_equal(inet_pton(AF_INET, address, &a.sin_addr), 1);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, 8), 0);
    return fd;
}

static void test_port_taken(void **state)
{
    (void)state;
    cleanup_close int taken = listen_on("127.0.0.1", t.spec.ssh_port);
    cleanup_provider_conn struct provider_conn conn = PROVIDER_CONN_INIT;
    struct err err = ERR_INIT;
    size_t n;
    assert_int_equal(t.p.ops->start(t.p.self, &t.spec, NULL, &conn, &err), ERR_EXISTS);
    assert_non_null(strstr(err.msg, "is taken"));
    assert_false(is_running(&n));
    assert_int_equal(n, 0);
}

static void test_missing_image(void **state)
{
    (void)state;
    char *image = t.spec.image;
    t.spec.image = xstrdup("localhost/steadystate-nothing:no");
    cleanup_provider_conn struct provider_conn conn = PROVIDER_CONN_INIT;
    struct err err = ERR_INIT;
    size_t n;
    assert_int_equal(t.p.ops->start(t.p.self, &t.spec, NULL, &conn, &err), ERR_NOT_FOUND);
    free(t.spec.image);
    t.spec.image = image;
    assert_false(is_running(&n));
    assert_int_equal(n, 0);
}

/* What a session reaches: with the guard nothing of the host but DNS, link-local addresses never.
 */
static void test_reach(void **state)
{
    (void)state;
    if (!t.guard) {
        print_message("not asked to change the firewall\n");
        return;
    }
    struct err err = ERR_INIT;
    for (int i = 0; i < 2; i++)
        if (container_guard(NULL, 0, &err) < 0)
            fail_msg("guard: %s", err.msg);
    cleanup_close int all = listen_on("0.0.0.0", t.spec.ssh_port + 1);
    struct talk k;
    start(&k);
    expect(&k, "ready\n");
    /* the port is published and answers although nothing else does */
    wait_port();
    char line[512];
    snprintf(
        line, sizeof line,
        "gw=$(python3 -c 'import socket,struct; print(socket.inet_ntoa(struct.pack(\"<L\",int(["
        "l.split()[2] for l in open(\"/proc/net/route\") if l.split()[1]==\"00000000\"][0],16))))"
        "'); echo \"gateway $gw\"; timeout 3 bash -c \"exec 3<>/dev/tcp/$gw/%d\" || echo closed; "
        "echo end\n",
        t.spec.ssh_port + 1);
    say(&k, line);
    expect(&k, "end\n");
    cleanup_free char *prefix = xstrndup(t.spec.subnet, strlen(t.spec.subnet) - strlen("0/28"));
    cleanup_free char *gateway = xasprintf("gateway %s", prefix);
    assert_non_null(strstr(k.out.p, gateway));
    if (!strstr(k.out.p, "closed\n"))
        fail_msg("reached: %s", k.out.p);
    struct pollfd p = {.fd = all, .events = POLLIN};
    assert_int_equal(poll(&p, 1, 0), 0);
    /* a forge on this host that the configuration allows */
    char *allowed[] = {t.spec.subnet, NULL};
    if (container_guard(allowed, 1, &err) < 0)
        fail_msg("guard: %s", err.msg);
    say(&k, line);
    expect(&k, "end\n");
    assert_null(strstr(k.out.p, "closed\n"));
    assert_int_equal(poll(&p, 1, 0), 1);
    say(&k, "timeout 3 bash -c 'exec 3<>/dev/tcp/169.254.169.254/80' || echo closed; echo end\n");
    expect(&k, "end\n");
    if (!strstr(k.out.p, "closed\n"))
        fail_msg("reached: %s", k.out.p);
    talk_end(&k);
}

static const char *need(const char *name)
{
    const char *value = getenv(name);
    if (!value) {
        fprintf(stderr, "%s is not set\n", name);
        exit(2);
    }
    return value;
}

static void fill_spec(void)
{
    session_spec_init(&t.spec);
    struct session_spec *s = &t.spec;
    s->server_id = xstrdup("containerreal");
    s->mode = xstrdup("collab");
    s->environment = xstrdup("noenv");
    s->repo_url = xstrdup("https://forge.example/a/b");
    s->repo_name = xstrdup("b");
    s->session_branch = xstrdup("steadystate/collab/x");
    s->creator_login = xstrdup("ada");
    s->creator_provider = xstrdup("sshkey");
    s->ssh_user = xstrdup("steadystate");
    s->ssh_host = xstrdup("127.0.0.1");
    s->ssh_bind = xstrdup("127.0.0.1");
    s->host_key = xstrdup("PRIVATE-KEY-TEXT\n");
    s->host_key_public = xstrdup("ssh-ed25519 AAAA");
    s->magic_link = xstrdup("steadystate://collab/x");
    s->image = xstrdup(need("STEADYSTATE_TEST_IMAGE"));
    s->memory = 512UL * 1024 * 1024;
    s->cpus_milli = 1500;
    s->pids = 512;
    s->subnet = xstrdup(need("STEADYSTATE_TEST_SUBNET"));
    s->uid_base = 1800000000;
    s->created_at = 1;
    BUG_ON(num_parse_int(need("STEADYSTATE_TEST_PORT"), 1024, 65000, &s->ssh_port, NULL) < 0);
}

int main(void)
{
    const char *socket_path = NULL;
    struct err err = ERR_INIT;
    struct engine engine = {0};
    fill_spec();
    cleanup_free char *profile = xasprintf("%s/policy.json", need("STEADYSTATE_TEST_DIR"));
    t.guard = getenv("STEADYSTATE_TEST_GUARD") != NULL;
    struct container_options options = {.server_id = t.spec.server_id,
                                        .image = t.spec.image,
                                        .ssh_user = "steadystate",
                                        .profile_path = profile};
    if (engine_socket_of_url(need("STEADYSTATE_TEST_ENGINE"), &socket_path, &err) < 0 ||
        engine_rest_new(&(struct engine_rest_options){.socket = socket_path}, &engine, &err) < 0 ||
        engine.ops->info(engine.self, &t.info, &err) < 0 ||
        container_provider_new(&engine, &options, &t.p, &err) < 0) {
        fprintf(stderr, "%s\n", err.msg);
        return 2;
    }
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_protected),  T(test_second_connection), T(test_ends_and_comes_back),
        T(test_port_taken), T(test_missing_image),     T(test_reach),
    };
    int failed = cmocka_run_group_tests_name("container", tests, NULL, NULL);
    provider_free(&t.p);
    session_spec_release(&t.spec);
    return failed;
}
