/*
 * Log to stderr, one line an entry, text or JSON lines. Level and format are set once by main
 * before threads start; that setting is the only state. Values are made printable; never pass a
 * secret.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

void log_setup(const char *program, enum log_level level, enum log_format format);
/* False: a message of this level goes nowhere, so there is no need to make it. */
bool log_enabled(enum log_level level);
int log_level_parse(const char *word, enum log_level *out);

void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* With fields: log_fields(LOG_LEVEL_INFO, "session running", "session", id, "user", login, NULL).
 * Names are literals, values may be NULL (left out). */
void log_fields(enum log_level level, const char *message, ...) __attribute__((sentinel));

#endif
