/*
 * Who is connected: a person is there as long as a process that the wrapper announced lives. The
 * process is watched by pidfd, so a killed connection ends its presence too.
 */
#ifndef AGENT_PRESENCE_H
#define AGENT_PRESENCE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/loop.h"

#define PRESENCE_MAX 4096 /* processes */

struct presence;

struct presence_ops {
    /* First process of a person came, last one went. */
    void (*on_change)(const char *provider, const char *login, bool connected, void *payload);
};

struct presence *presence_new(struct loop *loop, const struct presence_ops *ops, void *payload);
void presence_free(struct presence *p);

/* pid must be alive; with a terminal it counts as active by what is typed, without one by being
 * there. connection: the sshd process that serves it, 0 when unknown. ERR_LIMIT at PRESENCE_MAX. */
int presence_attach(struct presence *p, pid_t pid, pid_t connection, const char *provider,
                    const char *login, int64_t now, struct err *err);

/* Since when the person is connected; false when not. */
bool presence_of(const struct presence *p, const char *provider, const char *login, int64_t *since);
int presence_people(const struct presence *p);

/* Unix time of the last sign of life: now while a command or file transfer runs, what the
 * terminals say otherwise; 0 when nobody is there. */
int64_t presence_last_activity(const struct presence *p, int64_t now);

/* Unix time of the last thing the person typed in one of their terminals, 0: has none. */
int64_t presence_typed_at(const struct presence *p, const char *provider, const char *login);
/* The process only looks on: its being there is no sign of life. */
void presence_set_passive(struct presence *p, pid_t pid);

/* Sends SIGTERM to the sshd processes of this person's connections. */
void presence_close_connections(struct presence *p, const char *provider, const char *login);
/* Calls fn with each of the person's processes. */
void presence_each(const struct presence *p, const char *provider, const char *login,
                   void (*fn)(pid_t pid, void *payload), void *payload);
/* Whose process is it: pid itself was attached. False: nobody's. Valid until it ends. */
bool presence_person_of(const struct presence *p, pid_t pid, const char **provider,
                        const char **login);
/* Does this sshd process serve somebody who is connected? */
bool presence_has_connection(const struct presence *p, pid_t connection);

#endif
