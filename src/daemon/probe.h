/* Test builds only: what the api process is refused once it is confined. */
#ifndef DAEMON_PROBE_H
#define DAEMON_PROBE_H

#include <sys/types.h>

#include "base/err.h"
#include "daemon/compute_choice.h"

/* Tries each thing that must not work and prints one JSON object {"name": "refused: ..." or
 * "ALLOWED", ...}. ERR_FAILED when anything was allowed. */
int probe_run(const struct compute_choice *choice, pid_t keeper, struct err *err);

#endif
