/*
 * The process above the agent: PID 1 of the container, or the detached process of a local session.
 * It takes in orphans, so that the agent waits for children of its own only, passes signals on, and
 * ends, with everything below it, when the agent ends.
 */
#ifndef AGENT_INIT_H
#define AGENT_INIT_H

/* Forks; returns in the child, which is to become the agent. The parent never returns: it exits
 * with the child's status. adopt: become the reaper of orphans and end them at the end (not needed
 * for PID 1). Returns -1 when there is no process to be had. */
int init_split(int adopt);

#endif
