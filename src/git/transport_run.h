/* One helper process of git/transport.h from start to end. Internal to src/git. */
#ifndef GIT_TRANSPORT_RUN_H
#define GIT_TRANSPORT_RUN_H

#include "base/net.h"
#include "base/str.h"
#include "base/url.h"
#include "git/transport.h"

/* A remote that was checked: what the URL is, and the addresses that it may be reached at. */
struct transport_target {
    struct repo_url url;
    struct net_addrs addrs; /* len 0 for REPO_FILE */
};
void transport_target_release(struct transport_target *t);
#define cleanup_target cleanup(transport_target_release)

/* Parses, applies the policy (protocol, host, private addresses), resolves once. */
int transport_check_remote(const struct transport_remote *remote, struct transport_target *out,
                           struct transport_failure *why, struct err *err);

struct transport_job {
    const struct transport_remote *remote;
    const struct transport_target *target;
    const struct transport_helper *helper;
    const char *git_dir;    /* NULL: none yet */
    const char *alternates; /* object directories, or NULL */
    struct strv args;       /* after "git" */
    int timeout_s;          /* 0: the helper's */
    struct str out;         /* stdout */
    struct str errs;        /* stderr without progress */
    int status;             /* as a shell counts it */
};
void transport_job_release(struct transport_job *job);
#define cleanup_job cleanup(transport_job_release)

/* Runs to the end. An error here means that there is no exit status (time-out, cancelled, not
 * started); a non-zero status is no error. */
int transport_run(struct transport_job *job, struct transport_failure *why, struct err *err);

/* Error and reason for a job that ended with a non-zero status. */
int transport_job_failed(const struct transport_job *job, const char *what,
                         struct transport_failure *why, struct err *err);

/* rm -rf as the helper, for what the helper made. */
void transport_remove(const struct transport_helper *helper, const char *path);

#endif
