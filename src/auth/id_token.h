/*
 * OpenID Connect ID tokens (OpenID Connect Core 1.0 section 3.1.3.7) as the device flow gives them:
 * signed, compact form, RS256 or ES256. Pure: keys and time are passed in.
 *
 * Taken is only a token whose every part is as it should be: the algorithm is one of ours whatever
 * the token says, "crit" is refused, key hints in the header (jwk, jku, x5u, x5c) are ignored,
 * base64url is strict, iss equals the issuer byte for byte, aud names us (with others: azp too),
 * exp, iat and nbf fit with ID_TOKEN_LEEWAY, sub is a plain identifier.
 */
#ifndef AUTH_ID_TOKEN_H
#define AUTH_ID_TOKEN_H

#include <stddef.h>
#include <stdint.h>

#include "auth/jwk.h"
#include "base/err.h"
#include "base/json.h"

#define ID_TOKEN_MAX 16384
#define ID_TOKEN_LEEWAY 60 /* seconds of clock difference */
#define ID_TOKEN_SUB_MAX 255

struct id_token_rules {
    const char *issuer;
    const char *client_id;
    const char *nonce; /* NULL: none was sent, one in the token is ignored */
    int64_t now;
};

/* *claims: the payload, owned. ERR_NOT_FOUND: signed by a key that is not in the set (fetch it
 * anew); ERR_DENIED: everything else that is wrong. */
int id_token_verify(const char *token, size_t len, const struct jwk_set *keys,
                    const struct id_token_rules *rules, struct json_object **claims,
                    struct err *err);

#endif
