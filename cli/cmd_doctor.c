/* doctor: looks at everything that a session needs, one line a finding, with what mends it. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "backend.h"
#include "base/clock.h"
#include "base/proc.h"
#include "base/url.h"
#include "command.h"
#include "keyring.h"
#include "opt.h"
#include "ui.h"

#define CLOCK_SKEW_MAX_S 30
#define PROGRAM_TIMEOUT_MS 5000

enum verdict { FINE, WARNING, WRONG };

struct doctor {
    bool json;
    struct json_object *findings;
    int wrong;
};

static const struct command_help help = {
    .name = "doctor",
    .synopsis = "[options]",
    .summary = "Checks this machine, the login and the server, and says how to mend what is wrong.",
    .example = "steadystate doctor",
};

static void find(struct doctor *d, enum verdict verdict, const char *what, const char *mend,
                 const char *fmt, ...) __attribute__((format(printf, 5, 6)));
static void find(struct doctor *d, enum verdict verdict, const char *what, const char *mend,
                 const char *fmt, ...)
{
    static const char *const words[] = {"ok", "warning", "wrong"};
    static const enum ui_style styles[] = {UI_GREEN, UI_YELLOW, UI_RED};
    cleanup_str struct str text = STR_INIT;
    va_list ap;
    va_start(ap, fmt);
    str_vaddf(&text, fmt, ap);
    va_end(ap);
    d->wrong += verdict == WRONG;
    if (d->json) {
        struct json_object *finding = json_object_new_object();
        json_add_str(finding, "check", what);
        json_add_str(finding, "result", words[verdict]);
        json_add_str(finding, "detail", text.p);
        json_add_str(finding, "mend", verdict == FINE ? NULL : mend);
        json_object_array_add(d->findings, finding);
        return;
    }
    cleanup_str struct str line = STR_INIT;
    str_add_printable(&line, text.p, text.len);
    if (verdict != FINE && mend)
        str_addf(&line, ". %s", mend);
    printf("%s%-7s%s %-8s %s\n", ui_style(STDOUT_FILENO, styles[verdict]), words[verdict],
           ui_style(STDOUT_FILENO, UI_PLAIN), what, line.p);
}

/* First line that a program prints of itself. */
static int program_version(const char *name, const char *option, struct str *out, struct err *err)
{
    cleanup_strv struct strv argv = STRV_INIT;
    strv_pushl(&argv, name, option, NULL);
    struct proc_spec spec = PROC_SPEC_INIT;
    spec.file = name;
    spec.argv = argv.v;
    spec.envp = environ;
    cleanup_proc_result struct proc_result result = {0, STR_INIT, STR_INIT};
    int rc = proc_run(&spec, NULL, 0, 4096, PROGRAM_TIMEOUT_MS, &result, err);
    if (rc)
        return rc;
    const char *text = result.out.len ? result.out.p : result.errs.p;
    str_add(out, text, strcspn(text, "\n,"));
    return 0;
}

static void check_program(struct doctor *d, const char *name, const char *option, const char *mend)
{
    cleanup_str struct str version = STR_INIT;
    struct err err = ERR_INIT;
    if (program_version(name, option, &version, &err))
        find(d, WRONG, name, mend, "%s does not run: %s", name, err.msg);
    else
        find(d, FINE, name, NULL, "%s", version.p);
}

static void check_keys(struct doctor *d)
{
    static const char *const names[] = {"id_ed25519", "id_ecdsa", "id_rsa", "id_ed25519_sk"};
    const char *home = getenv("HOME"), *agent = getenv("SSH_AUTH_SOCK");
    if (agent && *agent && access(agent, R_OK | W_OK) == 0) {
        find(d, FINE, "keys", NULL, "ssh-agent is there");
        return;
    }
    for (size_t i = 0; home && i < ARRAY_LEN(names); i++) {
        cleanup_free char *path = xasprintf("%s/.ssh/%s", home, names[i]);
        struct stat st;
        if (stat(path, &st) < 0)
            continue;
        if (st.st_mode & 077) {
            cleanup_free char *mend = xasprintf("Run 'chmod 600 %s'.", path);
            find(d, WRONG, "keys", mend, "others can read %s, so ssh will not use it", path);
        } else {
            find(d, FINE, "keys", NULL, "%s", path);
        }
        return;
    }
    find(d, WARNING, "keys", "Run 'ssh-keygen -t ed25519'.", "no ssh-agent and no key in ~/.ssh");
}

static void check_keyring(struct doctor *d)
{
    struct err err = ERR_INIT;
    char *secret = NULL;
    int rc = keyring_lookup("doctor", &secret, &err);
    free_secret(secret);
    if (rc == 0 || rc == ERR_NOT_FOUND)
        find(d, FINE, "keyring", NULL, "the desktop's keyring answers");
    else
        find(d, WARNING, "keyring", "The login is kept in a 0600 file instead.", "%s", err.msg);
}

static void check_config(struct doctor *d)
{
    struct err err = ERR_INIT;
    cleanup_free char *dir = account_config_dir(&err);
    struct stat st;
    if (!dir) {
        find(d, WRONG, "config", "Set STEADYSTATE_CONFIG_DIR to a directory of yours.", "%s",
             err.msg);
        return;
    }
    if (access(dir, W_OK) < 0) {
        find(d, WRONG, "config", "Make it writable or set STEADYSTATE_CONFIG_DIR.", "%s: %s", dir,
             strerror(errno));
        return;
    }
    if (stat(dir, &st) == 0 && (st.st_mode & 022)) {
        cleanup_free char *mend = xasprintf("Run 'chmod 700 %s'.", dir);
        find(d, WRONG, "config", mend, "others can write in %s", dir);
        return;
    }
    find(d, FINE, "config", NULL, "%s", dir);
}

