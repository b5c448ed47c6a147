#include "compute/local/local.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/path.h"
#include "compute/local/internal.h"

int local_account(const struct local *l, struct local_account *out, struct err *err)
{
    char buf[4096];
    struct passwd pw;
    struct passwd *found = NULL;
    if (l->as_root)
        getpwnam_r(l->user, &pw, buf, sizeof buf, &found);
    else
        getpwuid_r(geteuid(), &pw, buf, sizeof buf, &found);
    if (!found && l->as_root)
        return err_set(err, ERR_NOT_FOUND,
                       "account '%s' (STEADYSTATE_LOCAL_USER) does not exist; make it with: "
                       "useradd --system --create-home --shell /bin/bash %s",
                       l->user, l->user);
    if (!found)
        return err_set(err, ERR_NOT_FOUND, "uid %u has no account", (unsigned)geteuid());
    if (found->pw_uid == 0)
        return err_set(err, ERR_DENIED, "local sessions never run as uid 0");
    out->uid = found->pw_uid;
    out->gid = found->pw_gid;
    snprintf(out->name, sizeof out->name, "%s", found->pw_name);
    snprintf(out->shell, sizeof out->shell, "%s", found->pw_shell);
    return 0;
}

static int check_programs(const struct local *l, struct err *err)
{
    static const char *const needed[] = {"/usr/sbin/sshd", "/usr/bin/git"};
    if (access(l->agent, X_OK) != 0)
        return err_errno(err, "%s", l->agent);
    for (size_t i = 0; i < ARRAY_LEN(needed); i++)
        if (access(needed[i], X_OK) != 0)
            return err_errno(err, "%s", needed[i]);
    return 0;
}

static int check_everything(const struct local *l, struct err *err)
{
    struct local_account account;
    int rc = check_programs(l, err);
    if (rc == 0)
        rc = local_account(l, &account, err);
    if (rc)
        return rc;
    rc = files_open_root(l, err);
    if (rc < 0)
        return rc;
    close(rc);
    return files_check_root(l, &account, err);
}

/* The agent looks in the same places. A session without it is one without a shared terminal. */
static void check_tmux(struct provider_checks *out)
{
    static const char *const places[] = {"/usr/bin/tmux", "/usr/local/bin/tmux", "/bin/tmux"};
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        if (access(places[i], X_OK) == 0) {
            provider_checks_add(out, "tmux", PROVIDER_FINE, NULL, "shared terminals run in %s",
                                places[i]);
            return;
        }
    }
    provider_checks_add(out, "tmux", PROVIDER_WARNING, "Run 'apt install tmux' on the server.",
                        "there is no tmux: no pair sessions, no 'steadystate pair'");
}

static int local_info(void *self, struct provider_info *out, struct err *err)
{
    (void)err;
    struct err why = ERR_INIT;
    *out = (struct provider_info){0};
    snprintf(out->engine, sizeof out->engine, "none");
    out->ok = check_everything(self, &why) == 0;
    snprintf(out->detail, sizeof out->detail, "%s", why.msg);
    if (out->ok)
        provider_checks_add(&out->checks, "local", PROVIDER_WARNING,
                            "Use an engine where people do not trust each other.",
                            "sessions run without a container, as one account");
    else
        provider_checks_add(&out->checks, "local", PROVIDER_WRONG,
                            "The message says what is missing; see docs/self-hosting.md.",
                            "local sessions cannot be started: %s", why.msg);
    check_tmux(&out->checks);
    strv_push(&out->warnings, "local sessions run without a container and as one account: "
                              "collaborators are trusted, authorship can be forged");
    return 0;
}

struct opened {
    int root_fd;
    struct local_account account;
};

static int open_all(const struct local *l, struct opened *o, struct err *err)
{
    o->root_fd = -1;
    int rc = local_account(l, &o->account, err);
    if (rc)
        return rc;
    o->root_fd = files_open_root(l, err);
    return o->root_fd < 0 ? o->root_fd : 0;
}

static void close_all(struct opened *o)
{
    if (o->root_fd >= 0)
        close(o->root_fd);
}

static int remove_all(const struct local *l, const struct opened *o, const char *id, int grace_ms,
                      struct err *err)
{
    cleanup_free char *dir = path_join(l->root, id);
    int rc = procs_end(dir, id, o->account.uid, grace_ms, err);
    return rc ? rc : files_remove(o->root_fd, id, err);
}

static int start_fresh(const struct local *l, const struct opened *o,
                       const struct session_spec *spec, struct err *err)
{
    int rc = files_make(l, o->root_fd, spec, &o->account, err);
    if (rc == 0)
        rc = local_agent_start(l, o->root_fd, spec->id, &o->account, err);
    if (rc < 0) {
        struct err cleanup_err = ERR_INIT;
        remove_all(l, o, spec->id, 0, &cleanup_err);
    }
    return rc;
}

