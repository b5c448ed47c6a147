/* `steadystate-agent terminal`: what a client of the shared terminal runs, as its account, on its
 * pseudo-terminal: the worktree, then tmux in this process's place. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/start.h"
#include "base/mem.h"
#include "git/repo.h"
#include "sync/worktree.h"

extern char **environ;

enum { BRANCH, AUTHOR_NAME, AUTHOR_EMAIL, TMUX, SOCKET, CONFIG, MODE };

static void show_progress(size_t done, size_t total, void *payload)
{
    int *shown = payload;
    int percent = total > 0 ? (int)(done * 100 / total) : 100;
    if (percent == *shown)
        return;
    *shown = percent;
    printf("\rPreparing the worktree ... %d%%", percent);
    (void)fflush(stdout);
}

static void say_missing(const char *lines, void *payload)
{
    (void)payload;
    for (const char *line = lines; *line;) {
        int n = (int)strcspn(line, "\n");
        printf("\r\nsteadystate: %.*s\r\n", n, line);
        line += n + (line[n] == '\n');
    }
    (void)fflush(stdout);
}

static int prepare(char *const *args, struct err *err)
{
    int shown = -1;
    const struct worktree_opts opts = {
        .home = getenv("HOME"),
        .repo_name = getenv("REPO_NAME"),
        .canonical = getenv("CANONICAL_REPO"),
        .session_id = getenv("SESSION_ID"),
        .session_branch = args[BRANCH],
        .author_name = args[AUTHOR_NAME],
        .author_email = args[AUTHOR_EMAIL],
        .progress = show_progress,
        .say = say_missing,
        .payload = &shown,
    };
    const char *worktree = getenv("USER_WORKSPACE");
    if (!opts.home || !opts.repo_name || !opts.canonical || !opts.session_id || !worktree)
        return err_set(err, ERR_INVALID, "the session's environment is missing");
    int rc = repo_library_init(false, err);
    if (rc == 0)
        rc = worktree_prepare(&opts, NULL, err);
    if (rc == 0 && chdir(worktree) != 0)
        return err_errno(err, "%s", worktree);
    return rc;
}

/* A description that is not here is not worth a refusal. */
static void choose_term(void)
{
    static const char *const places[] = {"/usr/share/terminfo", "/lib/terminfo", "/etc/terminfo"};
    const char *term = getenv("TERM");
    for (size_t i = 0; term && term[0] && i < ARRAY_LEN(places); i++) {
        cleanup_free char *path = xasprintf("%s/%c/%s", places[i], term[0], term);
        if (access(path, R_OK) == 0)
            return;
    }
    (void)setenv("TERM", "xterm-256color", 1);
}

int start_terminal(char *const *args)
{
    struct err err = ERR_INIT;
    umask(022);
    if (prepare(args, &err) < 0) {
        printf("\r\nsteadystate: the shared terminal: %s\r\n", err.msg);
        return 1;
    }
    choose_term();
    char name[] = "tmux", socket[] = "-S", config[] = "-f", utf8[] = "-u", verb[] = "new-session",
         attach[] = "-A", session[] = "-s", title[] = "shared", flags[] = "-f",
         ignore[] = "ignore-size";
    char *argv[] = {name,   utf8,    socket, args[SOCKET], config, args[CONFIG], verb,
                    attach, session, title,  NULL,         NULL,   NULL};
    if (strcmp(args[MODE], "watch") == 0) {
        argv[10] = flags;
        argv[11] = ignore;
    }
    (void)execv(args[TMUX], argv);
    printf("\r\nsteadystate: %s: %s\r\n", args[TMUX], strerror(errno));
    return 127;
}
