#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/enc.h"

int fd_set_nonblock(int fd, bool on)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0)
        return ERR_FAILED;
    flags = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
    return fcntl(fd, F_SETFL, flags) < 0 ? ERR_FAILED : 0;
}

int fd_set_cloexec(int fd, bool on)
{
    return fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0) < 0 ? ERR_FAILED : 0;
}

int fd_read_full(int fd, void *p, size_t n, struct err *err)
{
    char *at = p;
    while (n) {
        ssize_t got = read(fd, at, n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_errno(err, "read");
        if (got == 0)
            return err_set(err, ERR_UNAVAILABLE, "the other side closed the connection");
        at += got;
        n -= (size_t)got;
    }
    return 0;
}

int fd_write_full(int fd, const void *p, size_t n, struct err *err)
{
    const char *at = p;
    while (n) {
        ssize_t put = write(fd, at, n);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0 && errno == EAGAIN) {
            struct pollfd wait = {.fd = fd, .events = POLLOUT};
            poll(&wait, 1, -1);
            continue;
        }
        if (put < 0)
            return err_errno(err, "write");
        at += put;
        n -= (size_t)put;
    }
    return 0;
}

int fd_read_all(int fd, size_t max, struct str *out, struct err *err)
{
    size_t total = 0;
    for (;;) {
        size_t room = max - total < 65536 ? max - total + 1 : 65536;
        ssize_t got = read(fd, str_reserve(out, room), room);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_errno(err, "read");
        if (got == 0)
            return 0;
        str_grew(out, (size_t)got);
        total += (size_t)got;
        if (total > max)
            return err_set(err, ERR_LIMIT, "more than %zu bytes", max);
    }
}

int fd_read_file(int dirfd, const char *path, size_t max, struct str *out, struct err *err)
{
    /* Non-blocking, so that a FIFO in the file's place cannot hold us. */
    cleanup_close int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return err_errno(err, "open %s", path);
    struct stat st;
    if (fstat(fd, &st) < 0)
        return err_errno(err, "stat %s", path);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_INVALID, "%s is not a regular file", path);
    int rc = fd_read_all(fd, max, out, err);
    if (rc)
        err_wrap(err, "%s", path);
    return rc;
}

/* The directory that holds path, for its fsync; path's last component stays in place. */
static int open_directory_of(int dirfd, const char *path)
{
    const char *slash = strrchr(path, '/');
    cleanup_free char *dir = !slash          ? xstrdup(".")
                             : slash == path ? xstrdup("/")
                                             : xstrndup(path, (size_t)(slash - path));
    return openat(dirfd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int replace_file(int dirfd, const char *path, const void *p, size_t n, mode_t mode,
                        bool durable, struct err *err)
{
    unsigned char random[8];
    cleanup_str struct str temp = STR_INIT;
    rnd_bytes(random, sizeof random);
    str_addf(&temp, "%s.tmp-", path);
    enc_hex(&temp, random, sizeof random);

    cleanup_close int fd =
        openat(dirfd, temp.p, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_errno(err, "create %s", path);
    int rc = fd_write_full(fd, p, n, err);
    if (rc == 0 && fchmod(fd, mode) < 0)
        rc = err_errno(err, "chmod");
    if (rc == 0 && durable && fsync(fd) < 0)
        rc = err_errno(err, "fsync");
    if (rc == 0 && close(steal_fd(&fd)) < 0)
        rc = err_errno(err, "close");
    if (rc == 0 && renameat(dirfd, temp.p, dirfd, path) < 0)
        rc = err_errno(err, "rename");
    if (rc) {
        unlinkat(dirfd, temp.p, 0);
        err_wrap(err, "write %s", path);
    }
    return rc;
}

int fd_write_file(int dirfd, const char *path, const void *p, size_t n, mode_t mode,
                  struct err *err)
{
    int rc = replace_file(dirfd, path, p, n, mode, true, err);
    if (rc)
        return rc;
    cleanup_close int dir = open_directory_of(dirfd, path);
    if (dir < 0 || fsync(dir) < 0)
        return err_errno(err, "fsync the directory of %s", path);
    return 0;
}

int fd_write_volatile(int dirfd, const char *path, const void *p, size_t n, mode_t mode,
                      struct err *err)
{
    return replace_file(dirfd, path, p, n, mode, false, err);
}

int fd_peer(int fd, pid_t *pid, uid_t *uid, gid_t *gid, struct err *err)
{
    struct ucred cred;
    socklen_t len = sizeof cred;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
        return err_errno(err, "peer credentials");
    if (pid)
        *pid = cred.pid;
    if (uid)
        *uid = cred.uid;
    if (gid)
        *gid = cred.gid;
    return 0;
}

static int unix_address(const char *path, struct sockaddr_un *addr, struct err *err)
{
    memset(addr, 0, sizeof *addr);
    addr->sun_family = AF_UNIX;
    if (strlen(path) >= sizeof addr->sun_path)
        return err_set(err, ERR_INVALID, "socket path is longer than %zu bytes: %s",
                       sizeof addr->sun_path - 1, path);
    memcpy(addr->sun_path, path, strlen(path) + 1);
    return 0;
}

int fd_unix_connect(const char *path, struct err *err)
{
    struct sockaddr_un addr;
    int rc = unix_address(path, &addr, err);
    if (rc)
        return rc;
    cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_errno(err, "socket");
    while (connect(fd, (struct sockaddr *)&addr, sizeof addr) < 0)
        if (errno != EINTR)
            return err_errno(err, "connect to %s", path);
    return steal_fd(&fd);
}

int fd_unix_listen(const char *path, mode_t mode, int backlog, struct err *err)
{
    struct sockaddr_un addr;
    int rc = unix_address(path, &addr, err);
    if (rc)
        return rc;
    struct stat st;
    if (lstat(path, &st) == 0) {
        if (!S_ISSOCK(st.st_mode))
            return err_set(err, ERR_EXISTS, "%s exists and is not a socket", path);
        cleanup_close int other = fd_unix_connect(path, NULL);
        if (other >= 0)
            return err_set(err, ERR_EXISTS, "somebody listens on %s already", path);
        unlink(path);
    }
    cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_errno(err, "socket");
    /* The mode of the socket decides what bind gives the file, so nobody gets in before chmod. */
    if (fchmod(fd, 0600) < 0 || bind(fd, (struct sockaddr *)&addr, sizeof addr) < 0)
        return err_errno(err, "bind %s", path);
    if (chmod(path, mode) < 0 || listen(fd, backlog) < 0) {
        rc = err_errno(err, "listen on %s", path);
        unlink(path);
        return rc;
    }
    return steal_fd(&fd);
}

int fd_lock_file(int dirfd, const char *path, int timeout_ms, struct err *err)
{
    cleanup_close int fd = openat(dirfd, path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_errno(err, "open %s", path);
    if (timeout_ms < 0) {
        while (flock(fd, LOCK_EX) < 0)
            if (errno != EINTR)
                return err_errno(err, "lock %s", path);
        return steal_fd(&fd);
    }
    /* flock has no time limit of its own; a short nap between tries is the portable form. */
    for (int waited = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; waited += 10) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return err_errno(err, "lock %s", path);
        if (waited >= timeout_ms)
            return err_set(err, ERR_TIMEOUT, "%s is locked by another process", path);
        struct timespec nap = {.tv_nsec = 10 * 1000 * 1000};
        nanosleep(&nap, NULL);
    }
    return steal_fd(&fd);
}
