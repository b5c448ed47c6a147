/* agent.sock: what collaborators' processes and the wrapper may ask (docs/protocols.md, 4). */
#ifndef AGENT_SOCK_H
#define AGENT_SOCK_H

#include "agent/agent.h"

#define SOCK_CONNECTIONS_OF_ONE_UID 64
#define SOCK_LOGINS_WAITING_MAX 512

int sock_new(struct agent *a, struct sock **out, struct err *err);
void sock_free(struct sock *s);

/* Answers those who logged in before the session was ready, or before they were let in. */
void sock_answer_waiting(struct sock *s);
/* Answers this person's waiting logins with a no. */
void sock_refuse(struct sock *s, const char *provider, const char *login);
/* The push of that connection is in: what was typed up to its whoami is in a commit. */
void sock_pushed(struct sock *s, uint64_t conn_id);
/* What is set for everybody's processes; the caller's to put. */
struct json_object *sock_session_env(const struct agent *a, const char *provider, const char *login,
                                     const char *worktree);

/* The connection with that number, NULL when it has gone. */
struct conn *sock_find(struct sock *s, uint64_t conn_id);
/* The job of that connection is done: it may ask again. */
void sock_done(struct sock *s, uint64_t conn_id);

#endif
