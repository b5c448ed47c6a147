/*
 * Who wrote each line of a file in the worktree.
 *
 * In the session, a line is its sync's author's: the agent has checked that the author is the
 * person who sent it, so nobody can credit a line to somebody else; what came along in a sync (own
 * commits, a remote that moved) counts as the sender's. Before the session, history is believed as
 * it is, merges included. What the session does not have yet is nobody's: not synced.
 */
#ifndef SYNC_CREDIT_H
#define SYNC_CREDIT_H

#include <stdbool.h>
#include <stdint.h>

#include "git/oid.h"
#include "sync/sync.h"

#define CREDIT_FILE_MAX ((size_t)64 << 20)
#define CREDIT_BLAME_MAX ((size_t)512 << 20) /* git's answer */

struct credit_line {
    bool synced;
    char *author; /* NULL while not synced */
    struct oid commit;
    int64_t time;
    char *text; /* len bytes, without the newline */
    size_t len;
};
struct credit {
    struct credit_line *v;
    size_t len;
    size_t cap;
};
void credit_release(struct credit *c);
#define cleanup_credit cleanup(credit_release)

/* path: relative to the worktree. ERR_NOT_FOUND when there is no such file. */
int sync_credit(const struct sync_place *place, const char *path, struct credit *out,
                struct err *err);

#endif
