/* up: create a session, show each stage with its time, hand out the link. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/num.h"
#include "base/proc.h"
#include "base/url.h"
#include "command.h"
#include "dash.h"
#include "opt.h"
#include "session_view.h"
#include "ui.h"

#define TTL_MAX_S (366LL * 86400)
#define CREATE_TRIES 2 /* port_taken is tried once more */

struct up_options {
    const char *mode, *branch, *environment, *ttl, *server;
    struct strv allow;
    bool public_session, approve, no_join, json;
};

static const struct command_help help = {
    .name = "up",
    .synopsis = "[options] <repo>",
    .summary = "Starts a session for a repository and prints its link.",
    .text =
        "<repo> is a URL (https, ssh, git@host:path), owner/name at the forge you are logged in\n"
        "with, '.' for the origin of the repository you are in, or a path on the server's machine\n"
        "where the server allows that.",
    .example = "steadystate up --allow alice,bob https://github.com/example/project",
};

/* Ctrl-C while the session starts asks the server to clean up. */
static volatile sig_atomic_t interrupted;

static void on_interrupt(int signo)
{
    (void)signo;
    interrupted = 1;
}

static char *origin_of_here(struct err *err)
{
    cleanup_strv struct strv argv = STRV_INIT;
    strv_pushl(&argv, "git", "remote", "get-url", "origin", NULL);
    struct proc_spec spec = PROC_SPEC_INIT;
    spec.file = "git";
    spec.argv = argv.v;
    spec.envp = environ;
    cleanup_proc_result struct proc_result result;
    if (proc_run(&spec, NULL, 0, 4096, 10000, &result, err))
        return NULL;
    size_t n = strcspn(result.out.p, "\n");
    if (result.status || n == 0) {
        err_set(err, ERR_NOT_FOUND, "this directory is not in a repository that has an origin");
        return NULL;
    }
    return xstrndup(result.out.p, n);
}

static bool is_shorthand(const char *repo)
{
    const char *slash = strchr(repo, '/');
    return slash && slash != repo && slash[1] && !strchr(slash + 1, '/') && !strchr(repo, ':') &&
           repo[0] != '.' && repo[0] != '/';
}

/* owner/name at the forge that the login is from; the server knows which one that is. */
static char *at_forge(struct backend *b, const char *repo, struct err *err)
{
    cleanup_json struct json_object *me = NULL;
    const char *forge = NULL, *provider = "another way";
    if (backend_call(b, "GET", "/auth/me", NULL, 0, &me, NULL, err) ||
        json_opt_str(me, "forge_url", URL_MAX, &forge, err) ||
        json_opt_str(me, "provider", 64, &provider, err))
        return NULL;
    if (forge)
        return xasprintf("%s/%s.git", forge, repo);
    err_set(err, ERR_INVALID,
            "'%s' is short for a repository at a forge, and you are logged in with %s; give the "
            "whole URL",
            repo, provider);
    return NULL;
}

/* The repository as the server takes it. */
static char *resolve_repo(struct backend *b, const char *repo, struct err *err)
{
    struct stat st;
    if (strcmp(repo, ".") == 0)
        return origin_of_here(err);
    if ((repo[0] == '/' || repo[0] == '.') && stat(repo, &st) == 0) {
        char *real = realpath(repo, NULL);
        if (!real)
            err_errno(err, "%s", repo);
        return real;
    }
    return is_shorthand(repo) ? at_forge(b, repo, err) : xstrdup(repo);
}

/* All but the repository. */
static int request_body(const struct up_options *o, struct json_object *body)
{
    if (o->mode && strcmp(o->mode, "collab") != 0 && strcmp(o->mode, "pair") != 0)
        return opt_usage_error(&help, "--mode: '%s' is not collab or pair", o->mode);
    json_add_str(body, "mode", o->mode);
    json_add_str(body, "branch", o->branch);
    json_add_str(body, "environment", o->environment);
    if (o->public_session)
        json_add_bool(body, "public", true);
    if (o->approve)
        json_add_bool(body, "approve", true);
    if (o->ttl) {
        struct err err = ERR_INIT;
        int64_t seconds = 0;
        if (num_parse_duration(o->ttl, TTL_MAX_S, &seconds, &err))
            return opt_usage_error(&help, "--ttl: %s", err.msg);
        json_add_i64(body, "ttl_secs", seconds);
    }
    if (o->allow.len) {
        struct json_object *users = json_object_new_array();
        /* "none" is the empty list: the creator alone. */
        bool none = o->allow.len == 1 && strcmp(o->allow.v[0], "none") == 0;
        for (size_t i = 0; !none && i < o->allow.len; i++)
            json_object_array_add(users, json_object_new_string(o->allow.v[i]));
        json_add(body, "allowed_users", users);
    }
    return -1;
}

