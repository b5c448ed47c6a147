/*
 * JSON Web Key Sets (RFC 7517) and signatures by their keys: RS256 and ES256, with OpenSSL. The
 * parser is pure.
 *
 * Keys that cannot verify here (other types and curves, RSA under 2048 bits, "use" other than
 * "sig", "key_ops" without "verify", an "alg" that is not one of the two) are left out; a set that
 * is not one is refused.
 */
#ifndef AUTH_JWK_H
#define AUTH_JWK_H

#include <stddef.h>

#include "base/err.h"
#include "base/json.h"

#define JWK_KEYS_MAX 64
#define JWK_KID_MAX 512

enum jwk_alg { JWK_RS256, JWK_ES256 };

struct jwk_set;

int jwk_set_parse(struct json_object *document, struct jwk_set **out, struct err *err);
void jwk_set_free(struct jwk_set *set);
void jwk_set_freep(struct jwk_set **set);
#define cleanup_jwk_set cleanup(jwk_set_freep)
size_t jwk_set_size(const struct jwk_set *set);

/* Verifies `signature` (JOSE form) over data with the key of that id, or, kid NULL, with any key
 * that fits the algorithm. ERR_NOT_FOUND: no such key, or, kid NULL, none of those here;
 * ERR_DENIED: not by that key. */
int jwk_set_verify(const struct jwk_set *set, enum jwk_alg alg, const char *kid, const void *data,
                   size_t len, const void *signature, size_t signature_len, struct err *err);

#endif
