#include "agent/sock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/procfs.h"
#include "agent/publish.h"
#include "agent/push.h"
#include "agent/radar.h"
#include "agent/request.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "git/repo.h"

#define BACKLOG 256

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
    uint32_t waiting_id;
    char *provider;
    char *login;
};

struct sock {
    struct agent *agent;
    int fd;
    struct loop_watch *watch;
    struct peer *first;
    uint64_t next_id;
};

/* Who asks: for the user verbs. */
struct person {
    const char *provider;
    const char *login;
    const struct account *account;
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

static struct json_object *session_env(const struct agent *a, const char *provider,
                                       const char *login, const char *worktree)
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

static int answer_login(struct peer *peer, uint32_t id, const char *provider, const char *login,
                        struct err *err)
{
    struct agent *a = peer->sock->agent;
    const struct account *account;
    int rc = find_allowed(a, provider, login, &account, err);
    if (rc == 0)
        rc = people_make_home(a, account, err);
    if (rc < 0)
        return rc;
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
    json_add(reply, "env", session_env(a, provider, login, worktree));
    conn_reply(peer->conn, id, reply);
    return 0;
}

static int verb_login(struct peer *peer, uint32_t id, struct json_object *obj,
                      const struct person *person, struct err *err)
{
    const char *provider, *login;
    const struct agent *a = peer->sock->agent;
    const struct account *account;
    (void)person;
    int rc = request_person(obj, &provider, &login, err);
    if (rc == 0)
        rc = find_allowed(a, provider, login, &account, err);
    if (rc < 0)
        return rc;
    if (a->state == AGENT_FAILED)
        return err_set(err, ERR_UNAVAILABLE, "the session could not be started: %s", a->message);
    if (a->state == AGENT_READY)
        return answer_login(peer, id, provider, login, err);
    /* Whoever is early waits until the repository is there. */
    free(peer->provider);
    free(peer->login);
    peer->provider = xstrdup(provider);
    peer->login = xstrdup(login);
    peer->waiting_id = id;
    peer->waiting = true;
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
    (void)obj;
    (void)person;
    (void)err;
    conn_reply(peer->conn, id, records_info(peer->sock->agent));
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

static const struct verb verbs[] = {
    {"login", true, false, false, verb_login},      {"attach", true, true, false, verb_attach},
    {"whoami", false, false, false, verb_whoami},   {"head", false, true, false, verb_head},
    {"push", false, true, true, verb_push},         {"publish", false, true, true, verb_publish},
    {"members", false, false, false, verb_members}, {"info", false, false, false, verb_info},
    {"watch", false, true, false, verb_watch},
};

/* --- one request -------------------------------------------------------------------------------
 */

/* Who the peer is: in a container by its uid, locally as it says. */
static int identify(const struct peer *peer, struct json_object *obj, struct person *out,
                    struct err *err)
{
    const struct agent *a = peer->sock->agent;
    if (a->local) {
        int rc = request_person(obj, &out->provider, &out->login, err);
        return rc < 0 ? rc : find_allowed(a, out->provider, out->login, &out->account, err);
    }
    out->account = accounts_find_uid(&a->accounts, (uint32_t)peer->uid);
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
    if (frame->kind != 'J')
        return take_data(peer, frame);
    int rc = request_parse(frame, &obj, &name, &err);
    if (rc < 0)
        return rc;
    if (peer->busy || peer->push || peer->waiting)
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
    free(peer->provider);
    free(peer->login);
    free(peer);
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
    peer_free(peer);
}

static const struct conn_ops conn_ops = {.on_frame = on_frame, .on_closed = on_closed};

static int count_uid(const struct sock *s, uid_t uid)
{
    int n = 0;
    for (const struct peer *p = s->first; p; p = p->next)
        n += p->uid == uid;
    return n;
}

static void on_accept(int fd, uint32_t events, void *payload)
{
    struct sock *s = payload;
    struct err err = ERR_INIT;
    pid_t pid;
    uid_t uid;
    gid_t gid;
    (void)events;
    cleanup_close int got = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (got < 0)
        return;
    if (fd_peer(got, &pid, &uid, &gid, &err) < 0)
        return;
    /* Logins of everybody come from uid 0. */
    int max = uid == s->agent->uid ? SOCK_LOGINS_WAITING_MAX : SOCK_CONNECTIONS_OF_ONE_UID;
    if (count_uid(s, uid) >= max || (s->agent->local && uid != s->agent->uid && uid != 0))
        return;
    struct peer *peer = xcalloc(1, sizeof *peer);
    *peer = (struct peer){.sock = s, .next = s->first, .uid = uid, .pid = pid};
    peer->conn = conn_new(s->agent->loop, ++s->next_id, got, got, &conn_ops, peer);
    got = -1;
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
        if (a->state == AGENT_READY)
            rc = answer_login(p, p->waiting_id, p->provider, p->login, &err);
        else
            rc = err_set(&err, ERR_UNAVAILABLE, "the session could not be started: %s", a->message);
        p->waiting = false;
        if (rc < 0)
            conn_reply_error(p->conn, p->waiting_id, &err);
    }
}

int sock_new(struct agent *a, struct sock **out, struct err *err)
{
    /* Everybody may connect; who it is says the kernel. */
    int fd = fd_unix_listen(a->layout.sock, a->local ? 0600 : 0666, BACKLOG, err);
    if (fd < 0)
        return fd;
    (void)fd_set_nonblock(fd, true);
    struct sock *s = xcalloc(1, sizeof *s);
    *s = (struct sock){.agent = a, .fd = fd};
    s->watch = loop_add_fd(a->loop, fd, EPOLLIN, on_accept, s);
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
    loop_remove(s->watch);
    close(s->fd);
    (void)unlink(s->agent->layout.sock);
    free(s);
}
