/*
 * A commit that came by `git push` from elsewhere becomes part of the session. Runs as the person
 * who pushed; needs no worktree and does not touch one. The agent checks what it is sent as it
 * checks every sync.
 *
 * A push that continues the session branch by commits of the person's own is taken as it is. One
 * that does not, or that brings commits of other authors, is merged by the merge of sync: a commit
 * on the branch's head with the pushed one as second parent. Nothing is refused because the branch
 * moved.
 */
#ifndef SYNC_RECEIVE_H
#define SYNC_RECEIVE_H

#include <stddef.h>

#include "merge/report.h"
#include "sync/sync.h"

#define RECEIVE_CHAIN_MAX 200 /* commits taken one by one; a longer push is merged */

enum receive_how {
    RECEIVE_NOTHING, /* the session had it already */
    RECEIVE_AS_IS,   /* the branch is at the pushed commit */
    RECEIVE_MERGED,  /* the branch is at a commit that has the pushed one as second parent */
};

struct receive_result {
    enum receive_how how;
    struct oid base; /* what of the pushed commit the session had before; zero: nothing */
    struct oid head; /* of the session branch now */
    size_t taken;    /* commits of the pusher's that became the branch's own */
    struct merge_report overlaps;
};
void receive_result_release(struct receive_result *r);
#define cleanup_receive_result cleanup(receive_result_release)

/* git_dir: a repository of this push's own that has `pushed` and borrows the session's objects;
 * what is made of them stays in memory. */
int sync_receive(const struct sync_place *place, const char *git_dir, const struct oid *pushed,
                 struct receive_result *out, struct err *err);

#endif
