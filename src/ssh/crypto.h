/* SSH keys and signatures in OpenSSL's hands. Private to src/ssh. */
#ifndef SSH_CRYPTO_H
#define SSH_CRYPTO_H

#include <openssl/evp.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"
#include "ssh/key.h"
#include "ssh/wire.h"

void ssh_crypto_pkey_freep(EVP_PKEY **key);
#define cleanup_pkey cleanup(ssh_crypto_pkey_freep)

/* Private parts for ssh_crypto_pkey; empty for a public key. */
struct ssh_secret_parts {
    struct ssh_slice ed25519_seed; /* 32 bytes */
    struct ssh_slice d;            /* RSA or ECDSA exponent */
};

/* The key as OpenSSL's; *out is owned by the caller. secret may be NULL. */
int ssh_crypto_pkey(const struct ssh_key *key, const struct ssh_secret_parts *secret,
                    EVP_PKEY **out, struct err *err);

/* Digest that goes with a signature algorithm of this key type; NULL for ed25519. */
const EVP_MD *ssh_crypto_digest(enum ssh_key_type type);

/* signature: wire form. ERR_DENIED when it does not fit, ERR_INVALID when malformed. */
int ssh_crypto_verify(const struct ssh_key *key, const void *signature, size_t sig_len,
                      const void *data, size_t len, struct err *err);

#endif
