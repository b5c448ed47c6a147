#include "agent/radar.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/sock.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/proc.h"
#include "watch/scan.h"

struct person {
    struct radar *radar;
    char *provider;
    char *login;
    struct unsynced unsynced;
    bool known;   /* unsynced was told at least once */
    bool changed; /* to be passed on */
    /* the process that looks, while there is one */
    pid_t pid;
    int pidfd;
    struct loop_watch *end;
    struct conn *conn;
    int64_t not_before; /* monotonic ms */
};

struct watcher {
    uint64_t conn_id;
    char *provider;
    char *login;
    bool fresh; /* has been told nothing yet */
};

struct radar {
    struct agent *agent;
    struct person **people; /* whoever was seen; at most one for each account */
    size_t n_people, cap_people;
    struct watcher *watchers;
    size_t n_watchers, cap_watchers;
    struct loop_watch *gather;
    struct loop_watch *terminals;
    struct str told; /* the list of people as it was told last */
};

static void tend(struct radar *r);

/* --- telling -----------------------------------------------------------------------------------
 */

static struct json_object *person_to_json(const struct agent *a, const struct account *account,
                                          const struct person *p)
{
    int64_t since = 0;
    bool connected = presence_of(a->presence, account->provider, account->login, &since);
    struct json_object *o = json_object_new_object();
    json_add_str(o, "login", account->login);
    json_add_str(o, "provider", account->provider);
    json_add_bool(o, "connected", connected);
    if (connected)
        json_add_i64(o, "since", since);
    int64_t typed = presence_typed_at(a->presence, account->provider, account->login);
    if (typed)
        json_add_i64(o, "typed_at", typed);
    if (p && p->known) {
        json_add_str(o, "editing", p->unsynced.editing);
        if (p->unsynced.edited_at)
            json_add_i64(o, "edited_at", p->unsynced.edited_at);
        json_add_i64(o, "unsynced", (int64_t)p->unsynced.len);
    }
    return o;
}

static struct person *find_person(struct radar *r, const char *provider, const char *login)
{
    for (size_t i = 0; i < r->n_people; i++)
        if (strcmp(r->people[i]->login, login) == 0 &&
            strcmp(r->people[i]->provider, provider) == 0)
            return r->people[i];
    return NULL;
}

static struct json_object *people_event(struct radar *r)
{
    const struct agent *a = r->agent;
    struct json_object *o = json_object_new_object();
    struct json_object *list = json_object_new_array();
    json_add_str(o, "event", "people");
    for (size_t i = 0; i < a->accounts.len; i++) {
        const struct account *account = &a->accounts.v[i];
        if (people_find(a, account->provider, account->login))
            json_object_array_add(
                list,
                person_to_json(a, account, find_person(r, account->provider, account->login)));
    }
    json_add(o, "people", list);
    if (a->expires_at)
        json_add_i64(o, "expires_at", a->expires_at);
    return o;
}

static struct json_object *unsynced_event(const struct person *p)
{
    struct json_object *o = json_object_new_object();
    json_add_str(o, "event", "unsynced");
    json_add_str(o, "login", p->login);
    json_add_str(o, "provider", p->provider);
    unsynced_to_json(&p->unsynced, o);
    return o;
}

static void send_event(struct radar *r, bool only_fresh, struct json_object *event)
{
    for (size_t i = 0; i < r->n_watchers; i++) {
        struct conn *conn = sock_find(r->agent->sock, r->watchers[i].conn_id);
        if (conn && (r->watchers[i].fresh || !only_fresh))
            conn_send_json(conn, 0, event);
    }
}

static void tell(void *payload)
{
    struct radar *r = payload;
    cleanup_json struct json_object *people = people_event(r);
    cleanup_str struct str text = STR_INIT;
    r->gather = NULL;
    json_print(people, &text);
    send_event(r, strcmp(text.p, r->told.p) == 0, people);
    str_clear(&r->told);
    str_add(&r->told, text.p, text.len);
    for (size_t i = 0; i < r->n_people; i++) {
        struct person *p = r->people[i];
        if (!p->known)
            continue;
        cleanup_json struct json_object *event = unsynced_event(p);
        send_event(r, !p->changed, event);
        p->changed = false;
    }
    for (size_t i = 0; i < r->n_watchers; i++)
        r->watchers[i].fresh = false;
}

