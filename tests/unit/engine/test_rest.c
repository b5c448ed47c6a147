/* The REST engine against answers as engines, slow engines and broken engines give them. */
#include "engine/rest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../http/fake.h"

#define OK(body) "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" body
#define ANSWER(status, body) "HTTP/1.1 " status "\r\nConnection: close\r\n\r\n" body

static const char podman_ping[] =
    "HTTP/1.1 200 OK\r\nLibpod-Api-Version: 4.3.1\r\nConnection: close\r\n\r\nOK";
static const char podman_info[] =
    OK("{\"host\":{\"cgroupVersion\":\"v1\",\"cgroupControllers\":[\"memory\",\"cpu\",\"pids\"],"
       "\"ociRuntime\":{\"name\":\"runc\"},"
       "\"security\":{\"rootless\":true,\"capabilities\":\"CAP_CHOWN,CAP_KILL,CAP_SETUID\"}},"
       "\"version\":{\"Version\":\"4.3.1\"}}");
static const char docker_ping[] = OK("OK");

static struct fake f;
static struct engine e;

static int setup(void **state)
{
    (void)state;
    memset(&f, 0, sizeof f);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    engine_free(&e);
    fake_stop(&f);
    return 0;
}

static void reply(const char *text)
{
    f.replies[f.n++] = text;
}

static void serve(int timeout_ms)
{
    fake_start(&f);
    struct engine_rest_options options = {.socket = f.path, .timeout_ms = timeout_ms};
    assert_int_equal(engine_rest_new(&options, &e, NULL), 0);
}

static void test_info_docker(void **state)
{
    (void)state;
    reply(docker_ping);
    reply(OK("{\"ServerVersion\":\"20.10.24\",\"DefaultRuntime\":\"runc\",\"CgroupVersion\":\"1\","
             "\"MemoryLimit\":true,\"CpuCfsQuota\":true,\"PidsLimit\":true,"
             "\"SecurityOptions\":[\"name=seccomp,profile=default\",\"name=userns\"]}"));
    reply(OK("{\"ServerVersion\":\"20.10.24\",\"MemoryLimit\":false}"));
    serve(5000);
    struct engine_info info;
    assert_int_equal(e.ops->info(e.self, &info, NULL), 0);
    assert_string_equal(info.name, "docker");
    assert_string_equal(info.version, "20.10.24");
    assert_int_equal(info.cgroup_version, 1);
    assert_true(info.userns);
    assert_true(info.limits);
    assert_false(info.userns_option);
    assert_false(info.seccomp_path);
    assert_false(info.rootless);
    assert_int_equal(e.ops->info(e.self, &info, NULL), 0);
    assert_false(info.limits);
    assert_false(info.userns);
    assert_true(
        str_starts_with(f.asked[2].p, "GET /v1.41/info ")); /* the kind is asked once only */
}

static void test_info_rootless_podman_on_cgroup_v1(void **state)
{
    (void)state;
    reply(podman_ping);
    reply(podman_info);
    serve(5000);
    struct engine_info info;
    assert_int_equal(e.ops->info(e.self, &info, NULL), 0);
    assert_string_equal(info.name, "podman");
    assert_true(info.rootless);
    assert_true(info.userns);
    assert_false(info.userns_option);
    assert_false(info.limits);
}

static void test_no_engine_behind_the_socket(void **state)
{
    (void)state;
    reply(OK("<html>"));
    reply(OK("<html>"));
    reply(OK("[]"));
    reply(OK(""));
    serve(5000);
    struct engine_info info;
    for (int i = 0; i < 3; i++)
        assert_int_equal(e.ops->info(e.self, &info, NULL), ERR_UNAVAILABLE);
}

