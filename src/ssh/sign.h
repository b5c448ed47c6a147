/*
 * Signing a message as `ssh-keygen -Y sign` would, for the CLI: through ssh-agent, with a private
 * key file read here, or by ssh-keygen itself when the file is encrypted or of another kind (it
 * asks the user on the terminal).
 */
#ifndef SSH_SIGN_H
#define SSH_SIGN_H

#include <stddef.h>

#include "base/err.h"
#include "base/str.h"
#include "ssh/key.h"

/* With the agent's key `key`; appends the armored signature. */
int ssh_sign_agent(const char *socket_path, const struct ssh_key *key, const char *name_space,
                   const void *msg, size_t len, struct str *armored, struct err *err);

/* With the private key in `path` (the agent is used when `path` is a public key file and
 * socket_path is not NULL). envp is what ssh-keygen gets, should it be needed. signer may be
 * NULL. */
int ssh_sign_file(const char *path, const char *socket_path, char *const *envp,
                  const char *name_space, const void *msg, size_t len, struct str *armored,
                  struct ssh_key *signer, struct err *err);

#endif
