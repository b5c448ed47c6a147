#include <stdio.h>
#include <string.h>

#include "compute/container/internal.h"
#include "engine/tar.h"

#define TMP_PART 4 /* of the session's memory may lie in /tmp */

static const char *const caps[] = {"SETUID", "SETGID", "SYS_CHROOT", "CHOWN", NULL};

void container_names_of(const char *session_id, struct container_names *out)
{
    snprintf(out->name, sizeof out->name, "steadystate-%.20s", session_id);
    snprintf(out->bridge, sizeof out->bridge, CONTAINER_BRIDGE_PREFIX "%.12s", session_id);
}

static const char *seccomp_of(const struct container_provider *cp, const struct engine_info *info)
{
    if (!info->seccomp_path)
        return cp->policy;
    return atomic_load(&cp->profile_unseen) ? NULL : cp->profile_path;
}

void container_plan_make(const struct container_provider *cp, const struct session_spec *spec,
                         const struct engine_info *info, struct container_plan *out)
{
    memset(out, 0, sizeof *out);
    container_names_of(spec->id, &out->names);
    session_spec_hash(spec, out->hash);
    strv_pushf(&out->labels, LABEL_SESSION "=%s", spec->id);
    strv_pushf(&out->labels, LABEL_SERVER "=%s", cp->server_id);
    strv_pushf(&out->labels, LABEL_SPEC "=%s", out->hash);
    strv_pushl(&out->argv, CONTAINER_AGENT, "run", "--stdio", "--session-root", "/session", NULL);
    /* dockerd mounts tmpfs noexec unless told otherwise, and builds run things in /tmp. */
    snprintf(out->tmp_options, sizeof out->tmp_options, "mode=1777,exec,size=%llum",
             (unsigned long long)(spec->memory / TMP_PART / (1024 * 1024)));
    out->tmpfs[0] = (struct engine_tmpfs){"/run", "mode=755,size=16m"};
    out->tmpfs[1] = (struct engine_tmpfs){"/tmp", out->tmp_options};
    out->tmpfs[2] = (struct engine_tmpfs){"/var/tmp", out->tmp_options};
    out->spec = (struct engine_container_spec){
        .name = out->names.name,
        .image = spec->image,
        .entrypoint = &out->argv,
        .labels = &out->labels,
        .hostname = "session",
        .user = "0:0",
        .workdir = "/",
        .open_stdin = true,
        .network = out->names.name,
        .port = CONTAINER_SSH_PORT,
        .host_ip = spec->ssh_bind,
        .host_port = spec->ssh_port,
        .volume = out->names.name,
        .volume_path = "/session",
        .tmpfs = out->tmpfs,
        .n_tmpfs = ARRAY_LEN(out->tmpfs),
        .cap_add = caps,
        .read_only = true,
        .seccomp = seccomp_of(cp, info),
        .userns_base = spec->uid_base,
        .userns_size = info->userns_option ? SPEC_UID_RANGE : 0,
        .memory = spec->memory,
        .cpus_milli = spec->cpus_milli,
        .pids = spec->pids,
        .nofile = cp->nofile,
        /* Counted per uid: in a user namespace of its own the session's process limit says it all,
         * without one the same uid serves several sessions. */
        .nproc = info->userns_option ? spec->pids : cp->nproc,
    };
}

void container_plan_release(struct container_plan *plan)
{
    strv_release(&plan->labels);
    strv_release(&plan->argv);
}

int container_make_files(const struct session_spec *spec, struct str *tar, struct err *err)
{
    cleanup_json struct json_object *obj = session_spec_to_json(spec, false);
    cleanup_str struct str text = STR_INIT;
    json_print(obj, &text);
    int rc = tar_add_file(tar, "spec.json", 0600, 0, 0, text.p, text.len, err);
    if (rc == 0)
        rc = tar_add_dir(tar, "ssh", 0755, 0, 0, err);
    if (rc == 0)
        rc = tar_add_file(tar, "ssh/host_key", 0600, 0, 0, spec->host_key, strlen(spec->host_key),
                          err);
    if (rc == 0)
        tar_finish(tar);
    return rc;
}
