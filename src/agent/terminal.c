#include "agent/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/sock.h"
#include "agent/terminal_internal.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/proc.h"

#define PIECE 16384
#define TELL_EVERY_MS 3000

/* --- the whole ---------------------------------------------------------------------------------
 */

static char *find_tmux(void)
{
    static const char *const places[] = {"/usr/bin/tmux", "/usr/local/bin/tmux", "/bin/tmux"};
    for (size_t i = 0; i < ARRAY_LEN(places); i++)
        if (access(places[i], X_OK) == 0)
            return xstrdup(places[i]);
    return NULL;
}

static int no_tmux(struct err *err)
{
    return err_set(err, ERR_UNSUPPORTED,
                   "the shared terminal needs tmux, which is not installed where the session runs");
}

bool terminal_is_pair_mode(const struct agent *a)
{
    return strcmp(a->spec.mode, "pair") == 0;
}

int terminal_new(struct agent *a, struct terminal **out, struct err *err)
{
    struct terminal *t = xcalloc(1, sizeof *t);
    *t = (struct terminal){.agent = a,
                           .roles_path = path_join(a->layout.root, "roles.json"),
                           .dir = path_join(a->layout.root, "terminal"),
                           .run = path_join(a->layout.root, "pair"),
                           .socket = path_join(a->layout.root, "pair/s"),
                           .config = path_join(a->layout.root, "terminal/tmux.conf"),
                           .gitconfig = path_join(a->layout.root, "terminal/gitconfig"),
                           .tmux = find_tmux(),
                           .waiting = STRV_INIT};
    *out = t;
    int rc = roles_load(&t->roles, t->roles_path, err);
    if (rc < 0 || !terminal_is_pair_mode(a))
        return rc;
    if (!roles_owner(&t->roles))
        roles_set(&t->roles, a->spec.creator_provider, a->spec.creator_login, ROLE_OWN);
    return t->tmux ? 0 : no_tmux(err);
}

void terminal_free(struct terminal *t)
{
    if (!t)
        return;
    loop_remove(t->retry);
    terminal_free_leaving(t);
    roles_release(&t->roles);
    strv_release(&t->waiting);
    free(t->roles_path);
    free(t->dir);
    free(t->run);
    free(t->socket);
    free(t->config);
    free(t->gitconfig);
    free(t->tmux);
    free(t->speaker_provider);
    free(t->speaker_login);
    free(t->written_author);
    free(t);
}

bool terminal_is_account(const struct account *account)
{
    return account && strcmp(account->provider, TERMINAL_PROVIDER) == 0 &&
           strcmp(account->login, TERMINAL_LOGIN) == 0;
}

int terminal_account(struct terminal *t, const struct account **out, struct err *err)
{
    struct agent *a = t->agent;
    bool made = false;
    int rc = accounts_give(&a->accounts, TERMINAL_PROVIDER, TERMINAL_LOGIN, out, &made, err);
    if (rc == 0 && made)
        rc = people_write_accounts(a, err);
    if (rc == 0)
        rc = people_make_home(a, *out, err);
    if (rc == 0 && !t->prepared)
        rc = terminal_make_files(t, *out, err);
    if (rc == 0)
        t->prepared = true;
    return rc;
}

bool terminal_client_types(const struct terminal_client *client)
{
    return !client->read_only &&
           roles_role(&client->terminal->roles, client->provider, client->login) != ROLE_WATCH;
}

/* --- the process behind a client -----------------------------------------------------------------
 */

struct child {
    pid_t pid;
    int pidfd;
    struct loop_watch *watch;
};

static void on_child_exit(int fd, uint32_t events, void *payload)
{
    struct child *c = payload;
    (void)events;
    (void)waitpid(c->pid, NULL, WNOHANG);
    loop_remove(c->watch);
    close(fd);
    free(c);
}

static void watch_child(struct agent *a, pid_t pid)
{
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0) {
        log_warn("a terminal's process cannot be watched: %s", strerror(errno));
        return;
    }
    struct child *c = xcalloc(1, sizeof *c);
    *c = (struct child){.pid = pid, .pidfd = pidfd};
    c->watch = loop_add_fd(a->loop, pidfd, EPOLLIN, on_child_exit, c);
}

/* In the child: the pseudo-terminal, which is its standard input, becomes its own. */
static int enter_terminal(void *payload)
{
    if (setsid() < 0 || ioctl(STDIN_FILENO, TIOCSCTTY, 0) != 0)
        return -1;
    return sandbox_child_enter(payload);
}

static void add_environment(struct terminal *t, const struct account *account, const char *term,
                            struct strv *out)
{
    const struct agent *a = t->agent;
    cleanup_free char *home = path_join(a->layout.home, account->name);
    cleanup_free char *worktree = xasprintf("%s/.worktree/%s", home, a->spec.repo_name);
    cleanup_json struct json_object *env =
        sock_session_env(a, TERMINAL_PROVIDER, TERMINAL_LOGIN, worktree);
    terminal_git_env(t, env);
    json_object_object_foreach(env, name, value)
    {
        strv_pushf(out, "%s=%s", name, json_object_get_string(value));
    }
    strv_pushf(out, "HOME=%s", home);
    strv_pushf(out, "USER=%s", account->name);
    strv_pushf(out, "LOGNAME=%s", account->name);
    strv_pushf(out, "PATH=%s:/usr/local/bin:/usr/bin:/bin", a->layout.bin);
    strv_pushf(out, "TERM=%s", term);
    strv_pushl(out, "SHELL=/bin/bash", "LANG=C.UTF-8", "STEADYSTATE_TERMINAL=shared", NULL);
}

