#include "ui.h"

#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/proc.h"

/* Presentation only, set by main's option parsing. */
static bool quiet, plain;
/* The pager that stdout goes through; 0: none. */
static pid_t pager;

void ui_set_quiet(bool on)
{
    quiet = on;
}

void ui_set_plain(bool on)
{
    plain = on;
}

bool ui_plain(void)
{
    return plain;
}

bool ui_quiet(void)
{
    return quiet;
}

static void put_line(struct str *line)
{
    str_addc(line, '\n');
    fflush(stdout);
    fwrite(line->p, 1, line->len, stderr);
}

int ui_fail(int code, const char *what, const char *why, const char *todo)
{
    cleanup_str struct str line = STR_INIT;
    str_addf(&line, "%ssteadystate:%s ", ui_style(STDERR_FILENO, UI_RED),
             ui_style(STDERR_FILENO, UI_PLAIN));
    str_add_printable(&line, what, strlen(what));
    if (why && *why) {
        str_adds(&line, ": ");
        str_add_printable(&line, why, strlen(why));
    }
    if (line.p[line.len - 1] != '.' && todo)
        str_addc(&line, '.');
    if (todo) {
        str_addc(&line, ' ');
        str_add_printable(&line, todo, strlen(todo));
    }
    put_line(&line);
    return code;
}

int ui_exit_code(int err_code)
{
    switch (err_code) {
    case 0:
        return EXIT_DONE;
    case ERR_UNAUTHENTICATED:
        return EXIT_NOT_LOGGED_IN;
    case ERR_NOT_FOUND:
        return EXIT_NOT_FOUND;
    case ERR_DENIED:
        return EXIT_NOT_ALLOWED;
    case ERR_UNAVAILABLE:
    case ERR_TIMEOUT:
        return EXIT_UNREACHABLE;
    case ERR_CANCELLED:
        return EXIT_INTERRUPTED;
    default:
        return EXIT_FAILED;
    }
}

static const char *usual_todo(int err_code)
{
    switch (err_code) {
    case ERR_NOT_FOUND:
        return "Check the name.";
    case ERR_DENIED:
        return "Check whose it is and what its permissions say.";
    case ERR_UNAUTHENTICATED:
        return "Run 'steadystate login'.";
    case ERR_UNAVAILABLE:
    case ERR_TIMEOUT:
        return "Try again; 'steadystate doctor' looks for the cause.";
    case ERR_CANCELLED:
        return NULL;
    case ERR_INVALID:
        return "'steadystate help' and a command's name say how it is used.";
    case ERR_NO_SPACE:
        return "Free some space and try again.";
    case ERR_LIMIT:
        return "Try again later, or with less.";
    default:
        return "'steadystate doctor' looks for the usual causes.";
    }
}

int ui_fail_err(const char *what, const struct err *err, const char *todo)
{
    return ui_fail(ui_exit_code(err->code), what, err->msg, todo ? todo : usual_todo(err->code));
}

static void say(const char *prefix, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));
static void say(const char *prefix, const char *fmt, va_list ap)
{
    cleanup_str struct str text = STR_INIT;
    cleanup_str struct str line = STR_INIT;
    str_vaddf(&text, fmt, ap);
    str_adds(&line, prefix);
    str_add_printable(&line, text.p, text.len);
    put_line(&line);
}

void ui_warn(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    cleanup_free char *prefix =
        xasprintf("%ssteadystate: warning:%s ", ui_style(STDERR_FILENO, UI_YELLOW),
                  ui_style(STDERR_FILENO, UI_PLAIN));
    say(prefix, fmt, ap);
    va_end(ap);
}

static void put(const char *mark, enum ui_style style, const char *fmt, va_list ap)
    __attribute__((format(printf, 3, 0)));
static void put(const char *mark, enum ui_style style, const char *fmt, va_list ap)
{
    cleanup_str struct str text = STR_INIT;
    str_vaddf(&text, fmt, ap);
    if (text.len && text.p[text.len - 1] == '\n')
        str_truncate(&text, text.len - 1);
    const char *begin = style == UI_PLAIN ? "" : ui_style(STDOUT_FILENO, style);
    printf("%s%s%s%s\n", mark, begin, text.p,
           style == UI_PLAIN ? "" : ui_style(STDOUT_FILENO, UI_PLAIN));
}

