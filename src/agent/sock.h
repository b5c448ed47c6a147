/* agent.sock: what collaborators' processes and the wrapper may ask (docs/protocols.md, 4). */
#ifndef AGENT_SOCK_H
#define AGENT_SOCK_H

#include "agent/agent.h"

#define SOCK_CONNECTIONS_OF_ONE_UID 64
#define SOCK_LOGINS_WAITING_MAX 512

int sock_new(struct agent *a, struct sock **out, struct err *err);
void sock_free(struct sock *s);

/* Answers those who logged in before the session was ready. */
void sock_answer_waiting(struct sock *s);

/* The connection with that number, NULL when it has gone. */
struct conn *sock_find(struct sock *s, uint64_t conn_id);
/* The job of that connection is done: it may ask again. */
void sock_done(struct sock *s, uint64_t conn_id);

#endif
