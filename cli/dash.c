#include "dash.h"

#include <langinfo.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/loop.h"
#include "dash_child.h"
#include "dash_screen.h"
#include "ui.h"
#include "watch/plain.h"

#define STEADY_SECONDS 30 /* a stream that lived so long: the next pause begins at 1 s again */

struct state {
    const struct dash *dash;
    struct loop *loop;
    struct board board;
    struct plain plain;
    struct dash_child *stream;
    struct dash_child *command;
    const char *command_name;
    struct loop_watch *tick;
    int64_t again_at;   /* monotonic ms; the stream is away until then */
    int64_t started_at; /* monotonic ms */
    int tries;          /* in a row */
    char *lost;         /* why it is away, NULL: it is there */
    bool screen;
    bool told; /* plain: the summary was printed */
    int scroll, scroll_max;
    char *notice;
    enum style notice_style;
    char *text_title, *text; /* shown over the board */
    int text_scroll;
    bool done;
    int code;
};

static void start_stream(struct state *s);
static void draw(struct state *s);

static int64_t mono(void)
{
    return clock_mono_ms(&clock_real);
}

static void finish(struct state *s, int code)
{
    s->code = code;
    s->done = true;
    loop_stop(s->loop);
}

static void set_notice(struct state *s, enum style style, char *text)
{
    free(s->notice);
    s->notice = text;
    s->notice_style = style;
}

/* --- drawing -----------------------------------------------------------------------------------
 */

static void on_tick(void *payload)
{
    struct state *s = payload;
    s->tick = NULL;
    if (s->lost && mono() >= s->again_at)
        start_stream(s);
    draw(s);
}

static void set_tick(struct state *s)
{
    int64_t ms = (int64_t)board_next_change(&s->board, clock_now(&clock_real)) * 1000;
    if (s->lost)
        ms = s->screen ? 1000 : s->again_at - mono();
    loop_remove(s->tick);
    s->tick = loop_add_timer(s->loop, ms > 0 ? ms : 1, false, on_tick, s);
}

static char *lost_notice(const struct state *s)
{
    int64_t left = (s->again_at - mono() + 999) / 1000;
    if (left <= 0 || s->stream)
        return xasprintf("Connection lost, trying again now: %s", s->lost);
    return xasprintf("Connection lost, trying again in %lld s (r: now): %s", (long long)left,
                     s->lost);
}

static void draw_screen(struct state *s)
{
    cleanup_page struct page page = {0};
    cleanup_free char *lost = s->lost ? lost_notice(s) : NULL;
    struct page_text text = {s->text_title, s->text};
    struct page_view view = {.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0,
                             .now = clock_now(&clock_real),
                             .scroll = s->text ? s->text_scroll : s->scroll,
                             .notice = s->notice,
                             .notice_style = s->notice_style,
                             .text = s->text ? &text : NULL};
    if (lost) {
        view.notice = lost;
        view.notice_style = STYLE_BAD;
    }
    screen_size(&view.width, &view.height);
    page_make(&s->board, &view, &page);
    s->scroll_max = page.scroll_max;
    if (s->text)
        s->text_scroll = page.scroll;
    else
        s->scroll = page.scroll;
    screen_draw(&page);
}

static void draw(struct state *s)
{
    if (s->screen)
        draw_screen(s);
    set_tick(s);
}

static void say_plain(struct state *s)
{
    cleanup_str struct str out = STR_INIT;
    if (!s->board.ready)
        return;
    if (!s->told)
        plain_summary(&s->board, clock_now(&clock_real), &out);
    bool again = s->told && s->plain.entries > s->board.n_ever;
    s->told = true;
    plain_news(&s->plain, &s->board, again, &out);
    fwrite(out.p, 1, out.len, stdout);
    if (fflush(stdout) != 0)
        finish(s, EXIT_FAILED);
}

/* --- the stream --------------------------------------------------------------------------------
 */

static void on_keys(int fd, uint32_t events, void *payload);

/* Only once something came: until then ssh may ask for a passphrase. */
static void open_screen(struct state *s)
{
    struct err err = ERR_INIT;
    if (screen_open(&err) < 0) {
        ui_warn("%s; telling what happens line by line", err.msg);
        return;
    }
    s->screen = true;
    (void)loop_add_fd(s->loop, STDIN_FILENO, EPOLLIN, on_keys, s);
}

