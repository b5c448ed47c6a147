#include "git/transport_run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/proc.h"
#include "git/transport_env.h"
#include "git/transport_parse.h"
#include "sandbox/sandbox.h"

#define POLL_MS 500
/* The operator allows paths, whoever owns them. A file, since the git command on the other end of
 * the pipe drops configuration that comes by the environment. */
#define TRUST_OWNERS "[safe]\n\tdirectory = *\n"
#define GRACE_MS 5000 /* after stdout and stderr ended, for the process itself */

void transport_job_release(struct transport_job *job)
{
    strv_release(&job->args);
    str_release(&job->out);
    str_release(&job->errs);
}

/* --- files ------------------------------------------------------------------------------------ */

static int give(const struct transport_helper *h, int fd, struct err *err)
{
    /* Our group stays, so that we can clean up what the helper leaves. */
    if (h->has_uid && fchown(fd, h->uid, (gid_t)-1) < 0)
        return err_errno(err, "give a file to the helper");
    return 0;
}

static int make_key(const struct transport_job *job, int *out, struct err *err)
{
    const char *key = job->remote->deploy_key;
    if (!key || job->target->url.kind != REPO_SSH)
        return 0;
    cleanup_close int fd = memfd_create("key", MFD_CLOEXEC);
    if (fd < 0 || fchmod(fd, 0600) < 0)
        return err_errno(err, "memory for the deploy key");
    int rc = fd_write_full(fd, key, strlen(key), err);
    if (rc == 0 && key[0] && key[strlen(key) - 1] != '\n')
        rc = fd_write_full(fd, "\n", 1, err);
    if (rc == 0)
        rc = give(job->helper, fd, err);
    if (rc == 0)
        *out = steal_fd(&fd);
    return rc;
}

static int make_home(const struct transport_job *job, struct transport_files *files,
                     struct err *err)
{
    const char *scratch = job->helper->scratch ? job->helper->scratch : "/tmp";
    char *home = xasprintf("%s/git-home-XXXXXX", scratch);
    if (!mkdtemp(home)) {
        int rc = err_errno(err, "create %s", home);
        free(home);
        return rc;
    }
    files->home = home;
    cleanup_close int fd = open(home, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return err_errno(err, "open %s", home);
    if (job->remote->known_hosts && job->target->url.kind == REPO_SSH) {
        int rc = fd_write_file(fd, "known_hosts", job->remote->known_hosts,
                               strlen(job->remote->known_hosts), 0644, err);
        if (rc < 0)
            return rc;
    }
    if (job->target->url.kind == REPO_FILE) {
        int rc =
            fd_write_file(fd, TRANSPORT_GITCONFIG, TRUST_OWNERS, strlen(TRUST_OWNERS), 0644, err);
        if (rc < 0)
            return rc;
    }
    if (fchmod(fd, 0770) < 0)
        return err_errno(err, "mode of %s", home);
    return give(job->helper, fd, err);
}

static void files_release(struct transport_files *files)
{
    if (files->home)
        path_remove_tree(AT_FDCWD, files->home, NULL);
    free(files->home);
    if (files->key_fd >= 0)
        close(files->key_fd);
}

/* --- running ---------------------------------------------------------------------------------- */

struct run {
    struct transport_job *job;
    pid_t pid;
    int out; /* ends of the pipes, -1 after their end */
    int errs;
    struct str line; /* of stderr, unfinished */
};

static void take_line(struct run *r)
{
    const struct transport_helper *h = r->job->helper;
    const char *stage;
    size_t stage_len;
    int percent;
    if (transport_parse_progress(r->line.p, r->line.len, &stage, &stage_len, &percent)) {
        if (h->progress) {
            const char *amount = "";
            size_t amount_len = 0;
            bool told = transport_parse_amount(r->line.p, r->line.len, &amount, &amount_len);
            cleanup_free char *name = xasprintf("%.*s%s%.*s", (int)stage_len, stage,
                                                told ? ", " : "", (int)amount_len, amount);
            h->progress(name, percent, h->progress_payload);
        }
    } else if (r->line.len && r->job->errs.len < TRANSPORT_STDERR_MAX) {
        str_add(&r->job->errs, r->line.p, r->line.len);
        str_addc(&r->job->errs, '\n');
    }
    str_clear(&r->line);
}

static void take_stderr(struct run *r, const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '\n' || p[i] == '\r')
            take_line(r);
        else if (r->line.len < 4096)
            str_addc(&r->line, p[i]);
    }
}

/* Reads once; false at the end of the stream. */
static bool take(struct run *r, int fd, bool is_stderr)
{
    char buf[16384];
    ssize_t n = read(fd, buf, sizeof buf);
    if (n < 0)
        return errno == EINTR || errno == EAGAIN;
    if (n == 0)
        return false;
    if (is_stderr)
        take_stderr(r, buf, (size_t)n);
    else if (r->job->out.len < TRANSPORT_STDERR_MAX)
        str_add(&r->job->out, buf, (size_t)n);
    return true;
}

/* A helper of another uid ends by that uid's hand: the agent has no CAP_KILL. */
static void kill_group(const struct run *r)
{
    const struct transport_helper *h = r->job->helper;
    if (h->has_uid && geteuid() != h->uid)
        (void)sandbox_kill_as(h->uid, h->gid, -r->pid, SIGKILL);
    else
        (void)kill(-r->pid, SIGKILL);
}

static void end_group(struct run *r)
{
    int status;
    kill_group(r);
    while (waitpid(r->pid, &status, 0) < 0 && errno == EINTR)
        continue;
    r->pid = 0;
}

static bool cancelled(const struct transport_helper *h)
{
    return h->cancel && atomic_load(h->cancel);
}

