/* Against local repositories; the network itself is tests/integration's. */
#include "git/transport.h"

#include <sys/socket.h>

#include "git/pack.h"
#include "git_fixture.h"

static struct transport_remote remote_of(const char *url)
{
    return (struct transport_remote){.url = url, .allow_local = true};
}

static void make_origin(const struct fixture *f)
{
    free(sh(f, "git init -q --bare origin; git init -q seed; cd seed; echo a >a; git add .;"
               "git commit -qm start; git push -q ../origin HEAD:main HEAD:other"));
}

struct seen {
    int calls;
    int last;
};

static void on_progress(const char *stage, int percent, void *payload)
{
    struct seen *seen = payload;
    assert_non_null(stage);
    assert_in_range(percent, 0, 100);
    seen->calls++;
    seen->last = percent;
}

static void test_clone(void **state)
{
    struct fixture *f = *state;
    make_origin(f);
    cleanup_free char *url = in(f, "origin");
    cleanup_free char *dest = in(f, "repo");
    struct seen seen = {0, 0};
    struct transport_helper helper = {
        .scratch = f->dir, .progress = on_progress, .progress_payload = &seen};
    struct transport_remote remote = remote_of(url);
    struct transport_failure why;
    struct err err = ERR_INIT;
    if (transport_clone_bare(&remote, &helper, dest, "other", &why, &err) < 0)
        fail_msg("%s: %s", why.reason, err.msg);
    assert_true(seen.calls > 0);
    free(sh(f, "test $(git -C repo symbolic-ref HEAD) = refs/heads/other;"
               "test $(git -C repo rev-parse main) = $(git -C seed rev-parse HEAD);"
               "test -z \"$(ls -d git-home-* 2>/dev/null)\""));
}

static void expect_clone_fails(const struct fixture *f, const struct transport_remote *remote,
                               const char *branch, const char *reason, int code)
{
    cleanup_free char *dest = in(f, "repo");
    struct transport_helper helper = {.scratch = f->dir, .timeout_s = 20};
    struct transport_failure why = {NULL};
    struct err err = ERR_INIT;
    int rc = transport_clone_bare(remote, &helper, dest, branch, &why, &err);
    if (rc != code || strcmp(why.reason, reason) != 0)
        fail_msg("%d %s: %s", rc, why.reason, err.msg);
    assert_int_equal(access(dest, F_OK), -1);
}

static void test_clone_failures(void **state)
{
    struct fixture *f = *state;
    make_origin(f);
    cleanup_free char *origin = in(f, "origin");
    cleanup_free char *absent = in(f, "absent");
    struct transport_remote r = remote_of(absent);
    expect_clone_fails(f, &r, NULL, "repository_not_found", ERR_NOT_FOUND);
    r = remote_of(origin);
    expect_clone_fails(f, &r, "nope", "branch_not_found", ERR_NOT_FOUND);
    r.allow_local = false;
    expect_clone_fails(f, &r, NULL, "repository_refused", ERR_DENIED);
    r = remote_of("ext::sh -c true");
    expect_clone_fails(f, &r, NULL, "repository_refused", ERR_INVALID);
    r = remote_of("http://127.0.0.1:9/x/y.git");
    expect_clone_fails(f, &r, NULL, "repository_refused", ERR_DENIED);
    char *allowed[] = {(char *)"127.0.0.1"};
    r.allowed_hosts = allowed;
    r.n_allowed_hosts = 1;
    expect_clone_fails(f, &r, NULL, "repository_unreachable", ERR_UNAVAILABLE);
    r.url = "ssh://git@127.0.0.1/x/y.git";
    expect_clone_fails(f, &r, NULL, "repository_refused", ERR_DENIED);
}

static void test_clone_too_large(void **state)
{
    struct fixture *f = *state;
    free(sh(f, "git init -q origin; cd origin; head -c 3000000 /dev/urandom >big; git add .;"
               "git commit -qm big"));
    cleanup_free char *url = in(f, "origin");
    cleanup_free char *dest = in(f, "repo");
    struct transport_helper helper = {.scratch = f->dir, .max_bytes = 1000000};
    struct transport_remote remote = remote_of(url);
    struct transport_failure why;
    assert_int_equal(transport_clone_bare(&remote, &helper, dest, NULL, &why, NULL), ERR_LIMIT);
    assert_string_equal(why.reason, "repository_too_large");
    assert_int_equal(access(dest, F_OK), -1);
}

