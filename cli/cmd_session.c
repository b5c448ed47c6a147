/* down, extend, members, kick: one session that is there already. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/num.h"
#include "command.h"
#include "inside_ask.h"
#include "opt.h"
#include "session_view.h"
#include "ui.h"

#define DOWN_WAIT_MS (180 * 1000)
#define TTL_MAX_S (366LL * 86400)

static void nap_ms(long ms)
{
    struct timespec ts = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&ts, NULL);
}

static char *session_path(const char *id, const char *rest)
{
    return xasprintf("/sessions/%s%s", id, rest);
}

/* What the four have in common: a session, named by the first operand, and its server. */
struct call {
    const char *server;
    bool json;
    char id[SESSION_ID_LEN + 1];
    char **operands; /* behind the session */
    struct backend backend;
};

static void call_release(struct call *c)
{
    backend_release(&c->backend);
}
#define cleanup_call cleanup(call_release)

#define OWN_OPTIONS_MAX 4

/* own: the command's options, or NULL. After a message or help the exit code, else -1. With
 * may_be_inside the session may be left out where we are in one: then id stays empty. */
static int begin_at(bool may_be_inside, int argc, char **argv, const struct command_help *help,
                    const struct opt *own, int n_operands, struct call *c)
{
    struct err err = ERR_INIT;
    struct opt opts[OWN_OPTIONS_MAX + 3] = {{0}};
    size_t n = 0;
    for (; own && own->name; own++) {
        BUG_ON(n == OWN_OPTIONS_MAX);
        opts[n++] = *own;
    }
    opts[n++] = (struct opt){
        's', "server", OPT_VALUE, "URL", "another server than the current one", .text = &c->server};
    opts[n++] = (struct opt){0, "json", OPT_FLAG, NULL, "as JSON", .flag = &c->json};
    int first, rc = opt_parse(argc, argv, opts, help, &first);
    if (rc >= 0)
        return rc;
    if (may_be_inside && argc - first == n_operands - 1 && inside_ask_here(NULL, c->server)) {
        c->operands = argv + first;
        return -1;
    }
    if (argc - first != n_operands)
        return opt_usage_error(help, "give %s", help->synopsis);
    if ((rc = session_operand(help->name, argv[first], c->id)) >= 0)
        return rc;
    c->operands = argv + first + 1;
    return backend_open(c->server, &c->backend, &err) ? ui_fail_err(help->name, &err, NULL) : -1;
}

static int begin(int argc, char **argv, const struct command_help *help, const struct opt *own,
                 int n_operands, struct call *c)
{
    return begin_at(false, argc, argv, help, own, n_operands, c);
}

/* Until the session is gone; *info is the last that was seen. */
static int wait_terminated(struct backend *b, const char *id, struct json_object **info,
                           struct err *err)
{
    int64_t deadline = clock_mono_ms(&clock_real) + DOWN_WAIT_MS;
    for (long ms = 50;; ms = ms < 500 ? ms * 2 : ms) {
        struct json_object *now = NULL;
        int rc = session_get(b, id, &now, err);
        if (rc == ERR_NOT_FOUND) {
            err_clear(err);
            return 0;
        }
        if (rc)
            return rc;
        json_object_put(*info);
        *info = now;
        const char *state = session_text(now, "state");
        if (strcmp(state, "Terminated") == 0)
            return 0;
        if (strcmp(state, "Terminating") != 0)
            return err_set(err, ERR_FAILED, "the session is %s: %s", state,
                           session_text(now, "message"));
        if (clock_mono_ms(&clock_real) > deadline)
            return err_set(err, ERR_TIMEOUT, "it is still ending: %s",
                           session_text(now, "message"));
        nap_ms(ms);
    }
}

int cmd_down(int argc, char **argv)
{
    static const struct command_help help = {
        .name = "down",
        .synopsis = "[options] <id|link>",
        .summary = "Ends a session. What was not published is archived on the server first.",
        .example = "steadystate down k3jx5m2qzv7ah4tw6ydn",
    };
    bool no_wait = false;
    const struct opt own[] = {
        {0, "no-wait", OPT_FLAG, NULL, "do not wait until it is gone", .flag = &no_wait}, {0}};
    cleanup_call struct call c = {0};
    int code = begin(argc, argv, &help, own, 1, &c);
    if (code >= 0)
        return code;
    struct err err = ERR_INIT;
    cleanup_free char *path = session_path(c.id, "");
    cleanup_json struct json_object *info = NULL;
    if (backend_call(&c.backend, "DELETE", path, NULL, 0, NULL, NULL, &err) ||
        (!no_wait && wait_terminated(&c.backend, c.id, &info, &err)))
        return backend_fail(&c.backend, "down", &err);
    session_forget(c.id);
    if (c.json) {
        if (!info) {
            info = json_object_new_object();
            json_add_str(info, "id", c.id);
            json_add_str(info, "state", no_wait ? "Terminating" : "Terminated");
        }
        ui_print_json(info);
    } else {
        ui_say("Session %s %s.\n", c.id, no_wait ? "is ending" : "has ended");
    }
    return EXIT_DONE;
}

