#include "keeper/archive.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"

#define SUFFIX ".bundle"
#define TMP_SUFFIX ".bundle.part"

struct archive_writer {
    int dir_fd;
    int fd;
    int64_t size;
    char name[64];
    char tmp[64];
};

static int open_dir(const char *dir, struct err *err)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return fd >= 0 ? fd : err_errno(err, "open %s", dir);
}

int archive_begin(const char *dir, const char *session_id, struct archive_writer **out,
                  struct err *err)
{
    BUG_ON(!session_id_is_valid(session_id));
    *out = NULL;
    struct archive_writer *w = xcalloc(1, sizeof *w);
    w->fd = -1;
    snprintf(w->name, sizeof w->name, "%s" SUFFIX, session_id);
    snprintf(w->tmp, sizeof w->tmp, "%s" TMP_SUFFIX, session_id);
    int rc = w->dir_fd = open_dir(dir, err);
    if (rc >= 0) {
        w->fd =
            openat(w->dir_fd, w->tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (w->fd >= 0) {
            *out = w;
            return 0;
        }
        rc = err_errno(err, "make archive of %s", session_id);
    }
    archive_abort(w);
    return rc;
}

int archive_write(struct archive_writer *w, const void *p, size_t n, struct err *err)
{
    if (w->size > ARCHIVE_SIZE_MAX - (int64_t)n)
        return err_set(err, ERR_LIMIT, "the archive is too large");
    w->size += (int64_t)n;
    return fd_write_full(w->fd, p, n, err);
}

static void free_writer(struct archive_writer *w)
{
    if (w->fd >= 0)
        close(w->fd);
    if (w->dir_fd >= 0)
        close(w->dir_fd);
    free(w);
}

int archive_commit(struct archive_writer *w, int64_t *size, struct err *err)
{
    *size = w->size;
    int rc = 0;
    if (fsync(w->fd) != 0 || renameat(w->dir_fd, w->tmp, w->dir_fd, w->name) != 0 ||
        fsync(w->dir_fd) != 0)
        rc = err_errno(err, "keep archive %s", w->name);
    if (rc)
        archive_abort(w);
    else
        free_writer(w);
    return rc;
}

void archive_abort(struct archive_writer *w)
{
    if (!w)
        return;
    if (w->fd >= 0)
        unlinkat(w->dir_fd, w->tmp, 0);
    free_writer(w);
}

/* Calls each with every file whose name is a session id and the suffix. */
static int walk(const char *dir, const char *suffix,
                void (*each)(int dir_fd, const char *name, const struct archive_entry *entry,
                             void *payload),
                void *payload, struct err *err)
{
    int fd = open_dir(dir, err);
    if (fd < 0)
        return fd;
    DIR *d = fdopendir(fd);
    if (!d) {
        int rc = err_errno(err, "read %s", dir);
        close(fd);
        return rc;
    }
    for (struct dirent *item; (item = readdir(d));) {
        struct archive_entry entry = {0};
        struct stat st;
        if (strlen(item->d_name) < SESSION_ID_LEN ||
            strcmp(item->d_name + SESSION_ID_LEN, suffix) != 0)
            continue;
        memcpy(entry.session_id, item->d_name, SESSION_ID_LEN);
        if (!session_id_is_valid(entry.session_id) ||
            fstatat(fd, item->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
            continue;
        entry.size = st.st_size;
        entry.created_at = st.st_mtime;
        each(fd, item->d_name, &entry, payload);
    }
    closedir(d);
    return 0;
}

static void remove_file(int dir_fd, const char *name, const struct archive_entry *entry,
                        void *payload)
{
    (void)entry;
    (void)payload;
    unlinkat(dir_fd, name, 0);
}

int archive_prepare(const char *dir, struct err *err)
{
    int rc = path_make_dirs(dir, 0700, err);
    return rc ? rc : walk(dir, TMP_SUFFIX, remove_file, NULL, err);
}

static void add_entry(int dir_fd, const char *name, const struct archive_entry *entry,
                      void *payload)
{
    (void)dir_fd;
    (void)name;
    struct archive_list *list = payload;
    VEC_GROW(list->v, list->len, list->cap);
    list->v[list->len++] = *entry;
}

int archive_list(const char *dir, struct archive_list *out, struct err *err)
{
    *out = (struct archive_list){0};
    int rc = walk(dir, SUFFIX, add_entry, out, err);
    if (rc)
        archive_list_release(out);
    return rc;
}

void archive_list_release(struct archive_list *list)
{
    free(list->v);
    *list = (struct archive_list){0};
}

int archive_read(const char *dir, const char *session_id, int64_t offset, size_t length,
                 struct str *out, int64_t *size, struct err *err)
{
    BUG_ON(!session_id_is_valid(session_id));
    cleanup_close int dir_fd = -1;
    cleanup_close int fd = -1;
    int rc = dir_fd = open_dir(dir, err);
    if (rc < 0)
        return rc;
    char name[64];
    snprintf(name, sizeof name, "%s" SUFFIX, session_id);
    fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return err_set(err, ERR_NOT_FOUND, "there is no archive of %s", session_id);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0)
        return err_errno(err, "open archive of %s", session_id);
    *size = st.st_size;
    size_t have = 0;
    char *p = str_reserve(out, length);
    while (have < length) {
        ssize_t n = pread(fd, p + have, length - have, offset + (int64_t)have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(err, "read archive of %s", session_id);
        if (n == 0)
            break;
        have += (size_t)n;
    }
    str_grew(out, have);
    return 0;
}

struct expiry {
    int64_t before;
    int64_t removed;
};

static void expire_entry(int dir_fd, const char *name, const struct archive_entry *entry,
                         void *payload)
{
    struct expiry *e = payload;
    if (entry->created_at < e->before && unlinkat(dir_fd, name, 0) == 0)
        e->removed++;
}

int archive_expire(const char *dir, int64_t before, int64_t *removed, struct err *err)
{
    struct expiry e = {.before = before};
    int rc = walk(dir, SUFFIX, expire_entry, &e, err);
    *removed = e.removed;
    return rc;
}
