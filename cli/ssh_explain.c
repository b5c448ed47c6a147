/* Why a connection to a session failed, in one sentence. */
#include <stdio.h>
#include <string.h>

#include "backend.h"
#include "session_view.h"
#include "ssh/client_log.h"
#include "ssh_run.h"
#include "ui.h"

#define NAMES_MAX 10
#define KEYS_SHOWN 4

static const char *provider_shown(const char *provider)
{
    static const char *const names[][2] = {
        {"github", "GitHub"}, {"gitlab", "GitLab"}, {"sshkey", "the server's users file"}};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(provider, names[i][0]) == 0)
            return names[i][1];
    return "the server";
}

/* "alice, bob and carol" */
static void add_name(struct str *out, const char *name, size_t i, size_t n)
{
    str_adds(out, i == 0 ? "" : i + 1 == n ? " and " : ", ");
    str_add_printable(out, name, strlen(name));
}

static void add_names(struct json_object *members, struct str *out)
{
    size_t n = json_object_array_length(members);
    size_t shown = n < NAMES_MAX ? n : NAMES_MAX;
    for (size_t i = 0; i < shown; i++)
        add_name(out, session_text(json_object_array_get_idx(members, i), "login"), i, shown);
    if (shown < n)
        str_addf(out, " and %zu more", n - shown);
}

static void add_offered(const struct client_log *log, struct str *out)
{
    if (log->offered.len == 0) {
        str_adds(out, "ssh had no key to offer");
        return;
    }
    str_adds(out, "you offered ");
    for (size_t i = 0; i < log->offered.len && i < KEYS_SHOWN; i++)
        str_addf(out, "%s%s (%s)", i ? ", " : "", log->offered.v[i], log->files.v[i]);
    if (log->offered.len > KEYS_SHOWN)
        str_addf(out, " and %zu more", log->offered.len - KEYS_SHOWN);
}

/* What the server lets this login know of the session: its people for the creator, itself for the
 * others, nothing for strangers. */
static void add_known(struct backend *b, const char *id, struct str *out)
{
    cleanup_json struct json_object *answer = NULL;
    cleanup_json struct json_object *info = NULL;
    struct json_object *members = NULL;
    struct err err = ERR_INIT;
    cleanup_free char *path = xasprintf("/sessions/%s/members", id);
    if (backend_call(b, "GET", path, NULL, 0, &answer, NULL, &err) == 0 &&
        json_opt_array(answer, "members", 10000, &members, NULL) == 0 && members) {
        str_adds(out, "this session knows keys of ");
        add_names(members, out);
        return;
    }
    if (err.code == ERR_UNAUTHENTICATED) {
        str_adds(out, "the session takes none of your keys");
        return;
    }
    err_clear(&err);
    if (session_get(b, id, &info, &err) == 0) {
        const char *creator = session_text(info, "creator");
        str_adds(out, "you may join this session of ");
        str_add_printable(out, creator, strlen(creator));
    } else if (err.code == ERR_NOT_FOUND) {
        str_addf(out, "this session is not open to %s (ask its creator for --allow)",
                 b->account.login ? b->account.login : "you");
    } else {
        str_adds(out, "the session takes none of your keys");
    }
}

static int explain_denied(const struct magic_link *link, const struct client_log *log)
{
    cleanup_backend struct backend b = {0};
    cleanup_str struct str why = STR_INIT;
    cleanup_str struct str todo = STR_INIT;
    if (log->accepted && log->key_note.len) {
        str_addf(&why, "the session knows your key, and ssh cannot use it: %s", log->key_note.p);
        return ui_fail(EXIT_NOT_ALLOWED, "join", why.p,
                       "Its file must be yours alone ('chmod 600 KEYFILE') and whole, or its agent "
                       "willing.");
    }
    bool known = backend_open(NULL, &b, NULL) == 0;
    if (known && b.account.login)
        add_known(&b, link->session_id, &why);
    else
        str_adds(&why, "the session takes none of your keys");
    str_adds(&why, "; ");
    add_offered(log, &why);
    if (known && b.account.login && log->offered.len)
        str_addf(&why, ", which %s does not list for %s", provider_shown(b.account.provider),
                 b.account.login);
    if (log->key_note.len)
        str_addf(&why, " (%s)", log->key_note.p);
    if (known && b.account.login)
        str_addf(&todo, "Add the key at %s, or choose one with 'steadystate join -i KEYFILE'.",
                 provider_shown(b.account.provider));
    else
        str_adds(&todo, "Choose a key with 'steadystate join -i KEYFILE'; after 'steadystate "
                        "login' this message can say more.");
    return ui_fail(EXIT_NOT_ALLOWED, "join", why.p, todo.p);
}

/* The state of the session, when the server tells; else "". */
static void add_state(const struct magic_link *link, struct str *out)
{
    cleanup_backend struct backend b = {0};
    cleanup_json struct json_object *info = NULL;
    if (backend_open(NULL, &b, NULL) || !b.account.login ||
        session_get(&b, link->session_id, &info, NULL))
        return;
    const char *state = session_text(info, "state");
    if (strcmp(state, "Running") != 0) {
        str_adds(out, "the session is ");
        str_add_printable(out, state, strlen(state));
    }
}

static int explain_unreachable(const struct magic_link *link, const struct client_log *log)
{
    cleanup_str struct str state = STR_INIT;
    cleanup_str struct str why = STR_INIT;
    add_state(link, &state);
    if (state.len)
        str_addf(&why, "%s (%s port %d: %s)", state.p, link->host, link->port, log->line.p);
    else
        str_addf(&why, "%s port %d: %s", link->host, link->port, log->line.p);
    return ui_fail(EXIT_UNREACHABLE, "join", why.p,
                   state.len ? "'steadystate list' shows what runs."
                             : "'steadystate list' shows whether it runs, 'steadystate doctor' "
                               "whether it can be reached.");
}

int ssh_explain(const struct magic_link *link, int status, const struct str *log)
{
    if (status == 127 && log->len == 0)
        return ui_fail(EXIT_FAILED, "join", "ssh is not installed",
                       "Install the OpenSSH client (Debian: openssh-client).");
    if (status != SSH_RUN_FAILED)
        return status;
    cleanup_client_log struct client_log said;
    client_log_parse(log->p, log->len, &said);
    switch (said.end) {
    case CLIENT_LOG_DENIED:
        return explain_denied(link, &said);
    case CLIENT_LOG_HOST_KEY:
        return ui_fail(EXIT_NOT_ALLOWED, "join",
                       "what answers there is not the session of this link: it has another host "
                       "key",
                       "Ask for the link again; do not connect by other means before you know "
                       "why.");
    case CLIENT_LOG_UNREACHABLE:
        return explain_unreachable(link, &said);
    case CLIENT_LOG_LOST:
        return ui_fail(EXIT_UNREACHABLE, "join", "the connection was lost",
                       "Your worktree is as you left it: run the same join again.");
    case CLIENT_LOG_OTHER:
        break;
    }
    return said.line.len ? ui_fail(status, "join", said.line.p, NULL) : status;
}
