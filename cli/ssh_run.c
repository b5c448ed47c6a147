#include "ssh_run.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"

static void add_keys_below(struct strv *argv, const char *home)
{
    static const char *const names[] = {"id_ed25519", "id_ecdsa", "id_ed25519_sk", "id_ecdsa_sk",
                                        "id_rsa"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        cleanup_free char *path = xasprintf("%s/.ssh/%s", home, names[i]);
        if (access(path, R_OK) == 0)
            strv_pushl(argv, "-i", path, NULL);
    }
}

void ssh_add_home_keys(struct strv *argv)
{
    const char *home = getenv("HOME");
    const struct passwd *pw = getpwuid(getuid());
    if (!home || *home != '/' || !pw || strcmp(home, pw->pw_dir) == 0)
        return;
    add_keys_below(argv, home);
    /* Naming one switches the usual ones off. */
    add_keys_below(argv, pw->pw_dir);
}

/* ssh closes what it inherits before it opens the log, so it takes ours by our /proc. */
static void add_log(const struct strv *argv, int log, struct strv *out)
{
    strv_push(out, argv->v[0]);
    if (log >= 0) {
        strv_pushl(out, "-oLogLevel=DEBUG1", "-E", NULL);
        strv_pushf(out, "/proc/%d/fd/%d", (int)getpid(), log);
    }
    for (size_t i = 1; i < argv->len; i++)
        strv_push(out, argv->v[i]);
}

/* Like system(3): the terminal's keys are for the child. A child that suspends itself (~^Z) takes
 * us with it. */
static int wait_for(pid_t child, int *status, struct err *err)
{
    int raw;
    for (;;) {
        if (waitpid(child, &raw, WUNTRACED) < 0) {
            if (errno == EINTR)
                continue;
            return err_errno(err, "wait for ssh");
        }
        if (!WIFSTOPPED(raw))
            break;
        (void)raise(SIGSTOP);
        (void)kill(child, SIGCONT);
    }
    *status = WIFSIGNALED(raw) ? 128 + WTERMSIG(raw) : WEXITSTATUS(raw);
    return 0;
}

static int read_log(int fd, struct str *out, struct err *err)
{
    off_t size = lseek(fd, 0, SEEK_END);
    off_t from = size > SSH_RUN_LOG_MAX ? size - SSH_RUN_LOG_MAX : 0;
    if (size < 0 || lseek(fd, from, SEEK_SET) < 0)
        return err_errno(err, "read ssh's log");
    return fd_read_all(fd, SSH_RUN_LOG_MAX, out, err);
}

int ssh_run(const struct strv *argv, int *status, struct str *log, struct err *err)
{
    cleanup_strv struct strv words = STRV_INIT;
    cleanup_close int fd = memfd_create("ssh-log", MFD_CLOEXEC);
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    struct sigaction old_int, old_quit;
    add_log(argv, fd, &words);
    (void)fflush(NULL);
    (void)sigaction(SIGINT, &ignore, &old_int);
    (void)sigaction(SIGQUIT, &ignore, &old_quit);
    pid_t self = getpid();
    pid_t child = fork();
    if (child == 0) {
        (void)sigaction(SIGINT, &old_int, NULL);
        (void)sigaction(SIGQUIT, &old_quit, NULL);
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (getppid() != self)
            _exit(SSH_RUN_FAILED);
        (void)execvp(words.v[0], words.v);
        _exit(errno == ENOENT ? 127 : 126);
    }
    int rc = child < 0 ? err_errno(err, "start ssh") : wait_for(child, status, err);
    (void)sigaction(SIGINT, &old_int, NULL);
    (void)sigaction(SIGQUIT, &old_quit, NULL);
    return rc == 0 && fd >= 0 ? read_log(fd, log, err) : rc;
}
