/*
 * The api process gives up what it does not need: another uid when it is root and everything that
 * it reads later is within that uid's reach, then no capability, Landlock, the policy SANDBOX_API.
 */
#ifndef DAEMON_CONFINE_H
#define DAEMON_CONFINE_H

#include "base/err.h"
#include "daemon/config.h"

#define CONFINE_ACCOUNT "steadystate-api" /* else CONFINE_FALLBACK */
#define CONFINE_FALLBACK "nobody"

/* After everything is open, before threads are started. */
int confine_api(const struct config *config, struct err *err);

#endif
