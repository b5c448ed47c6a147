/* login: the device flow as RFC 8628 has it, or a signature by an SSH key. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "backend.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/proc.h"
#include "base/url.h"
#include "command.h"
#include "opt.h"
#include "ssh/agent_client.h"
#include "ssh/sign.h"
#include "ssh/sshsig.h"
#include "ui.h"

#define AGENT_KEYS_TRIED 6

struct login_options {
    const char *provider, *server, *token, *login, *key_file;
    bool no_browser, json;
};

static const struct command_help help = {
    .name = "login",
    .synopsis = "[options]",
    .summary = "Logs in to a server and remembers it.",
    .text =
        "With provider sshkey the login is proved by a signature of ssh-agent or of a key file;\n"
        "with the others a code is shown that you type in on the provider's page.",
    .example = "steadystate login --provider sshkey --server https://dev.example.org",
};

/* POST /auth/device: *flow is the answer. */
static int start_flow(struct backend *b, const char *provider, struct json_object **flow,
                      struct err *err)
{
    cleanup_str struct str path = STR_INIT;
    str_adds(&path, "/auth/device?provider=");
    backend_add_path(&path, provider);
    return backend_call(b, "POST", path.p, NULL, BACKEND_PUBLIC, flow, NULL, err);
}

static int poll_once(struct backend *b, const char *device_code, const char *login,
                     const char *signature, struct json_object **answer, char **word,
                     struct err *err)
{
    cleanup_json struct json_object *body = json_object_new_object();
    json_add_str(body, "device_code", device_code);
    json_add_str(body, "login", login);
    json_add_str(body, "signature", signature);
    return backend_call(b, "POST", "/auth/poll", body, BACKEND_PUBLIC, answer, word, err);
}

/* The namespace that binds a login's signature to the server that was dialled: what a server passes
 * along from another one is no good there. */
static int signing_namespace(const struct backend *b, struct str *out, struct err *err)
{
    cleanup_url struct url url = {0};
    int rc = url_parse(b->account.server, strlen(b->account.server), &url, err);
    str_adds(out, SSHSIG_LOGIN_NAMESPACE ":");
    return rc ? rc : url_add_origin(out, &url, err);
}

/* Signs a fresh challenge with one key: the agent's `key`, or the file. */
static int try_key(struct backend *b, const struct login_options *o, const char *login,
                   const char *agent, const struct ssh_key *key, struct json_object **answer,
                   struct err *err)
{
    cleanup_json struct json_object *flow = NULL;
    const char *device_code = NULL, *challenge = NULL;
    int rc;
    if ((rc = start_flow(b, "sshkey", &flow, err)) ||
        (rc = json_get_str(flow, "device_code", 1024, &device_code, err)) ||
        (rc = json_get_str(flow, "challenge", 4096, &challenge, err)))
        return rc;
    cleanup_str struct str armored = STR_INIT;
    cleanup_str struct str name_space = STR_INIT;
    size_t len = strlen(challenge);
    if ((rc = signing_namespace(b, &name_space, err)))
        return rc;
    if (key)
        rc = ssh_sign_agent(agent, key, name_space.p, challenge, len, &armored, err);
    else
        rc = ssh_sign_file(o->key_file, agent, environ, name_space.p, challenge, len, &armored,
                           NULL, err);
    cleanup_free char *word = NULL;
    if (rc || (rc = poll_once(b, device_code, login, armored.p, answer, &word, err)) == 0)
        return rc;
    /* The key was the right one: no other will do better. */
    return word && strcmp(word, "wrong_server") == 0 ? ERR_CONFLICT : rc;
}

/* A refusal of one key does not speak against the next. */
static bool is_refusal(int code)
{
    return code == ERR_DENIED || code == ERR_UNAUTHENTICATED || code == ERR_INVALID;
}

static int try_agent(struct backend *b, const struct login_options *o, const char *login,
                     const char *agent, struct json_object **answer, struct err *err)
{
    struct ssh_key *keys = NULL;
    size_t n = 0;
    int rc = ssh_agent_list(agent, &keys, &n, err);
    if (rc)
        return rc;
    if (n == 0)
        rc = err_set(err, ERR_NOT_FOUND, "ssh-agent holds no key");
    for (size_t i = 0; i < n && i < AGENT_KEYS_TRIED; i++) {
        err_clear(err);
        rc = try_key(b, o, login, agent, &keys[i], answer, err);
        if (rc == 0 || !is_refusal(rc))
            break;
    }
    ssh_agent_keys_free(keys, n);
    return rc;
}

