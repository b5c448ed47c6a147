/*
 * Text for sshd: authorized_keys and sshd_config. Pure.
 */
#ifndef AGENT_SSHD_TEXT_H
#define AGENT_SSHD_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"
#include "proto/spec.h"

/*
 * One line for a person's key:
 *
 *     restrict,pty,port-forwarding,command="<wrapper> [--session-root <root>] <provider> <login>"
 *         <type> <base64>
 *
 * forward false: without port-forwarding. root NULL: left out (a container has one place for it).
 * Every word is quoted for a shell, then for sshd. The key is parsed and written anew: options in
 * front of it, a comment or a second line make it ERR_INVALID. Login and provider must be valid.
 */
int sshd_key_line(const char *wrapper, const char *root, const char *provider, const char *login,
                  const char *key, bool forward, struct str *out, struct err *err);

/* May this person reach programs of the session through their connection? */
typedef bool (*sshd_forward_fn)(const struct spec_user *user, void *payload);

/* All keys of all users. A key that does not parse is left out with a warning in the log: one bad
 * key must not keep the others out. A key that two people have is refused for both: it would not
 * say who is there. */
void sshd_authorized_keys(const char *wrapper, const char *root, const struct spec_user *users,
                          size_t n, sshd_forward_fn may_forward, void *payload, struct str *out);

struct sshd_settings {
    const char *user; /* the one account that may log in */
    const char *bind; /* numeric address; NULL: all */
    int port;
    const char *host_key;
    const char *authorized_keys;
    const char *sftp_server;
    bool root_login;   /* the user is uid 0 (container) */
    bool below_sticky; /* StrictModes refuses every /tmp; layout_check_parents has looked */
};

/* Paths with white space or quotes are ERR_INVALID: sshd_config cannot say all of them. */
int sshd_config_text(const struct sshd_settings *s, struct str *out, struct err *err);

#endif
