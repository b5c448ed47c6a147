/*
 * What the CLI shows and how it ends: one visual language for every command.
 *
 * Data goes to stdout, everything else to stderr. Red is a failure, yellow a warning or what waits
 * for somebody, green what went well, each with its mark; no meaning is in colour or mark alone.
 * Both only on a terminal, a mark only where the locale has it, neither with NO_COLOR or --plain,
 * and with --plain no line is rewritten either.
 */
#ifndef CLI_UI_H
#define CLI_UI_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "base/str.h"

/* Exit codes of every command (merge-file has its own). */
enum exit_code {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_NOT_LOGGED_IN = 3,
    EXIT_NOT_FOUND = 4,
    EXIT_NOT_ALLOWED = 5,
    EXIT_UNREACHABLE = 6,
    EXIT_INTERRUPTED = 130,
};

/* "steadystate: <what>: <why>. <todo>" on stderr; why and todo may be NULL. Returns `code`, so that
 * a command can `return ui_fail(...)`. */
int ui_fail(int code, const char *what, const char *why, const char *todo);
/* The same from an err; the exit code follows from err->code, and so does what to do when todo is
 * NULL. */
int ui_fail_err(const char *what, const struct err *err, const char *todo);
int ui_exit_code(int err_code);

/* "steadystate: warning: ..." */
void ui_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* A line for people on stderr; nothing with -q. */
void ui_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* What went well, with its mark, on stdout; nothing with -q. The format ends the line. */
void ui_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The same as an answer to what was asked for: also with -q. */
void ui_fine(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* What waits for somebody to look at it, with its mark, on stdout. */
void ui_look(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* A name of `width` columns and what it stands for, on stdout. */
void ui_label(const char *name, int width, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The heading of a list or a table, on stdout. */
void ui_title(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void ui_set_quiet(bool quiet);
bool ui_quiet(void);
/* No colour, no symbols, no line that is rewritten. */
void ui_set_plain(bool plain);
bool ui_plain(void);

bool ui_stdout_is_tty(void);
bool ui_stderr_is_tty(void);
/* May stdout/stderr carry colour? */
bool ui_colour(int fd);

enum ui_style { UI_PLAIN, UI_BOLD, UI_DIM, UI_GREEN, UI_YELLOW, UI_RED, UI_CYAN };
/* From here on stdout goes through the person's pager ($PAGER, else less), when it is a terminal;
 * ui_finish waits for it. Colour is decided as if it still went to the terminal. */
void ui_page(void);
/* Escape sequence to start a style on fd, or "" without colour; UI_PLAIN ends all. */
const char *ui_style(int fd, enum ui_style style);

/* In front of a line on fd, in its colour: what went well, what waits for somebody, what is wrong.
 * "" where there is no colour, and where the locale does not have it: the words behind it say the
 * same. */
enum ui_mark { UI_MARK_GOOD, UI_MARK_LOOK, UI_MARK_BAD };
const char *ui_mark(int fd, enum ui_mark mark);

/* One JSON value on one line of stdout. */
void ui_print_json(struct json_object *obj);

/* "in 3 hours", "2 minutes ago" relative to now. */
void ui_add_relative_time(struct str *out, int64_t when, int64_t now);

/* Full write of buffered stdout at the end of a command; EXIT_FAILED when it could not be written.
 */
int ui_finish(int code);

/*
 * Progress of something with stages: on a terminal one line that is rewritten, else one line a
 * stage. A stage that ends gets its time behind it.
 */
struct ui_progress;
struct ui_progress *ui_progress_new(void);
void ui_progress_stage(struct ui_progress *p, const char *stage, int percent, const char *detail);
/* Ends the current stage with the given verdict. */
void ui_progress_done(struct ui_progress *p, bool ok);
void ui_progress_free(struct ui_progress *p);

#endif