static int start_child(struct terminal *t, const struct account *account,
                       const struct terminal_client *c, const char *term, int slave,
                       struct err *err)
{
    struct agent *a = t->agent;
    const char *provider, *login;
    cleanup_free char *program = path_join(a->layout.programs, "steadystate-agent");
    cleanup_free char *name = NULL;
    cleanup_free char *email = NULL;
    cleanup_strv struct strv argv = STRV_INIT;
    cleanup_strv struct strv envp = STRV_INIT;
    terminal_speaker(t, &provider, &login);
    people_author(a, provider, login, &name, &email);
    strv_pushl(&argv, "steadystate-agent", "terminal", a->spec.session_branch, name, email, t->tmux,
               t->socket, t->config, terminal_client_types(c) ? "type" : "watch", NULL);
    add_environment(t, account, term, &envp);
    struct sandbox_child child = terminal_child(t);
    struct proc_spec spec = PROC_SPEC_INIT;
    spec.file = program;
    spec.argv = argv.v;
    spec.envp = envp.v;
    spec.stdin_fd = slave;
    spec.stdout_fd = slave;
    spec.stderr_fd = slave;
    spec.before_exec = enter_terminal;
    spec.payload = &child;
    pid_t pid;
    int rc = proc_start(&spec, &pid, err);
    if (rc == 0)
        watch_child(a, pid);
    return rc;
}

static void set_size(int fd, int rows, int columns)
{
    struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns};
    (void)ioctl(fd, TIOCSWINSZ, &size);
}

static int open_pty(const struct terminal *t, const struct account *account,
                    struct terminal_client *c, int *slave, struct err *err)
{
    char name[64];
    c->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (c->master < 0 || grantpt(c->master) != 0 || unlockpt(c->master) != 0 ||
        ptsname_r(c->master, name, sizeof name) != 0)
        return err_errno(err, "open a terminal");
    *slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (*slave < 0)
        return err_errno(err, "%s", name);
    if (!t->agent->local && fchown(*slave, account->uid, (gid_t)-1) != 0)
        return err_errno(err, "hand over %s", name);
    c->tty = xstrdup(name);
    return 0;
}

/* --- bytes -------------------------------------------------------------------------------------
 */

/* tmux's client has ended: the last words are on their way, then the connection ends. */
static void end(struct terminal_client *c)
{
    if (c->over)
        return;
    c->over = true;
    loop_remove(c->watch);
    c->watch = NULL;
    struct json_object *reply = json_object_new_object();
    json_add_bool(reply, "ended", true);
    conn_reply(c->conn, c->frame_id, reply);
    terminal_refresh(c->terminal);
    conn_end_after_send(c->conn);
}

static void wish(struct terminal_client *c)
{
    if (c->watch)
        loop_set_events(c->watch, (conn_is_full(c->conn) ? 0 : (uint32_t)EPOLLIN) |
                                      (c->input.len > 0 ? (uint32_t)EPOLLOUT : 0));
}

