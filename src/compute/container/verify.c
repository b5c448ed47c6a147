#include <string.h>

#include "compute/container/internal.h"

static int missing(const char *what, struct err *err)
{
    return err_set(err, ERR_UNSUPPORTED,
                   "protection missing: the engine made the container without %s", what);
}

int container_verify(const struct engine_container *c, const struct container_plan *plan,
                     const struct engine_info *info, struct err *err)
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
    /* Podman says "private" for a mapping that was asked for, "" or "host" without one. */
    if (info->userns_option && want->userns_size &&
        (!c->userns_mode[0] || strcmp(c->userns_mode, "host") == 0))
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
