#include "agent/sock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/listener.h"
#include "agent/procfs.h"
#include "agent/publish.h"
#include "agent/push.h"
#include "agent/radar.h"
#include "agent/request.h"
#include "agent/terminal.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "git/repo.h"

#define ANCESTORS_MAX 64

struct peer {
    struct sock *sock;
    struct peer *next;
    struct conn *conn;
    uid_t uid;
    pid_t pid;
    bool busy;         /* a job works for it: no further request */
    struct push *push; /* data comes */
    /* a login that waits until the session is ready */
    bool waiting;
    bool asked_in; /* it waits for the creator */
    uint32_t waiting_id;
    char *provider;
    char *login;
    bool commands;                    /* the login is for a command or for files */
    struct terminal_client *terminal; /* its window on the shared terminal */
    /* the shared terminal's account: who it speaks for from the first request on */
    char *speaker_provider;
    char *speaker_login;
    uint64_t typed; /* up to where its next commit names who typed */
};

struct sock {
    struct agent *agent;
    struct listener *listener;
    struct peer *first;
    uint64_t next_id;
};

/* Who asks: for the user verbs. */
struct person {
    const char *provider;
    const char *login;
    const struct account *account;
    bool shared; /* it is the shared terminal's account that asks */
};

typedef int (*verb_fn)(struct peer *peer, uint32_t id, struct json_object *obj,
                       const struct person *person, struct err *err);

struct verb {
    const char *name;
    bool wrapper;     /* for the wrapper, which is uid 0 in a container */
    bool needs_ready; /* the repository must be there */
    bool is_activity; /* a person's doing; looking on keeps no session alive */
    verb_fn fn;
};

/* --- wrapper verbs -----------------------------------------------------------------------------
 */

