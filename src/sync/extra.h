/* A commit on the session's head that does not come from the worktree: a remote's branch that is
 * merged in, or a sync that is taken back. The worktree follows by the next sync. Internal to
 * src/sync. */
#ifndef SYNC_EXTRA_H
#define SYNC_EXTRA_H

#include "sync/work.h"

struct extra {
    struct oid base_tree;  /* the change is that from base_tree */
    struct oid local_tree; /* to local_tree */
    struct oid base;       /* commit: others' changes since count as the other side's */
    bool has_second;
    struct oid second; /* parent besides the head */
    const char *login; /* names copies that are kept beside */
    bool others;       /* local_tree is the work of others: `resolve --mine` is the head's side */
    char *subject;     /* owned; NULL: that of a sync */
};

/* What is to be done on this head; called again when the head moved. Nothing: *needed false. */
typedef int (*extra_fn)(struct work *w, const struct oid *head, const struct agent_identity *who,
                        void *payload, struct extra *out, bool *needed, struct err *err);

/* What overlapped is remembered for `conflicts` and appended to *report. */
int extra_commit(const struct sync_place *place, extra_fn fn, void *payload,
                 struct merge_report *report, bool *done, struct err *err);

/* Merges x on *head and sends the commit: 0 with *head the new head and *report (may be NULL) what
 * overlapped; ERR_CONFLICT with *head where the branch is by now. */
int extra_send(struct work *w, struct agent_client *agent, const struct agent_identity *who,
               const struct extra *x, struct oid *head, struct merge_report *report,
               struct err *err);

/* Tree of a commit. */
int extra_tree_of(struct repo *repo, const struct oid *commit, struct oid *tree, struct err *err);

#endif
