/* What tmux itself is told: who is there (its status line), whose window counts for the size, and
 * lines for one client. Always the whole state, one round after another, on a job, as the
 * terminal's account. */
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/terminal_internal.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/proc.h"

#define ROUND_MS 5000
#define AGAIN_MS 250
#define TRIES_MAX 40 /* tmux comes up, a worktree is being made */
#define COMMANDS_MAX (2 * TERMINAL_CLIENTS_MAX + 1)

struct round {
    struct terminal *terminal; /* loop's thread only */
    struct sandbox_child child;
    char *tmux;
    struct strv *commands; /* one argv each */
    size_t n;
    bool failed;
};

struct sandbox_child terminal_child(const struct terminal *t)
{
    const struct agent *a = t->agent;
    const struct account *account = accounts_find(&a->accounts, TERMINAL_PROVIDER, TERMINAL_LOGIN);
    bool same = a->local || !account;
    return (struct sandbox_child){
        .uid = same ? (uid_t)-1 : account->uid,
        .gid = same ? (gid_t)-1 : account->uid,
    };
}

/* --- what to say -------------------------------------------------------------------------------
 */

static bool is_listed_before(const struct terminal_client *c)
{
    for (const struct terminal_client *o = c->terminal->first; o != c; o = o->next)
        if (!o->over && strcmp(o->login, c->login) == 0 && strcmp(o->provider, c->provider) == 0)
            return true;
    return false;
}

static void add_people(const struct terminal *t, struct str *out)
{
    const char *between = "";
    for (const struct terminal_client *c = t->first; c; c = c->next) {
        if (c->over || is_listed_before(c))
            continue;
        enum role role = roles_role(&t->roles, c->provider, c->login);
        str_addf(out, "%s%s%s", between, c->login,
                 !terminal_client_types(c) ? " watches"
                 : role == ROLE_OWN        ? "*"
                                           : "");
        between = ", ";
    }
    for (size_t i = 0; i < t->waiting.len; i++) {
        const char *login = strchr(t->waiting.v[i], ':') + 1;
        str_addf(out, "%s#[reverse] %s waits: steadystate approve %s #[default]", between, login,
                 login);
        between = ", ";
    }
}

static struct strv *add_command(struct round *r)
{
    struct strv *v = &r->commands[r->n++];
    *v = (struct strv)STRV_INIT;
    strv_pushl(v, "tmux", "-S", r->terminal->socket, NULL);
    return v;
}

static void plan(struct round *r)
{
    struct terminal *t = r->terminal;
    cleanup_str struct str people = STR_INIT;
    add_people(t, &people);
    strv_pushl(add_command(r), "set-option", "-g", "status-right", people.p ? people.p : "", NULL);
    for (struct terminal_client *c = t->first; c; c = c->next) {
        bool watches = !terminal_client_types(c);
        c->in_round = !c->over;
        if (c->over)
            continue;
        c->round_watch = watches;
        c->round_message = c->message;
        if (!c->flags_known || c->flags_watch != watches)
            strv_pushl(add_command(r), "refresh-client", "-t", c->tty, "-f",
                       watches ? "ignore-size" : "!ignore-size", NULL);
        if (c->message)
            strv_pushl(add_command(r), "display-message", "-c", c->tty, c->message, NULL);
    }
}

/* --- a round -------------------------------------------------------------------------------------
 */

/* The account's people can stop its processes: none of them is waited for without an end, and it is
 * the account that ends it, since the agent may not. */
static bool wait_for(const struct round *r, pid_t pid)
{
    int status = 0;
    cleanup_close int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd p = {.fd = pidfd, .events = POLLIN};
    if (pidfd < 0 || poll(&p, 1, ROUND_MS) <= 0) {
        if (r->child.uid == (uid_t)-1)
            (void)kill(-pid, SIGKILL);
        else
            (void)sandbox_kill_as(r->child.uid, r->child.gid, -pid, SIGKILL);
    }
    return proc_wait(pid, &status, NULL) == 0 && status == 0;
}

static void run(void *payload)
{
    struct round *r = payload;
    static char path[] = "PATH=/usr/local/bin:/usr/bin:/bin", lang[] = "LANG=C.UTF-8";
    static char *const envp[] = {path, lang, NULL};
    for (size_t i = 0; i < r->n; i++) {
        struct proc_spec spec = PROC_SPEC_INIT;
        struct err err = ERR_INIT;
        pid_t pid;
        spec.file = r->tmux;
        spec.argv = r->commands[i].v;
        spec.envp = envp;
        spec.new_group = true;
        spec.before_exec = sandbox_child_enter;
        spec.payload = &r->child;
        if (proc_start(&spec, &pid, &err) < 0 || !wait_for(r, pid))
            r->failed = true;
    }
}

static void again(void *payload)
{
    struct terminal *t = payload;
    t->retry = NULL;
    terminal_refresh(t);
}

static void settle(struct terminal *t)
{
    for (struct terminal_client *c = t->first; c; c = c->next) {
        if (!c->in_round)
            continue;
        c->flags_known = true;
        c->flags_watch = c->round_watch;
        if (c->message == c->round_message) {
            free(c->message);
            c->message = NULL;
        }
    }
}

static void done(void *payload)
{
    struct round *r = payload;
    struct terminal *t = r->terminal;
    t->busy = false;
    if (r->failed && t->first && ++t->tries < TRIES_MAX) {
        t->dirty = false;
        if (!t->retry)
            t->retry = loop_add_timer(t->agent->loop, AGAIN_MS, false, again, t);
    } else {
        if (r->failed && t->first)
            log_warn("tmux does not take who is at the shared terminal");
        t->tries = 0;
        settle(t);
        if (t->dirty)
            terminal_refresh(t);
    }
    for (size_t i = 0; i < r->n; i++)
        strv_release(&r->commands[i]);
    free(r->commands);
    free(r->tmux);
    free(r);
}

void terminal_refresh(struct terminal *t)
{
    if (!t->first || !t->prepared || !t->agent->jobs)
        return;
    if (t->busy) {
        t->dirty = true;
        return;
    }
    t->dirty = false;
    t->busy = true;
    struct round *r = xcalloc(1, sizeof *r);
    *r = (struct round){.terminal = t,
                        .child = terminal_child(t),
                        .tmux = xstrdup(t->tmux),
                        .commands = xcalloc(COMMANDS_MAX, sizeof(struct strv))};
    plan(r);
    jobs_add(t->agent->jobs, run, done, r);
}

void terminal_say(struct terminal_client *c, const char *text)
{
    free(c->message);
    c->message = xstrdup(text);
    terminal_refresh(c->terminal);
}

void terminal_say_owner(struct terminal *t, const char *text)
{
    for (struct terminal_client *c = t->first; c; c = c->next)
        if (!c->over && terminal_is_in_charge(t, c->provider, c->login))
            terminal_say(c, text);
}
