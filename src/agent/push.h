/* One push on agent.sock: pack into quarantine, checks, the branch moves. */
#ifndef AGENT_PUSH_H
#define AGENT_PUSH_H

#include "agent/agent.h"
#include "agent/request.h"

struct push;

/* req is moved. The quarantine is made here. */
int push_begin(struct agent *a, uint64_t conn_id, uint32_t frame_id, const char *provider,
               const char *login, struct push_request *req, struct push **out, struct err *err);
/* Next piece. An error ends the push: give it up with push_free. */
int push_data(struct push *p, const void *data, size_t n, struct err *err);
/* After the last piece: p is taken; the answer is sent to its connection when it is done. */
void push_finish(struct push *p);
void push_free(struct push *p);
uint32_t push_frame_id(const struct push *p);

#endif
