/*
 * steadystated: the server. Reads its configuration, forks the keeper, becomes the unprivileged api
 * process.
 */
#include <fcntl.h>
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/url.h"
#include "daemon/confine.h"
#include "daemon/probe.h"
#include "daemon/rotate.h"
#include "daemon/wiring.h"
#include "sandbox/sandbox.h"

#define LOCK_WAIT_MS 15000 /* an earlier server may still be ending */
#define QUIESCE_MS 200     /* answers under way go out */
#define READY_POLL_MS 5
#define REST_MS 15000 /* what requests needed is kept so long */
#define EXIT_USAGE 2
/* Of malloc: each thread would get one, and keep what its requests needed. */
#define ARENAS 2

extern char **environ;

static const char usage_text[] =
    "usage: steadystated [--config FILE] [--check-config | --rotate-token-key FILE]\n"
    "\n"
    "Starts the SteadyState server. It is configured by STEADYSTATE_* variables of the environment "
    "and by\n"
    "KEY=value lines of FILE; the environment wins. docs/configuration.md has the table.\n"
    "\n"
    "Options:\n"
    "  --config FILE   read FILE\n"
    "  --check-config  print the effective configuration without secrets and exit\n"
    "  --rotate-token-key FILE\n"
    "                  seal the providers' tokens anew under the key in FILE, which is made\n"
    "                  when it is not there, and exit; no server may run meanwhile\n"
    "  --version       print the version and exit\n"
    "  --help          this text\n"
    "\n"
    "Example:\n"
    "  STEADYSTATE_USERS_FILE=/etc/steadystate/users steadystated\n";

struct options {
    const char *config;
    const char *rotate;
    bool check;
    bool probe;
};

/* -1: go on; else the exit status. */
static int parse_options(int argc, char **argv, struct options *out)
{
    enum { OPT_CONFIG = 256, OPT_CHECK, OPT_HELP, OPT_VERSION, OPT_PROBE, OPT_ROTATE };
    static const struct option known[] = {{"config", required_argument, NULL, OPT_CONFIG},
                                          {"check-config", no_argument, NULL, OPT_CHECK},
                                          {"rotate-token-key", required_argument, NULL, OPT_ROTATE},
                                          {"help", no_argument, NULL, OPT_HELP},
                                          {"version", no_argument, NULL, OPT_VERSION},
#ifdef STEADYSTATE_TEST_BUILD
                                          {"probe", no_argument, NULL, OPT_PROBE},
#endif
                                          {NULL, 0, NULL, 0}};
    for (int c; (c = getopt_long(argc, argv, "h", known, NULL)) != -1;) {
        switch (c) {
        case OPT_CONFIG:
            out->config = optarg;
            break;
        case OPT_CHECK:
            out->check = true;
            break;
        case OPT_ROTATE:
            out->rotate = optarg;
            break;
        case OPT_PROBE:
            out->probe = true;
            break;
        case 'h':
        case OPT_HELP:
            fputs(usage_text, stdout);
            return 0;
        case OPT_VERSION:
            puts("steadystated " STEADYSTATE_VERSION);
            return 0;
        default:
            fputs(usage_text, stderr);
            return EXIT_USAGE;
        }
    }
    if (optind == argc)
        return -1;
    fprintf(stderr, "steadystated: unexpected argument '%s'\n", argv[optind]);
    return EXIT_USAGE;
}

static int print_config(const struct config *config)
{
    cleanup_str struct str text = STR_INIT;
    config_print(config, &text);
    fwrite(text.p, 1, text.len, stdout);
    return fflush(stdout) == 0 ? 0 : 1;
}

/* Held by both processes until the last of them is gone, so that two servers never share a state
 * directory. */
static int lock_state(const struct config *config, struct err *err)
{
    cleanup_free char *path = path_join(config->state_dir, "lock");
    struct err why = ERR_INIT;
    int fd = fd_lock_file(AT_FDCWD, path, LOCK_WAIT_MS, &why);
    if (fd == ERR_TIMEOUT)
        return err_set(err, fd, "another server uses %s", config->state_dir);
    return fd < 0 ? err_set(err, fd, "%s", why.msg) : fd;
}

/* ---- serving
 * -------------------------------------------------------------------------------------------- */

static void end_now(void *payload)
{
    loop_stop(payload);
}

static void on_signal(int signo, void *payload)
{
    struct wiring *w = payload;
    if (signo == SIGHUP)
        return;
    log_info("ending; sessions run on");
    api_quiesce(w->api);
    loop_add_timer(w->loop, QUIESCE_MS, false, end_now, w->loop);
}

