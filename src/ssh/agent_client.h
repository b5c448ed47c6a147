/* Client of ssh-agent (draft-ietf-sshm-ssh-agent): list identities, sign. Blocking, with a time
 * limit that leaves a person time to touch a security key. */
#ifndef SSH_AGENT_CLIENT_H
#define SSH_AGENT_CLIENT_H

#include <stddef.h>

#include "base/err.h"
#include "base/str.h"
#include "ssh/key.h"

#define SSH_AGENT_MSG_MAX (256 * 1024)
#define SSH_AGENT_KEYS_MAX 1024
#define SSH_AGENT_TIMEOUT_MS 60000

/* Keys that the agent at this socket holds, in its order, types unknown to us left out. Release
 * with ssh_agent_keys_free. ERR_UNAVAILABLE: no agent answers. */
int ssh_agent_list(const char *socket_path, struct ssh_key **keys, size_t *n, struct err *err);
/* The same from an answer's bytes (pure; for the fuzzer). */
int ssh_agent_parse_keys(const void *answer, size_t len, struct ssh_key **keys, size_t *n,
                         struct err *err);
void ssh_agent_keys_free(struct ssh_key *keys, size_t n);

/* Appends the wire form of the signature (rsa-sha2-512 asked for RSA). ERR_DENIED: the agent
 * refused. */
int ssh_agent_sign(const char *socket_path, const struct ssh_key *key, const void *data, size_t len,
                   struct str *out, struct err *err);

#endif
