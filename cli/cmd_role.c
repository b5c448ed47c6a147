/* role, approve: who may type at the shared terminal, and who may come in. Inside a session the
 * agent is asked, outside the server. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "opt.h"
#include "session_view.h"
#include "sync/agent_client.h"
#include "sync/sync.h"
#include "ui.h"

#define SESSIONS_MAX 1000

static int ask_inside(const char *what, const char *login, const char *role)
{
    cleanup_sync_place struct sync_place place = {0};
    cleanup_agent struct agent_client *agent = NULL;
    cleanup_json struct json_object *reply = NULL;
    struct err err = ERR_INIT;
    struct json_object *request = json_object_new_object();
    json_add_str(request, "who", login);
    json_add_str(request, "role", role);
    int rc = sync_place_from_env(&place, &err);
    if (rc == 0)
        rc = agent_connect(place.socket, place.login, place.provider, &agent, &err);
    if (rc < 0)
        json_object_put(request);
    else
        rc = agent_ask(agent, "role", request, &reply, &err);
    if (rc < 0)
        return ui_fail_err(what, &err,
                           rc == ERR_DENIED ? "Ask them, or take it with 'steadystate role' where "
                                              "the creator is logged in."
                                            : NULL);
    return EXIT_DONE;
}

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

static int ask(const char *what, const char *server, const char *session, const char *login,
               const char *role)
{
    bool inside = !session && !server && getenv("REPO_ROOT") && getenv("SESSION_ID");
    return inside ? ask_inside(what, login, role) : ask_outside(what, server, session, login, role);
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
    const char *server = NULL;
    const struct opt opts[] = {
        {'s', "server", OPT_VALUE, "URL", "another server than the current one", .text = &server},
        {0}};
    int first, rc = opt_parse(argc, argv, opts, &help, &first);
    if (rc >= 0)
        return rc;
    int n = argc - first;
    if (n != 2 && n != 3)
        return opt_usage_error(&help, "give a login, and watch, type or own");
    const char *session = n == 3 ? argv[first] : NULL;
    const char *login = argv[argc - 2], *role = argv[argc - 1];
    if (strcmp(role, "watch") != 0 && strcmp(role, "type") != 0 && strcmp(role, "own") != 0)
        return opt_usage_error(&help, "'%s' is not watch, type or own", role);
    rc = ask("role", server, session, login, role);
    if (rc == EXIT_DONE)
        ui_say(strcmp(role, "watch") == 0  ? "%s watches.\n"
               : strcmp(role, "type") == 0 ? "%s may type.\n"
                                           : "%s has the keyboard.\n",
               login);
    return rc;
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
    const char *server = NULL;
    const struct opt opts[] = {
        {'s', "server", OPT_VALUE, "URL", "another server than the current one", .text = &server},
        {0}};
    int first, rc = opt_parse(argc, argv, opts, &help, &first);
    if (rc >= 0)
        return rc;
    int n = argc - first;
    if (n != 1 && n != 2)
        return opt_usage_error(&help, "give a login");
    const char *session = n == 2 ? argv[first] : NULL;
    const char *login = argv[argc - 1];
    rc = ask("approve", server, session, login, "approve");
    if (rc == EXIT_DONE)
        ui_say("%s may come in.\n", login);
    return rc;
}
