#include <string.h>

#include "compute/container/internal.h"

static int missing(const char *what, struct err *err)
{
    return err_set(err, ERR_UNSUPPORTED,
                   "protection missing: the engine made the container without %s", what);
}

int container_verify(const struct engine_container *c, const struct container_plan *plan,
                     struct err *err)
{
    const struct engine_container_spec *want = &plan->spec;
    if (c->memory != want->memory)
        return missing("its memory limit", err);
    if (c->nano_cpus != (int64_t)want->cpus_milli * 1000000)
        return missing("its CPU limit", err);
    if (c->pids != want->pids)
        return missing("its process limit", err);
    if (!c->read_only)
        return missing("a read-only root", err);
    if (!c->no_new_privileges)
        return missing("no-new-privileges", err);
    if (c->privileged)
        return missing("dropping privileges", err);
    if (c->host_port != want->host_port)
        return missing("its port", err);
    for (size_t i = 0; i < c->caps.len; i++) {
        bool wanted = false;
        for (const char *const *cap = want->cap_add; *cap; cap++)
            wanted = wanted || strcmp(c->caps.v[i] + strlen("CAP_"), *cap) == 0;
        if (!wanted)
            return err_set(err, ERR_UNSUPPORTED,
                           "protection missing: the engine left the container %s", c->caps.v[i]);
    }
    return 0;
}

int container_verify_running(const struct engine_container *c, const struct container_plan *plan,
                             struct err *err)
{
    /* An end already has its reason told on the control connection. */
    if (c->state == ENGINE_EXITED)
        return 0;
    /* Podman tells before the start of no mapping and then of "private". */
    if (plan->spec.userns_size && strcmp(c->userns_mode, "private") != 0)
        return missing("its user namespace", err);
    return 0;
}

int container_check_engine(const struct container_provider *cp, const struct engine_info *info,
                           bool require_userns, struct err *err)
{
    if (!info->limits)
        return err_set(err, ERR_UNSUPPORTED,
                       "this %s engine would ignore a session's limits (%scgroup v%d): use a "
                       "rootful engine or a cgroup v2 machine",
                       info->name, info->rootless ? "rootless, " : "", info->cgroup_version);
    if ((require_userns || cp->require_userns) && !info->userns && !info->userns_option)
        return err_set(err, ERR_UNSUPPORTED,
                       "this %s engine gives sessions no user namespace: set userns-remap in its "
                       "daemon.json, or use Podman",
                       info->name);
    return 0;
}
