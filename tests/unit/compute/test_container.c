/* Provider "container" over the engine in memory: every step failing, repeated, answered late. */
#include "compute/container/container.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compute/container/internal.h"
#include "engine/memory.h"

#define ID "abcdefghij234567abcd"
#define NAME "steadystate-" ID
#define IMAGE "localhost/steadystate-session:latest"

struct world {
    struct engine_memory *m;
    struct provider p;
    struct session_spec spec;
    struct str stages;
};

static void on_stage(void *payload, const char *stage, int percent, const char *message)
{
    (void)percent;
    (void)message;
    struct world *w = payload;
    str_addf(&w->stages, "%s ", stage);
}

static void fill_spec(struct session_spec *spec)
{
    session_spec_init(spec);
    memcpy(spec->id, ID, sizeof ID);
    spec->server_id = xstrdup("server2222");
    spec->mode = xstrdup("collab");
    spec->environment = xstrdup("noenv");
    spec->repo_url = xstrdup("https://forge.example/a/b");
    spec->repo_name = xstrdup("b");
    spec->session_branch = xstrdup("steadystate/collab/" ID);
    spec->creator_login = xstrdup("ada");
    spec->creator_provider = xstrdup("sshkey");
    session_spec_add_user(spec, "ada", "sshkey");
    spec->ssh_user = xstrdup("steadystate");
    spec->ssh_host = xstrdup("192.0.2.1");
    spec->ssh_port = 20001;
    spec->ssh_bind = xstrdup("127.0.0.1");
    spec->host_key = xstrdup("PRIVATE-KEY-TEXT\n");
    spec->host_key_public = xstrdup("ssh-ed25519 AAAA");
    spec->magic_link = xstrdup("steadystate://collab/" ID);
    spec->image = xstrdup(IMAGE);
    spec->memory = 512UL * 1024 * 1024;
    spec->cpus_milli = 1500;
    spec->pids = 512;
    spec->subnet = xstrdup("10.213.0.16/28");
    spec->uid_base = 700000000;
    spec->created_at = 1;
}

static int setup(void **state)
{
    struct world *w = xcalloc(1, sizeof *w);
    struct engine engine;
    cleanup_strv struct strv labels = STRV_INIT;
    w->stages = (struct str)STR_INIT;
    strv_push(&labels, "steadystate.ssh-user=steadystate");
    assert_int_equal(engine_memory_new(&engine, &w->m, NULL), 0);
    engine_memory_add_image(w->m, IMAGE, &labels);
    struct container_options options = {
        .server_id = "server2222", .image = IMAGE, .ssh_user = "steadystate", .guarded = true};
    assert_int_equal(container_provider_new(&engine, &options, &w->p, NULL), 0);
    fill_spec(&w->spec);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    provider_free(&w->p);
    session_spec_release(&w->spec);
    str_release(&w->stages);
    free(w);
    return 0;
}

static int start(struct world *w, struct err *err)
{
    struct provider_progress progress = {on_stage, w};
    cleanup_provider_conn struct provider_conn conn = PROVIDER_CONN_INIT;
    int rc = w->p.ops->start(w->p.self, &w->spec, &progress, &conn, err);
    if (rc == 0) {
        assert_true(conn.fd >= 0);
        assert_int_equal(conn.wire, CHANNEL_MUX);
    } else {
        assert_int_equal(conn.fd, -1);
    }
    return rc;
}

static void assert_objects(struct world *w, size_t containers, size_t networks, size_t volumes)
{
    assert_int_equal(engine_memory_count(w->m, ENGINE_CONTAINERS), containers);
    assert_int_equal(engine_memory_count(w->m, ENGINE_NETWORKS), networks);
    assert_int_equal(engine_memory_count(w->m, ENGINE_VOLUMES), volumes);
}

static bool running(struct world *w)
{
    struct provider_sessions list = {0};
    assert_int_equal(w->p.ops->list(w->p.self, &list, NULL), 0);
    bool yes = list.len == 1 && list.v[0].running;
    provider_sessions_release(&list);
    return yes;
}

