/* Publishing: the session branch to the origin, with the token that only the agent has. One after
 * another, in the order they were asked for. */
#ifndef AGENT_PUBLISH_H
#define AGENT_PUBLISH_H

#include "agent/agent.h"

#define PUBLISH_WAITING_MAX 256

/* The last commit that the origin has of the session branch; kept in canonical for the archive. */
#define PUBLISHED_REF "refs/steadystate/published"
/* Where the session started, when the origin has it. */
#define BASE_REF "refs/steadystate/base"
/* In repo/: the origin's branch, fetched when it had moved. */
#define REMOTE_REF "refs/steadystate/remote"

struct publisher *publisher_new(struct agent *a);
void publisher_free(struct publisher *p);

/* Answers to the connection when it is done. */
int publish_request(struct publisher *p, uint64_t conn_id, uint32_t frame_id, const char *login,
                    const struct oid *expect, struct err *err);

#endif