static void show_stage(struct ui_progress *progress, struct json_object *info)
{
    int64_t percent = -1;
    const char *stage = session_text(info, "stage");
    /* The stage that failed stays the last one. */
    if (strcmp(stage, "cleanup") == 0)
        return;
    json_opt_i64(info, "progress", -1, 100, &percent, NULL);
    ui_progress_stage(progress, *stage ? stage : "allocated", (int)percent,
                      session_text(info, "message"));
}

static bool info_changed(struct json_object *a, struct json_object *b)
{
    static const char *const keys[] = {"state", "stage", "message"};
    for (size_t i = 0; a && i < ARRAY_LEN(keys); i++)
        if (strcmp(session_text(a, keys[i]), session_text(b, keys[i])) != 0)
            return true;
    int64_t p = -1, q = -1;
    json_opt_i64(a, "progress", -1, 100, &p, NULL);
    json_opt_i64(b, "progress", -1, 100, &q, NULL);
    return !a || p != q;
}

/* Follows the session until it runs or fails; ERR_CANCELLED on Ctrl-C. *info is what was seen last.
 */
static int follow(struct backend *b, const struct up_options *o, struct ui_progress *progress,
                  struct json_object **info, struct err *err)
{
    cleanup_free char *id = xstrdup(session_text(*info, "id"));
    cleanup_json struct json_object *shown = NULL;
    for (long ms = 15;; ms = ms < 400 ? ms + ms / 2 : ms) {
        if (info_changed(shown, *info)) {
            bool last = strcmp(session_text(*info, "state"), "Running") == 0;
            if (o->json && !last)
                ui_print_json(*info);
            else if (!o->json)
                show_stage(progress, *info);
            json_object_put(shown);
            shown = json_object_get(*info);
        }
        const char *state = session_text(*info, "state");
        if (strcmp(state, "Provisioning") != 0)
            return 0;
        struct timespec ts = {0, ms * 1000000};
        nanosleep(&ts, NULL);
        if (interrupted)
            return err_set(err, ERR_CANCELLED, "interrupted");
        struct json_object *now = NULL;
        int rc = session_get(b, id, &now, err);
        if (rc)
            return rc;
        json_object_put(*info);
        *info = now;
    }
}

static void cancel(struct backend *b, struct json_object *info)
{
    cleanup_free char *path = xasprintf("/sessions/%s", session_text(info, "id"));
    struct err err = ERR_INIT;
    if (backend_call(b, "DELETE", path, NULL, 0, NULL, NULL, &err))
        ui_warn("the session %s could not be removed: %s", session_text(info, "id"), err.msg);
    else
        ui_note("The session is removed.");
}

/* A pair session is one terminal: whoever starts it at a terminal is in it. */
static int open_terminal(const char *link, const struct up_options *o)
{
    char name[] = "join";
    cleanup_free char *text = xstrdup(link);
    char *argv[] = {name, text, NULL};
    if (o->no_join || !str_starts_with(link, "steadystate://pair/") || !isatty(STDIN_FILENO) ||
        !ui_stdout_is_tty())
        return EXIT_DONE;
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    return cmd_join(2, argv);
}

static int print_result(struct json_object *info, const struct up_options *o)
{
    if (o->json) {
        ui_print_json(info);
        return EXIT_DONE;
    }
    const char *text = session_text(info, "magic_link");
    cleanup_magic_link struct magic_link link;
    struct err err = ERR_INIT;
    if (magic_link_parse(text, strlen(text), &link, &err))
        return ui_fail_err("up: the server's link", &err, NULL);
    cleanup_str struct str ssh = STR_INIT;
    session_add_ssh_line(&ssh, &link);
    if (strcmp(session_text(info, "compute_provider"), "local") == 0)
        ui_warn(
            "this server runs sessions without containers: everybody in one shares one account, "
            "and authorship can be forged");
    const char *warning = session_text(info, "warning");
    if (*warning)
        ui_warn("%s", warning);
    if (o->public_session)
        ui_warn("everybody who can log in to this server may join");
    ui_label("join", 5, "steadystate join \"%s\"", text);
    ui_label("ssh", 5, "%s", ssh.p);
    ui_label("end", 5, "steadystate down %s", session_text(info, "id"));
    return open_terminal(text, o);
}

