/*
 * Provider "container": one session is one network, one volume and one container on an engine, all
 * named steadystate-<id> and labelled
 *
 *     steadystate.session=<id>  steadystate.server=<server id>  steadystate.spec=<hash of the spec>
 *
 * The container has every capability dropped but SETUID, SETGID, SYS_CHROOT and CHOWN,
 * no-new-privileges, a read-only root, limits, a seccomp policy where the engine can be given one
 * (the agent loads it itself in any case), a user namespace of its own on rootful Podman, a bridge
 * network with the session's /28, and one published port. What the engine made of it is read back
 * before the start, since engines take options silently that they ignore: anything missing ends the
 * start. Nothing is mounted from the host.
 */
#ifndef COMPUTE_CONTAINER_H
#define COMPUTE_CONTAINER_H

#include "compute/provider.h"
#include "engine/engine.h"

#define CONTAINER_SSH_PORT 2222 /* inside */
#define CONTAINER_AGENT "/usr/libexec/steadystate/steadystate-agent"
/* Interfaces of all sessions on the host begin so; the rest is the id. */
#define CONTAINER_BRIDGE_PREFIX "ssn"

/* Strings are copied. */
struct container_options {
    const char *server_id;
    const char *image; /* looked for by info; a start uses the spec's */
    const char *ssh_user;
    bool require_userns;
    /* Where the seccomp policy is written for engines that take it as a path on their host
     * (Podman): a file that the engine's host sees at the same path. NULL: there is none. */
    const char *profile_path;
    /* container_guard worked: info does not warn about what sessions reach. */
    bool guarded;
};

/* Takes the engine over, also on failure. */
int container_provider_new(struct engine *engine, const struct container_options *options,
                           struct provider *out, struct err *err);

/*
 * Host firewall: sessions reach nothing that listens on the engine's host but its name service and
 * (tcp) the addresses in `allowed`, which are STEADYSTATE_ALLOWED_HOSTS, and no link-local address
 * (169.254.169.254: a cloud's metadata). Chains STEADYSTATE-INPUT (filter, IPv4 and IPv6) and
 * STEADYSTATE-PRE (mangle), for interfaces that begin with CONTAINER_BRIDGE_PREFIX. Runs iptables
 * and ip6tables, so it is for the keeper before it gives up exec; needs CAP_NET_ADMIN in the
 * engine's network namespace. Repeatable: the chains are filled anew. ERR_UNSUPPORTED: not possible
 * here.
 */
int container_guard(char *const *allowed, size_t n, struct err *err);

#endif