static int find_allowed(const struct agent *a, const char *provider, const char *login,
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
    int rc = find_allowed(a, provider, login, account, err);
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
        rc = find_allowed(a, provider, login, &account, err);
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
        rc = find_allowed(a, provider, login, &account, err);
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

/* --- user verbs --------------------------------------------------------------------------------
 */

static int verb_whoami(struct peer *peer, uint32_t id, struct json_object *obj,
                       const struct person *person, struct err *err)
{
    cleanup_free char *name = NULL;
    cleanup_free char *email = NULL;
    (void)obj;
    (void)err;
    people_author(peer->sock->agent, person->provider, person->login, &name, &email);
    struct json_object *reply = json_object_new_object();
    json_add_str(reply, "login", person->login);
    json_add_str(reply, "provider", person->provider);
    json_add_str(reply, "account", person->account->name);
    json_add_str(reply, "author_name", name);
    json_add_str(reply, "author_email", email);
    if (person->shared || terminal_is_pair_mode(peer->sock->agent))
        json_add(reply, "coauthors",
                 terminal_coauthors(peer->sock->agent->terminal, email, &peer->typed));
    conn_reply(peer->conn, id, reply);
    return 0;
}

static int verb_head(struct peer *peer, uint32_t id, struct json_object *obj,
                     const struct person *person, struct err *err)
{
    const struct agent *a = peer->sock->agent;
    cleanup_repo struct repo *repo = NULL;
    cleanup_free char *ref = xasprintf("refs/heads/%s", a->spec.session_branch);
    struct oid head;
    char text[OID_HEX + 1];
    (void)obj;
    (void)person;
    int rc = repo_open(a->layout.canonical, &repo, err);
    if (rc == 0)
        rc = repo_ref_read(repo, ref, &head, err);
    if (rc < 0)
        return rc;
    struct json_object *reply = json_object_new_object();
    oid_format(&head, text);
    json_add_str(reply, "head", text);
    conn_reply(peer->conn, id, reply);
    return 0;
}

static int verb_push(struct peer *peer, uint32_t id, struct json_object *obj,
                     const struct person *person, struct err *err)
{
    struct agent *a = peer->sock->agent;
    cleanup_push_request struct push_request req;
    int rc = push_request_parse(obj, &req, err);
    if (rc == 0)
        rc = push_begin(a, conn_id(peer->conn), id, person->provider, person->login, &req,
                        &peer->push, err);
    return rc;
}

static int verb_publish(struct peer *peer, uint32_t id, struct json_object *obj,
                        const struct person *person, struct err *err)
{
    struct agent *a = peer->sock->agent;
    struct oid expect;
    int rc = request_oid(obj, "expect", &expect, err);
    if (rc == 0)
        rc = publish_request(a->publisher, conn_id(peer->conn), id, person->login, &expect, err);
    if (rc == 0)
        peer->busy = true;
    return rc;
}

static int verb_members(struct peer *peer, uint32_t id, struct json_object *obj,
                        const struct person *person, struct err *err)
{
    (void)obj;
    (void)person;
    (void)err;
    struct json_object *reply = json_object_new_object();
    json_add(reply, "members", people_members(peer->sock->agent));
    conn_reply(peer->conn, id, reply);
    return 0;
}

static int verb_info(struct peer *peer, uint32_t id, struct json_object *obj,
                     const struct person *person, struct err *err)
{
    const struct agent *a = peer->sock->agent;
    struct json_object *reply = records_info(a);
    (void)obj;
    (void)person;
    (void)err;
    if (a->expires_at)
        json_add_i64(reply, "expires_at", a->expires_at);
    conn_reply(peer->conn, id, reply);
    return 0;
}

static int verb_watch(struct peer *peer, uint32_t id, struct json_object *obj,
                      const struct person *person, struct err *err)
{
    (void)obj;
    int rc = radar_watch(peer->sock->agent->radar, conn_id(peer->conn), person->provider,
                         person->login, err);
    if (rc == 0)
        conn_reply(peer->conn, id, NULL);
    return rc;
}

/* --- the shared terminal -----------------------------------------------------------------------
 */

static int verb_pair(struct peer *peer, uint32_t id, struct json_object *obj,
                     const struct person *person, struct err *err)
{
    struct agent *a = peer->sock->agent;
    struct terminal_request request = {
        .provider = person->provider, .login = person->login, .pid = peer->pid};
    if (person->shared)
        return err_set(err, ERR_INVALID, "this is the shared terminal");
    if (terminal_must_wait(a->terminal, person->provider, person->login))
        return err_set(err, ERR_DENIED, "the creator has not let you in yet");
    int rc = terminal_request_parse(obj, &request, err);
    return rc < 0 ? rc
                  : terminal_attach(a->terminal, peer->conn, id, &request, &peer->terminal, err);
}

static int verb_resize(struct peer *peer, uint32_t id, struct json_object *obj,
                       const struct person *person, struct err *err)
{
    (void)person;
    if (!peer->terminal)
        return err_set(err, ERR_INVALID, "no terminal is open");
    int rc = terminal_resize(peer->terminal, obj, err);
    if (rc == 0)
        conn_reply(peer->conn, id, NULL);
    return rc;
}

static int verb_role(struct peer *peer, uint32_t id, struct json_object *obj,
                     const struct person *person, struct err *err)
{
    const char *login = NULL, *role = NULL;
    const struct terminal_asker asker = {
        .provider = person->provider, .login = person->login, .from_terminal = person->shared};
    int rc = json_get_str(obj, "who", SPEC_LOGIN_MAX, &login, err);
    if (rc == 0)
        rc = json_get_str(obj, "role", REQUEST_VERB_MAX, &role, err);
    if (rc == 0)
        rc = terminal_role(peer->sock->agent->terminal, &asker, NULL, login, role, err);
    if (rc == 0)
        conn_reply(peer->conn, id, NULL);
    return rc;
}

static int verb_coauthors(struct peer *peer, uint32_t id, struct json_object *obj,
                          const struct person *person, struct err *err)
{
    const char *except = NULL;
    int rc = json_opt_str(obj, "except", 256, &except, err);
    if (rc < 0)
        return rc;
    struct json_object *reply = json_object_new_object();
    (void)person;
    json_add(reply, "coauthors",
             terminal_coauthors(peer->sock->agent->terminal, except, &peer->typed));
    conn_reply(peer->conn, id, reply);
    return 0;
}

static int verb_committed(struct peer *peer, uint32_t id, struct json_object *obj,
                          const struct person *person, struct err *err)
{
    struct agent *a = peer->sock->agent;
    (void)obj;
    if (!person->shared && !terminal_is_pair_mode(a))
        return err_set(err, ERR_DENIED, "not in the shared terminal");
    terminal_settle(a->terminal, 0);
    conn_reply(peer->conn, id, NULL);
    return 0;
}

static const struct verb verbs[] = {
    {"login", true, false, false, verb_login},
    {"attach", true, true, false, verb_attach},
    {"whoami", false, false, false, verb_whoami},
    {"head", false, true, false, verb_head},
    {"push", false, true, true, verb_push},
    {"publish", false, true, true, verb_publish},
    {"members", false, false, false, verb_members},
    {"info", false, false, false, verb_info},
    {"pair", false, true, true, verb_pair},
    {"resize", false, true, false, verb_resize},
    {"role", false, true, true, verb_role},
    {"coauthors", false, true, false, verb_coauthors},
    {"committed", false, true, true, verb_committed},
    {"watch", false, true, false, verb_watch},
};

/* --- one request -------------------------------------------------------------------------------
 */

/* What the shared terminal's account does is somebody's: whose command it is that asks, else who
 * pressed return last. It stays theirs for the whole connection. */
static void speak_for(struct peer *peer, struct person *person)
{
    const struct agent *a = peer->sock->agent;
    if (!peer->speaker_login) {
        const char *provider, *login;
        pid_t pid = peer->pid;
        struct proc_stat st;
        int depth = ANCESTORS_MAX;
        while (depth > 0 && !presence_person_of(a->presence, pid, &provider, &login)) {
            depth = proc_stat_read(pid, &st, NULL) == 0 && st.ppid > 1 ? depth - 1 : 0;
            pid = st.ppid;
        }
        if (depth == 0)
            terminal_speaker(a->terminal, &provider, &login);
        peer->speaker_provider = xstrdup(provider);
        peer->speaker_login = xstrdup(login);
    }
    person->provider = peer->speaker_provider;
    person->login = peer->speaker_login;
    person->shared = true;
}

/* Who the peer is: in a container by its uid, locally as it says. */
static int identify(struct peer *peer, struct json_object *obj, struct person *out, struct err *err)
{
    const struct agent *a = peer->sock->agent;
    if (a->local) {
        int rc = request_person(obj, &out->provider, &out->login, err);
        if (rc < 0)
            return rc;
        out->account = accounts_find(&a->accounts, out->provider, out->login);
        if (terminal_is_account(out->account)) {
            speak_for(peer, out);
            return 0;
        }
        return find_allowed(a, out->provider, out->login, &out->account, err);
    }
    out->account = accounts_find_uid(&a->accounts, (uint32_t)peer->uid);
    if (terminal_is_account(out->account)) {
        speak_for(peer, out);
        return 0;
    }
    if (!out->account || !people_find(a, out->account->provider, out->account->login))
        return err_set(err, ERR_DENIED, "this account is nobody's in this session");
    out->provider = out->account->provider;
    out->login = out->account->login;
    return 0;
}

static int may_ask(const struct peer *peer, const struct verb *verb, struct err *err)
{
    const struct agent *a = peer->sock->agent;
    if (!a->local && verb->wrapper != (peer->uid == 0))
        return err_set(err, ERR_DENIED, "not allowed");
    if (verb->needs_ready && a->state != AGENT_READY)
        return err_set(err, ERR_UNAVAILABLE, "the session is not ready");
    return 0;
}

static int dispatch(struct peer *peer, uint32_t id, struct json_object *obj, const char *name,
                    struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        if (strcmp(verbs[i].name, name) != 0)
            continue;
        struct person person = {0};
        int rc = may_ask(peer, &verbs[i], err);
        if (rc == 0 && !verbs[i].wrapper)
            rc = identify(peer, obj, &person, err);
        if (rc == 0 && verbs[i].is_activity)
            agent_touch(peer->sock->agent);
        return rc < 0 ? rc : verbs[i].fn(peer, id, obj, &person, err);
    }
    return err_set(err, ERR_UNSUPPORTED, "no such verb");
}

