#include "agent/bridge.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"

/* One piece from one side to the other; false at its end. */
static int pass(int from, int to, bool *more, struct err *err)
{
    char buf[16384];
    ssize_t n = read(from, buf, sizeof buf);
    if (n < 0 && errno == EINTR)
        return 0;
    if (n < 0)
        return err_errno(err, "read");
    *more = n > 0;
    return n > 0 ? fd_write_full(to, buf, (size_t)n, err) : 0;
}

int bridge_run(const char *socket_path, struct err *err)
{
    cleanup_close int sock = fd_unix_connect(socket_path, err);
    if (sock < 0)
        return sock;
    bool in = true, out = true;
    while (out) {
        struct pollfd p[] = {{.fd = sock, .events = POLLIN},
                             {.fd = in ? STDIN_FILENO : -1, .events = POLLIN}};
        if (poll(p, 2, -1) < 0) {
            if (errno == EINTR)
                continue;
            return err_errno(err, "poll");
        }
        int rc = 0;
        if (p[0].revents)
            rc = pass(sock, STDOUT_FILENO, &out, err);
        if (rc == 0 && in && p[1].revents) {
            rc = pass(STDIN_FILENO, sock, &in, err);
            if (rc == 0 && !in)
                (void)shutdown(sock, SHUT_WR);
        }
        if (rc < 0)
            return rc;
    }
    return 0;
}
