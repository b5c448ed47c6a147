/*
 * File descriptors and small whole files. Every descriptor is close-on-exec from birth; -1 is
 * "none".
 */
#ifndef BASE_FD_H
#define BASE_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"

int fd_set_nonblock(int fd, bool on);
int fd_set_cloexec(int fd, bool on);

/* All n bytes, restarting on EINTR and short transfers. fd_read_full fails with ERR_UNAVAILABLE
 * when the other side ends early. */
int fd_read_full(int fd, void *p, size_t n, struct err *err);
int fd_write_full(int fd, const void *p, size_t n, struct err *err);

/* Appends what is left to read up to max bytes; more is ERR_LIMIT. */
int fd_read_all(int fd, size_t max, struct str *out, struct err *err);

/* Reads a regular file (never a FIFO or device) of at most max bytes, path relative to dirfd
 * (AT_FDCWD for the working directory). O_NOFOLLOW on the last component. */
int fd_read_file(int dirfd, const char *path, size_t max, struct str *out, struct err *err);

/* Replaces a file: exclusive temporary beside it, mode, fsync, rename, fsync of the directory. */
int fd_write_file(int dirfd, const char *path, const void *p, size_t n, mode_t mode,
                  struct err *err);
/* The same without fsync: readers see the old or the new file, but after a crash of the machine it
 * may be either or empty. For what its owner writes anew at each start before anybody reads it. */
int fd_write_volatile(int dirfd, const char *path, const void *p, size_t n, mode_t mode,
                      struct err *err);

/* Who is at the other end of a unix socket (SO_PEERCRED). */
int fd_peer(int fd, pid_t *pid, uid_t *uid, gid_t *gid, struct err *err);

/* Unix stream sockets. listen: the path must not exist unless it is a stale socket, mode is set
 * before anybody can connect. */
int fd_unix_listen(const char *path, mode_t mode, int backlog, struct err *err);
int fd_unix_connect(const char *path, struct err *err);

/* Advisory whole-file lock on path (created 0600), blocking up to timeout_ms (-1: for ever).
 * Returns the descriptor that holds it, or a negative error code. */
int fd_lock_file(int dirfd, const char *path, int timeout_ms, struct err *err);

#endif
