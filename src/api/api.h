/*
 * The REST API (docs/api.md): routes, who may call them, how often, and the handlers, one file for
 * each resource. Everything runs on the loop's thread; providers that wait for other machines run
 * on the pool.
 */
#ifndef API_API_H
#define API_API_H

#include "auth/jwt.h"
#include "auth/provider.h"
#include "auth/vault.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/loop.h"
#include "base/work.h"
#include "session/session.h"
#include "store/store.h"

#define API_LOGINS_EACH 8 /* calls to one login provider that run at once */

/* Requests a minute of one address, 0: as many as they like. */
struct api_rates {
    int token; /* POST /auth/token */
    int auth;  /* the other POST /auth/... */
    int other;
};

/* Borrowed by api_start: what the pointers to other modules point at must outlive the api. */
struct api_options {
    struct loop *loop;
    struct work_pool *pool;
    struct store *store;
    struct sessions *sessions;
    struct auth_providers *providers;
    struct vault *vault; /* keeps what providers give; NULL: nothing is kept */
    const struct clock *clock;
    const char *github_url, *gitlab_url; /* told to who logged in there */

    const char *bind;
    int port;                               /* 0: any */
    const char *tls_cert_pem, *tls_key_pem; /* texts, NULL: plain HTTP */
    char *const *cors_origins;
    size_t n_cors_origins;

    const char *jwt_secret, *jwt_previous, *jwt_issuer;
    int64_t jwt_ttl, refresh_ttl;

    struct api_rates rates;
    bool trust_forwarded;
};

struct api;

/* Starts to listen. */
int api_start(const struct api_options *options, struct api **out, struct err *err);
int api_port(const struct api *api);
/* Stops listening; requests under way may finish. */
void api_quiesce(struct api *api);
/* After sessions_free and work_pool_free, whose callbacks still come here; the loop no longer runs.
 * NULL is allowed. */
void api_free(struct api *api);

#endif
