/*
 * Work ahead for whoever logs in next: the file of blobs (sync/flat.h), written by a child of the
 * lowest priority once the session is ready.
 */
#ifndef AGENT_WARM_H
#define AGENT_WARM_H

struct agent;

/* Repeatable; what is there is kept. A failure costs time at the next first login, nothing else. */
void warm_start(struct agent *a);

/* The child's program: `steadystate-agent warm CANONICAL REF`; its exit status. */
int warm_main(const char *canonical, const char *ref);

#endif
