#include "agent/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/ctl.h"
#include "agent/init.h"
#include "agent/protect.h"
#include "agent/publish.h"
#include "agent/radar.h"
#include "agent/sock.h"
#include "agent/sshd_text.h"
#include "agent/terminal.h"
#include "agent/warm.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "git/repo.h"

#define SPEC_FILE_MAX (64 * 1024 * 1024)
#define FLUSH_MS 50 /* the answer to `shutdown` and the last events go out */

/* --- state -------------------------------------------------------------------------------------
 */

const char *agent_state_word(const struct agent *a)
{
    switch (a->state) {
    case AGENT_READY:
        return "ready";
    case AGENT_FAILED:
        return "failed";
    case AGENT_WAITING:
    case AGENT_STARTING:
        break;
    }
    return "starting";
}

void agent_touch(struct agent *a)
{
    a->last_activity = clock_now(&clock_real);
}

int64_t agent_last_activity(struct agent *a)
{
    int64_t seen = presence_last_activity(a->presence, clock_now(&clock_real));
    if (seen > a->last_activity)
        a->last_activity = seen;
    return a->last_activity;
}

/* A local session whose directory was removed has nothing left to serve. */
static bool is_gone(const struct agent *a)
{
    struct stat st;
    return a->local && lstat(a->layout.spec, &st) != 0 && errno == ENOENT;
}

static void look_at_activity(void *payload)
{
    struct agent *a = payload;
    if (is_gone(a)) {
        log_warn("the session's directory is gone");
        loop_stop(a->loop);
        return;
    }
    int64_t at = agent_last_activity(a);
    if (at <= a->last_activity_event)
        return;
    a->last_activity_event = at;
    struct json_object *o = json_object_new_object();
    json_add_i64(o, "at", at);
    ctl_event(a->ctl, "activity", o);
}

static void on_presence(const char *provider, const char *login, bool connected, void *payload)
{
    struct agent *a = payload;
    struct json_object *o = json_object_new_object();
    json_add_str(o, "login", login);
    json_add_str(o, "provider", provider);
    json_add_bool(o, "connected", connected);
    ctl_event(a->ctl, "presence", o);
    records_activity(a, login, connected ? "connected" : "disconnected", NULL);
    radar_presence(a->radar);
    agent_touch(a);
}

void agent_fail(struct agent *a, const char *reason, const char *message)
{
    if (a->state == AGENT_FAILED)
        return;
    a->state = AGENT_FAILED;
    (void)snprintf(a->reason, sizeof a->reason, "%s", reason);
    (void)snprintf(a->message, sizeof a->message, "%s", message);
    log_error("session failed (%s): %s", reason, message);
    struct json_object *o = json_object_new_object();
    json_add_str(o, "reason", reason);
    json_add_str(o, "message", message);
    ctl_event(a->ctl, "failed", o);
    if (a->sock)
        sock_answer_waiting(a->sock);
}

void agent_maybe_ready(struct agent *a)
{
    if (a->state == AGENT_FAILED || a->state == AGENT_READY || !a->repo_ready || !a->sshd_ready)
        return;
    a->state = AGENT_READY;
    agent_touch(a);
    a->last_activity_event = a->last_activity;
    records_activity(a, a->spec.creator_login, "started", NULL);
    log_info("session is ready");
    ctl_event(a->ctl, "ready", NULL);
    sock_answer_waiting(a->sock);
    jobs_rest_soon(a->jobs);
    warm_start(a);
}

void agent_begin(struct agent *a)
{
    a->have_hello = true;
    if (a->state == AGENT_WAITING && !a->repo_ready) {
        a->state = AGENT_STARTING;
        start_clone(a);
    }
    /* Whoever comes late is told what was said already. */
    if (a->state == AGENT_READY)
        ctl_event(a->ctl, "ready", NULL);
    if (a->state == AGENT_FAILED) {
        struct json_object *o = json_object_new_object();
        json_add_str(o, "reason", a->reason);
        json_add_str(o, "message", a->message);
        ctl_event(a->ctl, "failed", o);
    }
}

static void on_flushed(void *payload)
{
    struct agent *a = payload;
    loop_stop(a->loop);
}

void agent_shutdown(struct agent *a)
{
    atomic_store(&a->cancel, true);
    (void)loop_add_timer(a->loop, FLUSH_MS, false, on_flushed, a);
}

static void on_signal(int signo, void *payload)
{
    struct agent *a = payload;
    if (signo == SIGHUP)
        return;
    atomic_store(&a->cancel, true);
    loop_stop(a->loop);
}

static void on_sshd_ready(void *payload)
{
    struct agent *a = payload;
    a->sshd_ready = true;
    agent_maybe_ready(a);
}

static void on_sshd_failed(const char *reason, const char *message, void *payload)
{
    agent_fail(payload, reason, message);
}

