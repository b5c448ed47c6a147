#include "sync/checkout.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "git/run.h"
#include "git/safe_path.h"
#include "sync/flat.h"

#define MODE_TREE 040000u
#define MODE_EXEC 0100755u
#define BATCH 64

/* --- the list --------------------------------------------------------------------------------- */

struct lister {
    struct repo *repo;
    struct index *out;
    struct str path;
    struct err *err;
};

static int list_tree(struct lister *l, const struct oid *oid, int depth)
{
    cleanup_tree_list struct tree_list list = TREE_LIST_INIT;
    if (depth > REPO_TREE_DEPTH_MAX)
        return err_set(l->err, ERR_LIMIT, "directories deeper than %d", REPO_TREE_DEPTH_MAX);
    int rc = repo_read_tree(l->repo, oid, &list, l->err);
    for (size_t i = 0; rc == 0 && i < list.len; i++) {
        const struct tree_entry *e = &list.v[i];
        size_t length = l->path.len;
        if (length)
            str_addc(&l->path, '/');
        str_adds(&l->path, e->name);
        if (!safe_entry(e->name, strlen(e->name), e->mode) || l->path.len > PATH_REL_MAX) {
            cleanup_str struct str shown = STR_INIT;
            str_add_printable(&shown, l->path.p, l->path.len);
            return err_set(l->err, ERR_DENIED, "unsafe path in the repository: %.300s", shown.p);
        }
        if (e->mode == MODE_TREE) {
            rc = list_tree(l, &e->oid, depth + 1);
        } else {
            struct index_entry *entry = index_add(l->out, l->path.p, l->path.len);
            /* Old histories have group-writable modes; an index has not. */
            entry->mode = S_ISREG(e->mode) ? (e->mode & 0100 ? MODE_EXEC : 0100644u) : e->mode;
            entry->oid = e->oid;
            if (l->out->len > REPO_TREE_ENTRIES_MAX)
                rc = err_set(l->err, ERR_LIMIT, "more than %d files", REPO_TREE_ENTRIES_MAX);
        }
        str_truncate(&l->path, length);
    }
    return rc;
}

int checkout_list(struct repo *repo, const struct oid *tree, struct index *out, struct err *err)
{
    struct lister l = {.repo = repo, .out = out, .path = STR_INIT, .err = err};
    int rc = list_tree(&l, tree, 0);
    str_release(&l.path);
    if (rc == 0)
        index_sort(out); /* git orders trees and indexes differently around directories */
    return rc;
}

/* --- one file --------------------------------------------------------------------------------- */

int checkout_blob_to_fd(struct repo *repo, const char *git_dir, const struct oid *oid, int fd,
                        struct err *err)
{
    cleanup_blob struct blob blob = BLOB_INIT;
    struct err why = ERR_INIT;
    int rc = repo_open_blob(repo, oid, CHECKOUT_IN_MEMORY, &blob, &why);
    if (rc == 0)
        return fd_write_full(fd, blob.p, blob.len, err);
    if (rc != ERR_LIMIT)
        return err_set(err, rc, "%s", why.msg);
    char hex[OID_HEX + 1];
    oid_format(oid, hex);
    const char *const args[] = {"cat-file", "blob", hex, NULL};
    struct git_run run = {.kind = GIT_RUN_USER, .git_dir = git_dir, .args = args};
    return git_run_to_fd(&run, fd, err);
}

struct writer {
    const struct checkout *c;
    struct str content; /* of the last file that came from c->flat */
    struct repo *repo;
    int dir; /* of the last file, or -1 */
    struct str dirname;
    struct err *err;
};

static const char *open_dir(struct writer *w, const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;
    const char *name = slash ? slash + 1 : path;
    if (w->dir >= 0 && len == w->dirname.len && memcmp(w->dirname.p, path, len) == 0)
        return name;
    if (w->dir >= 0)
        close(w->dir);
    w->dir = path_open_parent(w->c->root, path, true, &name, w->err);
    str_clear(&w->dirname);
    str_add(&w->dirname, path, len);
    return w->dir < 0 ? NULL : name;
}

/* An interrupted checkout left this file whole. */
static bool is_done(const struct writer *w, const char *name, const struct index_entry *e,
                    struct stat *st)
{
    if (fstatat(w->dir, name, st, AT_SYMLINK_NOFOLLOW) < 0 || st->st_mtime != w->c->stamp ||
        st->st_mtim.tv_nsec != 0)
        return false;
    if (S_ISLNK(e->mode))
        return S_ISLNK(st->st_mode);
    return S_ISREG(st->st_mode) && !(e->mode & 0100) == !(st->st_mode & 0100);
}

