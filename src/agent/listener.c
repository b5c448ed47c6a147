#include "agent/listener.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"

#define BACKLOG 256

struct listener {
    int fd;
    char *path;
    struct loop_watch *watch;
    listener_fn fn;
    void *payload;
};

static void on_accept(int fd, uint32_t events, void *payload)
{
    const struct listener *l = payload;
    pid_t pid;
    uid_t uid;
    gid_t gid;
    (void)events;
    cleanup_close int got = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (got >= 0 && fd_peer(got, &pid, &uid, &gid, NULL) == 0)
        l->fn(steal_fd(&got), pid, uid, l->payload);
}

int listener_new(struct loop *loop, const char *path, mode_t mode, listener_fn fn, void *payload,
                 struct listener **out, struct err *err)
{
    int fd = fd_unix_listen(path, mode, BACKLOG, err);
    if (fd < 0)
        return fd;
    (void)fd_set_nonblock(fd, true);
    struct listener *l = xcalloc(1, sizeof *l);
    *l = (struct listener){.fd = fd, .path = xstrdup(path), .fn = fn, .payload = payload};
    l->watch = loop_add_fd(loop, fd, EPOLLIN, on_accept, l);
    *out = l;
    return 0;
}

void listener_free(struct listener *l)
{
    if (!l)
        return;
    loop_remove(l->watch);
    close(l->fd);
    (void)unlink(l->path);
    free(l->path);
    free(l);
}
