/*
 * Provider "local": a session is a directory and a detached agent, without a container. For trusted
 * teams and machines without an engine: one account runs everything, so who is who inside is
 * advisory.
 *
 *     <session root>/<id>.json   ours: server id, hash of the spec; made first, removed last
 *     <session root>/<id>/       the session directory, owned by the account (docs/architecture.md)
 *
 * Started as root, sessions run as the configured account, never as uid 0; else as the server's own
 * user. The agent is found again by its control socket, whatever happened to the server; what is
 * left when it was killed is found by the session's id in the processes' environment and arguments.
 */
#ifndef COMPUTE_LOCAL_H
#define COMPUTE_LOCAL_H

#include "compute/provider.h"

#define LOCAL_START_MS 15000 /* from exec to an answering control socket */

/* Strings are copied. */
struct local_options {
    const char *server_id;
    const char *session_root; /* absolute */
    const char *agent;        /* absolute path of steadystate-agent */
    const char *user;         /* account of sessions when we are root; else ignored */
};

int local_provider_new(const struct local_options *options, struct provider *out, struct err *err);

#endif
