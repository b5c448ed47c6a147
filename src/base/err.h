/*
 * Error values.
 *
 * A function that can fail returns 0 or a negative enum err_code and takes a `struct err *err` as
 * its last parameter. The caller owns the value (usually on its stack, `struct err err =
 * ERR_INIT`), nothing is allocated, and NULL is accepted by every function here ("I do not want the
 * text").
 *
 *   - The code is for programs: switch on it. The message is for people: one line, impersonal, no
 *     control bytes, no newline, no secret.
 *   - Set it once, where the failure is known (err_set, err_errno). On the way up add context with
 *     err_wrap ("open /a/b: " in front), or return the code as it is.
 *   - The first error stands: err_set on an err that is already set keeps the old message.
 *   - Programming mistakes are not errors: use BUG_ON.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

enum err_code {
    ERR_OK = 0,
    ERR_FAILED = -1,  /* the world failed in a way the caller cannot tell apart */
    ERR_INVALID = -2, /* malformed or not allowed input */
    ERR_NOT_FOUND = -3,
    ERR_EXISTS = -4,
    ERR_DENIED = -5,          /* known who, not allowed */
    ERR_UNAUTHENTICATED = -6, /* not known who */
    ERR_UNAVAILABLE = -7,     /* counterpart down or unreachable */
    ERR_TIMEOUT = -8,         /* no answer in time: the outcome is unknown */
    ERR_LIMIT = -9,           /* a named maximum was exceeded */
    ERR_CONFLICT = -10,       /* somebody else was first: look again and retry */
    ERR_UNSUPPORTED = -11,    /* well formed, but does not exist (yet) */
    ERR_NO_SPACE = -12,
    ERR_CANCELLED = -13,
};

#define ERR_MSG_MAX 512

struct err {
    int code; /* enum err_code, 0 while nothing is wrong */
    char msg[ERR_MSG_MAX];
};

#define ERR_INIT \
    {            \
        0, ""    \
    }

/* Records code and message, returns code. */
int err_set(struct err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The same from errno: message is "<fmt>: <strerror>", the code is mapped from errno. */
int err_errno(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Puts "<fmt>: " in front of the message of a set error; returns its code. Where err may be NULL
 * the code is lost: call it as a statement and return the code at hand. */
int err_wrap(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Back to "nothing is wrong". */
void err_clear(struct err *err);

/* enum err_code for an errno value. */
int err_code_of_errno(int errnum);

/* Stable lower-case word for a code ("not_found"), for logs and wire messages, and back
 * (unknown words give ERR_FAILED). */
const char *err_word(int code);
int err_code_of_word(const char *word);

/* Our own mistake: say where and stop. */
#define BUG_ON(cond)                            \
    do {                                        \
        if (cond)                               \
            err_bug(__FILE__, __LINE__, #cond); \
    } while (0)
void err_bug(const char *file, int line, const char *what) __attribute__((noreturn));

#endif
