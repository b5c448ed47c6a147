/*
 * OpenSSH signatures of messages (PROTOCOL.sshsig of OpenSSH): what `ssh-keygen -Y sign` writes and
 * `ssh-keygen -Y verify` reads. Parsing is pure; verifying uses OpenSSL.
 *
 * Algorithms: ssh-ed25519, ecdsa-sha2-nistp{256,384,521}, rsa-sha2-256, rsa-sha2-512,
 * sk-ssh-ed25519@openssh.com, sk-ecdsa-sha2-nistp256@openssh.com; hashes sha256 and sha512.
 * Refused: ssh-rsa (SHA-1), certificates, an algorithm that does not fit the key, bytes behind the
 * end. Signatures of security keys must carry the user-presence flag.
 */
#ifndef SSH_SSHSIG_H
#define SSH_SSHSIG_H

#include <stddef.h>

#include "base/err.h"
#include "base/str.h"
#include "ssh/key.h"

#define SSHSIG_ARMOR_MAX 16384
#define SSHSIG_NAMESPACE_MAX 320 /* holds an origin with the longest host */

/* Namespace of login signatures; the message is the challenge that the server sent. Ours go on with
 * ":" and the origin that was dialled (auth/own_names.h). */
#define SSHSIG_LOGIN_NAMESPACE "steadystate-login"

struct sshsig {
    struct ssh_key key;
    char *name_space;
    char *hash;           /* "sha256" or "sha512" */
    struct str signature; /* wire form: string algorithm, string signature, ... */
};

void sshsig_init(struct sshsig *sig);
void sshsig_release(struct sshsig *sig);
#define cleanup_sshsig cleanup(sshsig_release)

/* Reads "-----BEGIN SSH SIGNATURE-----" ... or the bare binary blob. */
int sshsig_parse_armor(const char *text, size_t len, struct sshsig *out, struct err *err);
int sshsig_parse_blob(const void *blob, size_t len, struct sshsig *out, struct err *err);

/* The bytes that a key signs for this message. hash: "sha256" or "sha512". */
int sshsig_tbs(const char *name_space, const char *hash, const void *msg, size_t msg_len,
               struct str *out, struct err *err);

/* Appends the armored text for a signature (wire form) over sshsig_tbs. */
void sshsig_armor(const struct ssh_key *key, const char *name_space, const char *hash,
                  const void *signature, size_t len, struct str *out);

/* 0: the message was signed in this namespace by sig->key. Whether that key may do anything is the
 * caller's question. ERR_DENIED: a signature that does not fit; ERR_INVALID: malformed. */
int sshsig_verify(const struct sshsig *sig, const char *name_space, const void *msg, size_t msg_len,
                  struct err *err);

#endif