/* Data of a push. */
static int take_data(struct peer *peer, const struct frame *frame)
{
    struct err err = ERR_INIT;
    if (!peer->push || frame->id != push_frame_id(peer->push))
        return ERR_INVALID;
    if (frame->kind == 'E') {
        peer->busy = true;
        push_finish(steal(&peer->push));
        return 0;
    }
    if (push_data(peer->push, frame->payload, frame->len, &err) < 0) {
        /* The sender may be in the middle of gigabytes: say why and hang up. */
        push_free(steal(&peer->push));
        conn_reply_error(peer->conn, frame->id, &err);
        conn_end_after_send(peer->conn);
    }
    return 0;
}

static int on_frame(struct conn *conn, const struct frame *frame, void *payload)
{
    struct peer *peer = payload;
    cleanup_json struct json_object *obj = NULL;
    const char *name = NULL;
    struct err err = ERR_INIT;
    if (frame->kind == 'D' && peer->terminal &&
        frame->id == terminal_client_frame(peer->terminal)) {
        terminal_input(peer->terminal, frame->payload, frame->len);
        return 0;
    }
    if (frame->kind != 'J')
        return take_data(peer, frame);
    int rc = request_parse(frame, &obj, &name, &err);
    if (rc < 0)
        return rc;
    if (peer->terminal && strcmp(name, "resize") != 0)
        rc = err_set(&err, ERR_INVALID, "this connection is a terminal");
    else if (peer->busy || peer->push || peer->waiting)
        rc = err_set(&err, ERR_INVALID, "one request after another");
    else
        rc = dispatch(peer, frame->id, obj, name, &err);
    if (rc < 0) {
        err.code = rc;
        conn_reply_error(conn, frame->id, &err);
    }
    return 0;
}

