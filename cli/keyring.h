/*
 * The refresh token in the desktop's keyring (freedesktop Secret Service), through libsecret, which
 * is loaded only when a session bus is there. A keyring may wait for a person who does not come, so
 * each call runs in a child with a time limit of KEYRING_TIMEOUT_MS.
 *
 * STEADYSTATE_NO_KEYRING set: ERR_UNAVAILABLE from all of them.
 */
#ifndef CLI_KEYRING_H
#define CLI_KEYRING_H

#include "base/err.h"

#define KEYRING_TIMEOUT_MS 5000
#define KEYRING_SECRET_MAX 4096

/* ERR_UNAVAILABLE: no keyring, or it is locked; the reason is in err. */
int keyring_store(const char *server, const char *login, const char *secret, struct err *err);
/* ERR_NOT_FOUND: nothing kept for this server, or the keyring is locked (it does not tell). */
int keyring_lookup(const char *server, char **secret, struct err *err);
int keyring_erase(const char *server, struct err *err);

#endif
