/*
 * A new key for the provider tokens at rest: `steadystated --rotate-token-key FILE`.
 *
 * FILE is made with one random key when it is not there. Every token is sealed anew under its first
 * key, all or none. A server that keeps its key in the state directory then has FILE's keys there
 * and needs nothing else; one with STEADYSTATE_TOKEN_KEY_FILE is told to name FILE. The state
 * directory must be locked by the caller: no server runs.
 */
#ifndef DAEMON_ROTATE_H
#define DAEMON_ROTATE_H

#include "base/err.h"
#include "daemon/config.h"

int rotate_token_key(const struct config *config, const char *file, struct err *err);

#endif
