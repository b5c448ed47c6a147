/*
 * The keeper as a process of its own: forked before the api process opens anything, keeps its uid
 * and its access to the engine, is hidden from the api process.
 *
 * Either process ends when the other one does (the socket pair says so): the api process with exit
 * status 1, for whoever supervises steadystated to start both again. Sessions live on and are found
 * again.
 */
#ifndef DAEMON_KEEPER_PROCESS_H
#define DAEMON_KEEPER_PROCESS_H

#include <sys/types.h>

#include "base/err.h"
#include "daemon/compute_choice.h"
#include "daemon/config.h"

struct keeper_process {
    pid_t pid;
    int fd; /* the api process's end */
};

int keeper_process_start(const struct config *config, const struct compute_choice *choice,
                         const char *server_id, struct keeper_process *out, struct err *err);
/* After its socket was closed: waits until it is gone. */
void keeper_process_wait(struct keeper_process *keeper);

#endif