/* The usual key files, in ssh's order. */
static int try_default_files(struct backend *b, struct login_options *o, const char *login,
                             const char *agent, struct json_object **answer, struct err *err)
{
    static const char *const names[] = {"id_ed25519", "id_ecdsa", "id_ed25519_sk", "id_ecdsa_sk",
                                        "id_rsa"};
    const char *home = getenv("HOME");
    int rc =
        err_set(err, ERR_NOT_FOUND,
                "no key in ssh-agent or ~/.ssh; name one with -i, or make one with ssh-keygen");
    for (size_t i = 0; home && i < ARRAY_LEN(names); i++) {
        cleanup_free char *path = xasprintf("%s/.ssh/%s", home, names[i]);
        if (access(path, R_OK) < 0)
            continue;
        err_clear(err);
        o->key_file = path;
        rc = try_key(b, o, login, agent, NULL, answer, err);
        o->key_file = NULL;
        if (rc == 0 || !is_refusal(rc))
            break;
    }
    return rc;
}

static int login_sshkey(struct backend *b, struct login_options *o, struct json_object **answer,
                        struct err *err)
{
    const char *login = o->login ? o->login : getenv("USER");
    const char *agent = getenv("SSH_AUTH_SOCK");
    if (agent && !*agent)
        agent = NULL;
    if (!login || !*login)
        login = getenv("LOGNAME");
    if (!login || !*login)
        return err_set(err, ERR_INVALID, "USER is not set; give --login NAME");
    if (o->key_file)
        return try_key(b, o, login, agent, NULL, answer, err);
    if (agent) {
        int rc = try_agent(b, o, login, agent, answer, err);
        if (rc == 0 || (rc != ERR_NOT_FOUND && !is_refusal(rc) && rc != ERR_UNAVAILABLE))
            return rc;
        struct err from_files = ERR_INIT;
        int files = try_default_files(b, o, login, agent, answer, &from_files);
        if (files != ERR_NOT_FOUND) {
            *err = from_files;
            return files;
        }
        return rc;
    }
    return try_default_files(b, o, login, agent, answer, err);
}

/* Only plain http(s) without control bytes is printed or opened: it comes from the server. */
static bool is_plain_web_url(const char *text)
{
    cleanup_url struct url url = {0};
    return url_parse(text, strlen(text), &url, NULL) == 0 && url.host &&
           (strcmp(url.scheme, "https") == 0 || strcmp(url.scheme, "http") == 0);
}

static void open_browser(const char *url)
{
    static const char *const programs[] = {"xdg-open", "open", "wslview"};
    if (!getenv("DISPLAY") && !getenv("WAYLAND_DISPLAY") && !getenv("BROWSER"))
        return;
    for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
        char *argv[] = {(char *)(uintptr_t)programs[i], (char *)(uintptr_t)url, NULL};
        struct proc_spec spec = PROC_SPEC_INIT;
        spec.file = programs[i];
        spec.argv = argv;
        spec.envp = environ;
        spec.new_group = true;
        pid_t pid;
        if (proc_start(&spec, &pid, NULL) == 0)
            return;
    }
}

static int show_code(struct json_object *flow, const struct login_options *o, struct err *err)
{
    const char *user_code = NULL, *uri = NULL, *complete = NULL;
    int rc;
    if ((rc = json_opt_str(flow, "user_code", 64, &user_code, err)) ||
        (rc = json_opt_str(flow, "verification_uri", URL_MAX, &uri, err)) ||
        (rc = json_opt_str(flow, "verification_uri_complete", URL_MAX, &complete, err)))
        return rc;
    if (!uri || !*uri || !user_code)
        return 0;
    if (!is_plain_web_url(uri) || (complete && !is_plain_web_url(complete)))
        return err_set(err, ERR_INVALID, "the provider's page is not a web address");
    ui_note("Open %s", uri);
    ui_note("and type in the code %s", user_code);
    if (!o->no_browser && ui_stderr_is_tty())
        open_browser(complete ? complete : uri);
    return 0;
}

static void nap(int64_t seconds)
{
    struct timespec ts = {.tv_sec = seconds, .tv_nsec = 200 * 1000 * 1000};
    nanosleep(&ts, NULL);
}

