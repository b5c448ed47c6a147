#include "agent/sock.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/listener.h"
#include "agent/procfs.h"
#include "agent/radar.h"
#include "agent/request.h"
#include "agent/sock_internal.h"
#include "base/fd.h"
#include "base/mem.h"

#define ANCESTORS_MAX 64

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
        return sock_find_allowed(a, out->provider, out->login, &out->account, err);
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
    const struct verb *verb = sock_login_verb(name);
    struct person person = {0};
    if (!verb)
        verb = sock_people_verb(name);
    if (!verb)
        return err_set(err, ERR_UNSUPPORTED, "no such verb");
    int rc = may_ask(peer, verb, err);
    if (rc == 0 && !verb->wrapper)
        rc = identify(peer, obj, &person, err);
    if (rc == 0 && verb->is_activity)
        agent_touch(peer->sock->agent);
    return rc < 0 ? rc : verb->fn(peer, id, obj, &person, err);
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
