#include "sandbox/sandbox.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const char sample[] = "Name:\tx\n"
                             "Uid:\t0\t1\t2\t3\n"
                             "Gid:\t4\t5\t6\t4294967295\n"
                             "CapInh:\t0000000000000000\n"
                             "CapPrm:\t00000000000400c1\n"
                             "CapEff:\t00000000000400c1\n"
                             "CapBnd:\t00000000000400c1\n"
                             "CapAmb:\t0000000000000001\n"
                             "NoNewPrivs:\t1\n"
                             "Seccomp:\t2\n"
                             "Seccomp_filters:\t3\n";

static void reads_every_member(void **state)
{
    (void)state;
    struct sandbox_status st;
    assert_int_equal(sandbox_status_parse(sample, strlen(sample), &st, NULL), 0);
    assert_int_equal(st.uid[3], 3);
    assert_int_equal(st.gid[3], UINT32_MAX);
    assert_int_equal(st.cap_bounding, 0x400c1);
    assert_int_equal(st.cap_ambient, 1);
    assert_true(st.no_new_privs);
    assert_int_equal(st.seccomp, 2);
    assert_int_equal(st.seccomp_filters, 3);
}

static void refuses_missing_and_malformed_lines(void **state)
{
    (void)state;
    struct sandbox_status st;
    struct err err = ERR_INIT;
    for (size_t cut = strlen(sample) - strlen("Seccomp_filters:\t3\n") - 1; cut > 0; cut--)
        assert_int_equal(sandbox_status_parse(sample, cut - 1, &st, NULL), ERR_INVALID);
    char bad[sizeof sample];
    memcpy(bad, sample, sizeof sample);
    strstr(bad, "400c1")[0] = 'x';
    assert_int_equal(sandbox_status_parse(bad, strlen(bad), &st, &err), ERR_INVALID);
    assert_string_equal(err.msg, "process status: bad CapPrm:");
}

static void becomes_somebody_for_good(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct sandbox_status st;
        if (sandbox_become(0, 0) == 0 || errno != EINVAL)
            _exit(1);
        if (sandbox_become(10001, 10001) != 0)
            _exit(2);
        if (sandbox_status_read(0, &st, NULL) != 0)
            _exit(3);
        for (int i = 0; i < 4; i++)
            if (st.uid[i] != 10001 || st.gid[i] != 10001)
                _exit(4);
        if (st.cap_bounding | st.cap_permitted | st.cap_effective | st.cap_inheritable |
            st.cap_ambient)
            _exit(5);
        if (!st.no_new_privs || setuid(0) == 0 || getgroups(0, NULL) != 0)
            _exit(6);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void signals_as_somebody_else(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (sandbox_become(10001, 10001) == 0)
            pause();
        _exit(1);
    }
    /* Refused until the child has changed its uid, and for everybody but that uid. */
    while (sandbox_kill_as(10001, 10001, pid, 0) != 0)
        assert_int_equal(errno, EPERM);
    assert_int_equal(sandbox_kill_as(10002, 10002, pid, SIGKILL), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(sandbox_kill_as(10001, 10001, pid, SIGKILL), 0);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(sandbox_kill_as(10001, 10001, pid, SIGKILL), -1);
    assert_int_equal(errno, ESRCH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_member),
        cmocka_unit_test(refuses_missing_and_malformed_lines),
        cmocka_unit_test(becomes_somebody_for_good),
        cmocka_unit_test(signals_as_somebody_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
