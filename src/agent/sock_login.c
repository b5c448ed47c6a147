/* What the wrapper asks for somebody who comes in: who they are here, what is set for them, and
 * whether they have to wait. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/procfs.h"
#include "agent/request.h"
#include "agent/sock_internal.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/path.h"

int sock_find_allowed(const struct agent *a, const char *provider, const char *login,
                      const struct account **account, struct err *err)
{
    *account = accounts_find(&a->accounts, provider, login);
    if (!*account || !people_find(a, provider, login))
        return err_set(err, ERR_NOT_FOUND, "%s (%s) may not come in here", login, provider);
    return 0;
}

struct json_object *sock_session_env(const struct agent *a, const char *provider, const char *login,
                                     const char *worktree)
{
    struct json_object *env = json_object_new_object();
    json_add_str(env, "REPO_ROOT", a->layout.root);
    json_add_str(env, "SESSION_ID", a->spec.id);
    json_add_str(env, "SESSION_MODE", a->spec.mode);
    json_add_str(env, "STEADYSTATE_USERNAME", login);
    json_add_str(env, "STEADYSTATE_IDENTITY_PROVIDER", provider);
    json_add_str(env, "USER_WORKSPACE", worktree);
    json_add_str(env, "CANONICAL_REPO", a->layout.canonical);
    json_add_str(env, "REPO_NAME", a->spec.repo_name);
    json_add_str(env, "ACTIVITY_LOG", a->layout.activity_log);
    json_add_str(env, "SYNC_LOG", a->layout.sync_log);
    return env;
}

/* In mode pair commands and files are the shared terminal's account's, for those who may type. */
static int find_seat(const struct peer *peer, const char *provider, const char *login,
                     const struct account **account, struct err *err)
{
    struct agent *a = peer->sock->agent;
    int rc = sock_find_allowed(a, provider, login, account, err);
    if (rc < 0 || !terminal_is_pair_mode(a) || !peer->commands)
        return rc < 0 ? rc : people_make_home(a, *account, err);
    rc = terminal_may_type(a->terminal, provider, login, err);
    return rc < 0 ? rc : terminal_account(a->terminal, account, err);
}

static void add_git_person(const struct agent *a, struct json_object *env, const char *name,
                           const char *email)
{
    terminal_git_env(a->terminal, env);
    json_add_str(env, "GIT_AUTHOR_NAME", name);
    json_add_str(env, "GIT_AUTHOR_EMAIL", email);
    json_add_str(env, "GIT_COMMITTER_NAME", name);
    json_add_str(env, "GIT_COMMITTER_EMAIL", email);
}

static int answer_login(struct peer *peer, uint32_t id, const char *provider, const char *login,
                        struct err *err)
{
    struct agent *a = peer->sock->agent;
    const struct account *account;
    int rc = find_seat(peer, provider, login, &account, err);
    if (rc < 0)
        return rc;
    bool shared = terminal_is_account(account);
    cleanup_free char *home = path_join(a->layout.home, account->name);
    cleanup_free char *worktree = xasprintf("%s/.worktree/%s", home, a->spec.repo_name);
    cleanup_free char *name = NULL;
    cleanup_free char *email = NULL;
    people_author(a, provider, login, &name, &email);
    struct json_object *reply = json_object_new_object();
    json_add_i64(reply, "uid", a->local ? (int64_t)a->uid : (int64_t)account->uid);
    json_add_i64(reply, "gid", a->local ? (int64_t)getegid() : (int64_t)account->uid);
    json_add_str(reply, "account", account->name);
    json_add_str(reply, "home", home);
    json_add_str(reply, "worktree", worktree);
    json_add_str(reply, "repo_name", a->spec.repo_name);
    json_add_str(reply, "canonical", a->layout.canonical);
    json_add_str(reply, "session_id", a->spec.id);
    json_add_str(reply, "session_branch", a->spec.session_branch);
    json_add_str(reply, "author_name", name);
    json_add_str(reply, "author_email", email);
    struct json_object *env = sock_session_env(a, provider, login, worktree);
    if (shared)
        add_git_person(a, env, name, email);
    json_add(reply, "env", env);
    json_add_bool(reply, "terminal", terminal_is_pair_mode(a) && !shared);
    conn_reply(peer->conn, id, reply);
    return 0;
}