static void tell_soon(struct radar *r)
{
    if (!r->gather && r->n_watchers > 0)
        r->gather = loop_add_timer(r->agent->loop, RADAR_GATHER_MS, false, tell, r);
}

static void look_at_terminals(void *payload)
{
    struct radar *r = payload;
    cleanup_json struct json_object *people = people_event(r);
    cleanup_str struct str text = STR_INIT;
    json_print(people, &text);
    if (strcmp(text.p, r->told.p) != 0)
        tell_soon(r);
    /* Also starts again what ended by itself. */
    tend(r);
}

/* --- one person's process ----------------------------------------------------------------------
 */

static int on_report(struct conn *conn, const struct frame *frame, void *payload)
{
    struct person *p = payload;
    cleanup_json struct json_object *obj = NULL;
    struct unsynced u;
    (void)conn;
    if (frame->kind != 'J' || json_parse(frame->payload, frame->len, &obj, NULL) < 0 ||
        unsynced_from_json(obj, &u, NULL) < 0)
        return ERR_INVALID;
    int64_t now = clock_now(&clock_real);
    if (u.edited_at > now)
        u.edited_at = now;
    unsynced_release(&p->unsynced);
    p->unsynced = u;
    p->known = true;
    p->changed = true;
    tell_soon(p->radar);
    return 0;
}

static void end_process(struct person *p)
{
    conn_end(steal(&p->conn));
    if (p->pid <= 0)
        return;
    const struct agent *a = p->radar->agent;
    const struct account *account = accounts_find(&a->accounts, p->provider, p->login);
    /* Its uid signals, the agent may not. */
    if (a->local)
        (void)kill(-p->pid, SIGKILL);
    else if (account)
        (void)sandbox_kill_as(account->uid, account->uid, -p->pid, SIGKILL);
}

static void on_report_closed(struct conn *conn, void *payload)
{
    struct person *p = payload;
    (void)conn;
    p->conn = NULL;
    end_process(p);
}

static void on_process_end(int fd, uint32_t events, void *payload)
{
    struct person *p = payload;
    (void)events;
    (void)waitpid(p->pid, NULL, WNOHANG);
    loop_remove(steal(&p->end));
    close(fd);
    p->pidfd = -1;
    p->pid = 0;
    conn_end(steal(&p->conn));
    tend(p->radar);
}

static const struct conn_ops report_ops = {.on_frame = on_report, .on_closed = on_report_closed};

static int start_process(struct person *p, const struct account *account, struct err *err)
{
    struct agent *a = p->radar->agent;
    cleanup_free char *program = path_join(a->layout.programs, "steadystate-agent");
    cleanup_strv struct strv argv = STRV_INIT;
    cleanup_strv struct strv env = STRV_INIT;
    struct sandbox_child child = {.uid = a->local ? (uid_t)-1 : account->uid,
                                  .gid = a->local ? (gid_t)-1 : account->uid};
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return err_errno(err, "socketpair");
    cleanup_close int mine = pair[0];
    cleanup_close int its = pair[1];
    strv_pushl(&argv, program, "scan", NULL);
    people_env(a, account, &env);
    struct proc_spec spec = PROC_SPEC_INIT;
    spec.file = program;
    spec.argv = argv.v;
    spec.envp = env.v;
    spec.stdin_fd = its;
    spec.stderr_fd = STDERR_FILENO;
    spec.new_group = true;
    spec.before_exec = sandbox_child_enter;
    spec.payload = &child;
    int rc = proc_start(&spec, &p->pid, err);
    if (rc < 0) {
        p->pid = 0;
        return rc;
    }
    p->pidfd = (int)syscall(SYS_pidfd_open, p->pid, 0);
    if (p->pidfd < 0) {
        /* It sees the end of its socket; the first process reaps what is left. */
        p->pid = 0;
        return err_errno(err, "watch a process");
    }
    p->end = loop_add_fd(a->loop, p->pidfd, EPOLLIN, on_process_end, p);
    p->conn = conn_new(a->loop, 0, mine, mine, &report_ops, p);
    mine = -1;
    return 0;
}

static struct person *make_person(struct radar *r, const struct account *account)
{
    struct person *p = find_person(r, account->provider, account->login);
    if (p)
        return p;
    p = xcalloc(1, sizeof *p);
    *p = (struct person){.radar = r,
                         .provider = xstrdup(account->provider),
                         .login = xstrdup(account->login),
                         .unsynced = UNSYNCED_INIT,
                         .pidfd = -1};
    VEC_GROW(r->people, r->n_people, r->cap_people);
    r->people[r->n_people++] = p;
    return p;
}

