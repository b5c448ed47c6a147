/*
 * steadystate-wrapper: what every SSH connection runs. It learns from the agent who the key
 * belongs to, becomes that person for good, prepares the worktree, and then is the shell, the
 * command or the file transfer that was asked for. Nothing of the person's is touched before the
 * change of uid, and nothing is written to standard output.
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "git/repo.h"
#include "sandbox/sandbox.h"
#include "sync/worktree.h"
#include "wrapper/args.h"
#include "wrapper/hook.h"
#include "wrapper/remote.h"
#include "wrapper/seat.h"

#define SHELL "/bin/bash"
#define EXIT_FAILED 1
#define EXIT_NO_PROGRAM 127

extern char **environ;

static const char help[] =
    "usage: steadystate-wrapper [--session-root DIR] PROVIDER LOGIN\n"
    "       steadystate-wrapper -c \"PROGRAM [--session-root DIR] PROVIDER LOGIN\"\n"
    "\n"
    "What every SSH connection to a session runs: the login shell of the session's SSH user, and "
    "the\n"
    "forced command of each key. Learns from the agent whose key it was, becomes that person for "
    "good,\n"
    "prepares the worktree, and then is the shell, the command, the file transfer or the shared "
    "terminal\n"
    "that was asked for. sshd starts it; nobody has to do it by hand.\n"
    "\n"
    "Options:\n"
    "  --session-root DIR  where the session lies (default /session)\n"
    "  --help              this text\n"
    "\n"
    "Example:\n"
    "  ssh -p 20000 steadystate@host git status\n";

static int fail(const char *what, const struct err *err)
{
    (void)fprintf(stderr, "steadystate: %s: %s\n", what, err->msg);
    return EXIT_FAILED;
}

/* --- becoming the person -------------------------------------------------------------------------
 */

static int become(const struct seat *seat, struct err *err)
{
    if (geteuid() != 0) {
        /* Local provider: everybody is one uid already. */
        if (seat->uid != geteuid())
            return err_set(err, ERR_DENIED, "this is not the session's account");
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
            return err_errno(err, "no_new_privs");
        return 0;
    }
    /* sshd takes the terminal back by itself. */
    if (isatty(STDIN_FILENO) &&
        (fchmod(STDIN_FILENO, 0620) != 0 || fchown(STDIN_FILENO, seat->uid, (gid_t)-1) != 0))
        return err_errno(err, "hand over the terminal");
    if (sandbox_become(seat->uid, seat->gid) != 0)
        return err_errno(err, "become %s", seat->account);
    return 0;
}

/* --- environment ---------------------------------------------------------------------------------
 */

static void make_environment(const struct wrapper_args *args, const struct seat *seat,
                             struct strv *out)
{
    for (char **e = environ; *e; e++)
        if (wrapper_keeps_variable(*e))
            strv_push(out, *e);
    if (!getenv("LANG") && !getenv("LC_ALL"))
        strv_push(out, "LANG=C.UTF-8");
    strv_pushf(out, "HOME=%s", seat->home);
    /* Under the local provider the account is not the person's own. */
    const struct passwd *pw = getpwuid(geteuid());
    const char *account = pw ? pw->pw_name : seat->account;
    strv_pushf(out, "USER=%s", account);
    strv_pushf(out, "LOGNAME=%s", account);
    strv_push(out, "SHELL=" SHELL);
    strv_pushf(out, "PATH=%s/bin:/usr/local/bin:/usr/bin:/bin", args->root);
    for (size_t i = 0; i < seat->env.len; i++)
        strv_push(out, seat->env.v[i]);
}

/* A login shell starts with /etc/profile, which sets PATH anew. */
static void make_profile(int home)
{
    static const char text[] = "# Read by login shells.\n"
                               "[ -z \"$REPO_ROOT\" ] || PATH=$REPO_ROOT/bin:$PATH\n"
                               "[ ! -f ~/.bashrc ] || . ~/.bashrc\n";
    static const char *const others[] = {".bash_profile", ".bash_login"};
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (faccessat(home, others[i], F_OK, AT_SYMLINK_NOFOLLOW) == 0)
            return;
    cleanup_close int fd =
        openat(home, ".profile", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd >= 0)
        (void)fd_write_full(fd, text, sizeof text - 1, NULL);
}

/* --- worktree ------------------------------------------------------------------------------------
 */

struct meter {
    bool shown;
    int percent;
};

static void show_progress(size_t done, size_t total, void *payload)
{
    struct meter *m = payload;
    int percent = total > 0 ? (int)(done * 100 / total) : 100;
    if (percent == m->percent)
        return;
    m->percent = percent;
    m->shown = true;
    (void)fprintf(stderr, "\rPreparing your worktree ... %d%%", percent);
}

