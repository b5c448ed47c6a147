#include "sync/scan.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/path.h"

#define BATCH 512
#define THREADS_MAX 4

struct scan {
    int tree;
    const struct index *index;
    time_t written;
    bool *changed;
    atomic_size_t next;
};

/* The directory that a thread looks into; len 0 with fd open is the top. */
struct dir {
    int fd; /* -1: there is none of that name, or a link leads there */
    bool known;
    const char *path;
    size_t len;
};

static void enter(const struct scan *s, struct dir *d, const char *path, size_t len)
{
    const char *name;
    if (d->known && d->len == len && memcmp(d->path, path, len) == 0)
        return;
    if (d->fd >= 0)
        close(d->fd);
    d->fd = path_open_parent(s->tree, path, false, &name, NULL);
    d->known = true;
    d->path = path;
    d->len = len;
}

static bool same_time(uint32_t s, uint32_t ns, const struct timespec *t, bool exact)
{
    return s == (uint32_t)t->tv_sec && (!exact || ns == (uint32_t)t->tv_nsec);
}

/* git marks an entry that it does not trust with the size 0. */
static bool is_marked(const struct index_entry *e)
{
    return e->size == 0 && !oid_equal(&e->oid, &oid_empty_blob);
}

static bool same_file(const struct index_entry *e, const struct stat *st)
{
    bool exact = e->mtime_ns || e->ctime_ns;
    if ((e->mode & S_IFMT) != (st->st_mode & S_IFMT) ||
        (S_ISREG(e->mode) && ((e->mode ^ st->st_mode) & S_IXUSR)))
        return false;
    return same_time(e->mtime_s, e->mtime_ns, &st->st_mtim, exact) &&
           same_time(e->ctime_s, e->ctime_ns, &st->st_ctim, exact) &&
           e->ino == (uint32_t)st->st_ino && e->uid == st->st_uid && e->gid == st->st_gid &&
           e->size == (uint32_t)st->st_size;
}

static bool is_changed(const struct scan *s, struct dir *d, const struct index_entry *e)
{
    struct stat st;
    const char *slash = memrchr(e->path, '/', e->path_len);
    enter(s, d, e->path, slash ? (size_t)(slash - e->path) : 0);
    if (e->flags || e->xflags || e->mtime_s >= (uint64_t)s->written || is_marked(e))
        return true;
    return d->fd < 0 || fstatat(d->fd, slash ? slash + 1 : e->path, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
           !same_file(e, &st);
}

static void *work(void *payload)
{
    struct scan *s = payload;
    struct dir dir = {.fd = -1};
    for (;;) {
        size_t from = atomic_fetch_add(&s->next, BATCH);
        size_t to = from + BATCH < s->index->len ? from + BATCH : s->index->len;
        if (from >= s->index->len)
            break;
        for (size_t i = from; i < to; i++)
            s->changed[i] = is_changed(s, &dir, &s->index->v[i]);
    }
    if (dir.fd >= 0)
        close(dir.fd);
    return NULL;
}

void scan_changed(int tree, const struct index *index, time_t written, int threads, bool *changed)
{
    struct scan s = {.tree = tree, .index = index, .written = written, .changed = changed};
    pthread_t crew[THREADS_MAX];
    long wanted = threads ? threads : sysconf(_SC_NPROCESSORS_ONLN);
    size_t batches = index->len / BATCH;
    int n = 0;
    while (n < THREADS_MAX - 1 && n + 1 < wanted && (size_t)n < batches &&
           pthread_create(&crew[n], NULL, work, &s) == 0)
        n++;
    work(&s);
    for (int i = 0; i < n; i++)
        pthread_join(crew[i], NULL);
}
