/*
 * The tokens of a device login whose person could not be found out yet: the code that brought them
 * works once, so they are kept, sealed, in the login's row until the provider says who it is or the
 * login expires.
 */
#ifndef AUTH_HELD_H
#define AUTH_HELD_H

#include <stdint.h>

#include "auth/oauth.h"
#include "auth/vault.h"
#include "base/err.h"

/* Appends the sealed text; hash names the login, to which it is bound. */
int held_seal(const struct vault *vault, const char *hash, const struct oauth_tokens *tokens,
              int64_t now, struct str *out, struct err *err);
/* *out: on the heap; its life is counted from when the tokens came. ERR_DENIED, ERR_NOT_FOUND: as
 * seal_open; ERR_INVALID: not such tokens. */
int held_open(const struct vault *vault, const char *hash, const char *sealed, int64_t now,
              struct oauth_tokens **out, struct err *err);

#endif
