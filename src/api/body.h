/* The JSON bodies of the API, read into values. Pure; strings are borrowed from the object. Every
 * failure is ERR_INVALID and names the member. Unknown members are ignored. */
#ifndef API_BODY_H
#define API_BODY_H

#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "session/session.h"

struct body_poll {
    const char *device_code;
    const char *login;     /* NULL: absent */
    const char *signature; /* NULL: absent */
};
int body_read_poll(struct json_object *body, struct body_poll *out, struct err *err);

struct body_token {
    const char *provider;
    const char *token;
};
int body_read_token(struct json_object *body, struct body_token *out, struct err *err);

int body_read_refresh(struct json_object *body, const char **token, struct err *err);

/* out->allowed_users points into names. */
int body_read_create(struct json_object *body, struct session_request *out, struct strv *names,
                     struct err *err);
int body_read_extend(struct json_object *body, int64_t *ttl_secs, struct err *err);
/* role: one of watch, type, own. */
int body_read_role(struct json_object *body, const char **login, const char **role,
                   struct err *err);
int body_read_kick(struct json_object *body, const char **login, struct err *err);

#endif
