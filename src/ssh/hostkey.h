/* Host keys: ed25519, made with OpenSSL, written in OpenSSH's own private key format
 * (PROTOCOL.key of OpenSSH, no passphrase), so that sshd and ssh-keygen read them. */
#ifndef SSH_HOSTKEY_H
#define SSH_HOSTKEY_H

#include "base/err.h"
#include "base/str.h"

#define HOSTKEY_COMMENT_MAX 64

/* Appends the private key file's text (a secret: str_release_secret) and "ssh-ed25519 base64". */
int hostkey_generate(const char *comment, struct str *private_text, struct str *public_text,
                     struct err *err);

#endif
