#include <string.h>

#include "compute/container/container.h"
#include "compute/container/internal.h"

static void check_engine(const struct engine_info *info, struct provider_checks *out)
{
    provider_checks_add(out, "engine", PROVIDER_FINE, NULL, "%s %s with %s, %s", info->name,
                        info->version, info->runtime[0] ? info->runtime : "its default runtime",
                        info->rootless ? "rootless" : "rootful");
    if (info->limits)
        provider_checks_add(out, "limits", PROVIDER_FINE, NULL,
                            "memory, processor and process limits take effect (cgroup v%d)",
                            info->cgroup_version);
    else
        provider_checks_add(
            out, "limits", PROVIDER_WRONG,
            info->rootless && info->cgroup_version != 2
                ? "Boot with 'systemd.unified_cgroup_hierarchy=1', or use a rootful engine."
                : "Enable the cgroup controllers memory, cpu and pids for the engine.",
            "this %sengine ignores limits of memory, processors or processes (cgroup v%d)",
            info->rootless ? "rootless " : "", info->cgroup_version);
}

static void check_userns(const struct container_provider *cp, const struct engine_info *info,
                         struct provider_checks *out)
{
    if (info->userns || info->userns_option)
        provider_checks_add(out, "userns", PROVIDER_FINE, NULL,
                            "each session has a user namespace of its own");
    else
        provider_checks_add(out, "userns", cp->require_userns ? PROVIDER_WRONG : PROVIDER_WARNING,
                            "Put '\"userns-remap\": \"default\"' into /etc/docker/daemon.json "
                            "and restart dockerd, or use Podman.",
                            "sessions have no user namespace: dockerd runs without userns-remap");
}

static void check_isolation(const struct container_provider *cp, const struct engine_info *info,
                            struct provider_checks *out)
{
    if (info->seccomp_path && (!cp->profile_path || atomic_load(&cp->profile_unseen)))
        provider_checks_add(out, "seccomp", PROVIDER_WARNING,
                            "Run the server on the engine's host with its state directory there.",
                            "the engine cannot read our profile: its own is used until a session's "
                            "agent has loaded ours");
    else
        provider_checks_add(out, "seccomp", PROVIDER_FINE, NULL, "sessions run under our profile");
    if (cp->guarded)
        provider_checks_add(out, "network", PROVIDER_FINE, NULL,
                            "sessions do not reach services of the engine's host");
    else
        provider_checks_add(out, "network", PROVIDER_WARNING,
                            "Run the server as root on the engine's host, or filter as "
                            "docs/self-hosting.md says.",
                            "sessions reach services of the engine's host that listen on all "
                            "addresses");
}

static void check_image(const struct container_provider *cp, const struct container_image *look,
                        struct provider_checks *out)
{
    if (look->rc < 0) {
        provider_checks_add(out, "image", PROVIDER_WRONG, "Run 'make image' with the same engine.",
                            look->rc == ERR_NOT_FOUND ? "the engine has no image %s"
                                                      : "the engine cannot tell about the image %s",
                            cp->image);
        return;
    }
    const char *user = engine_label(&look->image.labels, LABEL_IMAGE_USER);
    const char *version = engine_label(&look->image.labels, LABEL_IMAGE_VERSION);
    if (!user || strcmp(user, cp->ssh_user) != 0) {
        cleanup_free char *mend = xasprintf("Run 'make image SSH_USER=%s'.", cp->ssh_user);
        provider_checks_add(out, "image", PROVIDER_WRONG, mend,
                            "the image %s was built for the SSH user %s, the server wants %s",
                            cp->image, user ? user : "(none)", cp->ssh_user);
    } else if (!version || strcmp(version, STEADYSTATE_VERSION) != 0) {
        provider_checks_add(out, "image", PROVIDER_WARNING,
                            "Run 'make image': its programs belong to the server's.",
                            "the image %s is of version %s, the server of " STEADYSTATE_VERSION,
                            cp->image, version ? version : "(none)");
    } else {
        provider_checks_add(out, "image", PROVIDER_FINE, NULL, "%s, version %s", cp->image,
                            version);
    }
}

void container_checks(const struct container_provider *cp, const struct engine_info *info,
                      const struct container_image *image, const struct err *why,
                      struct provider_checks *out)
{
    if (!info) {
        provider_checks_add(out, "engine", PROVIDER_WRONG,
                            "Start it ('systemctl start podman.socket' or 'docker.service'), or "
                            "set STEADYSTATE_ENGINE.",
                            "the engine does not answer: %s", why->msg);
        return;
    }
    check_engine(info, out);
    check_userns(cp, info, out);
    check_isolation(cp, info, out);
    check_image(cp, image, out);
}
