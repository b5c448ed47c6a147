/* Who may come in, as which account, and how they are put out again. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/ctl.h"
#include "agent/procfs.h"
#include "agent/sshd_text.h"
#include "agent/terminal.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/url.h"

#define KILL_AFTER_MS 1000

const struct spec_user *people_find(const struct agent *a, const char *provider, const char *login)
{
    for (size_t i = 0; i < a->spec.n_users; i++) {
        const struct spec_user *u = &a->spec.users[i];
        if (strcmp(u->login, login) == 0 && strcmp(u->provider, provider) == 0)
            return u;
    }
    return NULL;
}

static char *repo_host(const struct agent *a)
{
    cleanup_repo_url struct repo_url r = {0};
    const char *url = a->spec.repo_url;
    if (repo_url_parse(url, strlen(url), &r, NULL) < 0 || !r.host)
        return xstrdup("localhost");
    return xstrdup(r.host);
}

void people_author(const struct agent *a, const char *provider, const char *login, char **name,
                   char **email)
{
    const struct spec_user *u = people_find(a, provider, login);
    *name = xstrdup(login);
    if (u && u->email) {
        *email = xstrdup(u->email);
        return;
    }
    cleanup_free char *host = repo_host(a);
    *email = xasprintf("%s@users.noreply.%s", login, host);
}

static int write_text(const char *dir, const char *name, const struct str *text, mode_t mode,
                      struct err *err)
{
    cleanup_free char *path = path_join(dir, name);
    return fd_write_volatile(AT_FDCWD, path, text->p, text->len, mode, err);
}

static int write_names(const struct agent *a, struct err *err)
{
    cleanup_str struct str passwd = STR_INIT;
    cleanup_str struct str group = STR_INIT;
    cleanup_str struct str shadow = STR_INIT;
    accounts_passwd(&a->accounts, a->layout.home, &passwd);
    accounts_group(&a->accounts, &group);
    accounts_shadow(&a->accounts, &shadow);
    int rc = write_text(a->layout.extrausers, "passwd", &passwd, 0644, err);
    if (rc == 0)
        rc = write_text(a->layout.extrausers, "group", &group, 0644, err);
    if (rc == 0)
        rc = write_text(a->layout.extrausers, "shadow", &shadow, 0600, err);
    return rc;
}

/* A forward is opened by sshd alone, so it is not for who waits to be let in or only watches. */
static bool may_forward(const struct spec_user *user, void *payload)
{
    const struct agent *a = payload;
    return !a->terminal || terminal_may_forward(a->terminal, user->provider, user->login);
}

int people_write_keys(struct agent *a, struct err *err)
{
    cleanup_str struct str text = STR_INIT;
    cleanup_free char *wrapper = path_join(a->layout.programs, "steadystate-wrapper");
    sshd_authorized_keys(wrapper, a->local ? a->layout.root : NULL, a->spec.users, a->spec.n_users,
                         may_forward, a, &text);
    return fd_write_volatile(AT_FDCWD, a->layout.authorized_keys, text.p, text.len, 0600, err);
}

int people_write_accounts(struct agent *a, struct err *err)
{
    int rc = accounts_save(&a->accounts, a->layout.accounts, err);
    return rc == 0 && !a->local ? write_names(a, err) : rc;
}

int people_write(struct agent *a, struct err *err)
{
    bool any = false;
    for (size_t i = 0; i < a->spec.n_users; i++) {
        const struct account *account;
        bool made;
        int rc = accounts_give(&a->accounts, a->spec.users[i].provider, a->spec.users[i].login,
                               &account, &made, err);
        if (rc < 0)
            return rc;
        any = any || made;
    }
    int rc = any ? accounts_save(&a->accounts, a->layout.accounts, err) : 0;
    if (rc == 0 && !a->local)
        rc = write_names(a, err);
    if (rc == 0)
        rc = people_write_keys(a, err);
    return rc;
}

