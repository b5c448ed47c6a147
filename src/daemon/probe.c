#include "daemon/probe.h"

#ifdef STEADYSTATE_TEST_BUILD

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/json.h"

struct probe {
    const char *socket;
    pid_t keeper;
};

/* Each returns something >= 0 when it was allowed. */

static long engine_socket(const struct probe *p)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0)
        return -1;
    snprintf(to.sun_path, sizeof to.sun_path, "%s",
             p->socket ? p->socket : "/run/podman/podman.sock");
    return connect(fd, (const struct sockaddr *)&to, sizeof to);
}

static long unix_socket(const struct probe *p)
{
    (void)p;
    cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    return fd;
}

static long netlink_socket(const struct probe *p)
{
    (void)p;
    cleanup_close int fd = socket(AF_NETLINK, SOCK_RAW, 0);
    return fd;
}

static long packet_socket(const struct probe *p)
{
    (void)p;
    cleanup_close int fd = socket(AF_PACKET, SOCK_RAW, 0);
    return fd;
}

static long vsock_socket(const struct probe *p)
{
    (void)p;
    cleanup_close int fd = socket(AF_VSOCK, SOCK_STREAM, 0);
    return fd;
}

static long exec_program(const struct probe *p)
{
    (void)p;
    char *const argv[] = {(char[]){"true"}, NULL};
    return execve("/bin/true", argv, argv + 1);
}

static long exec_by_descriptor(const struct probe *p)
{
    (void)p;
    char *const argv[] = {(char[]){"true"}, NULL};
    cleanup_close int fd = open("/bin/true", O_RDONLY | O_CLOEXEC);
    return syscall(SYS_execveat, fd, "", argv, argv + 1, AT_EMPTY_PATH);
}

static long trace_keeper(const struct probe *p)
{
    return ptrace(PTRACE_SEIZE, p->keeper, NULL, NULL);
}

static long read_keeper(const struct probe *p)
{
    char buf[16];
    const struct iovec here = {.iov_base = buf, .iov_len = sizeof buf};
    const struct iovec there = {.iov_base = (void *)(uintptr_t)&probe_run, .iov_len = sizeof buf};
    return process_vm_readv(p->keeper, &here, 1, &there, 1, 0);
}

static long open_proc(const struct probe *p, const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)p->keeper, name);
    cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd;
}

static long keeper_mem(const struct probe *p)
{
    return open_proc(p, "mem");
}

static long keeper_environ(const struct probe *p)
{
    return open_proc(p, "environ");
}

static long keeper_fds(const struct probe *p)
{
    return open_proc(p, "fd/3");
}

static long keeper_pidfd(const struct probe *p)
{
    return syscall(SYS_pidfd_open, p->keeper, 0);
}

static long kill_keeper(const struct probe *p)
{
    return kill(p->keeper, SIGUSR1);
}

static long mount_something(const struct probe *p)
{
    (void)p;
    return syscall(SYS_mount, "none", "/mnt", "tmpfs", 0, NULL);
}

static long new_namespace(const struct probe *p)
{
    (void)p;
    return syscall(SYS_unshare, 0x10000000 /* CLONE_NEWUSER */);
}

static const struct {
    const char *name;
    long (*attempt)(const struct probe *p);
} attempts[] = {
    {"engine_socket", engine_socket},
    {"unix_socket", unix_socket},
    {"netlink_socket", netlink_socket},
    {"packet_socket", packet_socket},
    {"vsock_socket", vsock_socket},
    {"exec", exec_program},
    {"exec_by_descriptor", exec_by_descriptor},
    {"ptrace_keeper", trace_keeper},
    {"process_vm_readv_keeper", read_keeper},
    {"keeper_mem", keeper_mem},
    {"keeper_environ", keeper_environ},
    {"keeper_fd", keeper_fds},
    {"keeper_pidfd", keeper_pidfd},
    {"kill_keeper", kill_keeper},
    {"mount", mount_something},
    {"user_namespace", new_namespace},
};

int probe_run(const struct compute_choice *choice, pid_t keeper, struct err *err)
{
    const struct probe p = {.socket = choice->socket, .keeper = keeper};
    cleanup_json struct json_object *obj = json_object_new_object();
    cleanup_str struct str text = STR_INIT;
    int rc = 0;
    json_add_i64(obj, "uid", (int64_t)geteuid());
    for (size_t i = 0; i < ARRAY_LEN(attempts); i++) {
        errno = 0;
        bool allowed = attempts[i].attempt(&p) >= 0;
        cleanup_free char *why = xasprintf("refused: %s", strerror(errno));
        json_add_str(obj, attempts[i].name, allowed ? "ALLOWED" : why);
        if (allowed)
            rc = err_set(err, ERR_FAILED, "the api process is allowed: %s", attempts[i].name);
    }
    json_print(obj, &text);
    puts(text.p);
    fflush(stdout);
    return rc;
}

#endif
