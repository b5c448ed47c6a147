/* Which compute provider this server uses, and where its engine is. Decided once, before anything
 * is forked. */
#ifndef DAEMON_COMPUTE_CHOICE_H
#define DAEMON_COMPUTE_CHOICE_H

#include <stdbool.h>

#include "base/err.h"
#include "compute/provider.h"
#include "daemon/config.h"

#define COMPUTE_ENGINE_WAIT_MS                                        \
    60000 /* for an engine that was asked for and does not answer yet \
           */

struct compute_choice {
    bool local;
    char *socket;       /* of the engine; NULL: local */
    char *agent;        /* steadystate-agent beside this program; for the local provider */
    char *profile_path; /* where the engine's host may find the seccomp policy; NULL: local */
};
void compute_choice_release(struct compute_choice *choice);

/* An explicit provider never falls back: "container" waits for its engine. */
int compute_choose(const struct config *config, struct compute_choice *out, struct err *err);

const char *compute_choice_name(const struct compute_choice *choice);
/* The account in links: a local session's is the one that runs sshd. */
int compute_ssh_user(const struct config *config, const struct compute_choice *choice, char **out,
                     struct err *err);

/* In the keeper: makes the provider. */
int compute_open(const struct config *config, const struct compute_choice *choice,
                 const char *server_id, struct provider *out, struct err *err);

#endif
