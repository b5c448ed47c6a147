/* Private keys from files without a passphrase: OpenSSH's own format (ed25519, ecdsa, rsa), for
 * signing login challenges. The parser is pure. */
#ifndef SSH_PRIVKEY_H
#define SSH_PRIVKEY_H

#include <stddef.h>

#include "base/err.h"
#include "base/str.h"
#include "ssh/key.h"

#define SSH_PRIVKEY_FILE_MAX 32768

struct ssh_privkey;

/* ERR_UNSUPPORTED: a well-formed file that is encrypted, of another format, or holds a key that
 * cannot sign here (security keys). */
int ssh_privkey_parse(const char *text, size_t len, struct ssh_privkey **out, struct err *err);
void ssh_privkey_free(struct ssh_privkey *key);
void ssh_privkey_freep(struct ssh_privkey **key);
#define cleanup_ssh_privkey cleanup(ssh_privkey_freep)

/* Borrowed. */
const struct ssh_key *ssh_privkey_public(const struct ssh_privkey *key);

/* Appends the wire form of a signature (rsa-sha2-512 for RSA). */
int ssh_privkey_sign(const struct ssh_privkey *key, const void *data, size_t len, struct str *out,
                     struct err *err);

#endif