static void on_line(const char *line, size_t n, void *payload)
{
    struct state *s = payload;
    enum board_type type = BOARD_OTHER;
    int64_t expires = s->board.expires_at;
    if (s->done || board_take(&s->board, line, n, &type, NULL) < 0)
        return;
    if (type == BOARD_SESSION) {
        if (!s->board.expires_at)
            s->board.expires_at = expires ? expires : s->dash->expires_at;
        free(s->lost);
        s->lost = NULL;
        if (s->dash->form == DASH_SCREEN && !s->screen && !s->told)
            open_screen(s);
    }
    if (s->dash->form == DASH_JSON) {
        if (!s->board.ready)
            return;
        cleanup_json struct json_object *o = plain_json(&s->board);
        ui_print_json(o);
        finish(s, EXIT_DONE);
        return;
    }
    if (s->screen)
        draw(s);
    else
        say_plain(s);
}

static void give_up(struct state *s, int status)
{
    int code = strstr(s->lost, "Permission denied") ? EXIT_NOT_ALLOWED
               : status == 255                      ? EXIT_UNREACHABLE
                                                    : EXIT_FAILED;
    cleanup_free char *why = steal(&s->lost);
    /* A message of our own program has its name in front already. */
    const char *text = str_starts_with(why, "steadystate: ") ? why + 13 : why;
    finish(s, ui_fail(code, s->dash->name, text, NULL));
}

static void on_stream_end(int status, const char *output, const char *last_error, void *payload)
{
    struct state *s = payload;
    int pause = 1;
    (void)output;
    s->stream = NULL;
    free(s->lost);
    s->lost = *last_error ? xstrdup(last_error) : xstrdup("the session's side has ended");
    if (mono() - s->started_at > STEADY_SECONDS * 1000)
        s->tries = 0;
    s->tries++;
    if (!s->screen && (!s->told || s->tries > DASH_PLAIN_TRIES)) {
        give_up(s, status);
        return;
    }
    for (int i = 1; i < s->tries && pause < DASH_PAUSE_MAX_S; i++)
        pause *= 2;
    pause = pause > DASH_PAUSE_MAX_S ? DASH_PAUSE_MAX_S : pause;
    s->again_at = mono() + pause * 1000;
    if (!s->screen) {
        printf("Connection lost, trying again in %d s: %s\n", pause, s->lost);
        fflush(stdout);
    }
    draw(s);
}

static const struct dash_child_ops stream_ops = {.on_line = on_line, .on_end = on_stream_end};

static void start_stream(struct state *s)
{
    cleanup_strv struct strv argv = STRV_INIT;
    struct err err = ERR_INIT;
    if (s->stream)
        return;
    s->dash->argv("watch --events", s->screen || s->told, &argv, s->dash->payload);
    s->started_at = mono();
    if (dash_child_start(s->loop, argv.v, false, &stream_ops, s, &s->stream, &err) < 0)
        finish(s, ui_fail_err(s->dash->name, &err, NULL));
}

/* --- commands ----------------------------------------------------------------------------------
 */

static void show_text(struct state *s, const char *title, const char *text)
{
    free(s->text_title);
    free(s->text);
    s->text_title = xstrdup(title);
    s->text = xstrdup(text);
    s->text_scroll = 0;
}

static size_t count_lines(const char *text)
{
    size_t n = 0;
    for (const char *p = text; *p; p++)
        n += *p == '\n';
    return n;
}

static void on_command_end(int status, const char *output, const char *last_error, void *payload)
{
    struct state *s = payload;
    const char *name = s->command_name;
    s->command = NULL;
    set_notice(s, STYLE_PLAIN, NULL);
    if (status != 0 && (!*output || *last_error))
        set_notice(s, STYLE_BAD,
                   *last_error ? xstrdup(last_error) : xasprintf("%s failed (%d)", name, status));
    else if (!*output)
        set_notice(s, STYLE_PLAIN, xasprintf("%s: nothing", name));
    if (count_lines(output) > 1)
        show_text(s, name, output);
    else if (*output && !s->notice)
        set_notice(s, STYLE_PLAIN, xstrndup(output, strcspn(output, "\n")));
    draw(s);
}

static const struct dash_child_ops command_ops = {.on_end = on_command_end};

static void run_command(struct state *s, const char *words)
{
    cleanup_strv struct strv argv = STRV_INIT;
    struct err err = ERR_INIT;
    if (s->command) {
        set_notice(s, STYLE_WARN, xasprintf("%s is still running", s->command_name));
        return;
    }
    s->dash->argv(words, true, &argv, s->dash->payload);
    s->command_name = words;
    set_notice(s, STYLE_PLAIN, xasprintf("%s ...", words));
    if (dash_child_start(s->loop, argv.v, true, &command_ops, s, &s->command, &err) < 0)
        set_notice(s, STYLE_BAD, xstrdup(err.msg));
}

