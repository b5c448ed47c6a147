/*
 * From an engine's answer to an error code. Podman says why in "cause" and answers most things with
 * 500, dockerd has a status for each and says why in "message"; both are read here and nowhere
 * else. Pure.
 */
#ifndef ENGINE_ERRORS_H
#define ENGINE_ERRORS_H

#include <stddef.h>

#include "base/err.h"

#define ENGINE_ERROR_TEXT_MAX 300 /* of the engine's own words */

/* Records and returns the code (engine.h) for an answer that is not a success; what is the verb for
 * the person ("start container"). body may be anything. */
int engine_error(long status, const char *body, size_t len, const char *what, struct err *err);

#endif