static int save_spec(const struct agent *a, struct err *err)
{
    cleanup_json struct json_object *o = session_spec_to_json(&a->spec, false);
    cleanup_str struct str text = STR_INIT;
    json_print(o, &text);
    str_addc(&text, '\n');
    return fd_write_file(AT_FDCWD, a->layout.spec, text.p, text.len, 0600, err);
}

static bool has_every_key_of(const struct spec_user *now, const struct spec_user *before)
{
    for (size_t i = 0; i < before->keys.len; i++)
        if (!strv_has(&now->keys, before->keys.v[i]))
            return false;
    return true;
}

int people_replace(struct agent *a, struct spec_user *users, size_t n, struct err *err)
{
    struct spec_user *old = a->spec.users;
    size_t n_old = a->spec.n_users;
    a->spec.users = users;
    a->spec.n_users = n;
    int rc = save_spec(a, err);
    if (rc == 0)
        rc = people_write(a, err);
    /* Which key a connection was made with is not known: when one is taken back, all of that
     * person's end, and the keys that are left open new ones. */
    for (size_t i = 0; i < n_old; i++) {
        const struct spec_user *now = people_find(a, old[i].provider, old[i].login);
        if (!now || !has_every_key_of(now, &old[i]))
            (void)people_kick(a, old[i].provider, old[i].login, NULL);
    }
    spec_users_free(old, n_old);
    return rc;
}

void people_env(const struct agent *a, const struct account *account, struct strv *out)
{
    cleanup_free char *home = path_join(a->layout.home, account->name);
    strv_pushf(out, "HOME=%s", home);
    strv_pushf(out, "REPO_ROOT=%s", a->layout.root);
    strv_pushf(out, "SESSION_ID=%s", a->spec.id);
    strv_pushf(out, "SESSION_MODE=%s", a->spec.mode);
    strv_pushf(out, "STEADYSTATE_USERNAME=%s", account->login);
    strv_pushf(out, "STEADYSTATE_IDENTITY_PROVIDER=%s", account->provider);
    strv_pushf(out, "USER_WORKSPACE=%s/.worktree/%s", home, a->spec.repo_name);
    strv_pushf(out, "CANONICAL_REPO=%s", a->layout.canonical);
    strv_pushf(out, "REPO_NAME=%s", a->spec.repo_name);
    strv_push(out, "PATH=/usr/local/bin:/usr/bin:/bin");
}

/* --- putting out -------------------------------------------------------------------------------
 */

struct last_kill {
    struct agent *agent;
    uint32_t uid;
};

/* No CAP_KILL: a child that has become that uid does it. */
static void signal_uid(uint32_t uid, int signo)
{
    if (sandbox_kill_as(uid, uid, -1, signo) != 0 && errno != ESRCH)
        log_warn("processes of uid %u cannot be ended: %s", uid, strerror(errno));
}

static void on_last_kill(void *payload)
{
    struct last_kill *k = payload;
    signal_uid(k->uid, SIGKILL);
    free(k);
}

static void hang_up(pid_t pid, void *payload)
{
    (void)payload;
    (void)kill(pid, SIGHUP);
    (void)kill(-pid, SIGHUP);
}

/* A connection without a process of anybody's (ssh -N) cannot be told apart by who made it. */
static void close_if_nobodys(pid_t pid, const struct proc_stat *st, void *payload)
{
    struct agent *a = payload;
    pid_t listener = sshd_pid(a->sshd);
    if (strcmp(st->comm, "sshd") == 0 && st->ppid == listener && pid != listener &&
        !presence_has_connection(a->presence, pid))
        (void)kill(pid, SIGTERM);
}

