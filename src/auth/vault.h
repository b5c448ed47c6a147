/*
 * Provider tokens of the people who logged in: sealed in the store, opened only here, renewed
 * before they end. They are for the server's own calls and for the agent of a session that needs
 * them. Any thread; one renewal of a person's token at a time, those of others meanwhile.
 */
#ifndef AUTH_VAULT_H
#define AUTH_VAULT_H

#include <stdint.h>

#include "auth/identity.h"
#include "auth/oauth.h"
#include "auth/provider.h"
#include "auth/seal.h"
#include "base/err.h"
#include "store/store.h"

#define VAULT_MARGIN_S 120 /* renewed when less is left */

struct vault;

/* Takes the ring; the store must outlive it. */
struct vault *vault_new(struct store *store, struct seal_ring *ring);
void vault_free(struct vault *v);

int vault_put(struct vault *v, const struct identity *who, const struct oauth_tokens *tokens,
              int64_t now, struct err *err);

struct vault_access {
    int64_t ends_at; /* 0: not known to end */
    uint64_t serial; /* grows: a renewal may end the token that an earlier call gave */
};
/* Appends the access token (a secret), renewed through `provider` when it is about to end: may talk
 * to the provider. ERR_NOT_FOUND: none is kept; ERR_DENIED: the person must log in again. */
int vault_access(struct vault *v, struct auth_provider *provider, const char *subject, int64_t now,
                 struct str *token, struct vault_access *out, struct err *err);

/* Other texts under the same keys; as seal_text and seal_open. */
int vault_seal(const struct vault *v, const char *context, const char *plain, struct str *out,
               struct err *err);
int vault_open(const struct vault *v, const char *context, const char *sealed, struct str *out,
               struct err *err);

/* Seals every row anew under the ring's first key. */
int vault_rotate(struct vault *v, struct err *err);

#endif
