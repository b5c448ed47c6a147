#include "git/run.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "git/transport_parse.h"

extern char **environ;

static void own_environment(struct strv *env)
{
    const char *path = getenv("PATH");
    strv_pushf(env, "PATH=%s", path ? path : "/usr/local/bin:/usr/bin:/bin");
    strv_pushl(env, "HOME=/nonexistent", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
               NULL);
}

/* The person's own, without what would point git at another repository. */
static void user_environment(struct strv *env)
{
    for (char **e = environ; *e; e++)
        if (!str_starts_with(*e, "GIT_") && !str_starts_with(*e, "LC_ALL="))
            strv_push(env, *e);
}

/* locale: an assignment. */
static void environment(const struct git_run *run, const char *locale, struct strv *env)
{
    if (run->kind == GIT_RUN_OWN)
        own_environment(env);
    else
        user_environment(env);
    strv_pushl(env, locale, "GIT_TERMINAL_PROMPT=0", "GIT_LITERAL_PATHSPECS=1",
               "GIT_OPTIONAL_LOCKS=0", NULL);
    strv_pushf(env, "GIT_DIR=%s", run->git_dir);
    if (run->work_tree)
        strv_pushf(env, "GIT_WORK_TREE=%s", run->work_tree);
    if (run->index_file)
        strv_pushf(env, "GIT_INDEX_FILE=%s", run->index_file);
}

static int failed(const struct git_run *run, int status, const struct str *errs, struct err *err)
{
    cleanup_str struct str line = STR_INIT;
    transport_main_line(errs->p, errs->len, &line);
    const char *verb = "git";
    for (const char *const *a = run->args; *a; a++)
        if ((*a)[0] != '-' && (a == run->args || strcasecmp(a[-1], "-c") != 0)) {
            verb = *a;
            break;
        }
    return err_set(err, ERR_FAILED, "git %s: %s (status %d)", verb,
                   line.len ? line.p : "failed without a word", status);
}

/* What a git process is started with; spec points into the rest. */
struct command {
    struct strv argv;
    struct strv env;
    struct proc_spec spec;
};

static void command_release(struct command *c)
{
    strv_release(&c->argv);
    strv_release(&c->env);
}

static void command_make(const struct git_run *run, const char *locale, struct command *c)
{
    *c = (struct command){.argv = STRV_INIT, .env = STRV_INIT, .spec = PROC_SPEC_INIT};
    strv_push(&c->argv, "git");
    for (const char *const *a = run->args; *a; a++)
        strv_push(&c->argv, *a);
    environment(run, locale, &c->env);
    c->spec.file = "git";
    c->spec.argv = c->argv.v;
    c->spec.envp = c->env.v;
}

static int timeout_of(const struct git_run *run)
{
    return run->timeout_s ? run->timeout_s : GIT_RUN_TIMEOUT_S;
}

int git_run(const struct git_run *run, struct proc_result *out, struct err *err)
{
    cleanup_proc_result struct proc_result mine = {0, STR_INIT, STR_INIT};
    struct proc_result *result = out ? out : &mine;
    cleanup(command_release) struct command c;
    command_make(run, "LC_ALL=C", &c);
    c.spec.new_group = true;
    c.spec.die_with_parent = true;
    int rc = proc_run(&c.spec, run->input, run->input_len,
                      run->max_output ? run->max_output : (size_t)1 << 20, timeout_of(run) * 1000,
                      result, err);
    if (rc < 0)
        return err_wrap(err, "git");
    return result->status == 0 ? 0 : failed(run, result->status, &result->errs, err);
}

int git_run_to_fd(const struct git_run *run, int fd, struct err *err)
{
    cleanup(command_release) struct command c;
    command_make(run, "LC_ALL=C", &c);
    c.spec.stdout_fd = fd;
    c.spec.new_group = true;
    c.spec.die_with_parent = true;
    c.spec.max_cpu_s = (uint64_t)timeout_of(run);
    pid_t pid;
    int status;
    int rc = proc_start(&c.spec, &pid, err);
    if (rc == 0)
        rc = proc_wait(pid, &status, err);
    if (rc < 0)
        return rc;
    return status == 0
               ? 0
               : err_set(err, ERR_FAILED, "git %s ended with status %d", run->args[0], status);
}

int git_run_interactive(const struct git_run *run, int *status, struct err *err)
{
    /* The pager has to know the person's locale; nobody parses this output. */
    const char *all = getenv("LC_ALL");
    cleanup_free char *locale = xasprintf("LC_ALL=%s", all ? all : "");
    cleanup(command_release) struct command c;
    command_make(run, locale, &c);
    c.spec.stdin_fd = STDIN_FILENO;
    c.spec.stdout_fd = STDOUT_FILENO;
    c.spec.stderr_fd = STDERR_FILENO;
    pid_t pid;
    int rc = proc_start(&c.spec, &pid, err);
    return rc ? rc : proc_wait(pid, status, err);
}