static const struct presence_ops presence_ops = {.on_change = on_presence};
static const struct sshd_ops sshd_ops = {.on_ready = on_sshd_ready, .on_failed = on_sshd_failed};

/* --- setting up --------------------------------------------------------------------------------
 */

static int read_spec(struct agent *a, struct err *err)
{
    cleanup_str struct str text = STR_INIT;
    cleanup_json struct json_object *o = NULL;
    int rc = fd_read_file(AT_FDCWD, a->layout.spec, SPEC_FILE_MAX, &text, err);
    if (rc == 0)
        rc = json_parse(text.p, text.len, &o, err);
    if (rc == 0)
        rc = session_spec_from_json(o, &a->spec, err);
    return rc < 0 ? err_wrap(err, "%s", a->layout.spec) : 0;
}

static int take_system_names(struct agent *a, struct err *err)
{
    static const char *const files[] = {"/etc/passwd", "/etc/group"};
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        cleanup_str struct str text = STR_INIT;
        int rc = fd_read_file(AT_FDCWD, files[i], SYSTEM_NAMES_FILE_MAX, &text, err);
        if (rc < 0)
            return rc;
        accounts_take_system_names(&a->accounts, text.p, text.len);
    }
    return 0;
}

/* The account that sshd lets in: the image's alias of uid 0, or whoever runs a local session. */
static int ssh_user(const struct agent *a, char **out, struct err *err)
{
    if (!a->local) {
        *out = xstrdup(a->spec.ssh_user);
        return 0;
    }
    errno = 0;
    const struct passwd *pw = getpwuid(a->uid);
    if (!pw)
        return err_set(err, ERR_NOT_FOUND, "uid %u has no account", (unsigned)a->uid);
    *out = xstrdup(pw->pw_name);
    return 0;
}

static int write_sshd_config(struct agent *a, struct err *err)
{
    cleanup_free char *user = NULL;
    cleanup_str struct str text = STR_INIT;
    const char *sftp_server = NULL;
    int rc = ssh_user(a, &user, err);
    if (rc == 0)
        rc = sshd_find_sftp_server(&sftp_server, err);
    if (rc < 0)
        return rc;
    struct sshd_settings settings = {
        .user = user,
        .bind = a->local ? a->spec.ssh_bind : NULL,
        .port = a->local ? a->spec.ssh_port : SPEC_CONTAINER_SSH_PORT,
        .host_key = a->layout.host_key,
        .authorized_keys = a->layout.authorized_keys,
        .sftp_server = sftp_server,
        .root_login = !a->local,
        .below_sticky = a->layout.below_sticky,
    };
    rc = sshd_config_text(&settings, &text, err);
    if (rc == 0)
        rc = fd_write_volatile(AT_FDCWD, a->layout.sshd_config, text.p, text.len, 0600, err);
    if (rc == 0 && !a->local && mkdir("/run/sshd", 0755) != 0 && errno != EEXIST)
        return err_errno(err, "/run/sshd");
    if (rc == 0 && chmod(a->layout.host_key, 0600) != 0)
        return err_errno(err, "%s", a->layout.host_key);
    return rc;
}

static int make_helpers(struct agent *a, struct err *err)
{
    int rc = sandbox_filter_new(SANDBOX_GIT_TRANSPORT, &a->transport_filter, err);
    if (rc == 0)
        rc = sandbox_filter_new(SANDBOX_PACK_IMPORT, &a->import_filter, err);
    uid_t keep = (uid_t)-1;
    a->transport_child = (struct sandbox_child){
        .uid = a->local ? keep : SPEC_HELPER_UID,
        .gid = a->local ? keep : SPEC_HELPER_UID,
        .filter = a->transport_filter,
    };
    a->import_child = (struct sandbox_child){
        .uid = a->local ? keep : AGENT_IMPORT_UID,
        .gid = a->local ? keep : AGENT_IMPORT_UID,
        .filter = a->import_filter,
    };
    return rc;
}

/* Looks at the protection before it trusts it. ERR_DENIED: something is missing. */
static int check_protection(struct agent *a, struct err *err)
{
    if (a->local && a->uid == 0)
        return err_set(err, ERR_DENIED, "a local session never runs as uid 0");
    int rc = a->local ? 0 : protect_check(&a->spec, err);
    if (rc == 0)
        rc = sandbox_load(SANDBOX_SESSION, err);
    if (rc == 0)
        rc = protect_check_seccomp(err);
    return rc;
}

/* At every start, from the spec and the table of accounts, so that only those have to survive a
 * crash of the machine: what waits for the disk here delays every session. */