static void test_start_and_remove(void **state)
{
    struct world *w = *state;
    struct err err = ERR_INIT;
    assert_int_equal(start(w, &err), 0);
    assert_string_equal(w->stages.p, "network container ");
    assert_objects(w, 1, 1, 1);
    const struct str *tar = engine_memory_archive(w->m, NAME);
    assert_non_null(tar);
    assert_string_equal(tar->p, "spec.json");
    assert_non_null(memmem(tar->p, tar->len, "PRIVATE-KEY-TEXT", 16));
    /* once: beside the spec, not in it */
    const char *key = memmem(tar->p, tar->len, "PRIVATE-KEY-TEXT", 16);
    assert_null(memmem(key + 1, tar->len - (size_t)(key + 1 - tar->p), "PRIVATE-KEY-TEXT", 16));

    struct provider_sessions list = {0};
    char hash[65];
    session_spec_hash(&w->spec, hash);
    assert_int_equal(w->p.ops->list(w->p.self, &list, NULL), 0);
    assert_int_equal(list.len, 1);
    assert_string_equal(list.v[0].id, ID);
    assert_string_equal(list.v[0].spec_hash, hash);
    assert_true(list.v[0].running);
    provider_sessions_release(&list);

    assert_int_equal(w->p.ops->stop(w->p.self, ID, 1000, NULL), 0);
    assert_int_equal(w->p.ops->stop(w->p.self, ID, 1000, NULL), 0);
    assert_false(running(w));
    assert_objects(w, 1, 1, 1);
    assert_int_equal(w->p.ops->remove(w->p.self, ID, NULL), 0);
    assert_int_equal(w->p.ops->remove(w->p.self, ID, NULL), 0);
    assert_objects(w, 0, 0, 0);
}

static void test_start_twice_attaches(void **state)
{
    struct world *w = *state;
    assert_int_equal(start(w, NULL), 0);
    assert_int_equal(start(w, NULL), 0);
    assert_int_equal(engine_memory_calls(w->m, "container_start"), 1);
    assert_int_equal(engine_memory_calls(w->m, "exec"), 1);
    assert_objects(w, 1, 1, 1);
}

static void test_restart_keeps_the_volume(void **state)
{
    struct world *w = *state;
    assert_int_equal(start(w, NULL), 0);
    engine_memory_exit(w->m, NAME, 1);
    assert_false(running(w));
    assert_int_equal(start(w, NULL), 0);
    assert_true(running(w));
    /* replaced, not started again: Podman would mix up its networks */
    assert_int_equal(engine_memory_calls(w->m, "container_create"), 2);
    assert_objects(w, 1, 1, 1);
    /* people have worked in it since: nothing is unpacked over them */
    assert_int_equal(engine_memory_calls(w->m, "archive_put"), 1);
}

static void test_restart_that_fails_keeps_the_volume(void **state)
{
    struct world *w = *state;
    struct err err = ERR_INIT;
    assert_int_equal(start(w, NULL), 0);
    engine_memory_exit(w->m, NAME, 1);
    engine_memory_take_port(w->m, 20001, true);
    assert_int_equal(start(w, &err), ERR_EXISTS);
    assert_objects(w, 0, 1, 1);
    engine_memory_take_port(w->m, 20001, false);
    assert_int_equal(start(w, NULL), 0);
    assert_objects(w, 1, 1, 1);
}

static void test_lost_container_keeps_the_work(void **state)
{
    struct world *w = *state;
    assert_int_equal(start(w, NULL), 0);
    /* somebody removed the container by hand */
    engine_memory_fault(w->m, "network_remove", ERR_FAILED, 1, false);
    assert_int_equal(w->p.ops->remove(w->p.self, ID, NULL), ERR_FAILED);
    assert_objects(w, 0, 1, 1);
    engine_memory_fault(w->m, "container_start", ERR_FAILED, 1, false);
    assert_int_equal(start(w, NULL), ERR_FAILED);
    assert_objects(w, 0, 1, 1);
    assert_int_equal(start(w, NULL), 0);
    assert_objects(w, 1, 1, 1);
}

static void test_each_step_failing_leaves_nothing(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *verb;
        int code;
        int want;
    } steps[] = {
        {"info", ERR_UNAVAILABLE, ERR_UNAVAILABLE},
        {"network_create", ERR_FAILED, ERR_FAILED},
        {"network_create", ERR_CONFLICT, ERR_CONFLICT},
        {"volume_create", ERR_NO_SPACE, ERR_NO_SPACE},
        {"container_create", ERR_INVALID, ERR_INVALID},
        /* the image is there: not "image missing" */
        {"container_create", ERR_NOT_FOUND, ERR_FAILED},
        {"archive_put", ERR_NO_SPACE, ERR_NO_SPACE},
        {"archive_put", ERR_NOT_FOUND, ERR_FAILED},
        {"attach", ERR_NOT_FOUND, ERR_FAILED},
        {"attach", ERR_TIMEOUT, ERR_TIMEOUT},
        {"container_start", ERR_EXISTS, ERR_EXISTS},
        {"container_start", ERR_FAILED, ERR_FAILED},
    };
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        struct err err = ERR_INIT;
        engine_memory_fault(w->m, steps[i].verb, steps[i].code, 1, false);
        int rc = start(w, &err);
        if (rc != steps[i].want)
            fail_msg("%s %d: %d instead of %d", steps[i].verb, steps[i].code, rc, steps[i].want);
        assert_int_equal(err.code, rc);
        assert_true(err.msg[0] != '\0');
        assert_objects(w, 0, 0, 0);
    }
    assert_int_equal(start(w, NULL), 0);
}

