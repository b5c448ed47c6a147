#include "agent/init.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/procfs.h"
#include "base/mem.h"

#define LAST_ROUNDS 50 /* of 20 ms, for what does not end at once */

static void signal_child_of(pid_t pid, const struct proc_stat *st, void *payload)
{
    if (st->ppid == getpid() && st->state != 'Z')
        (void)kill(pid, *(const int *)payload);
}

static bool reap_all(void)
{
    for (;;) {
        pid_t pid = waitpid(-1, NULL, WNOHANG);
        if (pid > 0)
            continue;
        return pid < 0 && errno == ECHILD;
    }
}

/* Ends what the session started: children of a killed process come to us, so round after round. */
static void end_everything(void)
{
    int signo = SIGHUP;
    for (int i = 0; i < LAST_ROUNDS && !reap_all(); i++) {
        proc_each(signal_child_of, &signo);
        (void)nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
        signo = SIGKILL;
    }
}

static void drop_channel(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0)
        return;
    (void)dup2(null, STDIN_FILENO);
    (void)dup2(null, STDOUT_FILENO);
    close(null);
}

static void serve(pid_t agent, const sigset_t *set, int adopt) __attribute__((noreturn));
static void serve(pid_t agent, const sigset_t *set, int adopt)
{
    int exit_code = 1;
    bool ended = false;
    while (!ended) {
        siginfo_t info;
        int signo = sigwaitinfo(set, &info);
        if (signo > 0 && signo != SIGCHLD) {
            (void)kill(agent, signo);
            continue;
        }
        int status;
        for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
            if (pid != agent)
                continue;
            ended = true;
            exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        }
    }
    if (adopt)
        end_everything();
    _exit(exit_code);
}

int init_split(int adopt)
{
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, &old);
    if (adopt && prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0)
        return -1;
    pid_t agent = fork();
    if (agent < 0)
        return -1;
    if (agent == 0) {
        sigprocmask(SIG_SETMASK, &old, NULL);
        return 0;
    }
    drop_channel();
    mem_give_back();
    serve(agent, &set, adopt);
}
