#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/proc.h"
#include "compute/local/internal.h"
#include "sandbox/sandbox.h"

#define RETRY_MS 5

int local_agent_connect(const struct local *l, int root_fd, const char *id,
                        const struct local_account *account, pid_t *pid, struct err *err)
{
    (void)l;
    cleanup_free char *rel = path_join(id, "ctl.sock");
    /* Held by descriptor from the check to the connect: the account owns the directory and could
     * put a link to some other socket there. It also makes the length of the path no matter. */
    cleanup_close int at = path_open_beneath(root_fd, rel, O_PATH, 0, NULL);
    struct stat st;
    if (at < 0)
        return err_set(err, ERR_NOT_FOUND, "no agent serves session %s", id);
    if (fstat(at, &st) != 0 || !S_ISSOCK(st.st_mode) || st.st_uid != account->uid)
        return err_set(err, ERR_DENIED, "the control socket of session %s is not its agent's", id);
    char path[32];
    uid_t uid = 0;
    gid_t gid = 0;
    snprintf(path, sizeof path, "/proc/self/fd/%d", at);
    cleanup_close int fd = fd_unix_connect(path, NULL);
    if (fd < 0)
        return err_set(err, ERR_NOT_FOUND, "no agent serves session %s", id);
    int rc = fd_peer(fd, pid, &uid, &gid, err);
    if (rc)
        return rc;
    if (uid != account->uid)
        return err_set(err, ERR_DENIED, "the control socket of session %s is not its agent's", id);
    return steal_fd(&fd);
}

struct child {
    const struct local_account *account;
    bool as_root;
    int pid_fd; /* the agent's process id is written here */
    int root_fd;
    const char *log; /* relative to root_fd */
};

/* Between fork and exec: detaches twice, so that the agent is nobody's child and lives on without
 * us, and becomes the account before it touches anything of the session's. */
static int enter_child(void *payload)
{
    const struct child *c = payload;
    if (setsid() < 0)
        return -1;
    pid_t pid = fork();
    if (pid < 0)
        return -1;
    if (pid > 0)
        _exit(0);
    pid = getpid();
    if (write(c->pid_fd, &pid, sizeof pid) != (ssize_t)sizeof pid)
        return -1;
    if (c->as_root && sandbox_become(c->account->uid, c->account->gid) != 0)
        return -1;
    umask(022);
    int log = openat(c->root_fd, c->log,
                     O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    if (log < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0)
        return -1;
    return chdir("/");
}

static void fill_env(const struct local_account *account, const char *dir, struct strv *env)
{
    strv_push(env, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    strv_push(env, "LANG=C.UTF-8");
    strv_pushf(env, "HOME=%s", dir);
    strv_pushf(env, "USER=%s", account->name);
    strv_pushf(env, "LOGNAME=%s", account->name);
    strv_pushf(env, "SHELL=%s", account->shell);
}

static int spawn(const struct local *l, int root_fd, const char *id,
                 const struct local_account *account, pid_t *agent, struct err *err)
{
    cleanup_free char *dir = path_join(l->root, id);
    cleanup_free char *log = path_join(id, "agent.log");
    cleanup_strv struct strv argv = STRV_INIT;
    cleanup_strv struct strv env = STRV_INIT;
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0)
        return err_errno(err, "pipe");
    cleanup_close int reader = fds[0];
    cleanup_close int writer = fds[1];
    strv_pushl(&argv, "steadystate-agent", "run", "--local", "--session-root", dir, NULL);
    fill_env(account, dir, &env);
    struct child child = {.account = account,
                          .as_root = l->as_root,
                          .pid_fd = writer,
                          .root_fd = root_fd,
                          .log = log};
    struct proc_spec spec = PROC_SPEC_INIT;
    spec.file = l->agent;
    spec.argv = argv.v;
    spec.envp = env.v;
    spec.before_exec = enter_child;
    spec.payload = &child;
    pid_t pid = 0;
    int status = 0;
    int rc = proc_start(&spec, &pid, err);
    if (rc == 0)
        rc = proc_wait(pid, &status, err); /* the one in between */
    close(steal_fd(&writer));
    return rc ? rc : fd_read_full(reader, agent, sizeof *agent, err);
}

static int64_t mono_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int ended_early(int root_fd, const char *id, struct err *err)
{
    cleanup_str struct str line = STR_INIT;
    files_last_log(root_fd, id, &line);
    return err_set(err, ERR_FAILED, "the agent ended at once: %s",
                   line.len ? line.p : "it left no message");
}

int local_agent_start(const struct local *l, int root_fd, const char *id,
                      const struct local_account *account, struct err *err)
{
    pid_t pid = 0;
    int rc = spawn(l, root_fd, id, account, &pid, err);
    if (rc)
        return rc;
    /* Gone already: then the descriptor is -1 and so is the hope. */
    cleanup_close int pidfd = pidfd_open(pid, 0);
    int64_t until = mono_ms() + LOCAL_START_MS;
    while (mono_ms() < until) {
        struct err why = ERR_INIT;
        int fd = local_agent_connect(l, root_fd, id, account, &pid, &why);
        if (fd >= 0)
            return fd;
        if (fd != ERR_NOT_FOUND)
            return err_set(err, fd, "%s", why.msg);
        struct pollfd poll_fd = {.fd = pidfd, .events = POLLIN};
        if (pidfd < 0 || poll(&poll_fd, 1, RETRY_MS) > 0)
            return ended_early(root_fd, id, err);
    }
    return err_set(err, ERR_TIMEOUT, "the agent of session %s does not answer", id);
}
