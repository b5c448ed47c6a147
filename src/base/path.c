#include "base/path.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/str.h"

/* A test's switch; see path_force_fallback. */
static atomic_bool no_openat2;

void path_force_fallback(bool on)
{
    atomic_store(&no_openat2, on);
}

bool path_is_name(const char *name)
{
    size_t n = strlen(name);
    return n >= 1 && n <= 255 && !strchr(name, '/') && strcmp(name, ".") != 0 &&
           strcmp(name, "..") != 0;
}

bool path_is_clean_rel(const char *rel)
{
    size_t n = strlen(rel);
    if (n < 1 || n > PATH_REL_MAX)
        return false;
    for (const char *p = rel;;) {
        size_t len = strcspn(p, "/");
        if (len == 0 || (len == 1 && p[0] == '.') || (len == 2 && p[0] == '.' && p[1] == '.'))
            return false;
        if (!p[len])
            return true;
        p += len + 1;
    }
}

static int open_component(int dirfd, const char *name, int flags, mode_t mode, const char *rel,
                          struct err *err)
{
    int fd = openat(dirfd, name, flags | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0) {
        /* O_DIRECTORY turns "it is a link" into ENOTDIR. */
        struct stat st;
        if (errno == ENOTDIR && fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISLNK(st.st_mode))
            errno = ELOOP;
        return err_errno(err, "open %s", rel);
    }
    /* O_PATH | O_NOFOLLOW opens the link itself instead of failing. */
    struct stat st;
    if ((flags & O_PATH) && fstat(fd, &st) == 0 && S_ISLNK(st.st_mode)) {
        close(fd);
        errno = ELOOP;
        return err_errno(err, "open %s", rel);
    }
    return fd;
}

static int open_stepwise(int dirfd, const char *rel, int flags, mode_t mode, struct err *err)
{
    cleanup_close int dir = -1;
    int at = dirfd;
    const char *p = rel;
    for (;;) {
        size_t len = strcspn(p, "/");
        bool last = p[len] == '\0';
        cleanup_free char *name = xstrndup(p, len);
        int fd = last ? open_component(at, name, flags, mode, rel, err)
                      : open_component(at, name, O_PATH | O_DIRECTORY, 0, rel, err);
        if (last || fd < 0)
            return fd;
        if (dir >= 0)
            close(dir);
        dir = at = fd;
        p += len + 1;
    }
}

int path_open_beneath(int dirfd, const char *rel, int flags, mode_t mode, struct err *err)
{
    if (strcmp(rel, ".") != 0 && !path_is_clean_rel(rel))
        return err_set(err, ERR_INVALID, "unsafe path '%.200s'", rel);
    if (!atomic_load(&no_openat2)) {
        struct open_how how = {
            /* Without O_NOFOLLOW, which would turn ELOOP into ENOTDIR for O_DIRECTORY. */
            .flags = (uint64_t)((flags | O_CLOEXEC) & ~O_NOFOLLOW),
            .mode = flags & (O_CREAT | O_TMPFILE) ? mode : 0,
            .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
        };
        long fd;
        do {
            fd = syscall(SYS_openat2, dirfd, rel, &how, sizeof how);
        } while (fd < 0 && (errno == EINTR || errno == EAGAIN));
        if (fd >= 0)
            return (int)fd;
        /* EPERM too: seccomp profiles older than the call answer so. */
        if (errno != ENOSYS && errno != EPERM)
            return err_errno(err, "open %s", rel);
    }
    return open_stepwise(dirfd, rel, flags, mode, err);
}

int path_open_parent(int dirfd, const char *rel, bool create, const char **name, struct err *err)
{
    if (!path_is_clean_rel(rel))
        return err_set(err, ERR_INVALID, "unsafe path '%.200s'", rel);
    const char *slash = strrchr(rel, '/');
    *name = slash ? slash + 1 : rel;
    if (!slash)
        return path_open_beneath(dirfd, ".", O_PATH | O_DIRECTORY, 0, err);
    cleanup_free char *dir = xstrndup(rel, (size_t)(slash - rel));
    struct err first = ERR_INIT;
    int fd = path_open_beneath(dirfd, dir, O_PATH | O_DIRECTORY, 0, &first);
    if (fd >= 0)
        return fd;
    if (!create || first.code != ERR_NOT_FOUND)
        return err_set(err, first.code, "%s", first.msg);

    for (char *p = dir;; p++) {
        p += strcspn(p, "/");
        bool last = *p == '\0';
        *p = '\0';
        const char *leaf;
        cleanup_close int parent = path_open_parent(dirfd, dir, false, &leaf, err);
        if (parent < 0)
            return parent;
        if (mkdirat(parent, leaf, 0777) < 0 && errno != EEXIST)
            return err_errno(err, "mkdir %s", dir);
        if (last)
            break;
        *p = '/';
    }
    return path_open_beneath(dirfd, dir, O_PATH | O_DIRECTORY, 0, err);
}

bool path_dir_is_open(const struct stat *st, uid_t owner, bool *sticky)
{
    if (st->st_uid != 0 && st->st_uid != owner)
        return true;
    if (!(st->st_mode & 022))
        return false;
    if (!(st->st_mode & S_ISVTX))
        return true;
    *sticky = true;
    return false;
}

int path_make_dirs(const char *path, mode_t mode, struct err *err)
{
    cleanup_free char *copy = xstrdup(path);
    for (char *p = copy + 1;; p++) {
        p += strcspn(p, "/");
        bool last = *p == '\0';
        *p = '\0';
        if (mkdir(copy, mode) < 0 && errno != EEXIST)
            return err_errno(err, "mkdir %s", copy);
        if (last)
            break;
        *p = '/';
    }
    struct stat st;
    if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
        return err_set(err, ERR_EXISTS, "%s exists and is not a directory", path);
    return 0;
}

static int remove_children(int dir, int depth, struct err *err);

static int remove_at(int dirfd, const char *name, int depth, struct err *err)
{
    if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return err_errno(err, "remove %s", name);
    cleanup_close int dir = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (dir < 0)
        return errno == ENOENT ? 0 : err_errno(err, "remove %s", name);
    int rc = remove_children(dir, depth, err);
    if (rc)
        return rc;
    if (unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        return err_errno(err, "remove %s", name);
    return 0;
}

static int remove_children(int dir, int depth, struct err *err)
{
    if (depth > 512)
        return err_set(err, ERR_LIMIT, "directories nested deeper than 512");
    int again = dup(dir);
    DIR *list = again < 0 ? NULL : fdopendir(again);
    if (!list)
        return err_errno(err, "read directory");
    int rc = 0;
    for (struct dirent *entry; rc == 0 && (entry = readdir(list));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            rc = remove_at(dir, entry->d_name, depth + 1, err);
    closedir(list);
    return rc;
}

int path_remove_tree(int dirfd, const char *name, struct err *err)
{
    return remove_at(dirfd, name, 0, err);
}

char *path_join(const char *a, const char *b)
{
    if (b[0] == '/' || a[0] == '\0')
        return xstrdup(b);
    return xasprintf("%s%s%s", a, str_ends_with(a, "/") ? "" : "/", b);
}
