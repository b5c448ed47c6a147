/* logout, whoami, refresh: the login that is there already. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "backend.h"
#include "base/clock.h"
#include "command.h"
#include "opt.h"
#include "ui.h"

/* The three take the same options and begin in the same way. */
struct account_options {
    const char *server;
    bool json;
};

static int begin(int argc, char **argv, const struct command_help *help, struct account_options *o,
                 struct backend *b)
{
    const struct opt opts[] = {{'s', "server", OPT_VALUE, "URL",
                                "another server than the current one", .text = &o->server},
                               {0, "json", OPT_FLAG, NULL, "as JSON", .flag = &o->json},
                               {0}};
    struct err err = ERR_INIT;
    int first, rc = opt_parse(argc, argv, opts, help, &first);
    if (rc < 0 && first < argc)
        rc = opt_usage_error(help, "unexpected '%s'", argv[first]);
    if (rc < 0 && backend_open(o->server, b, &err))
        rc = ui_fail_err(help->name, &err, NULL);
    return rc;
}

static int print_account(const struct backend *b, bool json)
{
    int64_t now = clock_now(&clock_real);
    if (json) {
        cleanup_json struct json_object *obj = json_object_new_object();
        json_add_str(obj, "login", b->account.login);
        json_add_str(obj, "provider", b->account.provider);
        json_add_str(obj, "server", b->account.server);
        json_add_i64(obj, "expires_at", b->account.jwt_exp);
        ui_print_json(obj);
        return EXIT_DONE;
    }
    cleanup_str struct str when = STR_INIT;
    ui_add_relative_time(&when, b->account.jwt_exp, now);
    printf("%s (%s) at %s, token ends %s\n", b->account.login, b->account.provider,
           b->account.server, when.p);
    return EXIT_DONE;
}

int cmd_whoami(int argc, char **argv)
{
    static const struct command_help help = {
        .name = "whoami",
        .synopsis = "[options]",
        .summary = "Shows who is logged in, and until when.",
        .example = "steadystate whoami --json",
    };
    struct account_options o = {0};
    struct err err = ERR_INIT;
    cleanup_backend struct backend b = {0};
    int rc = begin(argc, argv, &help, &o, &b);
    if (rc >= 0)
        return rc;
    cleanup_json struct json_object *me = NULL;
    if (backend_call(&b, "GET", "/auth/me", NULL, 0, &me, NULL, &err))
        return backend_fail(&b, "whoami", &err);
    return print_account(&b, o.json);
}

int cmd_refresh(int argc, char **argv)
{
    static const struct command_help help = {
        .name = "refresh",
        .synopsis = "[options]",
        .summary = "Fetches a new access token now.",
        .text = "Other commands do this by themselves when fewer than 60 seconds are left.",
        .example = "steadystate refresh",
    };
    struct account_options o = {0};
    struct err err = ERR_INIT;
    cleanup_backend struct backend b = {0};
    int rc = begin(argc, argv, &help, &o, &b);
    if (rc >= 0)
        return rc;
    if (backend_refresh(&b, &err))
        return backend_fail(&b, "refresh", &err);
    return print_account(&b, o.json);
}

int cmd_logout(int argc, char **argv)
{
    static const struct command_help help = {
        .name = "logout",
        .synopsis = "[options]",
        .summary = "Revokes the login on the server and forgets it here.",
        .example = "steadystate logout",
    };
    struct account_options o = {0};
    struct err err = ERR_INIT;
    cleanup_backend struct backend b = {0};
    int rc = begin(argc, argv, &help, &o, &b);
    if (rc >= 0)
        return rc;
    cleanup_close int lock = account_lock(NULL);
    (void)lock; /* held to the end of the function */
    cleanup_free_secret char *token = NULL;
    bool revoked = false;
    if (account_refresh_token(&b.account, &token, NULL) == 0) {
        cleanup_json struct json_object *body = json_object_new_object();
        json_add_str(body, "refresh_token", token);
        /* Forgotten here in any case: the token ends by itself on the server. */
        if (backend_call(&b, "POST", "/auth/revoke", body, BACKEND_PUBLIC | BACKEND_IDEMPOTENT,
                         NULL, NULL, &err))
            ui_warn("%s could not be told: %s", b.account.server, err.msg);
        else
            revoked = true;
    }
    err_clear(&err);
    if (account_forget(&b.account, &err))
        return ui_fail_err("logout", &err, NULL);
    if (o.json) {
        cleanup_json struct json_object *obj = json_object_new_object();
        json_add_str(obj, "server", b.account.server);
        json_add_bool(obj, "revoked", revoked);
        ui_print_json(obj);
    } else {
        ui_say("Logged out of %s.\n", b.account.server);
    }
    return EXIT_DONE;
}
