/* `steadystate-agent ctl`: standard input and output to a session's control socket and back. */
#ifndef AGENT_BRIDGE_H
#define AGENT_BRIDGE_H

#include "base/err.h"

/* Until the socket ends; the end of standard input is passed on. */
int bridge_run(const char *socket_path, struct err *err);

#endif
