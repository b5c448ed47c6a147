/* What the session knows and nobody in it may: the forge token and the deploy key. In memory only,
 * wiped when replaced. */
#ifndef AGENT_SECRETS_H
#define AGENT_SECRETS_H

#include "base/err.h"
#include "base/json.h"
#include "git/transport.h"
#include "proto/spec.h"

#define SECRET_HOST_MAX (253 + 8) /* with brackets and a port */
#define SECRET_USERNAME_MAX 256
#define SECRET_TOKEN_MAX 4096
#define SECRET_KEY_MAX 16384
#define SECRET_KNOWN_HOSTS_MAX (256 * 1024)

struct secrets {
    char *host;
    char *username;
    char *token;
    char *deploy_key;
    char *known_hosts;
};
#define SECRETS_INIT                 \
    {                                \
        NULL, NULL, NULL, NULL, NULL \
    }

void secrets_wipe(struct secrets *s);
#define cleanup_secrets cleanup(secrets_wipe)

/* The members token, deploy_key and known_hosts of a `hello`. Replaces *s on success only; the
 * text inside obj is wiped. */
int secrets_from_json(struct secrets *s, struct json_object *obj, struct err *err);
void secrets_copy(const struct secrets *from, struct secrets *to);

/* The session's remote with these secrets; everything in it is borrowed. */
struct transport_remote secrets_remote(const struct secrets *s, const struct session_spec *spec,
                                       bool local);

#endif
