#include "compute/provider.h"

#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"

void provider_conn_release(struct provider_conn *conn)
{
    if (conn->fd >= 0)
        close(conn->fd);
    conn->fd = -1;
    str_release(&conn->early);
}

void provider_checks_add(struct provider_checks *checks, const char *name,
                         enum provider_verdict verdict, const char *mend, const char *fmt, ...)
{
    struct str detail = STR_INIT;
    va_list ap;
    va_start(ap, fmt);
    str_vaddf(&detail, fmt, ap);
    va_end(ap);
    VEC_GROW(checks->v, checks->len, checks->cap);
    checks->v[checks->len++] =
        (struct provider_check){.name = name,
                                .verdict = verdict,
                                .detail = str_detach(&detail),
                                .mend = verdict == PROVIDER_FINE ? NULL : xstrdup(mend)};
}

const char *provider_verdict_word(enum provider_verdict verdict)
{
    static const char *const words[] = {"ok", "warning", "wrong"};
    return words[verdict];
}

void provider_info_release(struct provider_info *info)
{
    for (size_t i = 0; i < info->checks.len; i++) {
        free(info->checks.v[i].detail);
        free(info->checks.v[i].mend);
    }
    free(info->checks.v);
    strv_release(&info->warnings);
    *info = (struct provider_info){0};
}

void provider_sessions_release(struct provider_sessions *s)
{
    free(s->v);
    *s = (struct provider_sessions){0};
}

const char *provider_reason(int code)
{
    switch (code) {
    case ERR_UNAVAILABLE:
    case ERR_TIMEOUT:
        return "engine_unreachable";
    case ERR_NOT_FOUND:
        return "image_missing";
    case ERR_EXISTS:
        return "port_taken";
    case ERR_CONFLICT:
        return "subnet_taken";
    case ERR_NO_SPACE:
        return "no_space";
    case ERR_UNSUPPORTED:
        return "protection_missing";
    default:
        return "internal";
    }
}

void provider_free(struct provider *p)
{
    if (p->ops && p->ops->free)
        p->ops->free(p->self);
    *p = (struct provider){0};
}