/* --- connections -------------------------------------------------------------------------------
 */

static void peer_free(struct peer *peer)
{
    push_free(peer->push);
    terminal_client_free(peer->terminal);
    free(peer->provider);
    free(peer->login);
    free(peer->speaker_provider);
    free(peer->speaker_login);
    free(peer);
}

static bool is_waiting(const struct sock *s, const char *provider, const char *login)
{
    for (const struct peer *p = s->first; p; p = p->next)
        if (p->waiting && strcmp(p->login, login) == 0 && strcmp(p->provider, provider) == 0)
            return true;
    return false;
}

static void on_closed(struct conn *conn, void *payload)
{
    struct peer *peer = payload;
    radar_closed(peer->sock->agent->radar, conn_id(conn));
    for (struct peer **at = &peer->sock->first; *at; at = &(*at)->next) {
        if (*at == peer) {
            *at = peer->next;
            break;
        }
    }
    if (peer->asked_in && !is_waiting(peer->sock, peer->provider, peer->login))
        terminal_waits_no_more(peer->sock->agent->terminal, peer->provider, peer->login);
    peer_free(peer);
}

static void on_drained(struct conn *conn, void *payload)
{
    struct peer *peer = payload;
    (void)conn;
    if (peer->terminal)
        terminal_drained(peer->terminal);
}

static const struct conn_ops conn_ops = {
    .on_frame = on_frame, .on_closed = on_closed, .on_drained = on_drained};

static int count_uid(const struct sock *s, uid_t uid)
{
    int n = 0;
    for (const struct peer *p = s->first; p; p = p->next)
        n += p->uid == uid;
    return n;
}

static void on_accept(int fd, pid_t pid, uid_t uid, void *payload)
{
    struct sock *s = payload;
    cleanup_close int got = fd;
    /* Logins of everybody come from uid 0. */
    int max = uid == s->agent->uid ? SOCK_LOGINS_WAITING_MAX : SOCK_CONNECTIONS_OF_ONE_UID;
    if (count_uid(s, uid) >= max || (s->agent->local && uid != s->agent->uid && uid != 0))
        return;
    struct peer *peer = xcalloc(1, sizeof *peer);
    *peer = (struct peer){.sock = s, .next = s->first, .uid = uid, .pid = pid};
    int taken = steal_fd(&got);
    peer->conn = conn_new(s->agent->loop, ++s->next_id, taken, taken, &conn_ops, peer);
    s->first = peer;
}

static struct peer *find_peer(struct sock *s, uint64_t id)
{
    for (struct peer *p = s->first; p; p = p->next)
        if (conn_id(p->conn) == id)
            return p;
    return NULL;
}

struct conn *sock_find(struct sock *s, uint64_t id)
{
    struct peer *peer = s ? find_peer(s, id) : NULL;
    return peer ? peer->conn : NULL;
}

void sock_done(struct sock *s, uint64_t id)
{
    struct peer *peer = s ? find_peer(s, id) : NULL;
    if (peer)
        peer->busy = false;
}

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

void sock_pushed(struct sock *s, uint64_t id)
{
    const struct peer *peer = s ? find_peer(s, id) : NULL;
    if (peer && peer->typed)
        terminal_settle(s->agent->terminal, peer->typed);
}

int sock_new(struct agent *a, struct sock **out, struct err *err)
{
    /* Everybody may connect; who it is says the kernel. */
    struct sock *s = xcalloc(1, sizeof *s);
    s->agent = a;
    int rc = listener_new(a->loop, a->layout.sock, a->local ? 0600 : 0666, on_accept, s,
                          &s->listener, err);
    if (rc < 0) {
        free(s);
        return rc;
    }
    *out = s;
    return 0;
}

void sock_free(struct sock *s)
{
    if (!s)
        return;
    for (struct peer *p = s->first, *next; p; p = next) {
        next = p->next;
        conn_end(p->conn);
        peer_free(p);
    }
    listener_free(s->listener);
    free(s);
}
