#include "agent/sshd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/proc.h"
#include "sandbox/sandbox.h"

#define RESTART_FIRST_MS 100
#define RESTART_MAX_MS 5000
#define BANNER "SSH-"

struct sshd {
    struct loop *loop;
    const struct layout *layout;
    struct sandbox_filter *tty_filter;
    struct sockaddr_storage listen_at, probe_at;
    socklen_t address_len;
    const struct sshd_ops *ops;
    void *payload;

    pid_t pid;
    int pidfd;
    struct loop_watch *exit_watch;
    struct loop_watch *timer; /* next probe, or next start */
    int probe_fd;
    struct loop_watch *probe_watch;
    int64_t probe_until;
    int restart_ms;
    bool was_ready;
    bool stopping;
};

static int find(const char *const *paths, size_t n, const char *what, const char **out,
                struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        if (access(paths[i], X_OK) == 0) {
            *out = paths[i];
            return 0;
        }
    }
    return err_set(err, ERR_NOT_FOUND, "%s is not installed", what);
}

int sshd_find_program(const char **out, struct err *err)
{
    static const char *const paths[] = {"/usr/sbin/sshd", "/usr/local/sbin/sshd", "/usr/bin/sshd"};
    return find(paths, ARRAY_LEN(paths), "sshd", out, err);
}

int sshd_find_sftp_server(const char **out, struct err *err)
{
    static const char *const paths[] = {
        "/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server",
        "/usr/libexec/sftp-server", "/usr/lib/ssh/sftp-server", "/usr/lib/sftp-server"};
    return find(paths, ARRAY_LEN(paths), "sftp-server", out, err);
}

static void set_address(struct sshd *s, const char *bind, int port)
{
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&s->listen_at;
    struct sockaddr_in *v4 = (struct sockaddr_in *)&s->listen_at;
    if (bind && inet_pton(AF_INET6, bind, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)port);
        s->address_len = sizeof *v6;
    } else {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        if (!bind || inet_pton(AF_INET, bind, &v4->sin_addr) != 1)
            v4->sin_addr.s_addr = htonl(INADDR_ANY);
        s->address_len = sizeof *v4;
    }
    s->probe_at = s->listen_at;
    struct sockaddr_in6 *p6 = (struct sockaddr_in6 *)&s->probe_at;
    struct sockaddr_in *p4 = (struct sockaddr_in *)&s->probe_at;
    if (p6->sin6_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&p6->sin6_addr))
        p6->sin6_addr = in6addr_loopback;
    else if (p4->sin_family == AF_INET && p4->sin_addr.s_addr == htonl(INADDR_ANY))
        p4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
}

struct sshd *sshd_new(struct loop *loop, const struct layout *layout, const char *bind, int port,
                      const struct sshd_ops *ops, void *payload)
{
    struct sshd *s = xcalloc(1, sizeof *s);
    *s = (struct sshd){.loop = loop,
                       .layout = layout,
                       .ops = ops,
                       .payload = payload,
                       .pidfd = -1,
                       .probe_fd = -1,
                       .restart_ms = RESTART_FIRST_MS};
    set_address(s, bind, port);
    return s;
}

static void stop_probe(struct sshd *s)
{
    loop_remove(s->probe_watch);
    s->probe_watch = NULL;
    if (s->probe_fd >= 0)
        close(s->probe_fd);
    s->probe_fd = -1;
}

static void stop_timer(struct sshd *s)
{
    loop_remove(s->timer);
    s->timer = NULL;
}

static void forget_process(struct sshd *s)
{
    loop_remove(s->exit_watch);
    s->exit_watch = NULL;
    if (s->pidfd >= 0)
        close(s->pidfd);
    s->pidfd = -1;
    s->pid = 0;
}

void sshd_free(struct sshd *s)
{
    if (!s)
        return;
    stop_probe(s);
    stop_timer(s);
    if (s->pid > 0) {
        pid_t pid = s->pid;
        forget_process(s);
        (void)kill(pid, SIGTERM);
        (void)waitpid(pid, NULL, 0);
    }
    sandbox_filter_free(s->tty_filter);
    free(s);
}

pid_t sshd_pid(const struct sshd *s)
{
    return s ? s->pid : 0;
}

static void on_restart(void *payload)
{
    struct sshd *s = payload;
    s->timer = NULL;
    sshd_start(s);
}

static void failed(struct sshd *s, const char *reason, const char *message)
{
    stop_probe(s);
    stop_timer(s);
    if (!s->was_ready) {
        s->ops->on_failed(reason, message, s->payload);
        return;
    }
    log_error("sshd: %s; next try in %d ms", message, s->restart_ms);
    s->timer = loop_add_timer(s->loop, s->restart_ms, false, on_restart, s);
    s->restart_ms = s->restart_ms * 2 > RESTART_MAX_MS ? RESTART_MAX_MS : s->restart_ms * 2;
}

