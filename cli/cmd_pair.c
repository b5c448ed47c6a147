/* pair: this terminal becomes a window on the session's shared one. What is typed goes to the
 * agent, which decides whether it arrives. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/frame.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/path.h"
#include "command.h"
#include "opt.h"
#include "ui.h"

#define PIECE 16384
#define TAIL_MAX 256     /* of what is shown: tmux's last words are in it */
#define TERMINAL_FRAME 1 /* id of the request, then of everything that is shown and typed */

struct window {
    int sock;
    int signals;
    const char *login, *provider;
    bool read_only;
    bool ended; /* the agent said so */
    uint32_t last_id;
    struct str tail;
};

static struct winsize size_of_terminal(void)
{
    struct winsize size = {0};
    if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0)
        size = (struct winsize){.ws_row = 24, .ws_col = 80};
    return size;
}

static int send_request(struct window *w, const char *verb, struct err *err)
{
    cleanup_json struct json_object *o = json_object_new_object();
    struct winsize size = size_of_terminal();
    const char *term = getenv("TERM");
    json_add_str(o, "verb", verb);
    json_add_str(o, "login", w->login);
    json_add_str(o, "provider", w->provider);
    json_add_i64(o, "rows", size.ws_row);
    json_add_i64(o, "columns", size.ws_col);
    json_add_str(o, "term", term && *term ? term : "xterm");
    json_add_bool(o, "read_only", w->read_only);
    return frame_write_json(w->sock, ++w->last_id, o, err);
}

static int open_window(struct window *w, const char *root, struct err *err)
{
    cleanup_free char *path = path_join(root, "agent.sock");
    cleanup_json struct json_object *reply = NULL;
    uint32_t id = 0;
    w->sock = fd_unix_connect(path, err);
    if (w->sock < 0)
        return err_set(err, ERR_UNAVAILABLE, "the session's agent does not answer");
    int rc = send_request(w, "pair", err);
    if (rc == 0)
        rc = frame_read_json(w->sock, &id, &reply, err);
    return rc == 0 ? frame_reply_check(reply, err) : rc;
}

static int watch_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGWINCH);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC);
}

static void keep_tail(struct window *w, const struct str *shown)
{
    str_add(&w->tail, shown->p, shown->len);
    if (w->tail.len > TAIL_MAX)
        str_consume(&w->tail, w->tail.len - TAIL_MAX);
}

/* One frame of the agent's. 1: the end. */
static int show(struct window *w, struct err *err)
{
    cleanup_str struct str payload = STR_INIT;
    char kind = 0;
    uint32_t id = 0;
    bool ended = false;
    int rc = frame_read(w->sock, &kind, &id, &payload, err);
    if (rc < 0)
        return rc;
    if (kind == 'D' && id == TERMINAL_FRAME) {
        keep_tail(w, &payload);
        return fd_write_full(STDOUT_FILENO, payload.p, payload.len, err);
    }
    cleanup_json struct json_object *o = NULL;
    if (kind == 'J' && json_parse(payload.p, payload.len, &o, NULL) == 0 && id == TERMINAL_FRAME)
        (void)json_opt_bool(o, "ended", &ended, NULL);
    w->ended = ended;
    return ended;
}

/* 1: the keyboard's end. */
static int type(const struct window *w, struct err *err)
{
    char buf[PIECE];
    ssize_t n = read(STDIN_FILENO, buf, sizeof buf);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return 0;
    if (n <= 0)
        return 1;
    return frame_write(w->sock, 'D', TERMINAL_FRAME, buf, (size_t)n, err);
}

static int on_signal(struct window *w, struct err *err)
{
    struct signalfd_siginfo info;
    if (read(w->signals, &info, sizeof info) != (ssize_t)sizeof info)
        return 0;
    return info.ssi_signo == SIGWINCH ? send_request(w, "resize", err) : 1;
}