static int login_device(struct backend *b, const struct login_options *o,
                        struct json_object **answer, struct err *err)
{
    cleanup_json struct json_object *flow = NULL;
    const char *device_code = NULL;
    int64_t interval = 5, expires_in = 900;
    int rc;
    if ((rc = start_flow(b, o->provider, &flow, err)) ||
        (rc = json_get_str(flow, "device_code", 1024, &device_code, err)) ||
        (rc = json_opt_i64(flow, "interval", 0, 3600, &interval, err)) ||
        (rc = json_opt_i64(flow, "expires_in", 1, 86400, &expires_in, err)) ||
        (rc = show_code(flow, o, err)))
        return rc;
    int64_t deadline = clock_mono_ms(&clock_real) + expires_in * 1000;
    bool first = true;
    while (clock_mono_ms(&clock_real) < deadline) {
        /* The interval counts from the end of the previous answer. A provider without a page to
         * visit may be done at once. */
        if (!first || interval > 0)
            nap(first && strcmp(o->provider, "fake") == 0 ? 0 : interval);
        first = false;
        cleanup_json struct json_object *reply = NULL;
        const char *status = NULL;
        if ((rc = poll_once(b, device_code, o->login, NULL, &reply, NULL, err)) ||
            (rc = json_get_str(reply, "status", 32, &status, err)) ||
            (rc = json_opt_i64(reply, "interval", 0, 3600, &interval, err)))
            return rc;
        if (strcmp(status, "complete") == 0) {
            *answer = steal(&reply);
            return 0;
        }
    }
    return err_set(err, ERR_TIMEOUT, "the code expired before it was used");
}

/* The token itself, or one line of stdin for "-": arguments are visible to everybody. */
static int login_token(struct backend *b, const struct login_options *o,
                       struct json_object **answer, struct err *err)
{
    cleanup_str_secret struct str token = STR_INIT;
    if (strcmp(o->token, "-") == 0) {
        int rc = fd_read_all(STDIN_FILENO, 4096, &token, err);
        if (rc)
            return rc;
        str_truncate(&token, strcspn(token.p, "\r\n"));
    } else {
        str_adds(&token, o->token);
    }
    if (token.len == 0)
        return err_set(err, ERR_INVALID, "the token is empty");
    cleanup_json struct json_object *body = json_object_new_object();
    json_add_str(body, "provider", o->provider);
    json_add_str(body, "token", token.p);
    return backend_call(b, "POST", "/auth/token", body, BACKEND_PUBLIC, answer, NULL, err);
}

static int report(const struct backend *b, bool json, const char *why_file)
{
    if (why_file)
        ui_warn("the login is kept in a file that only you can read, not in a keyring: %s",
                why_file);
    if (!json) {
        ui_say("Logged in to %s as %s (%s).\n", b->account.server, b->account.login,
               b->account.provider);
        return EXIT_DONE;
    }
    cleanup_json struct json_object *obj = json_object_new_object();
    json_add_str(obj, "server", b->account.server);
    json_add_str(obj, "login", b->account.login);
    json_add_str(obj, "provider", b->account.provider);
    json_add_i64(obj, "expires_at", b->account.jwt_exp);
    ui_print_json(obj);
    return EXIT_DONE;
}

int cmd_login(int argc, char **argv)
{
    struct login_options o = {0};
    const struct opt opts[] = {
        {'p', "provider", OPT_VALUE, "P", "sshkey, github, gitlab or oidc", .text = &o.provider},
        {'s', "server", OPT_VALUE, "URL", "the server", .text = &o.server},
        {0, "token", OPT_VALUE, "T", "a personal access token; - reads it from stdin",
         .text = &o.token},
        {0, "no-browser", OPT_FLAG, NULL, "do not open a browser", .flag = &o.no_browser},
        {'l', "login", OPT_VALUE, "NAME", "sshkey: your name there (default: $USER)",
         .text = &o.login},
        {'i', NULL, OPT_VALUE, "KEYFILE", "sshkey: the key to sign with", .text = &o.key_file},
        {0, "json", OPT_FLAG, NULL, "print the result as JSON", .flag = &o.json},
        {0}};
    int first, rc = opt_parse(argc, argv, opts, &help, &first);
    if (rc >= 0)
        return rc;
    if (first < argc)
        return opt_usage_error(&help, "unexpected '%s'", argv[first]);

    struct err err = ERR_INIT;
    cleanup_backend struct backend b = {0};
    if (backend_open(o.server, &b, &err))
        return o.server && err.code == ERR_INVALID ? opt_usage_error(&help, "%s", err.msg)
                                                   : ui_fail_err("login", &err, NULL);
    if (!o.provider)
        o.provider = b.account.provider ? b.account.provider : o.token ? "github" : "sshkey";

    cleanup_free char *provider = xstrdup(o.provider);
    o.provider = provider;
    cleanup_free char *why_file = NULL;
    cleanup_json struct json_object *answer = NULL;
    if (o.token)
        rc = login_token(&b, &o, &answer, &err);
    else if (strcmp(o.provider, "sshkey") == 0)
        rc = login_sshkey(&b, &o, &answer, &err);
    else
        rc = login_device(&b, &o, &answer, &err);
    if (rc == 0)
        rc = backend_take_login(&b, answer, &why_file, &err);
    if (rc == ERR_UNAVAILABLE)
        return backend_fail(&b, "login", &err);
    return rc ? ui_fail_err("login", &err, NULL) : report(&b, o.json, why_file);
}