int cmd_extend(int argc, char **argv)
{
    static const struct command_help help = {
        .name = "extend",
        .synopsis = "<id|link> --ttl 2h",
        .summary = "Lets a session live for that long from now.",
        .example = "steadystate extend k3jx5m2qzv7ah4tw6ydn --ttl 2h",
    };
    const char *ttl = NULL;
    const struct opt own[] = {{0, "ttl", OPT_VALUE, "TIME", "90m, 12h, 2d", .text = &ttl}, {0}};
    cleanup_call struct call c = {0};
    int code = begin(argc, argv, &help, own, 1, &c);
    if (code >= 0)
        return code;
    struct err err = ERR_INIT;
    int64_t seconds = 0;
    if (!ttl)
        return opt_usage_error(&help, "give %s", help.synopsis);
    if (num_parse_duration(ttl, TTL_MAX_S, &seconds, &err))
        return opt_usage_error(&help, "--ttl: %s", err.msg);
    cleanup_free char *path = session_path(c.id, "/extend");
    cleanup_json struct json_object *body = json_object_new_object();
    cleanup_json struct json_object *info = NULL;
    json_add_i64(body, "ttl_secs", seconds);
    if (backend_call(&c.backend, "POST", path, body, 0, &info, NULL, &err))
        return backend_fail(&c.backend, "extend", &err);
    if (c.json) {
        ui_print_json(info);
        return EXIT_DONE;
    }
    int64_t expires = 0;
    json_opt_i64(info, "expires_at", 0, INT64_MAX, &expires, NULL);
    cleanup_str struct str when = STR_INIT;
    ui_add_relative_time(&when, expires, clock_now(&clock_real));
    ui_say("Session %s ends %s.\n", c.id, when.p);
    return EXIT_DONE;
}

/* What somebody does, at the shared terminal where there is one. */
static const char *doing(struct json_object *m)
{
    bool connected = false, waiting = false;
    json_opt_bool(m, "connected", &connected, NULL);
    json_opt_bool(m, "waiting", &waiting, NULL);
    if (waiting)
        return "waits to be let in";
    if (!connected)
        return "-";
    const char *role = session_text(m, "role");
    if (strcmp(session_text(m, "keyboard"), "own") == 0)
        return "has the keyboard";
    return *role ? role : "connected";
}

static void print_member(struct json_object *m)
{
    cleanup_str struct str login = STR_INIT;
    const char *name = session_text(m, "login");
    str_add_printable(&login, name, strlen(name));
    const char *rule = session_text(m, "rule");
    printf("%-20s  %-8s  %-14s  %s\n", login.p, session_text(m, "provider"), *rule ? rule : "-",
           doing(m));
}

int cmd_members(int argc, char **argv)
{
    static const struct command_help help = {
        .name = "members",
        .synopsis = "[<id|link>]",
        .summary = "Shows who may come in, by which rule, and who is there.",
        .text =
            "By which rule is for the session's creator to know. Inside a session anybody may ask\n"
            "who is there, without naming it.",
        .example = "steadystate members k3jx5m2qzv7ah4tw6ydn",
    };
    cleanup_call struct call c = {0};
    int code = begin_at(true, argc, argv, &help, NULL, 1, &c);
    if (code >= 0)
        return code;
    struct err err = ERR_INIT;
    cleanup_json struct json_object *answer = NULL;
    struct json_object *members = NULL;
    cleanup_free char *path = session_path(c.id, "/members");
    if (!c.id[0] && (code = inside_ask("members", NULL, NULL, &answer)) != EXIT_DONE)
        return code;
    if ((c.id[0] && backend_call(&c.backend, "GET", path, NULL, 0, &answer, NULL, &err)) ||
        json_opt_array(answer, "members", 10000, &members, &err))
        return backend_fail(&c.backend, "members", &err);
    if (c.json) {
        ui_print_json(answer);
        return EXIT_DONE;
    }
    ui_title("%-20s  %-8s  %-14s  %s\n", "LOGIN", "PROVIDER", "RULE", "DOES");
    for (size_t i = 0; members && i < json_object_array_length(members); i++)
        print_member(json_object_array_get_idx(members, i));
    return EXIT_DONE;
}

int cmd_kick(int argc, char **argv)
{
    static const struct command_help help = {
        .name = "kick",
        .synopsis = "[<id|link>] <login>",
        .summary = "Closes a person's connections and keeps the person out.",
        .text = "For the session's creator, who need not name it inside of it.",
        .example = "steadystate kick k3jx5m2qzv7ah4tw6ydn mallory",
    };
    cleanup_call struct call c = {0};
    int code = begin_at(true, argc, argv, &help, NULL, 2, &c);
    if (code >= 0)
        return code;
    struct err err = ERR_INIT;
    const char *login = c.operands[0];
    cleanup_free char *path = session_path(c.id, "/kick");
    cleanup_json struct json_object *body = json_object_new_object();
    json_add_str(body, "login", login);
    if (!c.id[0]) {
        const char *id = getenv("SESSION_ID");
        struct json_object *request = json_object_new_object();
        json_add_str(request, "who", login);
        code = inside_ask("kick", request, "Ask the creator.", NULL);
        if (code != EXIT_DONE)
            return code;
        (void)snprintf(c.id, sizeof c.id, "%s", id ? id : "");
    } else if (backend_call(&c.backend, "POST", path, body, BACKEND_IDEMPOTENT, NULL, NULL, &err))
        return backend_fail(&c.backend, "kick", &err);
    if (c.json) {
        json_add_str(body, "id", c.id);
        ui_print_json(body);
    } else {
        ui_say("%s is out of session %s.\n", login, c.id);
    }
    return EXIT_DONE;
}
