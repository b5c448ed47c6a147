/*
 * Login with GitHub (github.com and Enterprise) and GitLab (gitlab.com and self-managed): OAuth
 * device flow, or a personal access token. The subject is the account's number, which no rename
 * changes.
 */
#ifndef AUTH_FORGE_PROVIDER_H
#define AUTH_FORGE_PROVIDER_H

#include "auth/provider.h"

/* All strings are copied. */
struct auth_forge_options {
    const char *client_id;
    const char *client_secret; /* NULL: none */
    const char *url;           /* "https://github.com" */
    const char *api_url;       /* GitHub: "https://api.github.com"; GitLab: NULL, url is used */
};

void auth_github_register(struct auth_providers *r, const struct auth_forge_options *o);
void auth_gitlab_register(struct auth_providers *r, const struct auth_forge_options *o);

/* Who an access token belongs to, by the forge's own "who am I"; pure reader of that answer.
 * login_key: "login" or "username". ERR_UNAVAILABLE: not such an answer. */
int auth_forge_read_user(struct json_object *answer, const char *provider, const char *login_key,
                         struct identity *out, struct err *err);

#endif
