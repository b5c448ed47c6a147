/* Inside of the local provider. */
#ifndef COMPUTE_LOCAL_INTERNAL_H
#define COMPUTE_LOCAL_INTERNAL_H

#include <sys/types.h>

#include "compute/local/local.h"

struct local {
    char *server_id;
    char *root;
    char *agent;
    char *user;
    bool as_root; /* we are uid 0: sessions get another uid */
};

/* The account of sessions; also when we are not root. */
struct local_account {
    uid_t uid;
    gid_t gid;
    char name[64];
    char shell[128];
};
/* ERR_NOT_FOUND: there is no such account; ERR_DENIED: it is uid 0. */
int local_account(const struct local *l, struct local_account *out, struct err *err);

/* ---- files.c ---- */

/* Opens (makes) the session root. A descriptor, or negative. */
int files_open_root(const struct local *l, struct err *err);
/* ERR_DENIED: the account cannot get into the session root, or others could change what is in it.
 */
int files_check_root(const struct local *l, const struct local_account *account, struct err *err);
/* Makes a session's directory with spec.json and ssh/host_key; a repeat finishes what a crash left.
 */
int files_make(const struct local *l, int root_fd, const struct session_spec *spec,
               const struct local_account *account, struct err *err);
/* Reads <id>.json. ERR_NOT_FOUND: there is none, or it belongs to another server. */
int files_read_mark(const struct local *l, int root_fd, const char *id, char spec_hash[65],
                    struct err *err);
int files_remove(int root_fd, const char *id, struct err *err);
int files_list(const struct local *l, int root_fd, struct provider_sessions *out, struct err *err);
/* The last line of the agent's log, appended; nothing when there is none. */
void files_last_log(int root_fd, const char *id, struct str *out);

/* ---- agent.c ---- */

/* Connects to the session's control socket. ERR_NOT_FOUND: no agent serves it. *pid: who listens.
 */
int local_agent_connect(const struct local *l, int root_fd, const char *id,
                        const struct local_account *account, pid_t *pid, struct err *err);
/* Starts the agent and waits until its socket answers: a descriptor, or negative. */
int local_agent_start(const struct local *l, int root_fd, const char *id,
                      const struct local_account *account, struct err *err);

/* ---- procs.c ---- */

/* Ends every process of a session: asked to for grace_ms, then killed. ERR_TIMEOUT: something is
 * still there. */
int procs_end(const char *dir, const char *id, uid_t uid, int grace_ms, struct err *err);

#endif
