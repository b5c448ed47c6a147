/*
 * Growing byte string. Always NUL-terminated behind len, so p can be used as a C string when the
 * content has no NUL. Not for secrets that must be wiped unless str_release_secret is used.
 *
 *     struct str s = STR_INIT;  ...  str_release(&s);      or      cleanup_str struct str s =
 * STR_INIT;
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/mem.h"

struct str {
    char *p; /* never NULL: points at "" before the first byte */
    size_t len;
    size_t cap; /* 0 while p is the shared empty string */
};

extern char str_empty[1];
#define STR_INIT        \
    {                   \
        str_empty, 0, 0 \
    }

void str_release(struct str *s);
void str_release_secret(struct str *s);
#define cleanup_str cleanup(str_release)
#define cleanup_str_secret cleanup(str_release_secret)

void str_clear(struct str *s);
void str_truncate(struct str *s, size_t len);
/* Room for n more bytes; returns where they go. The caller adds to len with str_grew. */
char *str_reserve(struct str *s, size_t n);
void str_grew(struct str *s, size_t n);

void str_add(struct str *s, const void *p, size_t n);
void str_adds(struct str *s, const char *text);
void str_addc(struct str *s, char c);
void str_addf(struct str *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void str_vaddf(struct str *s, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
/* Removes n bytes from the front. */
void str_consume(struct str *s, size_t n);
/* Gives the NUL-terminated buffer away; s is empty afterwards. */
char *str_detach(struct str *s);

/* Appends text quoted for a POSIX shell. The only quoting function of the project. */
void str_add_shell_quoted(struct str *s, const char *text);
/* Appends text for a terminal or a log: control bytes and invalid UTF-8 become \xNN. */
void str_add_printable(struct str *s, const char *text, size_t n);

bool str_starts_with(const char *s, const char *prefix);
bool str_ends_with(const char *s, const char *suffix);
/* Comparison in time that depends on the length only. */
bool str_equal_secret(const char *a, const char *b);
bool str_is_utf8(const char *p, size_t n);

/* Vector of owned strings, NULL-terminated: for argument lists and environments. */
struct strv {
    char **v; /* NULL before the first push */
    size_t len;
    size_t cap;
};
#define STRV_INIT  \
    {              \
        NULL, 0, 0 \
    }

void strv_push(struct strv *v, const char *text);
void strv_pushf(struct strv *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Takes ownership of text. */
void strv_push_take(struct strv *v, char *text);
/* Pushes every argument up to a NULL. */
void strv_pushl(struct strv *v, ...) __attribute__((sentinel));
/* Splits at any of the bytes in `seps`, leaving out empty parts. */
void strv_split(struct strv *v, const char *text, const char *seps);
bool strv_has(const struct strv *v, const char *text);
/* Takes the first that equals out; the last one takes its place. */
void strv_drop(struct strv *v, const char *text);
void strv_release(struct strv *v);
#define cleanup_strv cleanup(strv_release)

#endif