static void test_inspect(void **state)
{
    (void)state;
    reply(podman_ping);
    reply(podman_info);
    reply(OK("{\"Id\":\"0123abcd\",\"Name\":\"/n\",\"Image\":\"sha256:12\","
             "\"State\":{\"Status\":\"stopped\",\"ExitCode\":3,\"Error\":\"why\"},"
             "\"Config\":{\"Labels\":{\"a\":\"1\",\"b\":\"\"}},"
             "\"HostConfig\":{\"Memory\":5,\"NanoCpus\":6,\"PidsLimit\":7,\"ReadonlyRootfs\":true,"
             "\"CapAdd\":[\"CAP_SYS_ADMIN\"],\"CapDrop\":[\"KILL\"],"
             "\"SecurityOpt\":[\"no-new-privileges:true\"],\"UsernsMode\":\"private\","
             "\"PortBindings\":{\"2222/tcp\":[{\"HostIp\":\"\",\"HostPort\":\"20001\"}]}},"
             "\"NetworkSettings\":{\"Networks\":{\"n\":{\"IPAddress\":\"10.0.0.2\"}}}}"));
    serve(5000);
    cleanup_engine_container struct engine_container c = {0};
    assert_int_equal(e.ops->container_inspect(e.self, "n x", &c, NULL), 0);
    assert_true(str_starts_with(f.asked[2].p, "GET /v1.41/containers/n%20x/json "));
    assert_string_equal(c.name, "n");
    assert_int_equal(c.state, ENGINE_EXITED);
    assert_int_equal(c.exit_code, 3);
    assert_string_equal(c.error, "why");
    assert_string_equal(engine_label(&c.labels, "a"), "1");
    assert_string_equal(engine_label(&c.labels, "b"), "");
    assert_null(engine_label(&c.labels, "c"));
    assert_int_equal(c.memory, 5);
    assert_int_equal(c.nano_cpus, 6);
    assert_int_equal(c.pids, 7);
    assert_true(c.read_only && c.no_new_privileges && !c.privileged);
    assert_int_equal(c.host_port, 20001);
    assert_string_equal(c.ip, "10.0.0.2");
    assert_int_equal(c.caps.len, 3); /* the default without KILL, and what was added */
    assert_string_equal(c.caps.v[0], "CAP_CHOWN");
    assert_string_equal(c.caps.v[1], "CAP_SETUID");
    assert_string_equal(c.caps.v[2], "CAP_SYS_ADMIN");
}

static void test_answers_that_are_not_understood(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        OK("{}"),
        OK("[]"),
        OK("{\"Id\":\"xyz\"}"),
        OK("{\"Id\":\"ab\",\"State\":[]}"),
        OK("{\"Id\":\"ab\"}"),
        OK("{\"Id\":\"ab\",\"Config\":{\"Labels\":{\"a\":1}},\"HostConfig\":{}}"),
        OK("{\"Id\":\"ab\",\"Config\":{},\"HostConfig\":{\"Memory\":\"much\"}}"),
        OK("{\"Id\":\"ab\",\"Config\":{},\"HostConfig\":{\"CapDrop\":[1]}}"),
        OK("{\"Id\":\"ab\",\"Config\":{},\"HostConfig\":{\"PortBindings\":{\"1/"
           "tcp\":[{\"HostPort\":"
           "\"70000\"}]}}}"),
    };
    reply(docker_ping);
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++)
        reply(bodies[i]);
    serve(5000);
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        struct engine_container c;
        struct err err = ERR_INIT;
        int rc = e.ops->container_inspect(e.self, "n", &c, &err);
        if (rc != ERR_FAILED)
            fail_msg("%s: %d", bodies[i], rc);
        assert_non_null(strstr(err.msg, "is not understood"));
    }
}

static void test_cut_and_slow_answers(void **state)
{
    (void)state;
    reply(docker_ping);
    reply("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{\"ServerVersion\":");
    reply("");
    reply(OK("{\"ServerVersion\":"));
    reply(NULL);
    serve(200);
    struct engine_info info;
    struct err err = ERR_INIT;
    assert_int_equal(e.ops->info(e.self, &info, &err), ERR_UNAVAILABLE);
    assert_int_equal(e.ops->info(e.self, &info, NULL), ERR_UNAVAILABLE);
    assert_int_equal(e.ops->info(e.self, &info, NULL), ERR_UNAVAILABLE);
    err_clear(&err);
    assert_int_equal(e.ops->info(e.self, &info, &err), ERR_TIMEOUT);
    assert_non_null(strstr(err.msg, "did not answer in time"));
}

