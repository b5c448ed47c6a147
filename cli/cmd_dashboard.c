/* dashboard: the session's events through ssh, drawn here. */
#include <string.h>

#include "command.h"
#include "dash.h"
#include "opt.h"
#include "session_view.h"
#include "ssh_run.h"
#include "ui.h"

static const struct command_help help = {
    .name = "dashboard",
    .synopsis = "[options] <id|link>",
    .summary = "Shows who does what in a session, from outside; short: dash.",
    .text = "Keys: s sync, p publish, d diff, c conflicts, y and Y copy the join and ssh line,\n"
            "? help, q leave. A lost connection is made again by itself.",
    .example = "steadystate dashboard 'steadystate://collab/...'",
};

struct remote {
    struct magic_link link;
    char *known_hosts;
    const char *key_file;
};

static void remote_release(struct remote *r)
{
    magic_link_release(&r->link);
    free(r->known_hosts);
}

static void by_ssh(const char *words, bool again, struct strv *out, void *payload)
{
    const struct remote *r = payload;
    strv_pushl(out, "ssh", "-F", "none", NULL);
    /* Quoted, since ssh splits the value at blanks. */
    strv_pushf(out, "-oUserKnownHostsFile=\"%s\"", r->known_hosts);
    strv_pushl(out, "-oGlobalKnownHostsFile=/dev/null", "-oStrictHostKeyChecking=yes",
               "-oCheckHostIP=no", "-oUpdateHostKeys=no", "-oConnectTimeout=15", "-oLogLevel=ERROR",
               NULL);
    strv_pushf(out, "-oServerAliveInterval=%d", SSH_ALIVE_INTERVAL);
    strv_pushf(out, "-oServerAliveCountMax=%d", SSH_ALIVE_COUNT);
    if (r->key_file)
        strv_pushl(out, "-oIdentitiesOnly=yes", "-i", r->key_file, NULL);
    else
        ssh_add_home_keys(out);
    /* The screen is taken: nothing may ask on it. */
    if (again)
        strv_push(out, "-oBatchMode=yes");
    strv_pushf(out, "-p%d", r->link.port);
    strv_pushl(out, "-l", r->link.user, "--", r->link.host, NULL);
    strv_pushf(out, "steadystate %s", words);
}

static int show(const char *text, const char *key_file, enum dash_form form, int64_t expires_at)
{
    struct err err = ERR_INIT;
    cleanup(remote_release) struct remote r = {.key_file = key_file};
    if (magic_link_parse(text, strlen(text), &r.link, &err))
        return ui_fail(EXIT_USAGE, "dashboard", err.msg,
                       "Copy the whole link and quote it: it holds a '?' and a '&'.");
    if (session_known_hosts(&r.link, &r.known_hosts, &err))
        return ui_fail_err("dashboard", &err, NULL);
    const struct dash dash = {
        .name = "dashboard", .form = form, .expires_at = expires_at, .argv = by_ssh, .payload = &r};
    return dash_run(&dash);
}

int dashboard_open(const char *link, int64_t expires_at)
{
    return show(link, NULL, ui_plain() ? DASH_PLAIN : DASH_SCREEN, expires_at);
}

/* What the server knows of the session; a link is enough without it. */
static int ask_server(const char *id, struct json_object **info, struct err *err)
{
    cleanup_backend struct backend b = {0};
    int rc = backend_open(NULL, &b, err);
    if (rc == 0 && !b.account.login)
        rc = err_set(err, ERR_UNAUTHENTICATED, "not logged in");
    return rc ? rc : session_get(&b, id, info, err);
}

int cmd_dashboard(int argc, char **argv)
{
    bool plain = false, json = false;
    const char *key_file = NULL;
    const struct opt opts[] = {
        {'i', NULL, OPT_VALUE, "KEYFILE", "the key to log in with", .text = &key_file},
        {0, "plain", OPT_FLAG, NULL, "tell what happens line by line", .flag = &plain},
        {0, "json", OPT_FLAG, NULL, "print the state as one JSON object", .flag = &json},
        {0}};
    int first, rc = opt_parse(argc, argv, opts, &help, &first);
    if (rc >= 0)
        return rc;
    if (first + 1 != argc)
        return opt_usage_error(&help, "give one session's link");
    char id[SESSION_ID_LEN + 1];
    rc = session_operand("dashboard", argv[first], id);
    if (rc >= 0)
        return rc;
    cleanup_json struct json_object *info = NULL;
    struct err err = ERR_INIT;
    const char *link = argv[first];
    int64_t expires_at = 0;
    if (ask_server(id, &info, &err) == 0) {
        (void)json_opt_i64(info, "expires_at", 0, INT64_MAX / 2, &expires_at, NULL);
        if (*session_text(info, "magic_link"))
            link = session_text(info, "magic_link");
    } else if (!str_starts_with(link, "steadystate:")) {
        return ui_fail_err("dashboard", &err, "Give the session's link.");
    }
    return show(link, key_file,
                json                  ? DASH_JSON
                : plain || ui_plain() ? DASH_PLAIN
                                      : DASH_SCREEN,
                expires_at);
}
