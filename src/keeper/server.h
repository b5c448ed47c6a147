/*
 * The keeper: the only process that talks to the engine or starts local sessions. It serves the
 * verbs of keeper/request.h to the api process over a socket pair, holds the control channels of
 * all sessions on its loop and runs everything that blocks on worker threads, so that a slow call
 * delays no other.
 *
 * It ends when the api process is gone; sessions go on and are found again by the next keeper.
 * Anything on the socket that the api process would never send (an unknown verb, a malformed frame)
 * ends it as well.
 */
#ifndef KEEPER_SERVER_H
#define KEEPER_SERVER_H

#include "base/err.h"
#include "compute/provider.h"
#include "keeper/secrets.h"

#define KEEPER_THREADS 32 /* verbs that block at the same time */
#define KEEPER_EVENT_BACKLOG_MAX (4UL * 1024 * 1024)
#define KEEPER_HELLO_MS 20000  /* an agent that does not answer its first message */
#define KEEPER_ANSWER_MS 10000 /* users, kick, members, health */
#define KEEPER_READY_MS 120000 /* an agent started again only to be archived */
#define KEEPER_ARCHIVE_MS 1800000
#define KEEPER_SHUTDOWN_MS 10000
#define KEEPER_STOP_GRACE_MS 3000
#define KEEPER_DRAIN_MS 3000 /* for what still runs when the api process is gone */

struct keeper_options {
    int fd; /* to the api process; taken over */
    const char *server_id;
    const char *archive_dir;
    struct secrets_files secrets;
    struct provider provider; /* borrowed */
};

/* Serves until the api process is gone: 0; or a breach of the protocol: ERR_INVALID,
 * ERR_UNSUPPORTED. */
int keeper_serve(const struct keeper_options *options, struct err *err);

#endif
