/*
 * Login with any OpenID provider that has the device flow (RFC 8628): discovery, key set with
 * rotation, ID token, userinfo. The subject is made from issuer and sub, which no rename changes.
 */
#ifndef AUTH_OIDC_H
#define AUTH_OIDC_H

#include "auth/provider.h"

#define OIDC_DISCOVERY_LIFE_S 3600
#define OIDC_KEYS_LIFE_S 3600
#define OIDC_KEYS_PAUSE_S 60 /* between two fetches because of unknown keys */

/* All strings are copied. */
struct auth_oidc_options {
    const char *issuer;
    const char *client_id;
    const char *client_secret; /* NULL: a public client */
    const char *scopes;        /* "openid profile email" */
    const char *login_claim;   /* "preferred_username" */
};
void auth_oidc_register(struct auth_providers *r, const struct auth_oidc_options *o);

/* 64 hexadecimal digits for (issuer, sub). */
void auth_oidc_subject(const char *issuer, const char *sub, char out[65]);

#endif