static void test_engine_that_is_away(void **state)
{
    (void)state;
    reply("");
    serve(5000);
    struct engine away;
    assert_int_equal(
        engine_rest_new(&(struct engine_rest_options){.socket = "/nonexistent"}, &away, NULL), 0);
    struct err err = ERR_INIT;
    assert_int_equal(away.ops->container_start(away.self, "n", &err), ERR_UNAVAILABLE);
    int fd;
    assert_int_equal(away.ops->attach(away.self, "n", &fd, NULL), ERR_UNAVAILABLE);
    engine_free(&away);
}

static void test_create_body(void **state)
{
    (void)state;
    reply(podman_ping);
    reply(podman_info);
    reply(ANSWER("201 Created", "{\"Id\":\"00ff\",\"Warnings\":[]}"));
    serve(5000);
    cleanup_strv struct strv argv = STRV_INIT, labels = STRV_INIT;
    strv_pushl(&argv, "agent", "run", NULL);
    strv_push(&labels, "k=v=w");
    static const char *const caps[] = {"CHOWN", NULL};
    struct engine_tmpfs tmpfs = {"/run", "mode=755"};
    struct engine_container_spec spec = {
        .name = "n",
        .image = "img",
        .entrypoint = &argv,
        .labels = &labels,
        .open_stdin = true,
        .network = "net",
        .port = 2222,
        .host_ip = "127.0.0.1",
        .host_port = 20001,
        .volume = "vol",
        .volume_path = "/session",
        .tmpfs = &tmpfs,
        .n_tmpfs = 1,
        .cap_add = caps,
        .read_only = true,
        .seccomp = "/p.json",
        .userns_base = 7,
        .userns_size = 65536,
        .memory = 1024,
        .cpus_milli = 1500,
        .pids = 9,
        .nofile = 10,
        .nproc = 11,
    };
    char id[ENGINE_ID_MAX + 1];
    assert_int_equal(e.ops->container_create(e.self, &spec, id, NULL), 0);
    assert_string_equal(id, "00ff");
    assert_true(str_starts_with(f.asked[2].p, "POST /v1.41/containers/create?name=n "));
    static const char *const parts[] = {
        "\"Image\":\"img\"",
        "\"Entrypoint\":[\"agent\",\"run\"]",
        "\"Cmd\":[]",
        "\"Labels\":{\"k\":\"v=w\"}",
        "\"OpenStdin\":true",
        "\"Healthcheck\":{\"Test\":[\"NONE\"]}",
        "\"NetworkMode\":\"net\"",
        "\"PortBindings\":{\"2222\\/tcp\":[{\"HostIp\":\"127.0.0.1\",\"HostPort\":\"20001\"}]}",
        "\"Mounts\":[{\"Type\":\"volume\",\"Source\":\"vol\",\"Target\":\"\\/session\"}]",
        "\"Tmpfs\":{\"\\/run\":\"mode=755\"}",
        "\"ReadonlyRootfs\":true",
        "\"Memory\":1024",
        "\"MemorySwap\":1024",
        "\"NanoCpus\":1500000000",
        "\"PidsLimit\":9",
        "\"Ulimits\":[{\"Name\":\"nofile\",\"Soft\":10,\"Hard\":10},",
        "{\"Name\":\"nproc\",\"Soft\":11,\"Hard\":11}]",
        "\"CapDrop\":[\"ALL\"]",
        "\"CapAdd\":[\"CHOWN\"]",
        "\"SecurityOpt\":[\"no-new-privileges\",\"seccomp=\\/p.json\"]",
        "\"Privileged\":false",
        "\"UsernsMode\":\"auto:size=65536,uidmapping=0:7:65536,gidmapping=0:7:65536\"",
        "\"RestartPolicy\":{\"Name\":\"no\"}",
        "\"LogConfig\":{\"Type\":\"none\"}",
    };
    /* json-c may write slashes either way */
    cleanup_str struct str asked = STR_INIT;
    for (const char *p = f.asked[2].p; *p; p++)
        if (p[0] != '\\' || p[1] != '/')
            str_addc(&asked, *p);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        cleanup_str struct str part = STR_INIT;
        for (const char *p = parts[i]; *p; p++)
            if (p[0] != '\\' || p[1] != '/')
                str_addc(&part, *p);
        if (!strstr(asked.p, part.p))
            fail_msg("%s is not in %s", part.p, asked.p);
    }
}

