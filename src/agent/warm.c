#include "agent/warm.h"

#include <errno.h>
#include <linux/ioprio.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/agent.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/proc.h"
#include "git/repo.h"
#include "sync/flat.h"

#define LOOK_NS 20000000L
#define NICEST 19

struct warm {
    struct agent *agent;
    char *program, *canonical, *ref;
};

int warm_main(const char *canonical, const char *ref)
{
    struct err err = ERR_INIT;
    bool made = false;
    (void)setpriority(PRIO_PROCESS, 0, NICEST);
    (void)syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0));
    int rc = repo_library_init(false, &err);
    if (rc == 0)
        rc = flat_write(canonical, ref, &made, &err);
    if (rc < 0 && rc != ERR_NO_SPACE)
        log_warn("files for the next login: %s", err.msg);
    return rc < 0;
}

static void run(void *payload)
{
    struct warm *w = payload;
    bool worth_it = true;
    /* What cannot be read is the child's to report. */
    if (flat_is_worth_it(w->canonical, w->ref, &worth_it, NULL) == 0 && !worth_it)
        return;
    char verb[] = "warm";
    char *argv[] = {w->program, verb, w->canonical, w->ref, NULL};
    struct proc_spec spec = PROC_SPEC_INIT;
    spec.file = w->program;
    spec.argv = argv;
    spec.stderr_fd = STDERR_FILENO;
    spec.new_group = true;
    spec.die_with_parent = true;
    pid_t pid = 0;
    struct err err = ERR_INIT;
    if (proc_start(&spec, &pid, &err) < 0) {
        log_warn("files for the next login: %s", err.msg);
        return;
    }
    for (pid_t ended = 0; ended == 0 || (ended < 0 && errno == EINTR);) {
        if (atomic_load(&w->agent->cancel))
            kill(pid, SIGKILL);
        nanosleep(&(struct timespec){0, LOOK_NS}, NULL);
        ended = waitpid(pid, NULL, WNOHANG);
    }
}

static void done(void *payload)
{
    struct warm *w = payload;
    free(w->program);
    free(w->canonical);
    free(w->ref);
    free(w);
}

void warm_start(struct agent *a)
{
    struct warm *w = xcalloc(1, sizeof *w);
    *w = (struct warm){.agent = a,
                       .program = path_join(a->layout.programs, "steadystate-agent"),
                       .canonical = xstrdup(a->layout.canonical),
                       .ref = xasprintf("refs/heads/%s", a->spec.session_branch)};
    jobs_add(a->jobs, run, done, w);
}