void ui_say(const char *fmt, ...)
{
    if (quiet)
        return;
    va_list ap;
    va_start(ap, fmt);
    put(ui_mark(STDOUT_FILENO, UI_MARK_GOOD), UI_PLAIN, fmt, ap);
    va_end(ap);
}

void ui_fine(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    put(ui_mark(STDOUT_FILENO, UI_MARK_GOOD), UI_PLAIN, fmt, ap);
    va_end(ap);
}

void ui_look(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    put(ui_mark(STDOUT_FILENO, UI_MARK_LOOK), UI_YELLOW, fmt, ap);
    va_end(ap);
}

void ui_label(const char *name, int width, const char *fmt, ...)
{
    cleanup_str struct str text = STR_INIT;
    int pad = width - (int)strlen(name);
    va_list ap;
    va_start(ap, fmt);
    str_vaddf(&text, fmt, ap);
    va_end(ap);
    printf("%s%s%s%*s %s\n", ui_style(STDOUT_FILENO, UI_BOLD), name,
           ui_style(STDOUT_FILENO, UI_PLAIN), pad > 0 ? pad : 0, "", text.p);
}

void ui_title(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    put("", UI_BOLD, fmt, ap);
    va_end(ap);
}

void ui_note(const char *fmt, ...)
{
    if (quiet)
        return;
    va_list ap;
    va_start(ap, fmt);
    say("", fmt, ap);
    va_end(ap);
}

bool ui_stdout_is_tty(void)
{
    return isatty(STDOUT_FILENO);
}

bool ui_stderr_is_tty(void)
{
    return isatty(STDERR_FILENO);
}

bool ui_colour(int fd)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    bool terminal = isatty(fd) || (pager && fd == STDOUT_FILENO);
    return !plain && terminal && !(no_color && *no_color) && term && strcmp(term, "dumb") != 0;
}

const char *ui_style(int fd, enum ui_style style)
{
    static const char *const codes[] = {
        [UI_PLAIN] = "\033[0m",  [UI_BOLD] = "\033[1m",    [UI_DIM] = "\033[2m",
        [UI_GREEN] = "\033[32m", [UI_YELLOW] = "\033[33m", [UI_RED] = "\033[31m",
        [UI_CYAN] = "\033[36m",
    };
    return ui_colour(fd) ? codes[style] : "";
}

const char *ui_mark(int fd, enum ui_mark mark)
{
    static const char *const marks[] = {
        [UI_MARK_GOOD] = "\033[32m\xe2\x9c\x93\033[0m ",
        [UI_MARK_LOOK] = "\033[33m!\033[0m ",
        [UI_MARK_BAD] = "\033[31m\xe2\x9c\x97\033[0m ",
    };
    bool there = mark == UI_MARK_LOOK || strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    return there && ui_colour(fd) ? marks[mark] : "";
}

void ui_print_json(struct json_object *obj)
{
    cleanup_str struct str text = STR_INIT;
    json_print(obj, &text);
    str_addc(&text, '\n');
    fwrite(text.p, 1, text.len, stdout);
    fflush(stdout);
}

void ui_add_relative_time(struct str *out, int64_t when, int64_t now)
{
    static const struct {
        int64_t seconds;
        const char *name;
    } units[] = {{86400, "day"}, {3600, "hour"}, {60, "minute"}, {1, "second"}};
    int64_t diff = when > now ? when - now : now - when;
    size_t i = 0;
    while (i + 1 < ARRAY_LEN(units) && diff < units[i].seconds)
        i++;
    long long n = (long long)(diff / units[i].seconds);
    str_addf(out, "%s%lld %s%s%s", when > now ? "in " : "", n, units[i].name, n == 1 ? "" : "s",
             when > now ? "" : " ago");
}