/* The link, and on a terminal the dashboard, which the person leaves when they like. */
static int show_result(struct json_object *info, const struct up_options *o)
{
    int64_t expires_at = 0;
    int code = print_result(info, o);
    bool is_tty = isatty(STDIN_FILENO) && ui_stdout_is_tty();
    if (code != EXIT_DONE || o->json || o->no_join || !is_tty ||
        strcmp(session_text(info, "mode"), "collab") != 0)
        return code;
    fflush(stdout);
    (void)json_opt_i64(info, "expires_at", 0, INT64_MAX / 2, &expires_at, NULL);
    /* The session is there, whatever becomes of the dashboard. */
    (void)dashboard_open(session_text(info, "magic_link"), expires_at);
    return EXIT_DONE;
}

/* One creation, from the request to Running or Failed. -1: the port was taken, worth another try.
 */
static int create(struct backend *b, const struct up_options *o, struct json_object *body,
                  bool last, struct ui_progress *progress)
{
    struct err err = ERR_INIT;
    cleanup_json struct json_object *info = NULL;
    if (!o->json)
        ui_progress_stage(progress, "allocated", -1, NULL);
    int rc = backend_call(b, "POST", "/sessions", body, 0, &info, NULL, &err);
    if (rc == 0)
        rc = follow(b, o, progress, &info, &err);
    if (rc) {
        if (!o->json)
            ui_progress_done(progress, false);
        if (rc == ERR_CANCELLED && info) {
            cancel(b, info);
            return EXIT_INTERRUPTED;
        }
        return backend_fail(b, "up", &err);
    }
    bool running = strcmp(session_text(info, "state"), "Running") == 0;
    if (!o->json)
        ui_progress_done(progress, running);
    if (running)
        return show_result(info, o);
    const char *message = session_text(info, "message");
    if (!last && strcmp(session_text(info, "reason"), "port_taken") == 0)
        return -1;
    return ui_fail(EXIT_FAILED, "up: the session did not start", message,
                   "Mend that and run it again; 'steadystate doctor' looks for the usual causes.");
}

static int run(struct up_options *o, const char *operand)
{
    struct err err = ERR_INIT;
    cleanup_backend struct backend b = {0};
    cleanup_json struct json_object *body = json_object_new_object();
    int rc = request_body(o, body);
    if (rc >= 0)
        return rc;
    if (backend_open(o->server, &b, &err))
        return ui_fail_err("up", &err, NULL);
    cleanup_free char *repo = resolve_repo(&b, operand, &err);
    if (!repo)
        return backend_fail(&b, "up", &err);
    json_add_str(body, "repo_url", repo);
    const struct sigaction action = {.sa_handler = on_interrupt};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    struct ui_progress *progress = ui_progress_new();
    for (int i = 1; i <= CREATE_TRIES; i++)
        if ((rc = create(&b, o, body, i == CREATE_TRIES, progress)) >= 0)
            break;
    ui_progress_free(progress);
    return rc;
}

int cmd_up(int argc, char **argv)
{
    struct up_options o = {0};
    struct strv allow = STRV_INIT;
    const struct opt opts[] = {
        {'m', "mode", OPT_VALUE, "MODE", "collab (default) or pair", .text = &o.mode},
        {'b', "branch", OPT_VALUE, "B", "branch to start from", .text = &o.branch},
        {'a', "allow", OPT_LIST, "A,B", "who may join: exactly these and you; none: you alone",
         .list = &allow},
        {'e', "env", OPT_VALUE, "E", "environment (default noenv)", .text = &o.environment},
        {'t', "ttl", OPT_VALUE, "TIME", "how long it lives: 90m, 12h, 2d", .text = &o.ttl},
        {0, "public", OPT_FLAG, NULL, "everybody who is logged in may join",
         .flag = &o.public_session},
        {0, "approve", OPT_FLAG, NULL, "pair mode: you let each person in", .flag = &o.approve},
        {0, "no-join", OPT_FLAG, NULL, "only print the link", .flag = &o.no_join},
        {'s', "server", OPT_VALUE, "URL", "another server than the current one", .text = &o.server},
        {0, "json", OPT_FLAG, NULL, "one JSON object a line; the last is the running session",
         .flag = &o.json},
        {0}};
    int first, rc = opt_parse(argc, argv, opts, &help, &first);
    for (size_t i = 0; i < allow.len; i++)
        strv_split(&o.allow, allow.v[i], ", ");
    if (rc < 0 && allow.len && !o.allow.len)
        rc = opt_usage_error(&help, "--allow needs names, or 'none'");
    if (rc < 0 && first + 1 != argc)
        rc = opt_usage_error(&help, "give one repository");
    if (rc < 0)
        rc = run(&o, argv[first]);
    strv_release(&allow);
    strv_release(&o.allow);
    return rc;
}
