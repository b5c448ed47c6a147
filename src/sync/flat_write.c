#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "sync/checkout.h"
#include "sync/flat.h"
#include "sync/flat_table.h"

#define TEMP_NAME FLAT_NAME ".tmp"
#define BUFFER ((size_t)1 << 20)
#define DISK_PART 4 /* of what is free may be taken */

struct flat_writer {
    struct repo *repo;
    int fd;
    uint64_t offset; /* of the next blob */
    uint64_t max;
    struct str buffer;
    struct flat_entry *v;
    size_t len;
    size_t cap;
    struct err *err;
};

static void writer_release(struct flat_writer *w)
{
    if (w->fd >= 0)
        close(w->fd);
    str_release(&w->buffer);
    free(w->v);
    repo_free(w->repo);
}

static int flush(struct flat_writer *w)
{
    int rc = fd_write_full(w->fd, w->buffer.p, w->buffer.len, w->err);
    str_clear(&w->buffer);
    return rc;
}

static int add_blob(struct flat_writer *w, const struct oid *oid)
{
    cleanup_blob struct blob blob = BLOB_INIT;
    struct err why = ERR_INIT;
    int rc = repo_open_blob(w->repo, oid, FLAT_BLOB_MAX, &blob, &why);
    if (rc == ERR_LIMIT)
        return 0;
    if (rc < 0)
        return err_set(w->err, rc, "%s", why.msg);
    if (blob.len > w->max - w->offset)
        return 0;
    VEC_GROW(w->v, w->len, w->cap);
    w->v[w->len++] =
        (struct flat_entry){.oid = *oid, .len = (uint32_t)blob.len, .offset = w->offset};
    w->offset += blob.len;
    str_add(&w->buffer, blob.p, blob.len);
    return w->buffer.len < BUFFER ? 0 : flush(w);
}

/* In the order of the paths, as they will be read; each once. */
static int add_blobs(struct flat_writer *w, const struct index *index)
{
    cleanup_oid_set struct oid_set seen = OID_SET_INIT;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < index->len && w->len < FLAT_TABLE_MAX; i++)
        if (S_ISREG(index->v[i].mode) && oid_set_add(&seen, &index->v[i].oid))
            rc = add_blob(w, &index->v[i].oid);
    return rc ? rc : flush(w);
}

static int by_id(const void *a, const void *b)
{
    return memcmp(((const struct flat_entry *)a)->oid.id, ((const struct flat_entry *)b)->oid.id,
                  OID_LEN);
}

static int write_table(struct flat_writer *w)
{
    if (w->len)
        qsort(w->v, w->len, sizeof *w->v, by_id);
    flat_put_header(&w->buffer, w->len, w->offset);
    for (size_t i = 0; i < w->len; i++)
        flat_put_entry(&w->buffer, &w->v[i]);
    if (lseek(w->fd, 0, SEEK_SET) != 0)
        return err_errno(w->err, "seek");
    return flush(w);
}

static int write_all(struct flat_writer *w, const struct index *index)
{
    struct statvfs disk;
    uint64_t table = FLAT_HEADER + (uint64_t)index->len * FLAT_ENTRY;
    if (fstatvfs(w->fd, &disk) < 0)
        return err_errno(w->err, "free space");
    uint64_t room = (uint64_t)disk.f_bavail * disk.f_frsize / DISK_PART;
    w->max = room < FLAT_SIZE_MAX ? room : FLAT_SIZE_MAX;
    if (table >= w->max)
        return err_set(w->err, ERR_NO_SPACE, "no room");
    w->offset = table;
    if (lseek(w->fd, (off_t)table, SEEK_SET) < 0)
        return err_errno(w->err, "seek");
    int rc = add_blobs(w, index);
    if (rc == 0)
        rc = write_table(w);
    if (rc == 0 && (ftruncate(w->fd, (off_t)w->offset) < 0 || fsync(w->fd) < 0))
        rc = err_errno(w->err, "write");
    return rc;
}

static int head_tree(struct repo *repo, const char *ref, struct oid *tree, struct err *err)
{
    cleanup_repo_commit struct repo_commit commit = {0};
    struct oid head;
    int rc = repo_ref_read(repo, ref, &head, err);
    if (rc == 0)
        rc = repo_read_commit(repo, &head, &commit, err);
    if (rc == 0)
        *tree = commit.tree;
    return rc;
}

/* Adds the files below tree to *files until they are enough. */
static int count_files(struct repo *repo, const struct oid *tree, int depth, size_t *files,
                       struct err *err)
{
    cleanup_tree_list struct tree_list list = TREE_LIST_INIT;
    if (depth > REPO_TREE_DEPTH_MAX)
        return err_set(err, ERR_LIMIT, "directories deeper than %d", REPO_TREE_DEPTH_MAX);
    int rc = repo_read_tree(repo, tree, &list, err);
    for (size_t i = 0; rc == 0 && i < list.len && *files < FLAT_FILES_MIN; i++) {
        if (S_ISDIR(list.v[i].mode))
            rc = count_files(repo, &list.v[i].oid, depth + 1, files, err);
        else
            ++*files;
    }
    return rc;
}

int flat_is_worth_it(const char *canonical, const char *ref, bool *out, struct err *err)
{
    cleanup_repo struct repo *repo = NULL;
    struct oid tree;
    size_t files = 0;
    int rc = repo_open(canonical, &repo, err);
    if (rc == 0)
        rc = head_tree(repo, ref, &tree, err);
    if (rc == 0)
        rc = count_files(repo, &tree, 0, &files, err);
    *out = files >= FLAT_FILES_MIN;
    return rc;
}

int flat_write(const char *canonical, const char *ref, bool *made, struct err *err)
{
    cleanup(writer_release) struct flat_writer w = {.fd = -1, .buffer = STR_INIT, .err = err};
    cleanup_index struct index index = INDEX_INIT;
    struct oid tree;
    struct stat st;
    if (made)
        *made = false;
    cleanup_close int dir = open(canonical, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return err_errno(err, "open %s", canonical);
    if (fstatat(dir, FLAT_NAME, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return 0;
    int rc = repo_open(canonical, &w.repo, err);
    if (rc == 0)
        rc = head_tree(w.repo, ref, &tree, err);
    if (rc == 0)
        rc = checkout_list(w.repo, &tree, &index, err);
    if (rc < 0 || index.len < FLAT_FILES_MIN)
        return rc;
    w.fd = openat(dir, TEMP_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (w.fd < 0)
        return err_errno(err, "create %s", TEMP_NAME);
    rc = write_all(&w, &index);
    if (rc == 0 && (renameat(dir, TEMP_NAME, dir, FLAT_NAME) < 0 || fsync(dir) < 0))
        rc = err_errno(err, "rename %s", TEMP_NAME);
    if (rc < 0)
        unlinkat(dir, TEMP_NAME, 0);
    else if (made)
        *made = true;
    return rc;
}
