/* A person's place in a session, as the agent tells it to the wrapper. */
#ifndef WRAPPER_SEAT_H
#define WRAPPER_SEAT_H

#include <sys/types.h>

#include "base/err.h"
#include "base/json.h"
#include "wrapper/args.h"

struct seat {
    uid_t uid;
    gid_t gid;
    char *account;
    char *home;
    char *worktree;
    char *repo_name;
    char *canonical;
    char *session_id;
    char *session_branch;
    char *author_name;
    char *author_email;
    struct strv env; /* NAME=value */
    bool terminal;   /* the session is one shared terminal, which is all there is here */
};
void seat_release(struct seat *seat);
#define cleanup_seat cleanup(seat_release)

/* The answer to `login`. *out is initialised here and empty after a failure. Pure. */
int seat_parse(struct json_object *reply, struct seat *out, struct err *err);

/* Asks agent.sock for the seat (waits until the session is ready) and announces this process. */
int seat_take(const struct wrapper_args *args, enum wrapper_kind kind, struct seat *out,
              struct err *err);

#endif
