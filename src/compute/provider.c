#include "compute/provider.h"

#include <stdlib.h>
#include <unistd.h>

void provider_conn_release(struct provider_conn *conn)
{
    if (conn->fd >= 0)
        close(conn->fd);
    conn->fd = -1;
    str_release(&conn->early);
}

void provider_info_release(struct provider_info *info)
{
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