/* False: over. */
static bool write_input(struct terminal_client *c)
{
    while (c->input.len > 0) {
        ssize_t n = write(c->master, c->input.p, c->input.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN;
        str_consume(&c->input, (size_t)n);
    }
    return true;
}

static bool read_output(struct terminal_client *c)
{
    char buf[PIECE];
    ssize_t n = read(c->master, buf, sizeof buf);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    if (n == 0)
        return false;
    conn_send(c->conn, 'D', c->frame_id, buf, (size_t)n);
    if (!c->flags_known)
        terminal_refresh(c->terminal);
    return true;
}

static void on_master(int fd, uint32_t events, void *payload)
{
    struct terminal_client *c = payload;
    bool alive = true;
    (void)fd;
    if (events & EPOLLOUT)
        alive = write_input(c);
    /* A hang-up comes with the last output still to be read. */
    if (alive && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        alive = read_output(c);
    if (alive)
        wish(c);
    else
        end(c);
}

static void tell_watcher(struct terminal_client *c)
{
    int64_t now = clock_mono_ms(&clock_real);
    if (c->told_at && now - c->told_at < TELL_EVERY_MS)
        return;
    const struct role_entry *owner = roles_owner(&c->terminal->roles);
    cleanup_free char *text =
        xasprintf("You are watching. %s can hand you the keyboard; Ctrl-b d leaves.",
                  owner ? owner->login : "The creator");
    c->told_at = now;
    terminal_say(c, text);
}

void terminal_input(struct terminal_client *c, const void *p, size_t n)
{
    if (c->over)
        return;
    struct typing_seen seen = typing_scan(&c->typing, p, n);
    if (!terminal_client_types(c)) {
        if (seen.detach)
            end(c);
        else if (seen.typed)
            tell_watcher(c);
        return;
    }
    if (seen.yes && terminal_approve_first(c->terminal, c->provider, c->login))
        return;
    if (c->input.len + n > TERMINAL_PASTE_MAX) {
        end(c);
        return;
    }
    terminal_someone_typed(c, seen);
    str_add(&c->input, p, n);
    c->paste_open = c->typing.pasting;
    terminal_write(c);
}

void terminal_write(struct terminal_client *c)
{
    if (write_input(c))
        wish(c);
    else
        end(c);
}

void terminal_drained(struct terminal_client *c)
{
    wish(c);
}

int terminal_resize(struct terminal_client *c, struct json_object *obj, struct err *err)
{
    int64_t rows = 0, columns = 0;
    int rc = json_get_i64(obj, "rows", 1, TERMINAL_SIDE_MAX, &rows, err);
    if (rc == 0)
        rc = json_get_i64(obj, "columns", 1, TERMINAL_SIDE_MAX, &columns, err);
    if (rc < 0)
        return rc;
    set_size(c->master, (int)rows, (int)columns);
    return 0;
}

/* --- coming and going ----------------------------------------------------------------------------
 */

int terminal_request_parse(struct json_object *obj, struct terminal_request *out, struct err *err)
{
    int64_t rows = 0, columns = 0;
    int rc = json_get_i64(obj, "rows", 1, TERMINAL_SIDE_MAX, &rows, err);
    if (rc == 0)
        rc = json_get_i64(obj, "columns", 1, TERMINAL_SIDE_MAX, &columns, err);
    if (rc == 0)
        rc = json_get_str(obj, "term", TERMINAL_NAME_MAX, &out->term, err);
    if (rc == 0)
        rc = json_opt_bool(obj, "read_only", &out->read_only, err);
    if (rc < 0)
        return rc;
    out->rows = (int)rows;
    out->columns = (int)columns;
    static const char ok[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-_.";
    if (!out->term[0] || out->term[0] == '.' || out->term[strspn(out->term, ok)])
        return err_set(err, ERR_INVALID, "the terminal's type is malformed");
    return 0;
}

void terminal_client_free(struct terminal_client *c)
{
    if (!c)
        return;
    struct terminal *t = c->terminal;
    for (struct terminal_client **at = &t->first; *at; at = &(*at)->next) {
        if (*at == c) {
            *at = c->next;
            t->n--;
            break;
        }
    }
    loop_remove(c->watch);
    /* The end of its terminal ends tmux's client. */
    if (c->master >= 0 && c->paste_open)
        terminal_leave_paste(t, c->master);
    else if (c->master >= 0)
        close(c->master);
    free(c->provider);
    free(c->login);
    free(c->tty);
    free(c->message);
    str_release(&c->input);
    free(c);
    terminal_refresh(t);
}
#define cleanup_client cleanup(client_freep)

static void client_freep(struct terminal_client **c)
{
    terminal_client_free(*c);
}

uint32_t terminal_client_frame(const struct terminal_client *c)
{
    return c->frame_id;
}

static struct terminal_client *client_new(struct terminal *t, struct conn *conn, uint32_t id,
                                          const struct terminal_request *r)
{
    struct terminal_client *c = xcalloc(1, sizeof *c);
    *c = (struct terminal_client){.terminal = t,
                                  .next = t->first,
                                  .conn = conn,
                                  .frame_id = id,
                                  .peer = r->pid,
                                  .provider = xstrdup(r->provider),
                                  .login = xstrdup(r->login),
                                  .read_only = r->read_only,
                                  .master = -1,
                                  .input = STR_INIT};
    t->first = c;
    t->n++;
    return c;
}

int terminal_attach(struct terminal *t, struct conn *conn, uint32_t id,
                    const struct terminal_request *request, struct terminal_client **out,
                    struct err *err)
{
    const struct account *account;
    cleanup_close int slave = -1;
    if (!t->tmux)
        return no_tmux(err);
    if (t->n >= TERMINAL_CLIENTS_MAX)
        return err_set(err, ERR_LIMIT, "too many people are at the shared terminal");
    cleanup_client struct terminal_client *c = client_new(t, conn, id, request);
    if (!roles_owner(&t->roles))
        roles_set(&t->roles, c->provider, c->login, ROLE_OWN);
    int rc = terminal_account(t, &account, err);
    if (rc == 0)
        rc = open_pty(t, account, c, &slave, err);
    if (rc < 0)
        return rc;
    set_size(c->master, request->rows, request->columns);
    rc = start_child(t, account, c, request->term, slave, err);
    if (rc < 0)
        return rc;
    c->watch = loop_add_fd(t->agent->loop, c->master, EPOLLIN, on_master, c);
    struct json_object *reply = json_object_new_object();
    json_add_str(reply, "role", terminal_client_types(c) ? "typing" : "watching");
    conn_reply(conn, id, reply);
    agent_touch(t->agent);
    *out = steal(&c);
    return 0;
}
