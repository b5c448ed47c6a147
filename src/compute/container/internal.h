/* What the files of the container provider share. */
#ifndef COMPUTE_CONTAINER_INTERNAL_H
#define COMPUTE_CONTAINER_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "compute/container/container.h"

#define LABEL_SESSION "steadystate.session"
#define LABEL_SERVER "steadystate.server"
#define LABEL_SPEC "steadystate.spec"
#define LABEL_IMAGE_USER "steadystate.ssh-user"
#define LABEL_IMAGE_VERSION "steadystate.version"

struct container_provider {
    struct engine engine;
    char *server_id;
    char *image;
    char *ssh_user;
    bool require_userns;
    char *profile_path;
    atomic_bool profile_unseen; /* the engine's host has no such file */
    bool guarded;
    char *policy; /* seccomp policy as the engines' JSON */
    int nofile;
    int nproc;

    pthread_mutex_t lock; /* the members below */
    bool info_known;
    int64_t info_at; /* monotonic milliseconds */
    struct engine_info info;
};

int container_engine_info(struct container_provider *cp, struct engine_info *out, struct err *err);

/* What the engine says of the session image: the result of image_inspect. */
struct container_image {
    int rc;
    struct engine_image image;
};

/* What the engine is and what is wrong with it, for `doctor`: info is NULL when it does not answer,
 * why tells then. */
void container_checks(const struct container_provider *cp, const struct engine_info *info,
                      const struct container_image *image, const struct err *why,
                      struct provider_checks *out);

struct container_names {
    char name[40]; /* of container, network and volume */
    char bridge[16];
};
void container_names_of(const char *session_id, struct container_names *out);

/* Absent is success; waits while the engine still holds something on it. */
int container_network_remove(const struct container_provider *cp,
                             const struct container_names *names, struct err *err);
/* The interface, if the engine left it behind. */
void container_bridge_remove(const char *bridge);

/* Everything that a session's container is made from; members point into it and into the spec. */
struct container_plan {
    struct container_names names;
    char hash[65];
    struct strv labels;
    struct strv argv;
    char tmp_options[64];
    struct engine_tmpfs tmpfs[3];
    struct engine_container_spec spec;
};
void container_plan_make(const struct container_provider *cp, const struct session_spec *spec,
                         const struct engine_info *info, struct container_plan *out);
void container_plan_release(struct container_plan *plan);
#define cleanup_container_plan cleanup(container_plan_release)

/* The files a session starts with, as a tar for /session. Holds the host key. */
int container_make_files(const struct session_spec *spec, struct str *tar, struct err *err);

/* Is what the engine made of it what was asked for? ERR_UNSUPPORTED names what is missing. */
int container_verify(const struct engine_container *c, const struct container_plan *plan,
                     struct err *err);
/* What can be seen only once it runs. */
int container_verify_running(const struct engine_container *c, const struct container_plan *plan,
                             struct err *err);
/* Can this engine run sessions? ERR_UNSUPPORTED says why not. */
int container_check_engine(const struct container_provider *cp, const struct engine_info *info,
                           bool require_userns, struct err *err);

int container_start(void *self, const struct session_spec *spec,
                    const struct provider_progress *progress, struct provider_conn *out,
                    struct err *err);
int container_attach(void *self, const char *session_id, struct provider_conn *out,
                     struct err *err);

#endif
