/* Environment of a transport helper: every setting that keeps git where it belongs. Internal. */
#ifndef GIT_TRANSPORT_ENV_H
#define GIT_TRANSPORT_ENV_H

#include "git/transport_run.h"

#define TRANSPORT_GITCONFIG "gitconfig"

struct transport_files {
    char *home; /* private directory, holds known_hosts; TRANSPORT_GITCONFIG for a path */
    int key_fd; /* deploy key in memory, or -1 */
};

/* Appends NAME=value for the job. The result holds the token: release with
 * transport_env_release, which wipes it. */
int transport_environment(const struct transport_job *job, const struct transport_files *files,
                          struct strv *env, struct err *err);
void transport_env_release(struct strv *env);

#endif
