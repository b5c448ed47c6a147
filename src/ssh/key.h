/*
 * SSH public keys: one line of an authorized_keys or users file, or a wire blob (RFC 4253 section
 * 6.6, RFC 5656, RFC 8709, OpenSSH PROTOCOL.u2f), parsed and written anew. Pure.
 *
 * Only the types below exist for SteadyState (no DSA, no certificates). A blob must say the type
 * that stands before it, hold exactly the fields of that type and nothing behind them. A line with
 * options is refused, never cut.
 */
#ifndef SSH_KEY_H
#define SSH_KEY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

#define SSH_KEY_LINE_LEN_MAX 16384
#define SSH_KEY_BLOB_MAX 8192
#define SSH_KEY_COMMENT_MAX 256
#define SSH_KEY_RSA_BITS_MIN 2048
#define SSH_KEY_RSA_BITS_MAX 16384

enum ssh_key_type {
    SSH_KEY_ED25519,
    SSH_KEY_ECDSA_P256,
    SSH_KEY_ECDSA_P384,
    SSH_KEY_ECDSA_P521,
    SSH_KEY_RSA,
    SSH_KEY_SK_ED25519,
    SSH_KEY_SK_ECDSA,
};

struct ssh_key {
    enum ssh_key_type type;
    struct str blob; /* wire form */
    char *comment;   /* printable UTF-8, NULL when absent */
};

void ssh_key_init(struct ssh_key *key);
void ssh_key_release(struct ssh_key *key);
#define cleanup_ssh_key cleanup(ssh_key_release)

/* "type base64 [comment]", white space around allowed, no newline inside. *out is initialised
 * here and empty after a failure. A comment that is not printable is left out, a longer one cut. */
int ssh_key_parse_line(const char *line, size_t len, struct ssh_key *out, struct err *err);
int ssh_key_parse_blob(const void *blob, size_t len, struct ssh_key *out, struct err *err);

/* Appends "type base64": no options, no comment, no newline. */
void ssh_key_format(const struct ssh_key *key, struct str *out);
/* Appends "SHA256:..." as ssh-keygen -l prints it. */
void ssh_key_fingerprint(const struct ssh_key *key, struct str *out);

bool ssh_key_equal(const struct ssh_key *a, const struct ssh_key *b);
void ssh_key_copy(const struct ssh_key *from, struct ssh_key *to);

/* "ssh-ed25519", ... and back (ERR_UNSUPPORTED for a type that is not allowed). */
const char *ssh_key_type_name(enum ssh_key_type type);
int ssh_key_type_parse(const char *name, size_t len, enum ssh_key_type *out, struct err *err);

#endif
