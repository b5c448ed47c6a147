/* Taking a session's network away for good. */
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "compute/container/internal.h"

#define REMOVE_TRIES 20
#define REMOVE_WAIT_NS 100000000L

/*
 * Podman 4.3 that removes a container right after its start can leave the bridge behind; the subnet
 * then counts as taken until the machine starts anew. The name is made of the session's id, so it
 * is nobody else's. Where we have no right to it, or the engine is in another network namespace, it
 * stays: then the subnet is passed over.
 */
void container_bridge_remove(const char *bridge)
{
    struct ifreq request = {0};
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", bridge);
    cleanup_close int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &request) < 0)
        return;
    request.ifr_flags = (short)(request.ifr_flags & ~IFF_UP);
    if (ioctl(fd, SIOCSIFFLAGS, &request) == 0)
        ioctl(fd, SIOCBRDELBR, request.ifr_name);
}

int container_network_remove(const struct container_provider *cp,
                             const struct container_names *names, struct err *err)
{
    const struct engine_ops *ops = cp->engine.ops;
    struct err local = ERR_INIT;
    int rc = ERR_CONFLICT;
    /* An engine may hold on to the address for a moment after its container is gone. */
    for (int i = 0; i < REMOVE_TRIES && rc == ERR_CONFLICT; i++) {
        if (i > 0)
            nanosleep(&(struct timespec){0, REMOVE_WAIT_NS}, NULL);
        err_clear(&local);
        rc = ops->network_remove(cp->engine.self, names->name, &local);
    }
    if (rc < 0)
        return err_set(err, rc, "%s", local.msg);
    container_bridge_remove(names->bridge);
    return 0;
}