/* Says once to both sides that the creator is asked. */
static void ask_in(struct peer *peer)
{
    const struct agent *a = peer->sock->agent;
    if (peer->asked_in)
        return;
    peer->asked_in = true;
    cleanup_json struct json_object *event = json_object_new_object();
    cleanup_free char *text = xasprintf("Waiting for %s to let you in ...", a->spec.creator_login);
    json_add_str(event, "event", "waiting");
    json_add_str(event, "message", text);
    conn_send_json(peer->conn, 0, event);
    terminal_waits(a->terminal, peer->provider, peer->login);
}

static int verb_login(struct peer *peer, uint32_t id, struct json_object *obj,
                      const struct person *person, struct err *err)
{
    const char *provider, *login;
    const struct agent *a = peer->sock->agent;
    const struct account *account;
    const char *kind = "shell";
    bool pair = false;
    (void)person;
    int rc = request_person(obj, &provider, &login, err);
    if (rc == 0)
        rc = json_opt_str(obj, "kind", REQUEST_VERB_MAX, &kind, err);
    if (rc == 0)
        rc = json_opt_bool(obj, "pair", &pair, err);
    if (rc == 0)
        rc = sock_find_allowed(a, provider, login, &account, err);
    if (rc < 0)
        return rc;
    if (a->state == AGENT_FAILED)
        return err_set(err, ERR_UNAVAILABLE, "the session could not be started: %s", a->message);
    peer->commands = strcmp(kind, "shell") != 0 && strcmp(kind, "watch") != 0 && !pair;
    bool ready = a->state == AGENT_READY;
    if (ready && !terminal_must_wait(a->terminal, provider, login))
        return answer_login(peer, id, provider, login, err);
    /* Whoever is early waits until the repository is there. */
    free(peer->provider);
    free(peer->login);
    peer->provider = xstrdup(provider);
    peer->login = xstrdup(login);
    peer->waiting_id = id;
    peer->waiting = true;
    if (ready)
        ask_in(peer);
    return 0;
}

static int verb_attach(struct peer *peer, uint32_t id, struct json_object *obj,
                       const struct person *person, struct err *err)
{
    struct agent *a = peer->sock->agent;
    const char *provider, *login, *kind = NULL;
    const struct account *account;
    (void)person;
    int rc = request_person(obj, &provider, &login, err);
    if (rc == 0)
        rc = json_get_str(obj, "kind", REQUEST_VERB_MAX, &kind, err);
    if (rc == 0)
        rc = sock_find_allowed(a, provider, login, &account, err);
    if (rc < 0)
        return rc;
    bool looks_on = strcmp(kind, "watch") == 0;
    if (strcmp(kind, "shell") != 0 && strcmp(kind, "command") != 0 && strcmp(kind, "sftp") != 0 &&
        !looks_on)
        return err_set(err, ERR_INVALID, "kind is shell, command, sftp or watch");
    pid_t connection = proc_connection_of(peer->pid, sshd_pid(a->sshd));
    rc = presence_attach(a->presence, peer->pid, connection, provider, login,
                         clock_now(&clock_real), err);
    if (rc == 0 && looks_on)
        presence_set_passive(a->presence, peer->pid);
    if (rc == 0)
        conn_reply(peer->conn, id, NULL);
    return rc;
}

static const struct verb verbs[] = {
    {"login", true, false, false, verb_login},
    {"attach", true, true, false, verb_attach},
};

const struct verb *sock_login_verb(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    return NULL;
}

/* --- those who wait ------------------------------------------------------------------------------
 */

void sock_answer_waiting(struct sock *s)
{
    const struct agent *a = s->agent;
    for (struct peer *p = s->first; p; p = p->next) {
        if (!p->waiting)
            continue;
        struct err err = ERR_INIT;
        int rc;
        if (a->state == AGENT_READY && terminal_must_wait(a->terminal, p->provider, p->login)) {
            ask_in(p);
            continue;
        }
        if (a->state == AGENT_READY)
            rc = answer_login(p, p->waiting_id, p->provider, p->login, &err);
        else
            rc = err_set(&err, ERR_UNAVAILABLE, "the session could not be started: %s", a->message);
        p->waiting = false;
        if (rc < 0)
            conn_reply_error(p->conn, p->waiting_id, &err);
    }
}

void sock_refuse(struct sock *s, const char *provider, const char *login)
{
    for (struct peer *p = s ? s->first : NULL; p; p = p->next) {
        if (!p->waiting || strcmp(p->login, login) != 0 || strcmp(p->provider, provider) != 0)
            continue;
        struct err err = ERR_INIT;
        (void)err_set(&err, ERR_DENIED, "you were not let in");
        p->waiting = false;
        conn_reply_error(p->conn, p->waiting_id, &err);
    }
}
