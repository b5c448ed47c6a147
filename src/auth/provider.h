/*
 * Login providers: ways to find out who somebody is.
 *
 * A provider is made on first use from its registered factory and kept. Its verbs are plain
 * functions; `blocking` says that they talk to other machines: the caller then runs them on worker
 * threads, several at once, and the provider locks what it shares. Others run on the loop's thread.
 *
 * What a login under way must remember is the provider's own JSON object `state`; it lies in the
 * store between start and poll, so that logins survive a restart.
 */
#ifndef AUTH_PROVIDER_H
#define AUTH_PROVIDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth/identity.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"

#define AUTH_PROVIDERS_MAX 16
#define AUTH_TEXT_MAX 2048 /* codes, URLs, challenges */

struct auth_start_in {
    const char *login;   /* who wants to log in, when said; NULL */
    const char *host;    /* Host header of the request, NULL when absent */
    const char *variant; /* provider's own switch, NULL */
    int64_t now;
};

struct auth_start_out {
    struct str user_code;
    struct str verification_uri;
    struct str verification_uri_complete; /* empty: none */
    struct str challenge;                 /* empty: none */
    int64_t expires_in;
    int64_t interval;
    struct json_object *state; /* owned */
};
void auth_start_out_init(struct auth_start_out *o);
void auth_start_out_release(struct auth_start_out *o);

enum auth_status {
    AUTH_PENDING,
    AUTH_SLOW_DOWN, /* interval was raised */
    AUTH_COMPLETE,
    AUTH_DENIED,  /* for good */
    AUTH_EXPIRED, /* for good */
    AUTH_FAILED,  /* only together with an error of poll: for good, asking again cannot help */
};

struct oauth_tokens; /* auth/oauth.h */

struct auth_poll_in {
    const char *login;     /* NULL when absent */
    const char *signature; /* NULL when absent */
    struct json_object *state;
    int64_t now;
    const struct oauth_tokens *held; /* what an earlier poll left; NULL: nothing */
};

struct auth_poll_out {
    enum auth_status status;
    int64_t interval;          /* next poll, 0: as before */
    bool keep;                 /* AUTH_DENIED, but the device code stays good for another try */
    struct identity who;       /* AUTH_COMPLETE */
    struct json_object *state; /* new state, owned; NULL: unchanged */
    struct str wrong_server;   /* AUTH_DENIED: meant for another server, why; empty: not that */
    /* AUTH_COMPLETE: what the provider gave for use on the person's behalf, owned; NULL: nothing.
     * With an error: whose it is could not be found out, the next poll shall have it as `held`. */
    struct oauth_tokens *tokens;
};
void auth_poll_out_init(struct auth_poll_out *o);
void auth_poll_out_release(struct auth_poll_out *o);

struct auth_provider;

struct auth_provider_ops {
    const char *name;
    bool blocking;
    /* Begins a login. ERR_UNAVAILABLE: the provider is down. */
    int (*start)(struct auth_provider *p, const struct auth_start_in *in,
                 struct auth_start_out *out, struct err *err);
    /* Looks whether it is done. An error (the provider is down, lies) leaves the login pending,
     * unless the status is AUTH_FAILED. */
    int (*poll)(struct auth_provider *p, const struct auth_poll_in *in, struct auth_poll_out *out,
                struct err *err);
    /* Who a personal access token belongs to; NULL: not offered. ERR_DENIED: nobody. */
    int (*identity)(struct auth_provider *p, const char *token, struct identity *out,
                    struct err *err);
    /* New tokens for a refresh token; NULL: its tokens do not end. ERR_DENIED: the person must log
     * in again. */
    int (*renew)(struct auth_provider *p, const char *refresh, struct oauth_tokens *out,
                 struct err *err);
    void (*free)(struct auth_provider *p);
};

/* First member of each provider's own struct. */
struct auth_provider {
    const struct auth_provider_ops *ops;
};

/* ---- registry: one thread ---- */

struct auth_providers;

typedef int (*auth_factory_fn)(void *payload, struct auth_provider **out, struct err *err);

struct auth_providers *auth_providers_new(void);
void auth_providers_free(struct auth_providers *r);
/* free_payload may be NULL. */
void auth_providers_register(struct auth_providers *r, const char *name, auth_factory_fn factory,
                             void *payload, void (*free_payload)(void *));
/* ERR_NOT_FOUND: no such provider is switched on. Borrowed. */
int auth_providers_get(struct auth_providers *r, const char *name, struct auth_provider **out,
                       struct err *err);
bool auth_providers_has(const struct auth_providers *r, const char *name);
/* Names, for messages and /health: "fake, sshkey". */
void auth_providers_names(const struct auth_providers *r, struct str *out);

/* ---- the providers ---- */

struct users;
struct own_names;
/* users and names are borrowed and must outlive the registry. */
void auth_sshkey_register(struct auth_providers *r, struct users *users,
                          const struct own_names *names, const char *server_id);
/* Tests only: approves everybody at once, or after `variant` ("0".."10") pending polls. */
void auth_fake_register(struct auth_providers *r);

#endif