static void test_files_are_put_twice_at_most(void **state)
{
    struct world *w = *state;
    engine_memory_fault(w->m, "archive_put", ERR_FAILED, 2, false);
    assert_int_equal(start(w, NULL), ERR_FAILED);
    assert_objects(w, 0, 0, 0);
    engine_memory_fault(w->m, "archive_put", ERR_FAILED, 1, true);
    assert_int_equal(start(w, NULL), 0);
    assert_non_null(engine_memory_archive(w->m, NAME));
}

/* Podman takes longer to look at an image than at everything else. */
static void test_a_start_does_not_look_at_the_image(void **state)
{
    struct world *w = *state;
    int before = engine_memory_calls(w->m, "image_inspect");
    assert_int_equal(start(w, NULL), 0);
    assert_int_equal(engine_memory_calls(w->m, "image_inspect"), before);
}

static void test_lost_answers_are_looked_up(void **state)
{
    struct world *w = *state;
    static const char *const verbs[] = {"network_create", "container_create", "container_start"};
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        engine_memory_fault(w->m, verbs[i], ERR_TIMEOUT, 1, true);
    struct err err = ERR_INIT;
    int rc = start(w, &err);
    if (rc)
        fail_msg("%s", err.msg);
    assert_objects(w, 1, 1, 1);
    assert_true(running(w));
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        assert_int_equal(engine_memory_calls(w->m, verbs[i]), 1);
}

static void test_lost_answer_then_failure_leaves_nothing(void **state)
{
    struct world *w = *state;
    engine_memory_fault(w->m, "network_create", ERR_TIMEOUT, 1, true);
    engine_memory_fault(w->m, "container_create", ERR_FAILED, 1, false);
    assert_int_equal(start(w, NULL), ERR_FAILED);
    assert_objects(w, 0, 0, 0);
    engine_memory_fault(w->m, "container_create", ERR_UNAVAILABLE, 1, true);
    assert_int_equal(start(w, NULL), ERR_UNAVAILABLE);
    assert_objects(w, 0, 0, 0);
}

static void test_ignored_limits_are_refused(void **state)
{
    struct world *w = *state;
    struct err err = ERR_INIT;
    engine_memory_ignore_limits(w->m, true);
    assert_int_equal(start(w, &err), ERR_UNSUPPORTED);
    assert_string_equal(err.msg, "protection missing: the engine made the container without its "
                                 "memory limit");
    assert_int_equal(engine_memory_calls(w->m, "container_start"), 0);
    assert_objects(w, 0, 0, 0);
}

/* What doctor is told of one thing; fails when nothing is. */
static enum provider_verdict verdict_of(const struct provider_info *info, const char *name)
{
    for (size_t i = 0; i < info->checks.len; i++) {
        const struct provider_check *c = &info->checks.v[i];
        if (strcmp(c->name, name) != 0)
            continue;
        assert_true(c->detail[0] != '\0');
        assert_int_equal(c->verdict == PROVIDER_FINE, c->mend == NULL);
        return c->verdict;
    }
    fail_msg("no check %s", name);
    return PROVIDER_WRONG;
}

