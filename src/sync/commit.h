/* From a merge to a commit on the session branch. Internal to src/sync. */
#ifndef SYNC_COMMIT_H
#define SYNC_COMMIT_H

#include "base/json.h"
#include "sync/work.h"

#define COMMITTER_NAME "SteadyState"
#define COMMITTER_EMAIL "steadystate@localhost"

struct commit_plan {
    struct oid parent;        /* the session's head */
    const struct oid *second; /* own commits, or a remote's; NULL: none */
    struct oid tree;
    const struct agent_identity *who;
    const struct merge_report *overlaps;
    size_t n_files;
    const char *subject; /* NULL: "sync: <n> files by <login>" */
};

/* Writes the commit into w->mem. */
int commit_make(struct work *w, const struct commit_plan *plan, struct oid *out, struct err *err);

/* Sends it. ERR_CONFLICT: *head is where the branch is by now. changes and overlaps as in
 * sync_log.h. */
int commit_send(struct work *w, struct agent_client *agent, const struct oid *parent,
                const struct oid *commit, struct json_object *changes, struct json_object *overlaps,
                struct oid *head, struct err *err);

#endif
