/*
 * `steadystate watch --events`: what happens in a session as JSON lines on a descriptor
 * (docs/protocols.md, section 6), from the agent's events and the session's logs. Runs inside the
 * session as the person; sleeps until something happens.
 */
#ifndef WATCH_FEED_H
#define WATCH_FEED_H

#include "base/err.h"
#include "sync/sync.h"

#define FEED_TAIL ((size_t)64 * 1024)       /* bytes of each log that are told at first */
#define FEED_LOG_LINE_MAX ((size_t)1 << 20) /* longer lines are passed over */
#define FEED_PEOPLE_MAX 1000                /* whose unsynced changes are kept */
#define FEED_READY_MS 2000                  /* "ready" is told by then in any case */

/* Until `out` is closed at the other end, or `in` (a pipe or socket; anything else is not looked
 * at) ends: 0. ERR_UNAVAILABLE: the agent has gone or does not answer. */
int feed_run(const struct sync_place *place, const char *logs[2], int in, int out, struct err *err);

#endif