static void check_clock(struct doctor *d, const struct http_response *res)
{
    const char *date = http_response_header(res, "date");
    struct tm tm = {0};
    if (!date || !strptime(date, "%a, %d %b %Y %H:%M:%S GMT", &tm))
        return;
    long long skew = (long long)(timegm(&tm) - (time_t)clock_now(&clock_real));
    if (skew > CLOCK_SKEW_MAX_S || skew < -CLOCK_SKEW_MAX_S)
        find(d, WARNING, "clock", "Set the clock of this machine or of the server by NTP.",
             "this machine and the server differ by %lld seconds", skew < 0 ? -skew : skew);
    else
        find(d, FINE, "clock", NULL, "agrees with the server's");
}

static void check_health(struct doctor *d, struct json_object *health)
{
    const char *provider = "?", *version = "?", *engine_name = NULL, *engine_version = "";
    struct json_object *engine = NULL, *warnings = NULL;
    json_opt_str(health, "provider", 64, &provider, NULL);
    json_opt_str(health, "version", 64, &version, NULL);
    json_opt_object(health, "engine", &engine, NULL);
    json_opt_array(health, "warnings", 100, &warnings, NULL);
    if (engine) {
        json_opt_str(engine, "name", 64, &engine_name, NULL);
        json_opt_str(engine, "version", 64, &engine_version, NULL);
    }
    find(d, FINE, "server", NULL, "steadystated %s, provider %s%s%s %s", version, provider,
         engine_name ? ", " : "", engine_name ? engine_name : "", engine_version);
    for (size_t i = 0; warnings && i < json_object_array_length(warnings); i++)
        find(d, WARNING, "server", "The operator can mend this: see docs/troubleshooting.md.", "%s",
             json_object_get_string(json_object_array_get_idx(warnings, i)));
}

static void check_server(struct doctor *d, struct backend *b)
{
    cleanup_free char *url = xasprintf("%s/health", b->account.server);
    const struct http_request req = {.url = url, .timeout_ms = 10000};
    cleanup_http_response struct http_response res = HTTP_RESPONSE_INIT;
    cleanup_json struct json_object *health = NULL;
    struct err err = ERR_INIT;
    if (http_perform(b->http, &req, &res, &err)) {
        find(d, WRONG, "server", "Start it, or name another with 'steadystate login --server URL'.",
             "%s does not answer: %s", b->account.server, err.msg);
        return;
    }
    const char *detail = "";
    if (http_response_json(&res, &health, NULL) == 0)
        json_opt_str(health, "detail", 400, &detail, NULL);
    if (res.status != 200)
        find(d, WRONG, "server", "Look into the server's log.", "%s answers %ld %s", url,
             res.status, detail);
    else if (health)
        check_health(d, health);
    else
        find(d, WRONG, "server", "Check the address.", "%s is not a SteadyState server", url);
    check_clock(d, &res);
}

static void check_login(struct doctor *d, struct backend *b)
{
    cleanup_json struct json_object *me = NULL;
    cleanup_free char *mend = xasprintf("Run 'steadystate login --server %s'.", b->account.server);
    struct err err = ERR_INIT;
    if (backend_call(b, "GET", "/auth/me", NULL, 0, &me, NULL, &err))
        find(d, err.code == ERR_UNAUTHENTICATED ? WARNING : WRONG, "login", mend, "%s", err.msg);
    else
        find(d, FINE, "login", NULL, "%s (%s)", b->account.login, b->account.provider);
}

int cmd_doctor(int argc, char **argv)
{
    const char *server = NULL;
    struct doctor d = {0};
    const struct opt opts[] = {
        {'s', "server", OPT_VALUE, "URL", "another server than the current one", .text = &server},
        {0, "json", OPT_FLAG, NULL, "as JSON", .flag = &d.json},
        {0}};
    int first, rc = opt_parse(argc, argv, opts, &help, &first);
    if (rc >= 0)
        return rc;
    if (first < argc)
        return opt_usage_error(&help, "unexpected '%s'", argv[first]);
    d.findings = json_object_new_array();
    check_config(&d);
    check_program(&d, "ssh", "-V", "Install the OpenSSH client (Debian: openssh-client).");
    check_program(&d, "git", "--version", "Install git.");
    check_keys(&d);
    check_keyring(&d);
    struct err err = ERR_INIT;
    cleanup_backend struct backend b = {0};
    if (backend_open(server, &b, &err)) {
        find(&d, WRONG, "server", "Name one with --server URL.", "%s", err.msg);
    } else {
        check_server(&d, &b);
        check_login(&d, &b);
    }
    if (d.json) {
        cleanup_json struct json_object *all = json_object_new_object();
        json_add(all, "findings", json_object_get(d.findings));
        json_add_i64(all, "wrong", d.wrong);
        ui_print_json(all);
    }
    json_object_put(d.findings);
    return d.wrong ? EXIT_FAILED : EXIT_DONE;
}
