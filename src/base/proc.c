#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"

/* What the child reports through the pipe that exec closes. */
struct child_failure {
    int stage; /* 1 set-up, 2 before_exec, 3 exec */
    int errnum;
};

static void child_fail(int report, int stage)
{
    struct child_failure failure = {stage, errno};
    if (write(report, &failure, sizeof failure) < 0)
        _exit(127);
    _exit(stage == 2 ? 126 : 127);
}

static int limit(int resource, uint64_t value)
{
    struct rlimit r = {value, value};
    return value ? setrlimit(resource, &r) : 0;
}

/* fd onto target, closing nothing else; /dev/null stands in for -1. */
static int place(int fd, int target)
{
    if (fd < 0)
        fd = open("/dev/null", target == 0 ? O_RDONLY : O_WRONLY);
    if (fd < 0)
        return -1;
    return fd == target ? fcntl(fd, F_SETFD, 0) : dup2(fd, target);
}

static void reset_signals(void)
{
    sigset_t none;
    for (int s = 1; s < 32; s++)
        if (s != SIGKILL && s != SIGSTOP)
            signal(s, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void run_child(const struct proc_spec *spec, const char *file, int report, pid_t parent)
{
    reset_signals();
    if (spec->new_group && setpgid(0, 0) < 0)
        child_fail(report, 1);
    if (spec->cwd_fd >= 0 && fchdir(spec->cwd_fd) < 0)
        child_fail(report, 1);
    /* Numbers 0 to 2 may be used crosswise, so move sources out of the way first. */
    int in = spec->stdin_fd, out = spec->stdout_fd, errs = spec->stderr_fd;
    if (in >= 0 && in <= 2)
        in = fcntl(in, F_DUPFD_CLOEXEC, 3);
    if (out >= 0 && out <= 2)
        out = fcntl(out, F_DUPFD_CLOEXEC, 3);
    if (errs >= 0 && errs <= 2)
        errs = fcntl(errs, F_DUPFD_CLOEXEC, 3);
    if (place(in, 0) < 0 || place(out, 1) < 0 || place(errs, 2) < 0)
        child_fail(report, 1);
    for (size_t i = 0; i < spec->n_keep_fds; i++)
        if (fcntl(spec->keep_fds[i], F_SETFD, 0) < 0)
            child_fail(report, 1);
    if (limit(RLIMIT_AS, spec->max_memory) < 0 || limit(RLIMIT_FSIZE, spec->max_file) < 0 ||
        limit(RLIMIT_CPU, spec->max_cpu_s) < 0)
        child_fail(report, 1);
    errno = 0;
    if (spec->before_exec && spec->before_exec(spec->payload) != 0)
        child_fail(report, 2);
    /* After before_exec: a change of uid clears the signal. */
    if (spec->die_with_parent &&
        (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || (getppid() != parent && getppid() != 0)))
        child_fail(report, 1);
    char *const no_env[] = {NULL};
    execve(file, spec->argv, spec->envp ? spec->envp : no_env);
    child_fail(report, 3);
}

static char *find_in_path(const char *file)
{
    if (strchr(file, '/'))
        return xstrdup(file);
    const char *path = getenv("PATH");
    cleanup_strv struct strv dirs = STRV_INIT;
    strv_split(&dirs, path ? path : "/usr/local/bin:/usr/bin:/bin", ":");
    for (size_t i = 0; i < dirs.len; i++) {
        char *full = xasprintf("%s/%s", dirs.v[i], file);
        if (access(full, X_OK) == 0)
            return full;
        free(full);
    }
    return xasprintf("/usr/bin/%s", file);
}

int proc_start(const struct proc_spec *spec, pid_t *pid, struct err *err)
{
    int pipe_fds[2];
    cleanup_free char *file = find_in_path(spec->file);
    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return err_errno(err, "pipe");
    cleanup_close int reader = pipe_fds[0];
    cleanup_close int writer = pipe_fds[1];
    /* Out of reach of 0, 1, 2, which the child replaces. */
    if (writer <= 2) {
        int moved = fcntl(writer, F_DUPFD_CLOEXEC, 3);
        if (moved < 0)
            return err_errno(err, "dup");
        close(writer);
        writer = moved;
    }
    pid_t parent = getpid();
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    pid_t child = fork();
    if (child == 0)
        run_child(spec, file, writer, parent);
    int saved = errno;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    errno = saved;
    if (child < 0)
        return err_errno(err, "fork");
    close(steal_fd(&writer));

    struct child_failure failure;
    ssize_t got;
    do {
        got = read(reader, &failure, sizeof failure);
    } while (got < 0 && errno == EINTR);
    if (got == (ssize_t)sizeof failure) {
        int status;
        proc_wait(child, &status, NULL);
        errno = failure.errnum;
        if (failure.stage == 2 && errno == 0)
            return err_set(err, ERR_FAILED, "start %s: set-up refused", spec->file);
        return err_errno(err, "start %s", spec->file);
    }
    *pid = child;
    return 0;
}

int proc_wait(pid_t pid, int *status, struct err *err)
{
    int raw;
    while (waitpid(pid, &raw, 0) < 0)
        if (errno != EINTR)
            return err_errno(err, "wait");
    *status = WIFSIGNALED(raw) ? 128 + WTERMSIG(raw) : WEXITSTATUS(raw);
    return 0;
}

void proc_result_release(struct proc_result *r)
{
    str_release(&r->out);
    str_release(&r->errs);
}

static int64_t mono_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Parent's ends of the three pipes; -1 once finished. */
struct pipes {
    int in, out, errs;
};

static void close_one(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static int take_output(int *fd, struct str *into, size_t max, struct err *err)
{
    ssize_t got = read(*fd, str_reserve(into, 65536), 65536);
    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return 0;
    if (got <= 0) {
        close_one(fd);
        return 0;
    }
    str_grew(into, (size_t)got);
    return into->len > max ? err_set(err, ERR_LIMIT, "more than %zu bytes of output", max) : 0;
}

static int pump(struct pipes *p, const char *input, size_t input_len, size_t max, int64_t deadline,
                struct proc_result *out, struct err *err)
{
    size_t sent = 0;
    while (p->out >= 0 || p->errs >= 0) {
        if (p->in >= 0 && sent == input_len)
            close_one(&p->in);
        struct pollfd fds[3] = {{p->out, POLLIN, 0}, {p->errs, POLLIN, 0}, {p->in, POLLOUT, 0}};
        int64_t left = deadline < 0 ? -1 : deadline - mono_ms();
        if (deadline >= 0 && left <= 0)
            return err_set(err, ERR_TIMEOUT, "no end in time");
        if (poll(fds, 3, left < 0 ? -1 : (int)(left < 1000000 ? left : 1000000)) < 0) {
            if (errno == EINTR)
                continue;
            return err_errno(err, "poll");
        }
        int rc = 0;
        if (fds[0].revents)
            rc = take_output(&p->out, &out->out, max, err);
        if (rc == 0 && fds[1].revents)
            rc = take_output(&p->errs, &out->errs, max, err);
        if (rc)
            return rc;
        if (fds[2].revents) {
            ssize_t put = write(p->in, input + sent, input_len - sent);
            if (put >= 0)
                sent += (size_t)put;
            else if (errno != EINTR && errno != EAGAIN)
                close_one(&p->in); /* a child that does not read its input is its own affair */
        }
    }
    return 0;
}

/* Waits for the child until the deadline. */
static int wait_until(pid_t pid, int64_t deadline, int *status, struct err *err)
{
    if (deadline >= 0) {
        cleanup_close int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
        struct pollfd p = {.fd = pidfd, .events = POLLIN};
        while (pidfd >= 0) {
            int64_t left = deadline - mono_ms();
            if (left <= 0)
                return err_set(err, ERR_TIMEOUT, "no end in time");
            int n = poll(&p, 1, (int)(left < 1000000 ? left : 1000000));
            if (n > 0)
                break;
            if (n < 0 && errno != EINTR)
                return err_errno(err, "poll");
        }
    }
    return proc_wait(pid, status, err);
}

int proc_run(const struct proc_spec *spec, const void *input, size_t input_len, size_t max_output,
             int timeout_ms, struct proc_result *out, struct err *err)
{
    int in[2] = {-1, -1}, outs[2] = {-1, -1}, errs[2] = {-1, -1};
    struct proc_spec child = *spec;
    struct pipes p = {-1, -1, -1};
    sigset_t pipe_signal, old;
    struct timespec now = {0, 0};
    pid_t pid;
    int rc;

    *out = (struct proc_result){0, STR_INIT, STR_INIT};
    if (pipe2(in, O_CLOEXEC) < 0 || pipe2(outs, O_CLOEXEC) < 0 || pipe2(errs, O_CLOEXEC) < 0) {
        rc = err_errno(err, "pipe");
        goto done;
    }
    child.stdin_fd = in[0];
    child.stdout_fd = outs[1];
    child.stderr_fd = errs[1];
    child.new_group = true;
    rc = proc_start(&child, &pid, err);
    if (rc)
        goto done;
    close_one(&in[0]);
    close_one(&outs[1]);
    close_one(&errs[1]);
    p = (struct pipes){in[1], outs[0], errs[0]};
    in[1] = outs[0] = errs[0] = -1;
    fd_set_nonblock(p.in, true);

    int64_t deadline = timeout_ms < 0 ? -1 : mono_ms() + timeout_ms;
    /* Per thread, unlike SIG_IGN: a child that does not read must not end us. */
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_signal, &old);
    rc = pump(&p, input, input_len, max_output, deadline, out, err);
    if (!sigismember(&old, SIGPIPE))
        sigtimedwait(&pipe_signal, NULL, &now);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc == 0)
        rc = wait_until(pid, deadline, &out->status, err);
    if (rc) {
        kill(-pid, SIGKILL);
        proc_wait(pid, &out->status, NULL);
        err_wrap(err, "%s", spec->file);
    }

done:
    for (int i = 0; i < 2; i++) {
        close_one(&in[i]);
        close_one(&outs[i]);
        close_one(&errs[i]);
    }
    close_one(&p.in);
    close_one(&p.out);
    close_one(&p.errs);
    return rc;
}
