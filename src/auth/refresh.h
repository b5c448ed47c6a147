/*
 * Refresh tokens: 256 random bits as base64url, kept only as SHA-256, replaced at each use. A token
 * that was replaced and comes again revokes its whole family (one login with all its rotations),
 * except within REFRESH_GRACE_S, when the answer may have been lost on the way: then it is replaced
 * once more and the unheard successor dies.
 */
#ifndef AUTH_REFRESH_H
#define AUTH_REFRESH_H

#include <stdint.h>

#include "auth/identity.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include "store/store.h"

#define REFRESH_GRACE_S 10
#define REFRESH_TEXT_LEN 43

struct refresh_options {
    struct store *store;
    const struct clock *clock;
    int64_t ttl;
};

/* A new family for a user, who is noted in the store. */
int refresh_issue(const struct refresh_options *o, const struct identity *who, struct str *token,
                  int64_t *expires_at, struct err *err);

/* ERR_UNAUTHENTICATED for anything unknown, ended, revoked or replayed. */
int refresh_rotate(const struct refresh_options *o, const char *token, struct str *next,
                   int64_t *expires_at, struct identity *who, struct err *err);

/* Revokes the token's family; unknown tokens are no error. */
int refresh_revoke(const struct refresh_options *o, const char *token, struct err *err);

#endif