/* --- keys --------------------------------------------------------------------------------------
 */

static void copy(struct state *s, bool ssh)
{
    cleanup_str struct str line = STR_INIT;
    if (ssh)
        page_ssh_line(&s->board, &line);
    else
        page_join_line(&s->board, &line);
    screen_copy(line.p);
    set_notice(s, STYLE_GOOD, xasprintf("The %s line is copied.", ssh ? "ssh" : "join"));
}

static bool scroll(struct state *s, int key)
{
    int width, height;
    int *at = s->text ? &s->text_scroll : &s->scroll;
    screen_size(&width, &height);
    int page = height > 12 ? height - 10 : 2;
    int to = *at;
    switch (key) {
    case KEY_OF_UP:
    case 'k':
        to--;
        break;
    case KEY_OF_DOWN:
    case 'j':
        to++;
        break;
    case KEY_OF_PAGE_UP:
        to -= page;
        break;
    case KEY_OF_PAGE_DOWN:
    case ' ':
        to += page;
        break;
    case KEY_OF_TOP:
    case 'g':
        to = 0;
        break;
    case KEY_OF_END:
    case 'G':
        to = s->scroll_max;
        break;
    default:
        return false;
    }
    *at = to < 0 ? 0 : to > s->scroll_max ? s->scroll_max : to;
    return true;
}

static void close_text(struct state *s)
{
    free(steal(&s->text));
    free(steal(&s->text_title));
}

static void on_key(struct state *s, int key)
{
    enum { ESCAPE = 27, CTRL_C = 3, CTRL_L = 12 };
    if (scroll(s, key))
        return;
    if (key == CTRL_C || (key == 'q' && !s->text)) {
        finish(s, EXIT_DONE);
        return;
    }
    if (key == CTRL_L) {
        screen_redraw();
        return;
    }
    bool over = s->text != NULL;
    close_text(s);
    if (over)
        return;
    switch (key) {
    case 's':
        run_command(s, "sync");
        break;
    case 'p':
        run_command(s, "publish");
        break;
    case 'd':
        run_command(s, "diff");
        break;
    case 'c':
        run_command(s, "conflicts");
        break;
    case 'y':
        copy(s, false);
        break;
    case 'Y':
        copy(s, true);
        break;
    case 'r':
        if (s->lost)
            start_stream(s);
        break;
    case '?':
    case 'h':
        show_text(s, "Help", page_help);
        break;
    case ESCAPE:
        set_notice(s, STYLE_PLAIN, NULL);
        break;
    default:
        break;
    }
}

static void on_keys(int fd, uint32_t events, void *payload)
{
    struct state *s = payload;
    int key;
    (void)fd;
    if (events & (EPOLLHUP | EPOLLERR)) {
        finish(s, EXIT_DONE);
        return;
    }
    while ((key = screen_key()) != KEY_OF_NOTHING)
        on_key(s, key);
    draw(s);
}

static void on_signal(int signo, void *payload)
{
    struct state *s = payload;
    if (signo != SIGWINCH) {
        finish(s, signo == SIGINT ? EXIT_INTERRUPTED : EXIT_DONE);
        return;
    }
    if (!s->screen)
        return;
    screen_resized();
    draw(s);
}

/* --- run ---------------------------------------------------------------------------------------
 */

static void release(struct state *s)
{
    dash_child_free(s->stream);
    dash_child_free(s->command);
    loop_free(s->loop);
    board_release(&s->board);
    plain_release(&s->plain);
    close_text(s);
    free(s->lost);
    free(s->notice);
}

int dash_run(const struct dash *dash)
{
    static const int signals[] = {SIGWINCH, SIGTERM, SIGHUP, SIGINT};
    struct state s = {.dash = dash, .plain = PLAIN_INIT};
    struct dash plain = *dash;
    struct err err = ERR_INIT;
    if (dash->form == DASH_SCREEN && (!ui_stdout_is_tty() || !isatty(STDIN_FILENO))) {
        plain.form = DASH_PLAIN;
        s.dash = &plain;
    }
    int rc = loop_new(&s.loop, &err);
    if (rc == 0)
        rc = loop_add_signals(s.loop, signals, ARRAY_LEN(signals), on_signal, &s, &err);
    if (rc == 0) {
        start_stream(&s);
        rc = loop_run(s.loop, &err);
    }
    if (s.screen)
        screen_close();
    release(&s);
    return rc < 0 ? ui_fail_err(dash->name, &err, NULL) : s.code;
}
