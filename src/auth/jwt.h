/*
 * Our own tokens: JWT, HS256, signed and verified by libjwt, which checks neither key length nor
 * algorithm nor any claim; all of that is done here.
 *
 * Header {"typ":"JWT","alg":"HS256"}. Claims: iss, sub (login), provider, uid (the provider's
 * immutable id), iat, exp, jti; each must be there with its type. A token is refused when its
 * header names anything else (crit, another typ or algorithm), when it was issued in the future
 * (more than JWT_LEEWAY_S), has ended, or lasts longer than JWT_TTL_MAX_S.
 *
 * Verified tokens are remembered by SHA-256 until they end, so that a busy client costs one hash.
 * One struct jwt belongs to one thread.
 */
#ifndef AUTH_JWT_H
#define AUTH_JWT_H

#include <stddef.h>
#include <stdint.h>

#include "auth/identity.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"

#define JWT_SECRET_MIN 32
#define JWT_SECRET_MAX 4096
#define JWT_TEXT_MAX 4096
#define JWT_LEEWAY_S 60
#define JWT_TTL_MAX_S 86400
#define JWT_CACHE_SLOTS 4096

struct jwt_options {
    const char *secret;
    const char *previous; /* accepted, never signed with; NULL: none */
    const char *issuer;
    int64_t ttl;
    const struct clock *clock;
};

struct jwt_signer;

/* Copies the options (the clock is borrowed). ERR_INVALID: a secret that is too short, ttl out of
 * range. */
int jwt_signer_new(const struct jwt_options *options, struct jwt_signer **out, struct err *err);
void jwt_signer_free(struct jwt_signer *s);

/* Appends a new token. */
int jwt_signer_issue(struct jwt_signer *s, const struct identity *who, struct str *out,
                     struct err *err);

/* Who a token is for: borrowed until the next call. Anything wrong is ERR_UNAUTHENTICATED. */
int jwt_signer_check(struct jwt_signer *s, const char *token, size_t len,
                     const struct identity **who, struct err *err);

int64_t jwt_signer_ttl(const struct jwt_signer *s);

#endif
