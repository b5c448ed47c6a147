#include "base/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/json.h"
#include "base/str.h"

static struct {
    const char *program;
    enum log_level level;
    enum log_format format;
} config = {"steadystate", LOG_LEVEL_INFO, LOG_FORMAT_TEXT};

static const char *const level_words[] = {"error", "warn", "info", "debug"};

void log_setup(const char *program, enum log_level level, enum log_format format)
{
    config.program = program;
    config.level = level;
    config.format = format;
}

bool log_enabled(enum log_level level)
{
    return level <= config.level;
}

int log_level_parse(const char *word, enum log_level *out)
{
    for (size_t i = 0; i < ARRAY_LEN(level_words); i++) {
        if (strcmp(word, level_words[i]) == 0) {
            *out = (enum log_level)i;
            return 0;
        }
    }
    return ERR_INVALID;
}

static void begin(struct str *line, enum log_level level, const char *message, size_t len)
{
    struct timespec ts;
    struct tm tm;
    char when[40];
    clock_gettime(CLOCK_REALTIME, &ts);
    gmtime_r(&ts.tv_sec, &tm);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &tm);
    if (config.format == LOG_FORMAT_JSON) {
        str_addf(line,
                 "{\"time\":\"%s.%03ldZ\",\"level\":\"%s\",\"program\":\"%s\",\"message\":", when,
                 ts.tv_nsec / 1000000, level_words[level], config.program);
        json_quote(line, message, len);
    } else {
        str_addf(line, "%s.%03ldZ %s[%d] %s: ", when, ts.tv_nsec / 1000000, config.program,
                 (int)getpid(), level_words[level]);
        str_add_printable(line, message, len);
    }
}

/* One write a line, so that processes sharing stderr do not mix theirs. */
static void finish(struct str *line)
{
    str_adds(line, config.format == LOG_FORMAT_JSON ? "}\n" : "\n");
    for (size_t done = 0; done < line->len;) {
        ssize_t put = write(STDERR_FILENO, line->p + done, line->len - done);
        if (put <= 0)
            break;
        done += (size_t)put;
    }
}

static void log_v(enum log_level level, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));
static void log_v(enum log_level level, const char *fmt, va_list ap)
{
    if (level > config.level)
        return;
    cleanup_str struct str message = STR_INIT;
    cleanup_str struct str line = STR_INIT;
    str_vaddf(&message, fmt, ap);
    begin(&line, level, message.p, message.len);
    finish(&line);
}

#define LOG_BODY(level)    \
    va_list ap;            \
    va_start(ap, fmt);     \
    log_v(level, fmt, ap); \
    va_end(ap)

void log_error(const char *fmt, ...)
{
    LOG_BODY(LOG_LEVEL_ERROR);
}

void log_warn(const char *fmt, ...)
{
    LOG_BODY(LOG_LEVEL_WARN);
}

void log_info(const char *fmt, ...)
{
    LOG_BODY(LOG_LEVEL_INFO);
}

void log_debug(const char *fmt, ...)
{
    LOG_BODY(LOG_LEVEL_DEBUG);
}

void log_fields(enum log_level level, const char *message, ...)
{
    if (level > config.level)
        return;
    cleanup_str struct str line = STR_INIT;
    begin(&line, level, message, strlen(message));
    va_list ap;
    va_start(ap, message);
    for (const char *name; (name = va_arg(ap, const char *));) {
        const char *value = va_arg(ap, const char *);
        if (!value)
            continue;
        if (config.format == LOG_FORMAT_JSON) {
            str_addf(&line, ",\"%s\":", name);
            json_quote(&line, value, strlen(value));
        } else {
            str_addf(&line, " %s=", name);
            bool plain = value[0] && !strpbrk(value, " \"=");
            if (plain)
                str_add_printable(&line, value, strlen(value));
            else
                json_quote(&line, value, strlen(value));
        }
    }
    va_end(ap);
    finish(&line);
}