/* A peer that accepts and says nothing. */
static void test_hang_and_cancel(void **state)
{
    struct fixture *f = *state;
    cleanup_close int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_storage addr = {.ss_family = AF_INET};
    socklen_t len = sizeof addr;
    assert_int_equal(bind(listener, (struct sockaddr *)&addr, 16), 0);
    assert_int_equal(listen(listener, 4), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&addr, &len), 0);
    unsigned char *port = (unsigned char *)&addr + 2;
    cleanup_free char *url = xasprintf("http://127.0.0.1:%d/x.git", port[0] << 8 | port[1]);
    char *allowed[] = {(char *)"127.0.0.1"};
    struct transport_remote remote = remote_of(url);
    remote.allowed_hosts = allowed;
    remote.n_allowed_hosts = 1;
    struct transport_helper helper = {.scratch = f->dir, .timeout_s = 1};
    struct transport_failure why;
    cleanup_free char *dest = in(f, "repo");
    assert_int_equal(transport_clone_bare(&remote, &helper, dest, NULL, &why, NULL), ERR_TIMEOUT);
    assert_string_equal(why.reason, "repository_unreachable");
    atomic_bool cancel = true;
    helper.timeout_s = 0;
    helper.cancel = &cancel;
    assert_int_equal(transport_clone_bare(&remote, &helper, dest, NULL, &why, NULL), ERR_CANCELLED);
    assert_int_equal(access(dest, F_OK), -1);
}

static struct oid commit_in_canonical(const struct fixture *f, const char *script)
{
    free(sh(f, script));
    cleanup_free char *hex = sh(f, "git -C canonical rev-parse s/x");
    return oid_of_text(hex);
}

static void test_push_and_fetch(void **state)
{
    struct fixture *f = *state;
    make_origin(f);
    cleanup_free char *url = in(f, "origin");
    cleanup_free char *repo = in(f, "repo");
    cleanup_free char *canonical = in(f, "canonical");
    cleanup_free char *objects = in(f, "canonical/objects");
    struct transport_helper helper = {.scratch = f->dir};
    struct transport_remote remote = remote_of(url);
    struct transport_failure why;
    struct err err = ERR_INIT;
    struct oid head;
    struct oid there;
    bool found;
    assert_int_equal(transport_clone_bare(&remote, &helper, repo, NULL, &why, &err), 0);
    assert_int_equal(repo_make_canonical(repo, canonical, "main", "s/x", &head, &err), 0);
    head = commit_in_canonical(
        f, "git clone -q -s canonical w; cd w; echo b >b; git add .; git commit -qm b;"
           "git push -q origin HEAD");
    enum transport_push_status status;
    if (transport_push(&remote, &helper, repo, objects, &head, "s/x", &status, &why, &err) < 0)
        fail_msg("%s: %s", why.reason, err.msg);
    assert_int_equal(status, TRANSPORT_PUSH_DONE);
    assert_int_equal(
        transport_ls_remote(&remote, &helper, "refs/heads/s/x", &there, &found, &why, &err), 0);
    assert_true(found && oid_equal(&there, &head));
    /* again: it has it already */
    assert_int_equal(
        transport_push(&remote, &helper, repo, objects, &head, "s/x", &status, &why, &err), 0);
    assert_int_equal(status, TRANSPORT_PUSH_DONE);
    /* the remote moves */
    free(sh(f, "cd seed; git fetch -q ../origin s/x; git checkout -q FETCH_HEAD; echo c >c;"
               "git add .; git commit -qm c; git push -q ../origin HEAD:s/x"));
    head = commit_in_canonical(f, "cd w; echo d >d; git add .; git commit -qm d;"
                                  "git push -q origin HEAD");
    assert_int_equal(
        transport_push(&remote, &helper, repo, objects, &head, "s/x", &status, &why, &err), 0);
    assert_int_equal(status, TRANSPORT_PUSH_MOVED);
    assert_int_equal(transport_fetch(&remote, &helper, repo, objects, "refs/heads/s/x",
                                     "refs/steadystate/remote", &why, &err),
                     0);
    free(sh(f, "test $(git -C repo rev-parse refs/steadystate/remote) ="
               " $(git -C origin rev-parse s/x); git -C canonical cat-file -e "
               "$(git -C origin rev-parse s/x)"));
    assert_int_equal(transport_fetch(&remote, &helper, repo, objects, "refs/heads/absent",
                                     "refs/steadystate/remote", &why, &err),
                     ERR_NOT_FOUND);
    assert_string_equal(why.reason, "branch_not_found");
}