/* PAGER may have arguments; no shell looks at it. */
static void start_pager(const char *program, int input)
{
    cleanup_strv struct strv argv = STRV_INIT;
    cleanup_strv struct strv env = STRV_INIT;
    strv_split(&argv, program, " ");
    for (char **e = environ; *e; e++)
        strv_push(&env, *e);
    /* Ends at once when it all fits, takes colours, leaves the screen as it was. */
    if (!getenv("LESS"))
        strv_push(&env, "LESS=FRX");
    struct proc_spec spec = PROC_SPEC_INIT;
    spec.file = argv.v[0];
    spec.argv = argv.v;
    spec.envp = env.v;
    spec.stdin_fd = input;
    spec.stdout_fd = STDOUT_FILENO;
    spec.stderr_fd = STDERR_FILENO;
    if (proc_start(&spec, &pager, NULL) < 0)
        pager = 0;
}

void ui_page(void)
{
    const char *program = getenv("PAGER");
    int ends[2];
    if (plain || pager || !isatty(STDOUT_FILENO))
        return;
    if (!program)
        program = "less";
    if (!program[strspn(program, " ")] || strcmp(program, "cat") == 0 || pipe2(ends, O_CLOEXEC) < 0)
        return;
    fflush(stdout);
    start_pager(program, ends[0]);
    close(ends[0]);
    if (pager)
        dup2(ends[1], STDOUT_FILENO);
    close(ends[1]);
}

/* The reader may leave before the end, which is no failure. */
static void end_pager(void)
{
    int status;
    fflush(stdout);
    close(STDOUT_FILENO);
    proc_wait(pager, &status, NULL);
    pager = 0;
}

int ui_finish(int code)
{
    if (pager) {
        end_pager();
        return code;
    }
    if (fflush(stdout) != 0 || ferror(stdout)) {
        /* A closed pipe is the reader's decision (`steadystate list | head`). */
        if (errno != EPIPE && code == EXIT_DONE)
            return ui_fail(EXIT_FAILED, "write", strerror(errno), NULL);
    }
    return code;
}

struct ui_progress {
    bool tty;
    bool open; /* a line is being rewritten */
    char stage[64];
    int64_t since_ms;
};

struct ui_progress *ui_progress_new(void)
{
    struct ui_progress *p = xcalloc(1, sizeof *p);
    p->tty = ui_colour(STDERR_FILENO);
    return p;
}

void ui_progress_done(struct ui_progress *p, bool ok)
{
    if (!p->stage[0] || quiet)
        return;
    double seconds = (double)(clock_mono_ms(&clock_real) - p->since_ms) / 1000.0;
    const char *mark = ui_mark(STDERR_FILENO, ok ? UI_MARK_GOOD : UI_MARK_BAD);
    if (!*mark)
        mark = ok ? "ok " : "failed ";
    fprintf(stderr, "%s  %s%s (%.1f s)\n", p->open ? "\r\033[K" : "", mark, p->stage, seconds);
    p->stage[0] = '\0';
    p->open = false;
}

void ui_progress_stage(struct ui_progress *p, const char *stage, int percent, const char *detail)
{
    if (strncmp(p->stage, stage, sizeof p->stage - 1) != 0) {
        ui_progress_done(p, true);
        snprintf(p->stage, sizeof p->stage, "%s", stage);
        p->since_ms = clock_mono_ms(&clock_real);
    }
    if (!p->tty || quiet)
        return;
    cleanup_str struct str line = STR_INIT;
    str_adds(&line, "\r\033[K  . ");
    str_add_printable(&line, stage, strlen(stage));
    if (percent >= 0)
        str_addf(&line, " %d%%", percent);
    if (detail && *detail) {
        str_addc(&line, ' ');
        str_add_printable(&line, detail, strnlen(detail, 60));
    }
    fwrite(line.p, 1, line.len, stderr);
    fflush(stderr);
    p->open = true;
}

void ui_progress_free(struct ui_progress *p)
{
    if (p && p->open)
        fputs("\r\033[K", stderr);
    free(p);
}
