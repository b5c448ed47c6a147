#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    int code;
    const char *word;
} words[] = {
    {ERR_OK, "ok"},
    {ERR_FAILED, "failed"},
    {ERR_INVALID, "invalid_request"},
    {ERR_NOT_FOUND, "not_found"},
    {ERR_EXISTS, "exists"},
    {ERR_DENIED, "forbidden"},
    {ERR_UNAUTHENTICATED, "unauthenticated"},
    {ERR_UNAVAILABLE, "unavailable"},
    {ERR_TIMEOUT, "timeout"},
    {ERR_LIMIT, "too_large"},
    {ERR_CONFLICT, "conflict"},
    {ERR_UNSUPPORTED, "not_supported"},
    {ERR_NO_SPACE, "no_space"},
    {ERR_CANCELLED, "cancelled"},
};

/* Messages end in logs and on terminals, and parts of them come from outside. */
static void strip_controls(char *s)
{
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c < 0x20 || c == 0x7f)
            *s = c == '\n' || c == '\t' || c == '\r' ? ' ' : '?';
    }
}

int err_set(struct err *err, int code, const char *fmt, ...)
{
    BUG_ON(code >= 0);
    if (!err || err->code)
        return err ? err->code : code;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(err->msg, sizeof err->msg, fmt, ap);
    va_end(ap);
    strip_controls(err->msg);
    err->code = code;
    return code;
}

int err_errno(struct err *err, const char *fmt, ...)
{
    int saved = errno;
    int code = err_code_of_errno(saved);
    if (!err || err->code)
        return err ? err->code : code;
    char what[ERR_MSG_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    char text[128];
    const char *reason = strerror_r(saved, text, sizeof text);
    return err_set(err, code, "%.380s: %s", what, reason);
}

int err_wrap(struct err *err, const char *fmt, ...)
{
    if (!err)
        return ERR_FAILED;
    BUG_ON(err->code == 0);
    char what[ERR_MSG_MAX], old[ERR_MSG_MAX];
    memcpy(old, err->msg, sizeof old);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    if (snprintf(err->msg, sizeof err->msg, "%.200s: %.300s", what, old) < 0)
        err->msg[0] = '\0';
    strip_controls(err->msg);
    return err->code;
}

void err_clear(struct err *err)
{
    if (err) {
        err->code = 0;
        err->msg[0] = '\0';
    }
}

int err_code_of_errno(int errnum)
{
    switch (errnum) {
    case ENOENT:
    case ENOTDIR:
    case ESRCH:
        return ERR_NOT_FOUND;
    case EEXIST:
    case EADDRINUSE:
        return ERR_EXISTS;
    case EACCES:
    case EPERM:
    case EROFS:
    case ELOOP:
    case EXDEV:
        return ERR_DENIED;
    case EINVAL:
    case ENAMETOOLONG:
    case EILSEQ:
        return ERR_INVALID;
    case ECONNREFUSED:
    case ECONNRESET:
    case EPIPE:
    case EHOSTUNREACH:
    case ENETUNREACH:
        return ERR_UNAVAILABLE;
    case ETIMEDOUT:
        return ERR_TIMEOUT;
    case EFBIG:
    case EMSGSIZE:
    case E2BIG:
        return ERR_LIMIT;
    case ENOSPC:
    case EDQUOT:
        return ERR_NO_SPACE;
    case ENOSYS:
    case EOPNOTSUPP:
        return ERR_UNSUPPORTED;
    case ECANCELED:
        return ERR_CANCELLED;
    default:
        return ERR_FAILED;
    }
}

const char *err_word(int code)
{
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (words[i].code == code)
            return words[i].word;
    return "failed";
}

int err_code_of_word(const char *word)
{
    for (size_t i = 0; word && i < sizeof words / sizeof words[0]; i++)
        if (strcmp(words[i].word, word) == 0)
            return words[i].code;
    return ERR_FAILED;
}

void err_bug(const char *file, int line, const char *what)
{
    fprintf(stderr, "BUG at %s:%d: %s\n", file, line, what);
    abort();
}
