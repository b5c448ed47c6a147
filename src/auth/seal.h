/*
 * Secrets at rest: AES-256-GCM under keys of the server.
 *
 * A sealed text is "v1.<key id>.<base64url(nonce | ciphertext | tag)>". The context (for whom it is
 * kept) is authenticated with it, so that a row cannot be put in another row's place. The first key
 * seals; every key opens, so that a new key can be put in front while old texts are sealed anew.
 */
#ifndef AUTH_SEAL_H
#define AUTH_SEAL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

#define SEAL_KEY_LEN 32
#define SEAL_KEYS_MAX 8
#define SEAL_TEXT_MAX 65536 /* plaintext bytes */

struct seal_ring;

/* Keys from a text: one per line, 64 hexadecimal digits or 43/44 of base64; blank lines and lines
 * that begin with "#" are passed over. At least one. */
int seal_ring_parse(const char *text, size_t len, struct seal_ring **out, struct err *err);
/* The 0600 file with such lines; absent: made with one random key when `create` is set. */
int seal_ring_load(const char *path, bool create, struct seal_ring **out, struct err *err);
/* That file's text, checked for who may read it (a secret). */
int seal_key_file_read(const char *path, bool create, struct str *text, struct err *err);
void seal_ring_free(struct seal_ring *ring);

/* Appends the sealed text. */
int seal_text(const struct seal_ring *ring, const char *context, const char *plain, struct str *out,
              struct err *err);
/* Appends the plaintext (a secret). ERR_NOT_FOUND: sealed under a key that is gone; ERR_DENIED: not
 * what was sealed, or for another context. */
int seal_open(const struct seal_ring *ring, const char *context, const char *sealed,
              struct str *out, struct err *err);
/* Sealed under another key than the first? */
bool seal_is_old(const struct seal_ring *ring, const char *sealed);

#endif