int people_kick(struct agent *a, const char *provider, const char *login, struct err *err)
{
    const struct account *account = accounts_find(&a->accounts, provider, login);
    if (!account)
        return err_set(err, ERR_NOT_FOUND, "nobody of that name has been here");
    if (a->terminal)
        terminal_put_out(a->terminal, provider, login);
    presence_close_connections(a->presence, provider, login);
    if (a->local) {
        presence_each(a->presence, provider, login, hang_up, NULL);
    } else {
        signal_uid(account->uid, SIGHUP);
        struct last_kill *k = xcalloc(1, sizeof *k);
        *k = (struct last_kill){a, account->uid};
        (void)loop_add_timer(a->loop, KILL_AFTER_MS, false, on_last_kill, k);
    }
    if (sshd_pid(a->sshd) > 0)
        proc_each(close_if_nobodys, a);
    records_activity(a, login, "removed", NULL);
    return 0;
}

static const struct spec_user *find_named(const struct agent *a, const char *who, struct err *err)
{
    const struct spec_user *found = NULL;
    for (size_t i = 0; i < a->spec.n_users; i++) {
        const struct spec_user *u = &a->spec.users[i];
        cleanup_free char *full = xasprintf("%s:%s", u->provider, u->login);
        if (strcmp(full, who) == 0)
            return u;
        if (strcmp(u->login, who) != 0)
            continue;
        if (found) {
            err_set(err, ERR_INVALID, "%s is the login of two people here; write provider:login",
                    who);
            return NULL;
        }
        found = u;
    }
    if (!found)
        err_set(err, ERR_NOT_FOUND, "%s may not come in here", who);
    return found;
}

static bool is_creator(const struct agent *a, const char *provider, const char *login)
{
    return strcmp(provider, a->spec.creator_provider) == 0 &&
           strcmp(login, a->spec.creator_login) == 0;
}

int people_kick_for(struct agent *a, const char *by_provider, const char *by_login, const char *who,
                    struct err *err)
{
    if (!is_creator(a, by_provider, by_login))
        return err_set(err, ERR_DENIED, "only the creator of the session may do this");
    const struct spec_user *user = find_named(a, who, err);
    if (!user)
        return err ? err->code : ERR_NOT_FOUND;
    if (is_creator(a, user->provider, user->login))
        return err_set(err, ERR_INVALID, "the creator cannot be kicked");
    if (!ctl_is_heard(a->ctl))
        return err_set(err, ERR_UNAVAILABLE, "the server is away and could not keep %s out", who);
    struct json_object *o = json_object_new_object();
    json_add_str(o, "provider", user->provider);
    json_add_str(o, "login", user->login);
    int rc = people_kick(a, user->provider, user->login, err);
    if (rc == ERR_NOT_FOUND) {
        err_clear(err);
        rc = 0;
    }
    ctl_event(a->ctl, "kicked", o);
    return rc;
}

/* --- what others may know ----------------------------------------------------------------------
 */

struct json_object *people_members(const struct agent *a)
{
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < a->spec.n_users; i++) {
        const struct spec_user *u = &a->spec.users[i];
        struct json_object *o = json_object_new_object();
        int64_t since = 0;
        bool connected = presence_of(a->presence, u->provider, u->login, &since);
        json_add_str(o, "login", u->login);
        json_add_str(o, "provider", u->provider);
        json_add_bool(o, "connected", connected);
        if (connected)
            json_add_i64(o, "since", since);
        if (a->terminal)
            terminal_describe(a->terminal, u->provider, u->login, o);
        json_object_array_add(list, o);
    }
    return list;
}

int people_make_home(const struct agent *a, const struct account *account, struct err *err)
{
    cleanup_free char *path = path_join(a->layout.home, account->name);
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return err_errno(err, "%s", path);
    struct stat st;
    if (lstat(path, &st) != 0)
        return err_errno(err, "%s", path);
    if (!S_ISDIR(st.st_mode))
        return err_set(err, ERR_DENIED, "%s is not a directory", path);
    /* Still the agent's: just made, or an earlier life ended right here. */
    if (!a->local && st.st_uid == a->uid && chown(path, account->uid, account->uid) != 0)
        return err_errno(err, "%s", path);
    return 0;
}
