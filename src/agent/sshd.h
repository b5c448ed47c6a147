/*
 * The session's sshd: started, watched, started again when it ends.
 */
#ifndef AGENT_SSHD_H
#define AGENT_SSHD_H

#include <stdbool.h>
#include <sys/types.h>

#include "agent/layout.h"
#include "base/err.h"
#include "base/loop.h"

#define SSHD_PROBE_MS 3           /* between two looks for the banner */
#define SSHD_PROBE_LIMIT_MS 20000 /* no banner for so long: failed */

struct sshd;

struct sshd_ops {
    /* Its own loopback answered with an SSH banner; once for each start. */
    void (*on_ready)(void *payload);
    /* It cannot be started: a word of failed.reason and one line. Not called once it was ready. */
    void (*on_failed)(const char *reason, const char *message, void *payload);
};

/* bind: numeric address or NULL for all. Layout is borrowed. */
struct sshd *sshd_new(struct loop *loop, const struct layout *layout, const char *bind, int port,
                      const struct sshd_ops *ops, void *payload);
/* Ends the listener; connections that are open go on. */
void sshd_free(struct sshd *s);

/* Starts it; the outcome comes by ops. */
void sshd_start(struct sshd *s);
pid_t sshd_pid(const struct sshd *s); /* the listener; 0 when it does not run, also for NULL */

/* Paths of sshd and sftp-server on this system; ERR_NOT_FOUND. Literals. */
int sshd_find_program(const char **out, struct err *err);
int sshd_find_sftp_server(const char **out, struct err *err);

#endif
