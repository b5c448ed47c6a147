/* The server's processes after they have entered their sandbox. */
#include "sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"

static int in_child(int (*fn)(const char *), const char *dir)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(fn(dir));
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int may_open(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);
    return fd >= 0;
}

static int api(const char *dir)
{
    cleanup_free char *inside = xasprintf("%s/db", dir);
    char *rw[] = {inside};
    struct err err = ERR_INIT;
    int made = open(inside, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    if (made < 0 || sandbox_enter_api(rw, 1, NULL, 0, &err) < 0)
        return 1;
    struct sandbox_status st;
    if (sandbox_status_read(0, &st, &err) < 0)
        return 2;
    if (st.cap_bounding | st.cap_effective | st.cap_permitted)
        return 3;
    if (st.seccomp != 2 || !st.no_new_privs || prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
        return 4;
    if (!may_open(inside, O_RDWR) || !may_open("/etc/passwd", O_RDONLY))
        return 5;
    if (sandbox_landlock_abi() > 0 &&
        (may_open("/proc/1/status", O_RDONLY) || may_open("/tmp/x-steadystate", O_CREAT | O_RDWR)))
        return 6;
    return 0;
}

static int keeper(const char *dir)
{
    (void)dir;
    struct sandbox_status st;
    if (sandbox_enter_keeper(false, NULL) < 0 || sandbox_status_read(0, &st, NULL) < 0)
        return 1;
    return st.seccomp == 2 && prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : 2;
}

static void api_keeps_only_its_files(void **state)
{
    (void)state;
    char dir[] = "/tmp/sandbox-XXXXXX";
    assert_non_null(mkdtemp(dir));
    int rc = in_child(api, dir);
    cleanup_free char *inside = xasprintf("%s/db", dir);
    unlink(inside);
    rmdir(dir);
    assert_int_equal(rc, 0);
}

static void keeper_is_hidden_and_filtered(void **state)
{
    (void)state;
    assert_int_equal(in_child(keeper, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(api_keeps_only_its_files),
        cmocka_unit_test(keeper_is_hidden_and_filtered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