static int prepare_files(struct agent *a, struct err *err)
{
    int rc = layout_make(&a->layout, err);
    if (rc == 0)
        rc = layout_check_parents(&a->layout, err);
    if (rc == 0)
        rc = layout_make_bin(&a->layout, err);
    if (rc == 0 && !a->local)
        rc = take_system_names(a, err);
    if (rc == 0)
        rc = accounts_load(&a->accounts, a->layout.accounts, err);
    if (rc == 0)
        rc = people_write(a, err);
    if (rc == 0)
        rc = write_sshd_config(a, err);
    if (rc == 0)
        rc = records_write_info(a, err);
    return rc;
}

static int take_up_repository(struct agent *a, struct err *err)
{
    int rc = start_look(a, &a->repo_ready, err);
    if (rc < 0 || !a->repo_ready)
        return rc;
    rc = repo_recover(a->layout.canonical, err);
    return rc ? rc : repo_recover(a->layout.repo, err);
}

/* Everything up to serving; what fails here fails the session, not the agent. */
static void prepare(struct agent *a)
{
    struct err err = ERR_INIT;
    int rc = check_protection(a, &err);
    if (rc < 0) {
        agent_fail(a, rc == ERR_DENIED ? "protection_missing" : "internal", err.msg);
        return;
    }
    rc = terminal_new(a, &a->terminal, &err);
    if (rc == 0)
        rc = prepare_files(a, &err);
    if (rc == 0) {
        /* It comes up while the rest is made; a login needs longer than that. */
        a->sshd = sshd_new(a->loop, &a->layout, a->local ? a->spec.ssh_bind : NULL,
                           a->local ? a->spec.ssh_port : SPEC_CONTAINER_SSH_PORT, &sshd_ops, a);
        sshd_start(a->sshd);
        rc = make_helpers(a, &err);
    }
    if (rc == 0)
        rc = take_up_repository(a, &err);
    if (rc == 0)
        rc = sock_new(a, &a->sock, &err);
    if (rc < 0)
        agent_fail(a, rc == ERR_NO_SPACE ? "no_space" : "internal", err.msg);
}

static int set_up(struct agent *a, const struct agent_options *options, struct err *err)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
    a->local = options->local;
    a->uid = geteuid();
    accounts_init(&a->accounts);
    session_spec_init(&a->spec);
    int rc = layout_init(&a->layout, options->root, options->local, err);
    if (rc == 0)
        rc = sandbox_hide(err);
    if (rc == 0)
        rc = read_spec(a, err);
    if (rc == 0)
        rc = repo_library_init(true, err);
    if (rc == 0)
        rc = loop_new(&a->loop, err);
    if (rc == 0)
        rc = loop_add_signals(a->loop, signals, ARRAY_LEN(signals), on_signal, a, err);
    if (rc == 0)
        rc = jobs_new(a->loop, &a->jobs, err);
    if (rc == 0)
        rc = ctl_new(a, &a->ctl, err);
    if (rc < 0)
        return rc;
    a->presence = presence_new(a->loop, &presence_ops, a);
    a->publisher = publisher_new(a);
    a->radar = radar_new(a);
    agent_touch(a);
    (void)loop_add_timer(a->loop, AGENT_ACTIVITY_SECONDS * 1000, true, look_at_activity, a);
    return 0;
}

static void tear_down(struct agent *a)
{
    atomic_store(&a->cancel, true);
    sshd_free(a->sshd);
    a->sshd = NULL;
    jobs_free(a->jobs);
    a->jobs = NULL;
    sock_free(a->sock);
    terminal_free(a->terminal);
    ctl_free(a->ctl);
    publisher_free(a->publisher);
    radar_free(a->radar);
    presence_free(a->presence);
    loop_free(a->loop);
    secrets_wipe(&a->secrets);
    accounts_release(&a->accounts);
    session_spec_release(&a->spec);
    layout_release(&a->layout);
    sandbox_filter_free(a->transport_filter);
    sandbox_filter_free(a->import_filter);
}

/* The channel moves away from 0 and 1, which children get as /dev/null. */
static int take_stdio(int *in, int *out, struct err *err)
{
    *in = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
    *out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    cleanup_close int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (*in < 0 || *out < 0 || null < 0 || dup2(null, STDIN_FILENO) < 0 ||
        dup2(null, STDOUT_FILENO) < 0)
        return err_errno(err, "standard input and output");
    return 0;
}

int agent_run(const struct agent_options *options)
{
    struct agent a = {.exit_code = 1};
    struct err err = ERR_INIT;
    int in = -1, out = -1;
    umask(022);
    (void)mallopt(M_ARENA_MAX, 2);
    (void)signal(SIGPIPE, SIG_IGN);
    int rc = options->stdio ? take_stdio(&in, &out, &err) : 0;
    if (rc == 0)
        rc = set_up(&a, options, &err);
    if (rc == 0) {
        if (options->stdio)
            ctl_add(a.ctl, in, out);
        prepare(&a);
        rc = loop_run(a.loop, &err);
    }
    if (rc < 0)
        log_error("%s", err.msg);
    a.exit_code = rc < 0;
    tear_down(&a);
    return a.exit_code;
}