static int collect(struct run *r, int64_t deadline, struct transport_failure *why, struct err *err)
{
    while (r->out >= 0 || r->errs >= 0) {
        struct pollfd fds[] = {{.fd = r->out, .events = POLLIN}, {.fd = r->errs, .events = POLLIN}};
        if (cancelled(r->job->helper)) {
            end_group(r);
            why->reason = "internal";
            return err_set(err, ERR_CANCELLED, "cancelled");
        }
        if (clock_mono_ms(&clock_real) > deadline) {
            end_group(r);
            why->reason = "repository_unreachable";
            return err_set(err, ERR_TIMEOUT, "no end within the time limit");
        }
        if (poll(fds, 2, POLL_MS) < 0 && errno != EINTR)
            return err_errno(err, "poll");
        if (fds[0].revents && !take(r, r->out, false))
            r->out = -1;
        if (fds[1].revents && !take(r, r->errs, true))
            r->errs = -1;
    }
    take_line(r);
    return 0;
}

/* The exit status; a process that closed its output and stays is ended. */
static int reap(struct run *r, struct err *err)
{
    int64_t deadline = clock_mono_ms(&clock_real) + GRACE_MS;
    int status = 0;
    for (;;) {
        pid_t got = waitpid(r->pid, &status, WNOHANG);
        if (got == r->pid)
            break;
        if (got < 0 && errno != EINTR)
            return err_errno(err, "wait for git");
        if (clock_mono_ms(&clock_real) > deadline) {
            end_group(r);
            return err_set(err, ERR_TIMEOUT, "git does not end");
        }
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    kill_group(r); /* children that outlived it */
    r->job->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return 0;
}

/* So that a file past the limit is an error that git reports, not the silent end of a child. */
static int before_exec(void *payload)
{
    const struct transport_helper *h = payload;
    if (signal(SIGXFSZ, SIG_IGN) == SIG_ERR)
        return -1;
    return h->before_exec ? h->before_exec(h->payload) : 0;
}

static int start(struct transport_job *job, const struct transport_files *files, int out, int errs,
                 pid_t *pid, struct err *err)
{
    cleanup_strv struct strv argv = STRV_INIT;
    cleanup(transport_env_release) struct strv env = STRV_INIT;
    int rc = transport_environment(job, files, &env, err);
    if (rc < 0)
        return rc;
    strv_push(&argv, "git");
    for (size_t i = 0; i < job->args.len; i++)
        strv_push(&argv, job->args.v[i]);
    cleanup_close int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct proc_spec spec = PROC_SPEC_INIT;
    spec.file = "git";
    spec.argv = argv.v;
    spec.envp = env.v;
    spec.cwd_fd = root;
    spec.stdout_fd = out;
    spec.stderr_fd = errs;
    spec.keep_fds = &files->key_fd;
    spec.n_keep_fds = files->key_fd >= 0;
    spec.new_group = true;
    spec.die_with_parent = true;
    spec.max_file = job->helper->max_bytes ? job->helper->max_bytes : TRANSPORT_BYTES_MAX;
    spec.before_exec = before_exec;
    spec.payload = (void *)job->helper;
    return proc_start(&spec, pid, err);
}

int transport_run(struct transport_job *job, struct transport_failure *why, struct err *err)
{
    cleanup(files_release) struct transport_files files = {NULL, -1};
    int out[2] = {-1, -1};
    int errs[2] = {-1, -1};
    why->reason = "internal";
    int rc = make_home(job, &files, err);
    if (rc == 0)
        rc = make_key(job, &files.key_fd, err);
    if (rc < 0)
        return rc;
    if (pipe2(out, O_CLOEXEC) < 0)
        return err_errno(err, "pipe");
    cleanup_close int out_end = out[0];
    cleanup_close int out_start = out[1];
    if (pipe2(errs, O_CLOEXEC) < 0)
        return err_errno(err, "pipe");
    cleanup_close int errs_end = errs[0];
    cleanup_close int errs_start = errs[1];
    struct run r = {.job = job, .out = out_end, .errs = errs_end, .line = STR_INIT};
    rc = start(job, &files, out_start, errs_start, &r.pid, err);
    if (rc < 0)
        return rc;
    close(steal_fd(&out_start));
    close(steal_fd(&errs_start));
    int limit = job->timeout_s           ? job->timeout_s
                : job->helper->timeout_s ? job->helper->timeout_s
                                         : TRANSPORT_TIMEOUT_S;
    rc = collect(&r, clock_mono_ms(&clock_real) + (int64_t)limit * 1000, why, err);
    if (rc == 0)
        rc = reap(&r, err);
    else if (r.pid)
        end_group(&r);
    str_release(&r.line);
    return rc;
}

int transport_job_failed(const struct transport_job *job, const char *what,
                         struct transport_failure *why, struct err *err)
{
    struct transport_verdict v = transport_classify(job->errs.p, job->errs.len);
    cleanup_str struct str line = STR_INIT;
    transport_main_line(job->errs.p, job->errs.len, &line);
    why->reason = v.reason;
    if (line.len == 0)
        str_addf(&line, "git ended with status %d", job->status);
    return err_set(err, v.code, "%s: %s", what, line.p);
}

void transport_remove(const struct transport_helper *helper, const char *path)
{
    struct proc_spec spec = PROC_SPEC_INIT;
    const char *argv[] = {"rm", "-rf", "--", path, NULL};
    cleanup_proc_result struct proc_result result = {0, STR_INIT, STR_INIT};
    spec.file = "/bin/rm";
    spec.argv = (char *const *)argv;
    spec.before_exec = helper->before_exec;
    spec.payload = helper->payload;
    spec.new_group = true;
    if (proc_run(&spec, NULL, 0, TRANSPORT_STDERR_MAX, 600000, &result, NULL) < 0)
        return;
}