/* Does a new terminal belong to the group that sshd wants it to have? */
static bool terminals_are_usual(gid_t tty)
{
    struct stat st;
    cleanup_close int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    const char *name = fd >= 0 ? ptsname(fd) : NULL;
    return !name || stat(name, &st) != 0 || st.st_gid == tty;
}

static int enter_sshd(void *payload)
{
    return payload ? sandbox_filter_install(payload) : 0;
}

static void mind_terminals(struct sshd *s)
{
    struct err err = ERR_INIT;
    const struct group *tty = getgrnam("tty");
    if (!s->layout->local || s->tty_filter || !tty || terminals_are_usual(tty->gr_gid))
        return;
    if (sandbox_filter_new_tty(tty->gr_gid, &s->tty_filter, &err) < 0)
        log_warn("terminals will not work here: %s", err.msg);
}

/* Is the address somebody else's? sshd says so only in its log. */
static bool port_is_taken(const struct sshd *s)
{
    cleanup_close int fd = socket(s->listen_at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int one = 1;
    if (fd < 0)
        return false;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    return bind(fd, (const struct sockaddr *)&s->listen_at, s->address_len) != 0 &&
           errno == EADDRINUSE;
}

static void on_sshd_exit(int fd, uint32_t events, void *payload)
{
    struct sshd *s = payload;
    int status = 0;
    (void)fd;
    (void)events;
    (void)waitpid(s->pid, &status, 0);
    forget_process(s);
    if (port_is_taken(s))
        failed(s, "port_taken", "the session's port is in use");
    else
        failed(s, "internal", "sshd ended");
}

/* --- banner ------------------------------------------------------------------------------------
 */

static void on_probe_time(void *payload);

static void probe_later(struct sshd *s)
{
    stop_probe(s);
    stop_timer(s);
    if (clock_mono_ms(&clock_real) > s->probe_until) {
        failed(s, "internal", "sshd does not answer");
        return;
    }
    s->timer = loop_add_timer(s->loop, SSHD_PROBE_MS, false, on_probe_time, s);
}

static void on_probe_io(int fd, uint32_t events, void *payload)
{
    struct sshd *s = payload;
    char text[sizeof BANNER - 1];
    (void)events;
    ssize_t n = recv(fd, text, sizeof text, MSG_PEEK);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n != (ssize_t)sizeof text || memcmp(text, BANNER, sizeof text) != 0) {
        probe_later(s);
        return;
    }
    stop_probe(s);
    stop_timer(s);
    s->restart_ms = RESTART_FIRST_MS;
    s->was_ready = true;
    s->ops->on_ready(s->payload);
}

static void on_probe_time(void *payload)
{
    struct sshd *s = payload;
    s->timer = NULL;
    stop_probe(s);
    s->probe_fd = socket(s->probe_at.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s->probe_fd < 0 ||
        (connect(s->probe_fd, (const struct sockaddr *)&s->probe_at, s->address_len) != 0 &&
         errno != EINPROGRESS)) {
        probe_later(s);
        return;
    }
    s->probe_watch = loop_add_fd(s->loop, s->probe_fd, EPOLLIN, on_probe_io, s);
    /* A listener that takes connections and says nothing. */
    s->timer = loop_add_timer(s->loop, 2000, false, on_probe_time, s);
}

void sshd_start(struct sshd *s)
{
    const char *program = NULL;
    struct err err = ERR_INIT;
    if (port_is_taken(s)) {
        failed(s, "port_taken", "the session's port is in use");
        return;
    }
    if (sshd_find_program(&program, &err) < 0) {
        failed(s, "internal", err.msg);
        return;
    }
    cleanup_strv struct strv argv = STRV_INIT;
    strv_pushl(&argv, program, "-D", "-f", s->layout->sshd_config, "-E", s->layout->sshd_log, NULL);
    cleanup_strv struct strv envp = STRV_INIT;
    strv_pushl(&envp, "PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", NULL);
    struct proc_spec spec = PROC_SPEC_INIT;
    spec.file = program;
    spec.argv = argv.v;
    spec.envp = envp.v;
    mind_terminals(s);
    spec.before_exec = enter_sshd;
    spec.payload = s->tty_filter;
    if (proc_start(&spec, &s->pid, &err) < 0) {
        s->pid = 0;
        failed(s, "internal", err.msg);
        return;
    }
    s->pidfd = (int)syscall(SYS_pidfd_open, s->pid, 0);
    BUG_ON(s->pidfd < 0);
    s->exit_watch = loop_add_fd(s->loop, s->pidfd, EPOLLIN, on_sshd_exit, s);
    s->probe_until = clock_mono_ms(&clock_real) + SSHD_PROBE_LIMIT_MS;
    s->timer = loop_add_timer(s->loop, SSHD_PROBE_MS, false, on_probe_time, s);
}