static void say_missing(const char *lines, void *payload)
{
    struct meter *m = payload;
    if (m->shown)
        (void)fputs("\r\033[K", stderr);
    m->shown = false;
    for (const char *line = lines; *line;) {
        size_t n = strcspn(line, "\n");
        (void)fprintf(stderr, "steadystate: %.*s%s\n", (int)n, line,
                      isatty(STDERR_FILENO) ? "\r" : "");
        line += n + (line[n] == '\n');
    }
}

static int prepare_worktree(const struct seat *seat, struct err *err)
{
    struct meter meter = {.percent = -1};
    struct worktree_opts opts = {
        .home = seat->home,
        .repo_name = seat->repo_name,
        .canonical = seat->canonical,
        .session_id = seat->session_id,
        .session_branch = seat->session_branch,
        .author_name = seat->author_name,
        .author_email = seat->author_email,
        .progress = isatty(STDERR_FILENO) ? show_progress : NULL,
        .say = say_missing,
        .payload = &meter,
    };
    int rc = repo_library_init(false, err);
    if (rc == 0)
        rc = worktree_prepare(&opts, NULL, err);
    if (meter.shown)
        (void)fputs("\r\033[K", stderr);
    return rc;
}

/* --- what was asked for --------------------------------------------------------------------------
 */

static int run(enum wrapper_kind kind, const char *command, char *const *envp)
{
    char shell[] = SHELL, login_name[] = "-bash", option[] = "-c";
    cleanup_free char *copy = command ? xstrdup(command) : NULL;
    char *login[] = {login_name, NULL};
    char *line[] = {shell, option, copy, NULL};
    char *sftp[] = {copy, NULL};
    const char *program = kind == WRAPPER_SFTP ? command : SHELL;
    if (kind == WRAPPER_SHELL)
        (void)execve(program, login, envp);
    else
        (void)execve(program, kind == WRAPPER_SFTP ? sftp : line, envp);
    (void)fprintf(stderr, "steadystate: %s: %s\n", program, strerror(errno));
    return EXIT_NO_PROGRAM;
}

/* A session that is one shared terminal: nothing else runs as the person. */
static int run_terminal(const struct wrapper_args *args, bool read_only, char *const *envp)
{
    cleanup_free char *program = path_join(args->root, "bin/steadystate");
    char name[] = "steadystate", verb[] = "pair", option[] = "--read-only";
    char *argv[] = {name, verb, read_only ? option : NULL, NULL};
    (void)execve(program, argv, envp);
    (void)fprintf(stderr, "steadystate: %s: %s\n", program, strerror(errno));
    return EXIT_NO_PROGRAM;
}

static int enter_home(const struct seat *seat, struct err *err)
{
    cleanup_close int home = open(seat->home, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (home < 0)
        return err_errno(err, "%s", seat->home);
    if (fchdir(home) != 0)
        return err_errno(err, "%s", seat->home);
    make_profile(home);
    return 0;
}

int main(int argc, char **argv)
{
    cleanup_wrapper_args struct wrapper_args args = {0};
    cleanup_seat struct seat seat = {.env = STRV_INIT};
    cleanup_strv struct strv envp = STRV_INIT;
    struct err err = ERR_INIT;
    const char *command = getenv("SSH_ORIGINAL_COMMAND");
    enum wrapper_kind kind = wrapper_kind_of(command);

    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        return fputs(help, stdout) < 0;
    umask(022);
    if (hook_is_called(argv[0]))
        return hook_run();
    if (wrapper_args_parse(argc, argv, &args, &err) < 0)
        return fail("this account serves SteadyState sessions only", &err);
    (void)close_range(3, ~0U, 0);
    if (seat_take(&args, kind, &seat, &err) < 0)
        return fail("log in", &err);
    if (become(&seat, &err) < 0)
        return fail("log in", &err);
    make_environment(&args, &seat, &envp);
    if (enter_home(&seat, &err) < 0)
        return fail("home", &err);
    if (seat.terminal && kind == WRAPPER_WATCH)
        return run(kind, command, envp.v);
    if (seat.terminal)
        return run_terminal(&args, wrapper_is_read_only(command), envp.v);
    enum remote_kind remote = remote_parse(command, seat.repo_name, seat.canonical);
    if (remote != REMOTE_NONE)
        return remote_serve(remote, &seat, envp.v);
    if (prepare_worktree(&seat, &err) < 0)
        return fail("worktree", &err);
    if (chdir(seat.worktree) != 0)
        return fail("worktree", (err_errno(&err, "%s", seat.worktree), &err));
    return run(kind, command, envp.v);
}