struct announcement {
    const struct wiring *w;
    const struct config *config;
    struct loop_watch *timer;
};

static void rest(void *payload)
{
    (void)payload;
    mem_give_back();
}

/* Ready means that the keeper serves too, whatever it says of its engine. */
static void say_ready(void *payload)
{
    struct announcement *a = payload;
    if (!sessions_keeper_answered(a->w->sessions))
        return;
    cleanup_str struct str url = STR_INIT;
    str_adds(&url, a->config->tls_cert ? "https://" : "http://");
    url_add_host_port(&url, a->config->bind, api_port(a->w->api));
    printf("steadystated: listening on %s\n", url.p);
    fflush(stdout);
    loop_remove(a->timer);
    mem_give_back();
    loop_add_timer(a->w->loop, REST_MS, true, rest, NULL);
}

static int serve(const struct config *config, const struct compute_choice *choice,
                 const char *server_id, struct keeper_process *keeper, bool probe, struct err *err)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
    struct wiring w;
    pid_t keeper_pid = keeper->pid;
    (void)keeper_pid;
    int rc = wiring_open(&w, config, choice, server_id, keeper, err);
    if (rc == 0)
        rc = loop_add_signals(w.loop, signals, ARRAY_LEN(signals), on_signal, &w, err);
    if (rc == 0)
        rc = confine_api(config, err);
#ifdef STEADYSTATE_TEST_BUILD
    if (rc == 0 && probe)
        rc = probe_run(choice, keeper_pid, err);
#endif
    if (rc == 0 && !probe) {
        struct announcement a = {.w = &w, .config = config};
        a.timer = loop_add_timer(w.loop, READY_POLL_MS, true, say_ready, &a);
        rc = loop_run(w.loop, err);
    }
    if (rc == 0 && w.keeper_lost)
        rc = err_set(err, ERR_UNAVAILABLE, "the keeper is gone");
    wiring_close(&w);
    return rc;
}

/* Local sessions of another account lie below the state directory unless configured otherwise: they
 * may pass through it, and see nothing of it (every file of ours is 0600). */
static int open_way(const struct config *config, const struct compute_choice *choice,
                    struct err *err)
{
    if (!choice->local || geteuid() != 0 ||
        !str_starts_with(config->session_root, config->state_dir))
        return 0;
    return chmod(config->state_dir, 0711) == 0 ? 0 : err_errno(err, "%s", config->state_dir);
}

static int start(struct config *config, bool probe, struct err *err)
{
    cleanup_free char *server_id = NULL;
    struct compute_choice choice = {0};
    struct keeper_process keeper = {.fd = -1};
    int rc = config_prepare(config, err);
    if (rc)
        return rc;
    cleanup_close int lock = lock_state(config, err);
    if (lock < 0)
        return lock;
    rc = wiring_server_id(config, &server_id, err);
    if (rc == 0)
        rc = compute_choose(config, &choice, err);
    if (rc == 0)
        rc = open_way(config, &choice, err);
    if (rc == 0)
        rc = sandbox_hide(
            err); /* before the fork, so that neither process was ever to be seen by the other */
    if (rc == 0)
        rc = keeper_process_start(config, &choice, server_id, &keeper, err);
    if (rc == 0) {
        rc = serve(config, &choice, server_id, &keeper, probe, err);
        keeper_process_wait(&keeper);
    }
    compute_choice_release(&choice);
    return rc;
}

static int rotate(struct config *config, const char *file, struct err *err)
{
    int rc = config_prepare(config, err);
    if (rc)
        return rc;
    cleanup_close int lock = lock_state(config, err);
    return lock < 0 ? lock : rotate_token_key(config, file, err);
}

int main(int argc, char **argv)
{
    struct options options = {0};
    struct err err = ERR_INIT;
    cleanup_config struct config config;
    config_init(&config);
    int status = parse_options(argc, argv, &options);
    if (status >= 0)
        return status;
    (void)signal(SIGPIPE, SIG_IGN);
    (void)mallopt(M_ARENA_MAX, ARENAS);
    umask(077);
    int rc = config_load(environ, options.config, &config, &err);
    if (rc == 0 && options.rotate) {
        rc = rotate(&config, options.rotate, &err);
        if (rc == 0)
            return 0;
    }
    if (rc == 0 && options.check)
        return print_config(&config);
    if (rc == 0) {
        log_setup("steadystated", config.log_level, config.log_format);
        rc = start(&config, options.probe, &err);
    }
    if (rc == 0)
        return 0;
    fprintf(stderr, "steadystated: %s\n", err.msg);
    return 1;
}
