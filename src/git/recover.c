#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "git/pack.h"
#include "git/repo.h"

#define REFS_DEPTH_MAX 32

static int remove_locks(int dirfd, const char *name, int depth, struct err *err);

static int look_at(int fd, const char *name, int depth, struct err *err)
{
    struct stat st;
    if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : err_errno(err, "%s", name);
    if (S_ISDIR(st.st_mode) && depth > 0)
        return remove_locks(fd, name, depth - 1, err);
    if (S_ISREG(st.st_mode) && str_ends_with(name, ".lock") && unlinkat(fd, name, 0) < 0)
        return err_errno(err, "remove %s", name);
    return 0;
}

/* depth 0 looks at the files of this directory only. */
static int remove_locks(int dirfd, const char *name, int depth, struct err *err)
{
    int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : err_errno(err, "open %s", name);
    DIR *dir = fdopendir(fd);
    if (!dir) {
        close(fd);
        return err_errno(err, "read %s", name);
    }
    int rc = 0;
    struct dirent *e;
    while (rc == 0 && (e = readdir(dir)))
        if (path_is_name(e->d_name))
            rc = look_at(fd, e->d_name, depth, err);
    closedir(dir);
    return rc;
}

int repo_recover(const char *repo_dir, struct err *err)
{
    cleanup_close int fd = open(repo_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, "open %s", repo_dir);
    int rc = remove_locks(fd, ".", 0, err);
    if (rc == 0)
        rc = remove_locks(fd, "refs", REFS_DEPTH_MAX, err);
    return rc ? rc : pack_quarantine_clean(repo_dir, err);
}
