/* The control channel: the keeper's side of a session (docs/protocols.md, section 3). */
#ifndef AGENT_CTL_H
#define AGENT_CTL_H

#include "agent/agent.h"

#define CTL_CONNECTIONS_MAX 16

/* Listens on ctl.sock. */
int ctl_new(struct agent *a, struct ctl **out, struct err *err);
void ctl_free(struct ctl *ctl);
/* One more channel on these descriptors, which are taken. */
void ctl_add(struct ctl *ctl, int in_fd, int out_fd);

/* Does anybody get the events? */
bool ctl_is_heard(const struct ctl *ctl);
/* Events to every connection. obj is taken, may be NULL. */
void ctl_event(struct ctl *ctl, const char *event, struct json_object *obj);
void ctl_event_stage(struct ctl *ctl, const char *stage, int progress, const char *message);

/* Connections that still have something to send. */
struct conn *ctl_find(struct ctl *ctl, uint64_t conn_id);

#endif