static int serve(struct window *w, struct err *err)
{
    for (;;) {
        struct pollfd p[] = {{.fd = w->sock, .events = POLLIN},
                             {.fd = STDIN_FILENO, .events = POLLIN},
                             {.fd = w->signals, .events = POLLIN}};
        if (poll(p, ARRAY_LEN(p), -1) < 0 && errno != EINTR)
            return err_errno(err, "poll");
        int rc = p[2].revents ? on_signal(w, err) : 0;
        if (rc == 0 && p[0].revents)
            rc = show(w, err);
        if (rc == 0 && p[1].revents)
            rc = type(w, err);
        if (rc != 0)
            return rc < 0 ? rc : 0;
    }
}

static int run(struct window *w, struct err *err)
{
    struct termios before, raw;
    if (tcgetattr(STDIN_FILENO, &before) != 0)
        return err_errno(err, "this terminal");
    raw = before;
    cfmakeraw(&raw);
    w->signals = watch_signals();
    if (w->signals < 0 || tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) != 0)
        return err_errno(err, "this terminal");
    int rc = serve(w, err);
    (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
    return rc;
}

static bool says(const struct window *w, const char *words)
{
    return memmem(w->tail.p, w->tail.len, words, strlen(words)) != NULL;
}

/* tmux leaves the screen as it was and says a word; where it could not (one who watches leaves, or
 * the agent has gone), that is done here. */
static void say_end(const struct window *w)
{
    static const char restore[] =
        "\033[?1049l\033[?1000l\033[?1002l\033[?1003l\033[?1004l\033[?1006l"
        "\033[?2004l\033[?1l\033>\033[?25h\033[m\r";
    if (says(w, "exited]") || says(w, "exited unexpectedly]")) {
        ui_note("The shared terminal has ended; the next who opens it begins a new one.");
        return;
    }
    if (says(w, "[detached"))
        return;
    (void)fd_write_full(STDOUT_FILENO, restore, sizeof restore - 1, NULL);
    if (w->ended)
        ui_note("You have left the shared terminal; it goes on.");
}

int cmd_pair(int argc, char **argv)
{
    bool read_only = false;
    const struct opt opts[] = {{0, "read-only", OPT_FLAG, NULL,
                                "watch until the owner hands you the keyboard", .flag = &read_only},
                               {0}};
    static const struct command_help help = {
        .name = "pair",
        .synopsis = "[--read-only]",
        .summary = "Opens the session's shared terminal; leaving it brings you back here.",
        .text = "Everybody who opens it sees the same screen and types in the same shell, in a\n"
                "worktree of its own. Ctrl-b d leaves, and so does the end of its shell.",
        .example = "steadystate pair"};
    int first, rc = opt_parse(argc, argv, opts, &help, &first);
    if (rc >= 0)
        return rc;
    if (first < argc)
        return opt_usage_error(&help, "unexpected argument '%s'", argv[first]);
    const char *root = getenv("REPO_ROOT");
    struct window w = {.sock = -1,
                       .signals = -1,
                       .tail = STR_INIT,
                       .login = getenv("STEADYSTATE_USERNAME"),
                       .provider = getenv("STEADYSTATE_IDENTITY_PROVIDER"),
                       .read_only = read_only};
    if (!root || !w.login || !w.provider)
        return ui_fail(EXIT_FAILED, "pair", "this is not inside a session",
                       "Enter the session with steadystate join first.");
    if (getenv("STEADYSTATE_TERMINAL"))
        return ui_fail(EXIT_FAILED, "pair", "this is the shared terminal", NULL);
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return ui_fail(EXIT_FAILED, "pair", "the shared terminal needs a terminal",
                       "Connect with 'ssh -t', or give a command.");
    const char *term = getenv("TERM");
    if (term && strcmp(term, "dumb") == 0)
        return ui_fail(EXIT_FAILED, "pair", "this terminal (TERM=dumb) cannot show the shared one",
                       "Connect from another kind of terminal, or give a command.");
    struct err err = ERR_INIT;
    rc = open_window(&w, root, &err);
    if (rc == 0) {
        rc = run(&w, &err);
        say_end(&w);
    }
    str_release(&w.tail);
    if (w.signals >= 0)
        close(w.signals);
    if (w.sock >= 0)
        close(w.sock);
    return rc < 0 ? ui_fail_err("pair", &err, NULL) : EXIT_DONE;
}
