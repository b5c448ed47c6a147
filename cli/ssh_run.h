/*
 * ssh as a child that is waited for, so that a connection that fails can be explained. It has the
 * terminal, signals and standard streams as if it had been started by itself; what it would have
 * said goes to a log in memory.
 */
#ifndef CLI_SSH_RUN_H
#define CLI_SSH_RUN_H

#include "base/err.h"
#include "base/str.h"
#include "ssh/link.h"

#define SSH_RUN_FAILED 255        /* ssh's own failures; a remote command may use it, too */
#define SSH_RUN_LOG_MAX (1 << 20) /* of the log's end */

/* -oServerAliveInterval and -oServerAliveCountMax: a dead peer ends the connection after
 * (count + 1) * interval seconds. */
#define SSH_ALIVE_INTERVAL 7
#define SSH_ALIVE_COUNT 3

/* ssh looks for keys in the home that the system knows; where HOME says otherwise, as under sudo,
 * the keys that lie there are named too. */
void ssh_add_home_keys(struct strv *argv);

/* argv: "ssh" and its arguments without the log's; *status as a shell counts it; log: what ssh
 * said, for ssh/client_log.h. */
int ssh_run(const struct strv *argv, int *status, struct str *log, struct err *err);

/* After ssh_run: the exit code for the person, with a message when ssh itself failed: who the
 * session knows, what was offered, whether it still runs (asked of the server, as far as the login
 * there may know). */
int ssh_explain(const struct magic_link *link, int status, const struct str *log);

#endif
