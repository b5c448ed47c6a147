/* The worktree as a tree, by git's own rules (add.h), and what the person's changes are relative
 * to. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "sync/add.h"
#include "sync/attrs.h"
#include "sync/work.h"

#define SAVED_PREFIX "refs/steadystate/saved/"

/* git's own index into w->index. *written: status of its file, all zero when there is none. */
static int read_index(struct work *w, struct stat *written, struct err *err)
{
    cleanup_str struct str raw = STR_INIT;
    *written = (struct stat){0};
    cleanup_close int fd = openat(w->git, "index", O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT ? 0 : err_errno(err, "open the index");
    if (fstat(fd, written) < 0)
        return err_errno(err, "stat the index");
    if (!S_ISREG(written->st_mode))
        return err_set(err, ERR_INVALID, "the index is not a file");
    str_reserve(&raw, (size_t)written->st_size < INDEX_FILE_MAX ? (size_t)written->st_size + 1 : 0);
    int rc = fd_read_all(fd, INDEX_FILE_MAX, &raw, err);
    if (rc == 0)
        rc = index_parse(raw.p, raw.len, &w->index, err);
    if (rc == ERR_UNSUPPORTED)
        return err_wrap(err, "run `git update-index --no-split-index` and `git sparse-checkout "
                             "disable` first");
    return rc;
}

/* What was staged and is in neither the worktree nor HEAD is kept under a ref, with HEAD as its
 * parent; own commits are kept by the same ref. */
static int save_staged(struct work *w, const struct oid *staged, struct err *err)
{
    cleanup_repo_commit struct repo_commit head = {0};
    int rc = repo_read_commit(w->disk, &w->head, &head, err);
    if (rc < 0)
        return rc;
    bool own = !oid_equal(&w->head, &w->meta.last_synced);
    bool only_staged = !oid_equal(staged, &head.tree) && !oid_equal(staged, &w->disk_tree);
    if (!own && !only_staged)
        return 0;
    struct repo_person person = {
        .name = w->place->login, .email = (char *)"", .when = (int64_t)w->started};
    struct repo_commit commit = {.tree = *staged,
                                 .parents = &w->head,
                                 .n_parents = 1,
                                 .author = person,
                                 .committer = person,
                                 .message = (char *)"HEAD and index before a sync\n"};
    rc = repo_write_commit(w->disk, &commit, &w->saved, err);
    if (rc < 0)
        return rc;
    char hex[OID_HEX + 1];
    oid_format(&w->saved, hex);
    cleanup_free char *ref = xasprintf(SAVED_PREFIX "%lld-%.8s", (long long)w->started, hex);
    return repo_ref_set(w->disk, ref, &w->saved, "before a sync", err);
}

/* --- base ------------------------------------------------------------------------------------- */

static bool same_parents(const struct repo_commit *a, const struct repo_commit *b)
{
    if (a->n_parents != b->n_parents || a->n_parents == 0)
        return false;
    return memcmp(a->parents, b->parents, a->n_parents * sizeof *a->parents) == 0;
}

/*
 * What the person's changes are relative to: the last synced commit, as long as HEAD is that or
 * grew from it, or is an amended version of it. Whoever moved HEAD elsewhere (an older commit,
 * another branch) has not thereby asked to revert what others did since: then it is the nearest
 * common commit.
 */
static int choose_base(struct work *w, struct err *err)
{
    cleanup_repo_commit struct repo_commit head = {0};
    cleanup_repo_commit struct repo_commit last = {0};
    w->base = w->meta.last_synced;
    int grew = repo_is_ancestor(w->disk, &w->meta.last_synced, &w->head, err);
    if (grew < 0)
        return grew;
    int rc = repo_read_commit(w->disk, &w->meta.last_synced, &last, err);
    if (rc == 0)
        rc = repo_read_commit(w->disk, &w->head, &head, err);
    if (rc < 0)
        return rc;
    w->base_tree = last.tree;
    if (grew || same_parents(&head, &last))
        return 0;
    struct err why = ERR_INIT;
    rc = repo_merge_base(w->disk, &w->meta.last_synced, &w->head, &w->base, &why);
    if (rc == ERR_NOT_FOUND) {
        w->base_tree = oid_empty_tree;
        return 0;
    }
    cleanup_repo_commit struct repo_commit common = {0};
    rc = repo_read_commit(w->disk, &w->base, &common, err);
    if (rc == 0)
        w->base_tree = common.tree;
    return rc;
}

/* --- submodules and attributes ---------------------------------------------------------------- */

/* A submodule that a sync moved, and whose checkout the person has not updated yet, is not a change
 * of theirs. */
static int settle_submodules(struct work *w, struct err *err)
{
    for (size_t i = 0; i < w->meta.n_submodules;) {
        const struct meta_submodule *s = &w->meta.submodules[i];
        bool found;
        uint32_t mode;
        struct oid wanted;
        size_t at = index_position(&w->index, s->path, &found);
        int rc = repo_tree_find(w->disk, &w->base_tree, s->path, &mode, &wanted, err);
        if (rc < 0 && rc != ERR_NOT_FOUND)
            return rc;
        bool behind = found && rc == 0 && (w->index.v[at].mode & S_IFMT) == 0160000u &&
                      oid_equal(&w->index.v[at].oid, &s->checked_out);
        if (behind) {
            w->index.v[at].oid = wanted;
            index_forget_path(&w->index, s->path);
            i++;
        } else {
            meta_drop_submodule(&w->meta, s->path);
        }
    }
    return 0;
}

static bool has_attributes_file(const struct index *index)
{
    for (size_t i = 0; i < index->len; i++)
        if (index_entry_is_named(&index->v[i], ".gitattributes"))
            return true;
    return false;
}

/* --- looking ---------------------------------------------------------------------------------- */

/* The configuration, read by a thread of its own meanwhile. */
struct aside {
    const struct work *w;
    struct attrs_config config;
    int rc;
    struct err err;
};

static void *look_aside(void *payload)
{
    struct aside *a = payload;
    struct attrs_repo repo = {.git_dir = a->w->git_dir, .work_tree = a->w->place->worktree};
    a->rc = attrs_config(&repo, &a->config, &a->err);
    return NULL;
}

/* git's index, and in a sync the tree of what is staged. */
static int look_at_index(struct work *w, enum work_mode mode, struct stat *written,
                         struct oid *staged, struct err *err)
{
    const char *path;
    int rc = read_index(w, written, err);
    if (rc == 0 && mode != WORK_SNAPSHOT && index_has_unmerged(&w->index, &path))
        return err_set(err, ERR_CONFLICT,
                       "%.300s has unresolved conflicts; resolve them, `git add` it, then sync",
                       path);
    return rc == 0 && mode == WORK_SYNC ? index_write_tree(&w->index, w->disk, staged, err) : rc;
}

static int look_at_files(struct work *w, const struct stat *written, bool ignore_case,
                         struct err *err)
{
    if (written->st_ino && !ignore_case && add_changed(w, written))
        return 0;
    return add_all(w, err);
}

static int look(struct work *w, enum work_mode mode, struct oid *staged, struct err *err)
{
    struct aside a = {.w = w, .err = ERR_INIT};
    struct stat written;
    pthread_t thread;
    bool started = pthread_create(&thread, NULL, look_aside, &a) == 0;
    int rc = look_at_index(w, mode, &written, staged, err);
    if (started)
        pthread_join(thread, NULL);
    else
        look_aside(&a);
    if (rc == 0 && a.rc < 0)
        rc = err_set(err, a.rc, "%s", a.err.msg);
    if (rc == 0)
        rc = look_at_files(w, &written, a.config.ignore_case, err);
    w->attributes = a.config.all || a.config.some || has_attributes_file(&w->index);
    return rc;
}

int work_materialize(struct work *w, enum work_mode mode, struct err *err)
{
    struct oid staged = {{0}};
    int rc = mode == WORK_SYNC ? work_lock_index(w, err) : 0;
    w->started = time(NULL);
    if (rc == 0)
        rc = look(w, mode, &staged, err);
    if (rc == 0)
        rc = choose_base(w, err);
    if (rc == 0)
        rc = settle_submodules(w, err);
    if (rc == 0)
        rc = index_write_tree(&w->index, w->disk, &w->disk_tree, err);
    if (rc < 0)
        return rc;
    w->local_tree = w->disk_tree;
    return mode == WORK_SYNC ? save_staged(w, &staged, err) : 0;
}

int work_own_commits(struct work *w, const struct oid *head, bool *own, struct err *err)
{
    int rc = repo_is_ancestor(w->disk, &w->head, head, err);
    if (rc < 0)
        return rc;
    *own = rc == 0;
    return 0;
}