static int write_link(struct writer *w, const char *name, struct index_entry *e)
{
    const struct timespec times[2] = {{.tv_sec = w->c->stamp}, {.tv_sec = w->c->stamp}};
    cleanup_str struct str target = STR_INIT;
    struct stat st;
    int rc = repo_read_blob(w->repo, &e->oid, PATH_REL_MAX, &target, w->err);
    if (rc < 0)
        return err_wrap(w->err, "%.300s", e->path);
    if (symlinkat(target.p, w->dir, name) < 0 ||
        utimensat(w->dir, name, times, AT_SYMLINK_NOFOLLOW) < 0 ||
        fstatat(w->dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return err_errno(w->err, "create %.300s", e->path);
    index_set_stat(e, &st);
    return 0;
}

static int write_content(struct writer *w, const struct oid *oid, int fd)
{
    str_clear(&w->content);
    if (w->c->flat && flat_read(w->c->flat, oid, &w->content, NULL) == 0)
        return fd_write_full(fd, w->content.p, w->content.len, w->err);
    return checkout_blob_to_fd(w->repo, w->c->git_dir, oid, fd, w->err);
}

static int write_regular(struct writer *w, const char *name, struct index_entry *e)
{
    const struct timespec times[2] = {{.tv_sec = w->c->stamp}, {.tv_sec = w->c->stamp}};
    struct stat st;
    cleanup_close int fd = openat(w->dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
                                  e->mode == MODE_EXEC ? 0777 : 0666);
    if (fd < 0)
        return err_errno(w->err, "create %.300s", e->path);
    int rc = write_content(w, &e->oid, fd);
    if (rc < 0)
        return err_wrap(w->err, "%.300s", e->path);
    if (futimens(fd, times) < 0 || fstat(fd, &st) < 0)
        return err_errno(w->err, "stat %.300s", e->path);
    index_set_stat(e, &st);
    return 0;
}

static int write_entry(struct writer *w, struct index_entry *e)
{
    struct stat st;
    const char *name = open_dir(w, e->path);
    if (!name)
        return w->err->code;
    if (!S_ISREG(e->mode) && !S_ISLNK(e->mode)) /* a submodule: its place, nothing in it */
        return mkdirat(w->dir, name, 0777) < 0 && errno != EEXIST
                   ? err_errno(w->err, "create %.300s", e->path)
                   : 0;
    int rc = S_ISLNK(e->mode) ? write_link(w, name, e) : write_regular(w, name, e);
    if (rc != ERR_EXISTS)
        return rc;
    err_clear(w->err);
    if (is_done(w, name, e, &st)) {
        index_set_stat(e, &st);
        return 0;
    }
    if (unlinkat(w->dir, name, 0) < 0)
        return err_errno(w->err, "replace %.300s", e->path);
    return S_ISLNK(e->mode) ? write_link(w, name, e) : write_regular(w, name, e);
}

/* --- threads ---------------------------------------------------------------------------------- */

struct crew {
    const struct checkout *c;
    struct index *index;
    const bool *skip;
    atomic_size_t next;
    atomic_bool failed;
    pthread_mutex_t lock; /* over err */
    struct err err;
};

static void crew_fail(struct crew *crew, const struct err *err)
{
    pthread_mutex_lock(&crew->lock);
    if (!crew->err.code)
        crew->err = *err;
    pthread_mutex_unlock(&crew->lock);
    atomic_store(&crew->failed, true);
}

static int work(struct crew *crew, struct writer *w, bool first)
{
    for (;;) {
        size_t from = atomic_fetch_add(&crew->next, BATCH);
        size_t to = from + BATCH < crew->index->len ? from + BATCH : crew->index->len;
        if (from >= crew->index->len || atomic_load(&crew->failed))
            return 0;
        for (size_t i = from; i < to; i++) {
            int rc = crew->skip && crew->skip[i] ? 0 : write_entry(w, &crew->index->v[i]);
            if (rc < 0)
                return rc;
        }
        if (first && crew->c->progress)
            crew->c->progress(to, crew->index->len, crew->c->payload);
    }
}

static void run_worker(struct crew *crew, bool first)
{
    struct err err = ERR_INIT;
    struct writer w = {
        .c = crew->c, .dir = -1, .content = STR_INIT, .dirname = STR_INIT, .err = &err};
    int rc = repo_open(crew->c->git_dir, &w.repo, &err);
    if (rc == 0)
        rc = work(crew, &w, first);
    if (rc < 0)
        crew_fail(crew, &err);
    if (w.dir >= 0)
        close(w.dir);
    str_release(&w.content);
    str_release(&w.dirname);
    repo_free(w.repo);
}

static void *worker_main(void *payload)
{
    run_worker(payload, false);
    return NULL;
}

int checkout_write(const struct checkout *c, struct index *index, const bool *skip, struct err *err)
{
    struct crew crew = {
        .c = c, .index = index, .skip = skip, .lock = PTHREAD_MUTEX_INITIALIZER, .err = ERR_INIT};
    pthread_t threads[CHECKOUT_THREADS_MAX];
    int n = 0;
    int wanted = c->threads < CHECKOUT_THREADS_MAX ? c->threads : CHECKOUT_THREADS_MAX;
    while (n < wanted - 1 && pthread_create(&threads[n], NULL, worker_main, &crew) == 0)
        n++;
    run_worker(&crew, true);
    for (int i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
    if (crew.err.code)
        return err_set(err, crew.err.code, "%s", crew.err.msg);
    return 0;
}
