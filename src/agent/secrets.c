#include "agent/secrets.h"

#include <string.h>

#include "base/mem.h"

void secrets_wipe(struct secrets *s)
{
    free_secret(s->host);
    free_secret(s->username);
    free_secret(s->token);
    free_secret(s->deploy_key);
    free_secret(s->known_hosts);
    *s = (struct secrets)SECRETS_INIT;
}

static char *copy(const char *text)
{
    return text ? xstrdup(text) : NULL;
}

/* json-c frees without wiping; its strings are its own memory, which nothing reads any more. */
static void wipe_text(const char *text)
{
    if (text)
        mem_wipe((char *)(uintptr_t)text, strlen(text));
}

int secrets_from_json(struct secrets *s, struct json_object *obj, struct err *err)
{
    struct json_object *token = NULL;
    const char *host = NULL, *username = NULL, *secret = NULL, *key = NULL, *known = NULL;
    int rc = json_opt_object(obj, "token", &token, err);
    if (rc == 0 && token) {
        rc = json_get_str(token, "host", SECRET_HOST_MAX, &host, err);
        if (rc == 0)
            rc = json_get_str(token, "secret", SECRET_TOKEN_MAX, &secret, err);
        if (rc == 0)
            rc = json_opt_str(token, "username", SECRET_USERNAME_MAX, &username, err);
    }
    if (rc == 0)
        rc = json_opt_str(obj, "deploy_key", SECRET_KEY_MAX, &key, err);
    if (rc == 0)
        rc = json_opt_str(obj, "known_hosts", SECRET_KNOWN_HOSTS_MAX, &known, err);
    /* A server that has just come back may not have the token at hand yet: what is absent stays. */
    if (rc == 0 && token) {
        free_secret(s->host);
        free_secret(s->username);
        free_secret(s->token);
        s->host = copy(host);
        s->username = copy(username);
        s->token = copy(secret);
    }
    if (rc == 0 && key) {
        free_secret(s->deploy_key);
        s->deploy_key = copy(key);
    }
    if (rc == 0 && known) {
        free_secret(s->known_hosts);
        s->known_hosts = copy(known);
    }
    wipe_text(secret);
    wipe_text(key);
    return rc;
}

void secrets_copy(const struct secrets *from, struct secrets *to)
{
    *to = (struct secrets){copy(from->host), copy(from->username), copy(from->token),
                           copy(from->deploy_key), copy(from->known_hosts)};
}

struct transport_remote secrets_remote(const struct secrets *s, const struct session_spec *spec,
                                       bool local)
{
    return (struct transport_remote){
        .url = spec->repo_url,
        .allowed_hosts = spec->allowed_hosts.v,
        .n_allowed_hosts = spec->allowed_hosts.len,
        .allow_local = local && spec->allow_local_repos,
        .token_host = s->host,
        .token_username = s->username,
        .token = s->token,
        .deploy_key = s->deploy_key,
        .known_hosts = s->known_hosts,
    };
}