/* What a server that listens for ssh on all addresses asks for. */
static void check_all_addresses(const char *version, const char *info, const char *want)
{
    reply(version);
    if (info)
        reply(info);
    reply(ANSWER("201 Created", "{\"Id\":\"00ff\",\"Warnings\":[]}"));
    serve(5000);
    struct engine_container_spec spec = {.name = "n",
                                         .image = "img",
                                         .network = "net",
                                         .port = 2222,
                                         .host_ip = "0.0.0.0",
                                         .host_port = 20001};
    cleanup_strv struct strv none = STRV_INIT;
    spec.entrypoint = spec.labels = &none;
    char id[ENGINE_ID_MAX + 1];
    assert_int_equal(e.ops->container_create(e.self, &spec, id, NULL), 0);
    assert_non_null(strstr(f.asked[info ? 2 : 1].p, want));
}

static void test_all_addresses_on_podman(void **state)
{
    (void)state;
    check_all_addresses(podman_ping, podman_info, "\"HostIp\":\"\"");
}

static void test_all_addresses_on_docker(void **state)
{
    (void)state;
    check_all_addresses(docker_ping, NULL, "\"HostIp\":\"0.0.0.0\"");
}

static void test_lists(void **state)
{
    (void)state;
    reply(
        OK("[{\"Id\":\"aa\",\"Names\":[\"/n\"],\"State\":\"running\",\"Labels\":{\"k\":\"v\"}}]"));
    reply(OK("{\"Volumes\":null}"));
    reply(OK("[{\"Name\":\"net\",\"Labels\":null}]"));
    reply(OK("{\"message\":\"no list\"}"));
    serve(5000);
    cleanup_engine_list struct engine_list a = {0}, b = {0}, c = {0}, d = {0};
    assert_int_equal(e.ops->list(e.self, ENGINE_CONTAINERS, "k=v", &a, NULL), 0);
    assert_true(str_starts_with(f.asked[0].p, "GET /v1.41/containers/json?all=1&filters=%7B%22label"
                                              "%22%3A%5B%22k%3Dv%22%5D%7D "));
    assert_int_equal(a.len, 1);
    assert_string_equal(a.v[0].name, "n");
    assert_int_equal(a.v[0].state, ENGINE_RUNNING);
    assert_int_equal(e.ops->list(e.self, ENGINE_VOLUMES, "k=v", &b, NULL), 0);
    assert_int_equal(b.len, 0);
    assert_int_equal(e.ops->list(e.self, ENGINE_NETWORKS, "k=v", &c, NULL), 0);
    assert_string_equal(c.v[0].name, "net");
    assert_int_equal(e.ops->list(e.self, ENGINE_CONTAINERS, "k=v", &d, NULL), ERR_FAILED);
}

static void test_removal_that_answers_wrongly(void **state)
{
    (void)state;
    reply(podman_ping);
    reply(podman_info);
    reply(ANSWER("304 Not Modified", "")); /* stop */
    reply(ANSWER("500 X", "{\"cause\":\"device or resource busy\",\"message\":\"shm: device or "
                          "resource busy\"}"));
    reply(ANSWER("404 Not Found", "{\"cause\":\"no such container\"}"));
    reply(ANSWER("404 Not Found", "{\"cause\":\"no such container\"}")); /* stop of the next */
    serve(5000);
    struct err err = ERR_INIT;
    assert_int_equal(e.ops->container_remove(e.self, "n", &err), 0);
    assert_true(str_starts_with(f.asked[3].p, "DELETE /v1.41/containers/n?force=1&v=1 "));
    assert_true(str_starts_with(f.asked[4].p, "GET /v1.41/containers/n/json "));
    assert_int_equal(e.ops->container_remove(e.self, "n", &err), 0);
}