/* A process for each connected person while somebody watches, none for the others. */
static void tend(struct radar *r)
{
    const struct agent *a = r->agent;
    int64_t now = clock_mono_ms(&clock_real);
    for (size_t i = 0; i < a->accounts.len; i++) {
        const struct account *account = &a->accounts.v[i];
        bool wanted =
            r->n_watchers > 0 && presence_of(a->presence, account->provider, account->login, NULL);
        struct person *p = find_person(r, account->provider, account->login);
        if (!wanted) {
            if (p)
                end_process(p);
            continue;
        }
        p = make_person(r, account);
        if (p->pid > 0 || now < p->not_before)
            continue;
        struct err err = ERR_INIT;
        p->not_before = now + RADAR_RESTART_MS;
        if (start_process(p, account, &err) < 0)
            log_warn("the worktree of %s is not watched: %s", account->name, err.msg);
    }
}

/* --- watchers ----------------------------------------------------------------------------------
 */

int radar_watch(struct radar *r, uint64_t conn_id, const char *provider, const char *login,
                struct err *err)
{
    size_t own = 0;
    for (size_t i = 0; i < r->n_watchers; i++) {
        if (r->watchers[i].conn_id == conn_id)
            return err_set(err, ERR_INVALID, "this connection watches already");
        own += strcmp(r->watchers[i].login, login) == 0 &&
               strcmp(r->watchers[i].provider, provider) == 0;
    }
    if (own >= RADAR_WATCHERS_OF_ONE || r->n_watchers >= RADAR_WATCHERS_MAX)
        return err_set(err, ERR_LIMIT, "too many dashboards are open");
    VEC_GROW(r->watchers, r->n_watchers, r->cap_watchers);
    r->watchers[r->n_watchers++] =
        (struct watcher){conn_id, xstrdup(provider), xstrdup(login), true};
    if (!r->terminals)
        r->terminals =
            loop_add_timer(r->agent->loop, RADAR_TERMINALS_MS, true, look_at_terminals, r);
    tend(r);
    tell_soon(r);
    return 0;
}

void radar_closed(struct radar *r, uint64_t conn_id)
{
    for (size_t i = 0; i < r->n_watchers; i++) {
        if (r->watchers[i].conn_id != conn_id)
            continue;
        free(r->watchers[i].provider);
        free(r->watchers[i].login);
        r->watchers[i] = r->watchers[--r->n_watchers];
        break;
    }
    if (r->n_watchers > 0)
        return;
    loop_remove(steal(&r->terminals));
    loop_remove(steal(&r->gather));
    for (size_t i = 0; i < r->n_people; i++)
        r->people[i]->not_before = 0;
    tend(r);
}

void radar_presence(struct radar *r)
{
    tend(r);
    tell_soon(r);
}

void radar_expires(struct radar *r)
{
    tell_soon(r);
}

struct radar *radar_new(struct agent *a)
{
    struct radar *r = xcalloc(1, sizeof *r);
    *r = (struct radar){.agent = a, .told = STR_INIT};
    return r;
}

void radar_free(struct radar *r)
{
    if (!r)
        return;
    loop_remove(r->terminals);
    loop_remove(r->gather);
    for (size_t i = 0; i < r->n_people; i++) {
        struct person *p = r->people[i];
        end_process(p);
        loop_remove(p->end);
        if (p->pidfd >= 0)
            close(p->pidfd);
        unsynced_release(&p->unsynced);
        free(p->provider);
        free(p->login);
        free(p);
    }
    free(r->people);
    for (size_t i = 0; i < r->n_watchers; i++) {
        free(r->watchers[i].provider);
        free(r->watchers[i].login);
    }
    free(r->watchers);
    str_release(&r->told);
    free(r);
}

int radar_scan(void)
{
    struct err err = ERR_INIT;
    cleanup_sync_place struct sync_place place = {0};
    (void)signal(SIGPIPE, SIG_IGN);
    if (sync_place_from_env(&place, &err) < 0) {
        log_error("scan: %s", err.msg);
        return 1;
    }
    return scan_run(&place, STDIN_FILENO);
}