static void test_engines_that_cannot_protect(void **state)
{
    struct world *w = *state;
    struct err err = ERR_INIT;
    struct engine_info rootless = {
        .name = "podman", .rootless = true, .userns = true, .cgroup_version = 1};
    engine_memory_set_info(w->m, &rootless);
    assert_int_equal(start(w, &err), ERR_UNSUPPORTED);
    struct provider_info info;
    assert_int_equal(w->p.ops->info(w->p.self, &info, NULL), 0);
    assert_false(info.ok);
    assert_true(info.detail[0] != '\0');
    assert_int_equal(verdict_of(&info, "engine"), PROVIDER_FINE);
    assert_int_equal(verdict_of(&info, "limits"), PROVIDER_WRONG);
    assert_int_equal(verdict_of(&info, "userns"), PROVIDER_FINE);
    provider_info_release(&info);

    struct engine_info docker = {.name = "docker", .limits = true, .cgroup_version = 2};
    /* the machine's engine was replaced: known once it has been away */
    engine_memory_set_info(w->m, &docker);
    engine_memory_fault(w->m, "ping", ERR_UNAVAILABLE, 1, false);
    assert_int_equal(w->p.ops->info(w->p.self, &info, NULL), 0);
    assert_int_equal(verdict_of(&info, "engine"), PROVIDER_WRONG);
    assert_int_equal(info.checks.len, 1);
    provider_info_release(&info);
    w->spec.require_userns = true;
    err_clear(&err);
    assert_int_equal(start(w, &err), ERR_UNSUPPORTED);
    w->spec.require_userns = false;
    assert_int_equal(start(w, NULL), 0);
    assert_int_equal(w->p.ops->info(w->p.self, &info, NULL), 0);
    assert_true(info.ok);
    assert_int_equal(info.warnings.len, 1);
    assert_int_equal(verdict_of(&info, "limits"), PROVIDER_FINE);
    assert_int_equal(verdict_of(&info, "userns"), PROVIDER_WARNING);
    provider_info_release(&info);
}

static void test_engine_away(void **state)
{
    struct world *w = *state;
    struct provider_info info;
    engine_memory_fault(w->m, "ping", ERR_UNAVAILABLE, 1, false);
    assert_int_equal(w->p.ops->info(w->p.self, &info, NULL), 0);
    assert_false(info.ok);
    assert_string_equal(info.engine, "none");
    provider_info_release(&info);
    engine_memory_fault(w->m, "list", ERR_UNAVAILABLE, 1, false);
    struct provider_sessions list = {0};
    assert_int_equal(w->p.ops->list(w->p.self, &list, NULL), ERR_UNAVAILABLE);
    engine_memory_fault(w->m, "container_remove", ERR_UNAVAILABLE, 1, false);
    assert_int_equal(w->p.ops->remove(w->p.self, ID, NULL), ERR_UNAVAILABLE);
}

static void test_list_without_a_list(void **state)
{
    struct world *w = *state;
    struct provider_sessions list = {0};
    assert_int_equal(start(w, NULL), 0);
    engine_memory_fault(w->m, "list", ERR_FAILED, 1, false);
    assert_int_equal(w->p.ops->list(w->p.self, &list, NULL), 0);
    assert_int_equal(list.len, 1);
    assert_true(list.v[0].running);
    assert_int_equal(strlen(list.v[0].spec_hash), 64);
    provider_sessions_release(&list);
}

static void test_wrong_image(void **state)
{
    struct world *w = *state;
    struct err err = ERR_INIT;
    free(w->spec.ssh_user);
    w->spec.ssh_user = xstrdup("other");
    assert_int_equal(start(w, &err), ERR_INVALID);
    assert_non_null(strstr(err.msg, "make image SSH_USER=other"));
    engine_memory_add_image(w->m, "plain", NULL);
    free(w->spec.image);
    w->spec.image = xstrdup("plain");
    assert_int_equal(start(w, NULL), ERR_INVALID);
    free(w->spec.image);
    w->spec.image = xstrdup("missing");
    err_clear(&err);
    assert_int_equal(start(w, &err), ERR_NOT_FOUND);
    assert_string_equal(err.msg, "the engine has no image missing: build it with `make image`");
    assert_objects(w, 0, 0, 0);
}

static void test_somebody_elses_container(void **state)
{
    struct world *w = *state;
    struct err err = ERR_INIT;
    assert_int_equal(start(w, NULL), 0);
    w->spec.pids = 100;
    assert_int_equal(start(w, &err), ERR_FAILED);
    assert_objects(w, 1, 1, 1);
    assert_true(running(w));
}

static void test_leftovers_are_found(void **state)
{
    struct world *w = *state;
    for (int kind = ENGINE_NETWORKS; kind <= ENGINE_VOLUMES; kind++) {
        struct provider_sessions list = {0};
        assert_int_equal(start(w, NULL), 0);
        engine_memory_fault(w->m, kind == ENGINE_NETWORKS ? "network_remove" : "volume_remove",
                            ERR_FAILED, 1, false);
        assert_int_equal(w->p.ops->remove(w->p.self, ID, NULL), ERR_FAILED);
        assert_objects(w, 0, kind == ENGINE_NETWORKS, 1);
        assert_int_equal(w->p.ops->list(w->p.self, &list, NULL), 0);
        assert_int_equal(list.len, 1);
        assert_string_equal(list.v[0].id, ID);
        assert_false(list.v[0].running);
        provider_sessions_release(&list);
        assert_int_equal(w->p.ops->remove(w->p.self, ID, NULL), 0);
        assert_objects(w, 0, 0, 0);
    }
}

