/* role, approve: who may type at the shared terminal, and who may come in. Inside a session the
 * agent is asked, outside the server. */
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "inside_ask.h"
#include "opt.h"
#include "session_view.h"
#include "ui.h"

#define SESSIONS_MAX 1000

/* Without a name it is the caller's one running pair session. */
static int find_session(struct backend *b, char id[SESSION_ID_LEN + 1], struct err *err)
{
    cleanup_json struct json_object *answer = NULL;
    struct json_object *list = NULL;
    int found = 0;
    int rc =
        backend_call(b, "GET", "/sessions?state=Running&limit=200", NULL, 0, &answer, NULL, err);
    if (rc == 0)
        rc = json_opt_array(answer, "sessions", SESSIONS_MAX, &list, err);
    if (rc)
        return rc;
    for (size_t i = 0; list && i < json_object_array_length(list); i++) {
        struct json_object *one = json_object_array_get_idx(list, i);
        const char *creator = session_text(one, "creator");
        if (strcmp(session_text(one, "mode"), "pair") != 0 || !b->account.login ||
            strcmp(creator, b->account.login) != 0)
            continue;
        (void)snprintf(id, SESSION_ID_LEN + 1, "%s", session_text(one, "id"));
        found++;
    }
    if (found == 1)
        return 0;
    return err_set(err, found ? ERR_INVALID : ERR_NOT_FOUND,
                   found ? "you have %d pair sessions; name one" : "you have no pair session",
                   found);
}

static int ask_outside(const char *what, const char *server, const char *session, const char *login,
                       const char *role)
{
    struct err err = ERR_INIT;
    cleanup_backend struct backend b = {0};
    char id[SESSION_ID_LEN + 1] = "";
    int code = session ? session_operand(what, session, id) : -1;
    if (code >= 0)
        return code;
    if (backend_open(server, &b, &err))
        return ui_fail_err(what, &err, NULL);
    if (!session && find_session(&b, id, &err))
        return backend_fail(&b, what, &err);
    cleanup_free char *path = xasprintf("/sessions/%s/%s", id, what);
    cleanup_json struct json_object *body = json_object_new_object();
    json_add_str(body, "login", login);
    if (strcmp(what, "role") == 0)
        json_add_str(body, "role", role);
    if (backend_call(&b, "POST", path, body, BACKEND_IDEMPOTENT, NULL, NULL, &err))
        return backend_fail(&b, what, &err);
    return EXIT_DONE;
}

/* What the two have in common: [<id|link>] <login> and, for role, what. */
struct decision {
    const char *server, *session, *login, *role;
    bool json;
};

/* After a message or help the exit code, else -1. */
static int parse(int argc, char **argv, const struct command_help *help, int n_words,
                 const char *missing, struct decision *d)
{
    const struct opt opts[] = {{'s', "server", OPT_VALUE, "URL",
                                "another server than the current one", .text = &d->server},
                               {0, "json", OPT_FLAG, NULL, "as JSON", .flag = &d->json},
                               {0}};
    int first, rc = opt_parse(argc, argv, opts, help, &first);
    if (rc >= 0)
        return rc;
    int n = argc - first;
    if (n != n_words && n != n_words + 1)
        return opt_usage_error(help, "%s", missing);
    d->session = n > n_words ? argv[first] : NULL;
    d->login = argv[argc - n_words];
    return -1;
}

static int decide(const char *what, const struct decision *d, const char *done)
{
    int rc;
    if (inside_ask_here(d->session, d->server)) {
        struct json_object *request = json_object_new_object();
        json_add_str(request, "who", d->login);
        json_add_str(request, "role", d->role);
        rc = inside_ask("role", request,
                        "Ask them, or take it with 'steadystate role' where the creator is logged "
                        "in.",
                        NULL);
    } else {
        rc = ask_outside(what, d->server, d->session, d->login, d->role);
    }
    if (rc == EXIT_DONE && d->json) {
        cleanup_json struct json_object *obj = json_object_new_object();
        json_add_str(obj, "login", d->login);
        json_add_str(obj, "role", d->role);
        ui_print_json(obj);
    } else if (rc == EXIT_DONE) {
        ui_say("%s %s.\n", d->login, done);
    }
    return rc;
}

int cmd_role(int argc, char **argv)
{
    static const struct command_help help = {
        .name = "role",
        .synopsis = "[<id|link>] <login> watch|type|own",
        .summary = "Hands over or takes the keyboard of the shared terminal.",
        .text =
            "watch: sees it. type: types too. own: types, and decides about the others in your\n"
            "place. The keyboard's owner may do this inside the session, its creator inside\n"
            "and outside; outside without a session it is your one pair session.",
        .example = "steadystate role bob watch"};
    static const char *const roles[][2] = {
        {"watch", "watches"}, {"type", "may type"}, {"own", "has the keyboard"}};
    struct decision d = {0};
    int rc = parse(argc, argv, &help, 2, "give a login, and watch, type or own", &d);
    if (rc >= 0)
        return rc;
    d.role = argv[argc - 1];
    for (size_t i = 0; i < ARRAY_LEN(roles); i++)
        if (strcmp(d.role, roles[i][0]) == 0)
            return decide("role", &d, roles[i][1]);
    return opt_usage_error(&help, "'%s' is not watch, type or own", d.role);
}

int cmd_approve(int argc, char **argv)
{
    static const struct command_help help = {
        .name = "approve",
        .synopsis = "[<id|link>] <login>",
        .summary = "Lets somebody in who waits for it (up --approve).",
        .text =
            "In the shared terminal Ctrl-b y lets in who has waited longest. 'steadystate kick'\n"
            "is the other answer.",
        .example = "steadystate approve bob"};
    struct decision d = {.role = "approve"};
    int rc = parse(argc, argv, &help, 1, "give a login", &d);
    return rc >= 0 ? rc : decide("approve", &d, "may come in");
}
