/* Each policy in force in a child: one call that it must refuse, and what it must still allow. */
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "sandbox/sandbox.h"

/* Runs fn under the policy in a child; its return value is the child's exit code. */
static int under(enum sandbox_policy policy, int (*fn)(void))
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct err err = ERR_INIT;
        if (sandbox_load(policy, &err) < 0)
            _exit(120);
        _exit(fn());
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int try_unshare(void)
{
    return unshare(CLONE_NEWUSER) == 0 ? 0 : errno;
}
static int try_clone_namespace(void)
{
    return syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0) >= 0 ? 0 : errno;
}
static int try_io_uring(void)
{
    struct io_uring_params p = {0};
    return syscall(SYS_io_uring_setup, 1, &p) >= 0 ? 0 : errno;
}
static int try_vsock(void)
{
    return socket(40, SOCK_STREAM, 0) >= 0 ? 0 : errno;
}
static int try_audit_socket(void)
{
    return socket(AF_NETLINK, SOCK_RAW, 9) >= 0 ? 0 : errno;
}
static int try_unix_socket(void)
{
    return socket(AF_UNIX, SOCK_STREAM, 0) >= 0 ? 0 : errno;
}
static int try_inet_socket(void)
{
    return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0 ? 0 : errno;
}
static int try_dgram_pair(void)
{
    int fds[2];
    return socketpair(AF_UNIX, SOCK_DGRAM, 0, fds) == 0 ? 0 : errno;
}
static int try_stream_pair(void)
{
    int fds[2];
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0 ? 0 : errno;
}
static int try_exec(void)
{
    char name[] = "true";
    char *argv[] = {name, NULL};
    execv("/bin/true", argv);
    return errno;
}
static int try_ptrace(void)
{
    return ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0 ? 0 : errno;
}
static int try_pidfd(void)
{
    return syscall(SYS_pidfd_open, getpid(), 0) >= 0 ? 0 : errno;
}
static int try_fork(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(7);
    int status;
    return pid > 0 && waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 7 ? 0 : 1;
}
static int try_kill(void)
{
    return kill(getppid(), 0) == 0 ? 0 : errno;
}

static void session_refuses_what_reaches_the_kernel_or_the_host(void **state)
{
    (void)state;
    assert_int_equal(under(SANDBOX_SESSION, try_unshare), ENOSYS);
    assert_int_equal(under(SANDBOX_SESSION, try_clone_namespace), ENOSYS);
    assert_int_equal(under(SANDBOX_SESSION, try_io_uring), ENOSYS);
    assert_int_equal(under(SANDBOX_SESSION, try_vsock), ENOSYS);
    assert_int_equal(under(SANDBOX_SESSION, try_audit_socket), EAFNOSUPPORT);
}

static void session_allows_work(void **state)
{
    (void)state;
    assert_int_equal(under(SANDBOX_SESSION, try_fork), 0);
    assert_int_equal(under(SANDBOX_SESSION, try_exec), 0);
    assert_int_equal(under(SANDBOX_SESSION, try_unix_socket), 0);
    assert_int_equal(under(SANDBOX_SESSION, try_inet_socket), 0);
    assert_int_equal(under(SANDBOX_SESSION, try_pidfd), 0);
}

static void api_refuses_exec_engine_socket_and_other_processes(void **state)
{
    (void)state;
    assert_int_equal(under(SANDBOX_API, try_unix_socket), EPERM);
    assert_int_equal(under(SANDBOX_API, try_dgram_pair), EPERM);
    assert_int_equal(under(SANDBOX_API, try_exec), EPERM);
    assert_int_equal(under(SANDBOX_API, try_ptrace), EPERM);
    assert_int_equal(under(SANDBOX_API, try_pidfd), EPERM);
    assert_int_equal(under(SANDBOX_API, try_kill), EPERM);
    assert_int_equal(under(SANDBOX_API, try_inet_socket), 0);
    assert_int_equal(under(SANDBOX_API, try_stream_pair), 0);
}

static void keeper_refuses_exec_and_ptrace(void **state)
{
    (void)state;
    assert_int_equal(under(SANDBOX_KEEPER, try_exec), EPERM);
    assert_int_equal(under(SANDBOX_KEEPER, try_ptrace), EPERM);
    assert_int_equal(under(SANDBOX_KEEPER, try_unix_socket), 0);
}

static void helpers_refuse_what_they_do_not_need(void **state)
{
    (void)state;
    assert_int_equal(under(SANDBOX_GIT_TRANSPORT, try_unix_socket), EPERM);
    assert_int_equal(under(SANDBOX_GIT_TRANSPORT, try_ptrace), EPERM);
    assert_int_equal(under(SANDBOX_GIT_TRANSPORT, try_inet_socket), 0);
    assert_int_equal(under(SANDBOX_GIT_TRANSPORT, try_exec), 0);
    assert_int_equal(under(SANDBOX_PACK_IMPORT, try_inet_socket), EPERM);
    assert_int_equal(under(SANDBOX_PACK_IMPORT, try_stream_pair), EPERM);
    assert_int_equal(under(SANDBOX_PACK_IMPORT, try_kill), EPERM);
    assert_int_equal(under(SANDBOX_PACK_IMPORT, try_exec), 0);
    assert_int_equal(under(SANDBOX_PACK_IMPORT, try_fork), 0);
}

static void names_go_both_ways(void **state)
{
    (void)state;
    for (int p = SANDBOX_SESSION; p <= SANDBOX_PACK_IMPORT; p++) {
        enum sandbox_policy found;
        assert_int_equal(
            sandbox_policy_find(sandbox_policy_name((enum sandbox_policy)p), &found, NULL), 0);
        assert_int_equal(found, p);
    }
    enum sandbox_policy found;
    assert_int_equal(sandbox_policy_find("Session", &found, NULL), ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(session_refuses_what_reaches_the_kernel_or_the_host),
        cmocka_unit_test(session_allows_work),
        cmocka_unit_test(api_refuses_exec_engine_socket_and_other_processes),
        cmocka_unit_test(keeper_refuses_exec_and_ptrace),
        cmocka_unit_test(helpers_refuse_what_they_do_not_need),
        cmocka_unit_test(names_go_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
