/* Bearer secrets (refresh tokens, device codes) are kept as SHA-256, in hex: they are random, so no
 * salt is needed. */
#ifndef AUTH_HASH_H
#define AUTH_HASH_H

#define AUTH_HASH_LEN 64

void auth_hash(const char *text, char out[AUTH_HASH_LEN + 1]);

#endif
