/*
 * Who does what, and what is unsynced where: for those who watch the session.
 *
 * While somebody watches, every connected person's worktree is looked at by a process that has
 * become that person (`steadystate-agent scan`, watch/scan.h) and tells files and ranges of lines.
 * What comes from it is a stranger's word: parsed with limits, kept in memory, passed on. Nobody
 * watches: no such process.
 */
#ifndef AGENT_RADAR_H
#define AGENT_RADAR_H

#include "agent/agent.h"

#define RADAR_WATCHERS_MAX 256
#define RADAR_WATCHERS_OF_ONE 16
#define RADAR_GATHER_MS 100     /* changes are gathered before they are told */
#define RADAR_TERMINALS_MS 5000 /* between two looks at who types */
#define RADAR_RESTART_MS 10000  /* a scan that ended is not started again before */

struct radar;

struct radar *radar_new(struct agent *a);
void radar_free(struct radar *r);

/* That connection gets events from now on, the first with everything there is. */
int radar_watch(struct radar *r, uint64_t conn_id, const char *provider, const char *login,
                struct err *err);
void radar_closed(struct radar *r, uint64_t conn_id);
/* Somebody came or went. */
void radar_presence(struct radar *r);
/* agent.expires_at is another one. */
void radar_expires(struct radar *r);

/* `steadystate-agent scan`: frames to stdin's socket. Returns the exit code. */
int radar_scan(void);

#endif
