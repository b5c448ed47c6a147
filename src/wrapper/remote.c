#include "wrapper/remote.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/proc.h"
#include "base/str.h"
#include "git/pack.h"
#include "git/repo.h"
#include "wrapper/hook.h"

/* Where the session is, so that git knows a shallow clone's edge as part of it; not shown. */
#define HEAD_REF "refs/session"
#define EXIT_FAILED 1
#define EXIT_NO_PROGRAM 127

static int fail(const char *what, const struct err *err)
{
    (void)fprintf(stderr, "steadystate: %s: %s\n", what, err->msg);
    return EXIT_FAILED;
}

/* The person's environment, without what would point git elsewhere or make it do more. */
static void git_environment(const struct seat *seat, char *const *envp, struct strv *out)
{
    for (char *const *e = envp; *e; e++)
        if (!str_starts_with(*e, "GIT_") || str_starts_with(*e, "GIT_PROTOCOL="))
            strv_push(out, *e);
    strv_pushl(out, "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_COUNT=2",
               "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_KEY_1=uploadpack.allowFilter",
               "GIT_CONFIG_VALUE_1=true", NULL);
    strv_pushf(out, "GIT_CONFIG_VALUE_0=%s", seat->canonical);
}

static int serve_fetch(enum remote_kind kind, const struct seat *seat, char *const *envp)
{
    cleanup_strv struct strv env = STRV_INIT;
    cleanup_strv struct strv argv = STRV_INIT;
    git_environment(seat, envp, &env);
    strv_pushl(&argv, "git", kind == REMOTE_FETCH ? "upload-pack" : "upload-archive",
               seat->canonical, NULL);
    (void)execvpe("git", argv.v, env.v);
    (void)fprintf(stderr, "steadystate: git: %s\n", strerror(errno));
    return EXIT_NO_PROGRAM;
}

/* --- a repository for one push ------------------------------------------------------------------
 */

static void format_config(struct str *out)
{
    str_addf(out,
             "[core]\n\trepositoryformatversion = 0\n\tbare = true\n\tfsync = none\n"
             "[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n"
             "[receive]\n\tprocReceiveRefs = refs\n\tautogc = false\n\tunpackLimit = 1\n"
             "\thideRefs = " HEAD_REF "\n\tmaxInputSize = %llu\n",
             (unsigned long long)PACK_MAX);
}

static int write_text(int dir, const char *name, const char *text, struct err *err)
{
    return fd_write_file(dir, name, text, strlen(text), 0600, err);
}

static int write_head(int dir, const struct seat *seat, struct err *err)
{
    cleanup_repo struct repo *canonical = NULL;
    cleanup_free char *branch = xasprintf("refs/heads/%s", seat->session_branch);
    char hex[OID_HEX + 2] = "";
    struct oid head;
    int rc = repo_library_init(false, err);
    if (rc == 0)
        rc = repo_open(seat->canonical, &canonical, err);
    if (rc == 0)
        rc = repo_ref_read(canonical, branch, &head, err);
    if (rc < 0)
        return rc;
    oid_format(&head, hex);
    hex[OID_HEX] = '\n';
    return write_text(dir, HEAD_REF "/head", hex, err);
}

static int fill(int dir, const struct seat *seat, const char *program, struct err *err)
{
    static const char *const dirs[] = {"objects", "objects/info", "objects/pack", "refs",
                                       HEAD_REF,  "refs/heads",   "hooks"};
    for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
        if (mkdirat(dir, dirs[i], 0700) != 0)
            return err_errno(err, "create %s", dirs[i]);
    cleanup_str struct str config = STR_INIT;
    cleanup_free char *alternates = xasprintf("%s/objects\n", seat->canonical);
    cleanup_free char *head = xasprintf("ref: refs/heads/%s\n", seat->session_branch);
    format_config(&config);
    int rc = write_text(dir, "objects/info/alternates", alternates, err);
    if (rc == 0)
        rc = write_text(dir, "config", config.p, err);
    if (rc == 0)
        rc = write_text(dir, "HEAD", head, err);
    if (rc == 0)
        rc = write_head(dir, seat, err);
    if (rc == 0 && symlinkat(program, dir, "hooks/" HOOK_NAME) != 0)
        rc = err_errno(err, "create the hook");
    return rc;
}

/* What killed pushes left: whoever still works holds the lock on theirs. */
static void clean(int dot)
{
    cleanup_close int copy = openat(dot, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
    if (!dir)
        return;
    (void)steal_fd(&copy);
    struct dirent *e;
    while ((e = readdir(dir))) {
        if (!str_starts_with(e->d_name, REMOTE_PUSH_PREFIX))
            continue;
        cleanup_close int one =
            openat(dot, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (one >= 0 && flock(one, LOCK_EX | LOCK_NB) == 0)
            (void)path_remove_tree(dot, e->d_name, NULL);
    }
    (void)closedir(dir);
}

static int run_receive_pack(const char *path, char *const *env, int *status, struct err *err)
{
    cleanup_strv struct strv argv = STRV_INIT;
    struct proc_spec spec = PROC_SPEC_INIT;
    pid_t pid;
    strv_pushl(&argv, "git", "receive-pack", path, NULL);
    spec.file = "git";
    spec.argv = argv.v;
    spec.envp = env;
    spec.stdin_fd = STDIN_FILENO;
    spec.stdout_fd = STDOUT_FILENO;
    spec.stderr_fd = STDERR_FILENO;
    spec.die_with_parent = true;
    int rc = proc_start(&spec, &pid, err);
    return rc ? rc : proc_wait(pid, status, err);
}

/* `bin` of the session, next to canonical. */
static char *find_program(const struct seat *seat)
{
    const char *slash = strrchr(seat->canonical, '/');
    return xasprintf("%.*s/bin/steadystate-wrapper", (int)(slash - seat->canonical),
                     seat->canonical);
}

static int serve_push(const struct seat *seat, char *const *envp)
{
    cleanup_strv struct strv env = STRV_INIT;
    struct err err = ERR_INIT;
    int status = EXIT_FAILED;
    cleanup_free char *dot_path = path_join(seat->home, ".worktree");
    if (mkdir(dot_path, 0700) != 0 && errno != EEXIST)
        return fail("push", (err_errno(&err, "create %s", dot_path), &err));
    cleanup_close int dot = open(dot_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (dot < 0)
        return fail("push", (err_errno(&err, "open %s", dot_path), &err));
    clean(dot);
    cleanup_free char *path = xasprintf("%s/" REMOTE_PUSH_PREFIX "XXXXXX", dot_path);
    if (!mkdtemp(path))
        return fail("push", (err_errno(&err, "create %s", path), &err));
    cleanup_close int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    cleanup_free char *program = find_program(seat);
    git_environment(seat, envp, &env);
    int rc = dir < 0 || flock(dir, LOCK_EX | LOCK_NB) != 0 ? err_errno(&err, "open %s", path) : 0;
    if (rc == 0)
        rc = fill(dir, seat, program, &err);
    if (rc == 0)
        rc = run_receive_pack(path, env.v, &status, &err);
    (void)path_remove_tree(dot, strrchr(path, '/') + 1, NULL);
    return rc ? fail("push", &err) : status;
}

int remote_serve(enum remote_kind kind, const struct seat *seat, char *const *envp)
{
    return kind == REMOTE_PUSH ? serve_push(seat, envp) : serve_fetch(kind, seat, envp);
}