static void test_push_rejected(void **state)
{
    struct fixture *f = *state;
    make_origin(f);
    cleanup_free char *url = in(f, "origin");
    cleanup_free char *repo = in(f, "repo");
    struct transport_helper helper = {.scratch = f->dir};
    struct transport_remote remote = remote_of(url);
    struct transport_failure why;
    struct err err = ERR_INIT;
    assert_int_equal(transport_clone_bare(&remote, &helper, repo, NULL, &why, &err), 0);
    free(sh(f, "printf '#!/bin/sh\\necho error: no way in >&2\\nexit 1\\n' "
               ">origin/hooks/pre-receive; chmod +x origin/hooks/pre-receive"));
    cleanup_free char *hex = sh(f, "git -C seed rev-parse HEAD");
    struct oid head = oid_of_text(hex);
    enum transport_push_status status;
    assert_int_equal(
        transport_push(&remote, &helper, repo, NULL, &head, "new", &status, &why, &err),
        ERR_DENIED);
    assert_int_equal(status, TRANSPORT_PUSH_REJECTED);
    assert_non_null(strstr(err.msg, "no way in"));
    assert_string_equal(why.reason, "repository_refused");
}

static void test_empty_origin(void **state)
{
    struct fixture *f = *state;
    free(sh(f, "git init -q --bare origin"));
    cleanup_free char *url = in(f, "origin");
    cleanup_free char *repo = in(f, "repo");
    cleanup_free char *canonical = in(f, "canonical");
    struct transport_helper helper = {.scratch = f->dir};
    struct transport_remote remote = remote_of(url);
    struct transport_failure why;
    struct err err = ERR_INIT;
    struct oid head;
    if (transport_clone_bare(&remote, &helper, repo, NULL, &why, &err) < 0 ||
        repo_make_canonical(repo, canonical, NULL, "s/x", &head, &err) < 0)
        fail_msg("%s", err.msg);
    free(sh(f, "test -z \"$(git -C canonical ls-tree s/x)\"; git -C canonical fsck --strict"));
    struct oid again;
    assert_int_equal(repo_make_canonical(repo, canonical, NULL, "s/x", &again, &err), 0);
    assert_true(oid_equal(&head, &again));
}

static void test_hostile_origin(void **state)
{
    struct fixture *f = *state;
    free(sh(f, "git init -q origin; cd origin; b=$(echo x | git hash-object -w --stdin);"
               "t=$({ printf '100644 .GIT\\0'; echo $b | xxd -r -p; } |"
               " git hash-object -t tree -w --stdin --literally);"
               "git update-ref refs/heads/main $(echo m | git commit-tree $t)"));
    cleanup_free char *url = in(f, "origin");
    cleanup_free char *repo = in(f, "repo");
    cleanup_free char *canonical = in(f, "canonical");
    struct transport_helper helper = {.scratch = f->dir};
    struct transport_remote remote = remote_of(url);
    struct transport_failure why;
    struct err err = ERR_INIT;
    struct oid head;
    assert_int_equal(transport_clone_bare(&remote, &helper, repo, NULL, &why, NULL), 0);
    assert_int_equal(repo_make_canonical(repo, canonical, NULL, "s/x", &head, &err), ERR_DENIED);
    assert_non_null(strstr(err.msg, ".GIT"));
    assert_int_equal(access(canonical, F_OK), -1);
}

int main(void)
{
#define WITH_DIR(t) cmocka_unit_test_setup_teardown(t, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        WITH_DIR(test_clone),           WITH_DIR(test_clone_failures),
        WITH_DIR(test_clone_too_large), WITH_DIR(test_hang_and_cancel),
        WITH_DIR(test_push_and_fetch),  WITH_DIR(test_push_rejected),
        WITH_DIR(test_empty_origin),    WITH_DIR(test_hostile_origin)};
    return cmocka_run_group_tests_name("git/transport", tests, NULL, NULL);
}