/* A descriptor, or negative. */
static int start_or_attach(const struct local *l, const struct opened *o,
                           const struct session_spec *spec, struct err *err)
{
    char hash[65];
    char own[65];
    pid_t pid = 0;
    struct err why = ERR_INIT;
    int rc = files_check_root(l, &o->account, err);
    if (rc)
        return rc;
    if (files_read_mark(l, o->root_fd, spec->id, hash, &why) != 0) {
        if (why.code != ERR_NOT_FOUND)
            return err_set(err, why.code, "%s", why.msg);
        return start_fresh(l, o, spec, err);
    }
    session_spec_hash(spec, own);
    if (strcmp(hash, own) != 0)
        return err_set(err, ERR_FAILED, "session %s was made from something else", spec->id);
    int fd = local_agent_connect(l, o->root_fd, spec->id, &o->account, &pid, NULL);
    if (fd != ERR_NOT_FOUND)
        return fd >= 0 ? fd : err_set(err, fd, "the agent of %s cannot be reached", spec->id);
    /* What a killed agent left behind would hold the port and the worktrees. */
    cleanup_free char *dir = path_join(l->root, spec->id);
    rc = procs_end(dir, spec->id, o->account.uid, 0, err);
    if (rc == 0)
        rc = files_make(l, o->root_fd, spec, &o->account, err);
    return rc ? rc : local_agent_start(l, o->root_fd, spec->id, &o->account, err);
}

static int local_start(void *self, const struct session_spec *spec,
                       const struct provider_progress *progress, struct provider_conn *out,
                       struct err *err)
{
    const struct local *l = self;
    struct opened o;
    progress->report(progress->payload, "agent", -1, "");
    int rc = open_all(l, &o, err);
    if (rc == 0)
        rc = start_or_attach(l, &o, spec, err);
    close_all(&o);
    if (rc < 0)
        return rc;
    out->fd = rc;
    out->wire = CHANNEL_PLAIN;
    return 0;
}

static int local_attach(void *self, const char *session_id, struct provider_conn *out,
                        struct err *err)
{
    const struct local *l = self;
    struct opened o;
    pid_t pid = 0;
    int rc = open_all(l, &o, err);
    if (rc == 0)
        rc = local_agent_connect(l, o.root_fd, session_id, &o.account, &pid, err);
    close_all(&o);
    if (rc < 0)
        return rc;
    out->fd = rc;
    out->wire = CHANNEL_PLAIN;
    return 0;
}

static int local_stop(void *self, const char *session_id, int grace_ms, struct err *err)
{
    const struct local *l = self;
    struct local_account account;
    cleanup_free char *dir = path_join(l->root, session_id);
    int rc = local_account(l, &account, err);
    return rc ? rc : procs_end(dir, session_id, account.uid, grace_ms, err);
}

static int local_remove(void *self, const char *session_id, struct err *err)
{
    const struct local *l = self;
    struct opened o;
    int rc = open_all(l, &o, err);
    if (rc == 0)
        rc = remove_all(l, &o, session_id, 0, err);
    close_all(&o);
    return rc;
}

static int local_list(void *self, struct provider_sessions *out, struct err *err)
{
    const struct local *l = self;
    struct opened o;
    int rc = open_all(l, &o, err);
    if (rc == 0)
        rc = files_list(l, o.root_fd, out, err);
    for (size_t i = 0; rc == 0 && i < out->len; i++) {
        pid_t pid = 0;
        cleanup_close int fd =
            local_agent_connect(l, o.root_fd, out->v[i].id, &o.account, &pid, NULL);
        out->v[i].running = fd >= 0;
    }
    close_all(&o);
    return rc;
}

static void local_free(void *self)
{
    struct local *l = self;
    free(l->server_id);
    free(l->root);
    free(l->agent);
    free(l->user);
    free(l);
}

static const struct provider_ops local_ops = {
    .name = "local",
    .info = local_info,
    .start = local_start,
    .attach = local_attach,
    .stop = local_stop,
    .remove = local_remove,
    .list = local_list,
    .free = local_free,
};

int local_provider_new(const struct local_options *options, struct provider *out, struct err *err)
{
    if (options->session_root[0] != '/' || options->agent[0] != '/')
        return err_set(err, ERR_INVALID, "local provider: paths must be absolute");
    struct local *l = xcalloc(1, sizeof *l);
    l->server_id = xstrdup(options->server_id);
    l->root = xstrdup(options->session_root);
    l->agent = xstrdup(options->agent);
    l->user = xstrdup(options->user);
    l->as_root = geteuid() == 0;
    *out = (struct provider){.ops = &local_ops, .self = l};
    return 0;
}