static void test_removal_that_fails(void **state)
{
    (void)state;
    reply(docker_ping);
    reply(ANSWER("500 X", "{\"message\":\"cannot\"}"));
    reply(OK("{\"Id\":\"aa\",\"Config\":{},\"HostConfig\":{}}"));
    serve(5000);
    struct err err = ERR_INIT;
    assert_int_equal(e.ops->container_remove(e.self, "n", &err), ERR_FAILED);
    assert_string_equal(err.msg, "remove the container: the engine answers 500: cannot");
}

static void test_exec_status(void **state)
{
    (void)state;
    reply(OK("{\"Running\":true,\"ExitCode\":0}"));
    reply(OK("{\"Running\":true,\"ExitCode\":null}"));
    reply(OK("{\"Running\":false,\"ExitCode\":9}"));
    reply(OK("{\"Running\":false}"));
    serve(5000);
    int code = -1;
    assert_int_equal(e.ops->exec_status(e.self, "ab", &code, NULL), ERR_CONFLICT);
    assert_int_equal(e.ops->exec_status(e.self, "ab", &code, NULL), ERR_CONFLICT);
    assert_int_equal(e.ops->exec_status(e.self, "ab", &code, NULL), 0);
    assert_int_equal(code, 9);
    assert_int_equal(e.ops->exec_status(e.self, "ab", &code, NULL), ERR_FAILED);
}

static void test_find(void **state)
{
    (void)state;
    reply(OK("OK"));
    reply(OK("OK"));
    serve(5000);
    cleanup_free char *path = NULL, *given = NULL, *second = NULL,
                      *url = xasprintf("unix://%s", f.path);
    const char *p;
    struct err err = ERR_INIT;
    setenv("CONTAINER_HOST", url, 1);
    setenv("DOCKER_HOST", "tcp://192.0.2.1:2375", 1);
    assert_int_equal(engine_find(NULL, &path, &err), 0);
    assert_string_equal(path, f.path);
    setenv("CONTAINER_HOST", "unix:///nonexistent/x", 1);
    setenv("DOCKER_HOST", url, 1);
    assert_int_equal(engine_find(NULL, &second, &err), 0);
    assert_string_equal(second, f.path);
    /* an explicit one is taken as it is */
    assert_int_equal(engine_find("unix:///nonexistent/y", &given, &err), 0);
    assert_string_equal(given, "/nonexistent/y");
    assert_int_equal(engine_find("tcp://192.0.2.1:2375", &given, &err), ERR_UNSUPPORTED);
    assert_int_equal(engine_socket_of_url("/a/b", &p, NULL), 0);
    assert_int_equal(engine_socket_of_url("unix://relative", &p, NULL), ERR_UNSUPPORTED);
    unsetenv("CONTAINER_HOST");
    unsetenv("DOCKER_HOST");
}

static void test_socket_path_too_long(void **state)
{
    (void)state;
    reply("");
    serve(5000);
    char path[200];
    memset(path, 'x', sizeof path);
    path[0] = '/';
    path[sizeof path - 1] = '\0';
    struct engine other;
    assert_int_equal(engine_rest_new(&(struct engine_rest_options){.socket = path}, &other, NULL),
                     ERR_INVALID);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_info_docker),
        T(test_info_rootless_podman_on_cgroup_v1),
        T(test_no_engine_behind_the_socket),
        T(test_inspect),
        T(test_answers_that_are_not_understood),
        T(test_cut_and_slow_answers),
        T(test_engine_that_is_away),
        T(test_create_body),
        T(test_all_addresses_on_podman),
        T(test_all_addresses_on_docker),
        T(test_lists),
        T(test_removal_that_answers_wrongly),
        T(test_removal_that_fails),
        T(test_exec_status),
        T(test_find),
        T(test_socket_path_too_long),
    };
    return cmocka_run_group_tests_name("engine/rest", tests, NULL, NULL);
}