static void test_network_that_is_held_for_a_moment(void **state)
{
    struct world *w = *state;
    assert_int_equal(start(w, NULL), 0);
    engine_memory_fault(w->m, "network_remove", ERR_CONFLICT, 2, false);
    assert_int_equal(w->p.ops->remove(w->p.self, ID, NULL), 0);
    assert_objects(w, 0, 0, 0);
}

static int bridge_request(int fd, unsigned long request, const char *name)
{
    struct ifreq r = {0};
    snprintf(r.ifr_name, sizeof r.ifr_name, "%s", name);
    if (ioctl(fd, request, request == SIOCBRADDBR ? (void *)r.ifr_name : (void *)&r) < 0)
        return -1;
    if (request != SIOCGIFFLAGS)
        return 0;
    r.ifr_flags |= IFF_UP;
    return ioctl(fd, SIOCSIFFLAGS, &r);
}

/* In a network namespace of its own: 0 done, 77 no right to one. */
static int bridge_story(void)
{
    if (unshare(geteuid() == 0 ? CLONE_NEWNET : CLONE_NEWUSER | CLONE_NEWNET) < 0)
        return 77;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bridge_request(fd, SIOCBRADDBR, "ssntest") < 0 ||
        bridge_request(fd, SIOCBRADDBR, "ssnother") < 0 ||
        bridge_request(fd, SIOCGIFFLAGS, "ssntest") < 0)
        return 77;
    container_bridge_remove("ssntest");
    container_bridge_remove("ssntest");
    int code = bridge_request(fd, SIOCGIFFLAGS, "ssntest") == 0    ? 1
               : bridge_request(fd, SIOCGIFFLAGS, "ssnother") != 0 ? 2
                                                                   : 0;
    close(fd);
    return code;
}

static void test_bridge_that_was_left_behind(void **state)
{
    (void)state;
    int status = 0;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(bridge_story());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_disk_limit_is_refused(void **state)
{
    struct world *w = *state;
    struct err err = ERR_INIT;
    w->spec.disk = 1 << 30;
    assert_int_equal(start(w, &err), ERR_UNSUPPORTED);
    assert_objects(w, 0, 0, 0);
}

static void test_attach(void **state)
{
    struct world *w = *state;
    struct provider_conn conn = PROVIDER_CONN_INIT;
    assert_int_equal(w->p.ops->attach(w->p.self, ID, &conn, NULL), ERR_NOT_FOUND);
    assert_int_equal(start(w, NULL), 0);
    assert_int_equal(w->p.ops->attach(w->p.self, ID, &conn, NULL), 0);
    int peer = engine_memory_peer(w->m, NAME);
    assert_int_equal(write(peer, "x", 1), 1);
    char c = 0;
    assert_int_equal(read(conn.fd, &c, 1), 1);
    assert_int_equal(c, 'x');
    close(peer);
    provider_conn_release(&conn);
    engine_memory_exit(w->m, NAME, 0);
    assert_int_equal(w->p.ops->attach(w->p.self, ID, &conn, NULL), ERR_NOT_FOUND);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_start_and_remove),
        T(test_start_twice_attaches),
        T(test_restart_keeps_the_volume),
        T(test_restart_that_fails_keeps_the_volume),
        T(test_lost_container_keeps_the_work),
        T(test_each_step_failing_leaves_nothing),
        T(test_files_are_put_twice_at_most),
        T(test_a_start_does_not_look_at_the_image),
        T(test_leftovers_are_found),
        T(test_network_that_is_held_for_a_moment),
        T(test_bridge_that_was_left_behind),
        T(test_lost_answers_are_looked_up),
        T(test_lost_answer_then_failure_leaves_nothing),
        T(test_ignored_limits_are_refused),
        T(test_engines_that_cannot_protect),
        T(test_engine_away),
        T(test_list_without_a_list),
        T(test_wrong_image),
        T(test_somebody_elses_container),
        T(test_disk_limit_is_refused),
        T(test_attach),
    };
    return cmocka_run_group_tests_name("compute/container", tests, NULL, NULL);
}
