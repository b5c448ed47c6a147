/* The processes of a session that nobody supervises any more: by the session's id in their
 * environment, or its directory among their arguments. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"
#include "compute/local/internal.h"

#define PROC_FILE_MAX (2 * 1024 * 1024)
#define ROUND_MS 20
#define KILL_MS 5000

struct wanted {
    char env[64];     /* "SESSION_ID=<id>" */
    const char *dir;  /* an argument that is this */
    char config[512]; /* what sshd's title holds, in which the arguments are one text */
    uid_t uid;
};

static int64_t mono_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Whether one of the NUL-separated texts is `text`. */
static bool has_text(const struct str *list, const char *text)
{
    for (size_t at = 0; at < list->len;) {
        size_t n = strnlen(list->p + at, list->len - at);
        if (n == strlen(text) && memcmp(list->p + at, text, n) == 0)
            return true;
        at += n + 1;
    }
    return false;
}

static void read_proc(int proc_fd, const char *name, struct str *out)
{
    cleanup_close int fd = openat(proc_fd, name, O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        fd_read_all(fd, PROC_FILE_MAX, out, NULL);
}

static bool has_uid(int proc_fd, uid_t uid)
{
    cleanup_str struct str status = STR_INIT;
    char line[48];
    read_proc(proc_fd, "status", &status);
    snprintf(line, sizeof line, "\nUid:\t%u\t", (unsigned)uid);
    return strstr(status.p, line) != NULL;
}

static bool is_wanted(int proc_fd, const struct wanted *w)
{
    cleanup_str struct str args = STR_INIT;
    cleanup_str struct str env = STR_INIT;
    if (!has_uid(proc_fd, w->uid))
        return false;
    read_proc(proc_fd, "cmdline", &args);
    if (has_text(&args, w->dir) || (str_starts_with(args.p, "sshd: ") && strstr(args.p, w->config)))
        return true;
    read_proc(proc_fd, "environ", &env);
    return has_text(&env, w->env);
}

/* The pidfd is opened before looking: the number cannot become somebody else's in between. */
static bool signal_if_wanted(int proc_dir, const char *name, const struct wanted *w, int signo)
{
    int pid = 0;
    if (num_parse_int(name, 2, 1 << 30, &pid, NULL) != 0 || pid == getpid())
        return false;
    cleanup_close int pidfd = pidfd_open(pid, 0);
    cleanup_close int proc_fd =
        openat(proc_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (pidfd < 0 || proc_fd < 0 || !is_wanted(proc_fd, w))
        return false;
    if (signo && pidfd_send_signal(pidfd, signo, NULL, 0) != 0 && errno == ESRCH)
        return false;
    return true;
}

/* How many there are; each gets the signal (0: none). */
static int signal_all(const struct wanted *w, int signo, struct err *err)
{
    DIR *dir = opendir("/proc");
    if (!dir)
        return err_errno(err, "/proc");
    int n = 0;
    for (struct dirent *item; (item = readdir(dir));)
        n += signal_if_wanted(dirfd(dir), item->d_name, w, signo);
    closedir(dir);
    return n;
}

/* Until none is left: 0; ERR_TIMEOUT. Each round sends the signal again, since there may be new
 * ones. */
static int wait_all(const struct wanted *w, int signo, int ms, struct err *err)
{
    const struct timespec pause = {.tv_nsec = ROUND_MS * 1000000L};
    int64_t until = mono_ms() + ms;
    for (;;) {
        int n = signal_all(w, signo, err);
        if (n <= 0)
            return n;
        if (mono_ms() >= until)
            return ERR_TIMEOUT;
        nanosleep(&pause, NULL);
    }
}

int procs_end(const char *dir, const char *id, uid_t uid, int grace_ms, struct err *err)
{
    struct wanted w = {.dir = dir, .uid = uid};
    snprintf(w.env, sizeof w.env, "SESSION_ID=%s", id);
    snprintf(w.config, sizeof w.config, " %s/ssh/sshd_config ", dir);
    /* The agent was told to go already: it is given its time before anybody insists. */
    int rc = wait_all(&w, 0, grace_ms / 2, err);
    if (rc == ERR_TIMEOUT)
        rc = wait_all(&w, SIGTERM, grace_ms - grace_ms / 2, err);
    if (rc == ERR_TIMEOUT)
        rc = wait_all(&w, SIGKILL, KILL_MS, err);
    if (rc == ERR_TIMEOUT)
        return err_set(err, ERR_TIMEOUT, "processes of session %s do not end", id);
    return rc;
}
