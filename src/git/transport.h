/*
 * Git over the network: clone, fetch, push and ls-remote by the git command in a helper process.
 *
 * Everything the other side can say is hostile: the helper has its own process group, time limits
 * (stalled transfers and in total), file size limit, an empty HOME, no system or user
 * configuration, no prompt, no redirects, only the protocol of the checked URL, and the address
 * that was checked is the one it connects to. The token goes to that one child through its
 * environment, scoped to its host; never a file, a URL or an argument. A deploy key goes through an
 * anonymous file in memory.
 *
 * Every function blocks until the helper has ended: call them from a thread of their own, or from
 * a process that has nothing else to do. They may run at the same time.
 */
#ifndef GIT_TRANSPORT_H
#define GIT_TRANSPORT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "git/oid.h"

/* Where to, and with which secrets. All strings are borrowed. */
struct transport_remote {
    const char *url;            /* as repo_url_parse takes it; checked here again */
    char *const *allowed_hosts; /* see net_allow_has; also the only hosts http:// is taken for */
    size_t n_allowed_hosts;
    bool allow_local;           /* paths and file:// */
    const char *token_host;     /* the token is used when this is the URL's host, else not at all */
    const char *token_username; /* NULL: "x-access-token" */
    const char *token;          /* NULL: none */
    const char *deploy_key;     /* OpenSSH private key text for ssh, or NULL */
    const char *known_hosts;    /* known_hosts text for ssh; NULL: every ssh host is refused */
};

/* Progress of a transfer, from the helper's own report: "Receiving objects, 3.20 MiB". percent is
 * -1 while unknown. May be called often; runs on the calling thread. */
typedef void (*transport_progress_fn)(const char *stage, int percent, void *payload);

/* How the helper process is to run. A zeroed value is usable (same uid, defaults). */
struct transport_helper {
    /* Runs in the child before exec: drop privileges, seccomp. Async-signal-safe. NULL: none. */
    int (*before_exec)(void *payload);
    void *payload;
    bool has_uid; /* the helper becomes uid:gid by before_exec: what it must own is chowned */
    uid_t uid;
    gid_t gid;
    const char *scratch; /* directory for the helper's private HOME, removed after; NULL: /tmp */
    const char *path;    /* PATH of the helper; NULL: /usr/local/bin:/usr/bin:/bin */
    int timeout_s;       /* in total; 0: TRANSPORT_TIMEOUT_S */
    int stall_s;         /* less than 1000 bytes a second for so long; 0: TRANSPORT_STALL_S */
    uint64_t max_bytes;  /* of one file that the helper writes; 0: TRANSPORT_BYTES_MAX */
    transport_progress_fn progress;
    void *progress_payload;
    const atomic_bool *cancel; /* looked at twice a second; NULL: never */
};

#define TRANSPORT_TIMEOUT_S 3600
#define TRANSPORT_STALL_S 30
#define TRANSPORT_BYTES_MAX ((uint64_t)8 << 30)
#define TRANSPORT_STDERR_MAX ((size_t)256 * 1024)

/* Why it failed: a word of failed.reason in docs/protocols.md. The words that come from here:
 * repository_not_found, authentication_required, repository_unreachable, repository_refused,
 * branch_not_found, repository_too_large, no_space, internal. Set whenever a function here returns
 * an error; the text for people is in err. */
struct transport_failure {
    const char *reason;
};

/*
 * git clone --bare into dest (made here, owned by the helper; must not exist or be empty). branch
 * NULL: the origin's default. HEAD of dest then names the branch. An empty origin is a success.
 * On error dest is removed. Errors beside the reason: ERR_NOT_FOUND, ERR_UNAUTHENTICATED,
 * ERR_UNAVAILABLE, ERR_DENIED, ERR_LIMIT, ERR_NO_SPACE, ERR_TIMEOUT, ERR_CANCELLED.
 */
int transport_clone_bare(const struct transport_remote *remote,
                         const struct transport_helper *helper, const char *dest,
                         const char *branch, struct transport_failure *why, struct err *err);

/* Id of a ref ("refs/heads/x") at the remote; absent: *found false and 0. Times out soon. */
int transport_ls_remote(const struct transport_remote *remote,
                        const struct transport_helper *helper, const char *ref, struct oid *out,
                        bool *found, struct transport_failure *why, struct err *err);

/* Fetches remote_ref into local_ref (forced) of the bare repository repo_dir, with tags left
 * alone. alternates: object directories that are looked into besides (colon-separated, or NULL). */
int transport_fetch(const struct transport_remote *remote, const struct transport_helper *helper,
                    const char *repo_dir, const char *alternates, const char *remote_ref,
                    const char *local_ref, struct transport_failure *why, struct err *err);

enum transport_push_status {
    TRANSPORT_PUSH_DONE,     /* the remote has it, also when it had it already */
    TRANSPORT_PUSH_MOVED,    /* not a fast-forward: fetch, merge, push again */
    TRANSPORT_PUSH_REJECTED, /* the remote's hooks or rules refused; err holds its words */
};

/*
 * Pushes commit to refs/heads/<branch>, never forced, from repo_dir with the object directories in
 * `alternates` (canonical/objects) added. After a lost answer the remote's ref is read before the
 * push is called failed. 0 with *status DONE or MOVED; REJECTED comes with ERR_DENIED.
 */
int transport_push(const struct transport_remote *remote, const struct transport_helper *helper,
                   const char *repo_dir, const char *alternates, const struct oid *commit,
                   const char *branch, enum transport_push_status *status,
                   struct transport_failure *why, struct err *err);

#endif
