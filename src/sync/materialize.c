/* The worktree as a tree, by git's own rules: `git add -A` into an index of our own. */
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
#include "git/run.h"
#include "git/transport_parse.h"
#include "sync/attrs.h"
#include "sync/work.h"

#define SAVED_PREFIX "refs/steadystate/saved/"

static int read_index(struct work *w, const char *name, struct index *out, struct err *err)
{
    cleanup_str struct str raw = STR_INIT;
    struct err why = ERR_INIT;
    int rc = fd_read_file(w->git, name, INDEX_FILE_MAX, &raw, &why);
    if (rc == ERR_NOT_FOUND)
        return 0;
    if (rc < 0)
        return err_set(err, rc, "%s", why.msg);
    rc = index_parse(raw.p, raw.len, out, err);
    if (rc == ERR_UNSUPPORTED)
        return err_wrap(err, "run `git update-index --no-split-index` and `git sparse-checkout "
                             "disable` first");
    return rc;
}

/* A second name for git's index: same content, same time stamp, which is what tells git which
 * entries it may believe. git replaces the name when it writes. */
static int borrow_index(struct work *w, struct err *err)
{
    unlinkat(w->git, WORK_INDEX, 0);
    unlinkat(w->git, WORK_INDEX ".lock", 0); /* of a git that was killed */
    if (linkat(w->git, "index", w->git, WORK_INDEX, 0) < 0 && errno != ENOENT)
        return err_errno(err, "link the index");
    return 0;
}

static int add_all(struct work *w, struct err *err)
{
    static const char *const args[] = {"-c",
                                       "advice.addEmbeddedRepo=false",
                                       "-c",
                                       "core.safecrlf=false",
                                       "-c",
                                       "core.splitIndex=false",
                                       "add",
                                       "-A",
                                       "--ignore-errors",
                                       NULL};
    cleanup_free char *index = xasprintf("%s/" WORK_INDEX, w->git_dir);
    struct git_run run = {.kind = GIT_RUN_USER,
                          .git_dir = w->git_dir,
                          .work_tree = w->place->worktree,
                          .index_file = index,
                          .args = args,
                          .max_output = (size_t)16 << 20};
    cleanup_proc_result struct proc_result out = {0, STR_INIT, STR_INIT};
    struct err why = ERR_INIT;
    int rc = borrow_index(w, err);
    if (rc < 0)
        return rc;
    rc = git_run(&run, &out, &why);
    /* 1: all but some files, which stay as the index had them (unreadable, a repository without a
     * commit). They hold up nobody else's work. */
    if (rc < 0 && out.status == 1) {
        cleanup_str struct str line = STR_INIT;
        transport_main_line(out.errs.p, out.errs.len, &line);
        w->warning = str_detach(&line);
        rc = 0;
    } else if (rc < 0) {
        return err_set(err, rc, "%s", why.msg);
    }
    return rc ? rc : read_index(w, WORK_INDEX, &w->index, err);
}

/* What was staged and is in neither the worktree nor HEAD is kept under a ref, with HEAD as its
 * parent; own commits are kept by the same ref. */
static int save_staged(struct work *w, struct index *staged, struct err *err)
{
    cleanup_repo_commit struct repo_commit head = {0};
    struct oid tree;
    int rc = repo_read_commit(w->disk, &w->head, &head, err);
    if (rc == 0)
        rc = index_write_tree(staged, w->disk, &tree, err);
    if (rc < 0)
        return rc;
    bool own = !oid_equal(&w->head, &w->meta.last_synced);
    bool only_staged = !oid_equal(&tree, &head.tree) && !oid_equal(&tree, &w->disk_tree);
    if (!own && !only_staged)
        return 0;
    struct repo_person person = {
        .name = w->place->login, .email = (char *)"", .when = (int64_t)w->started};
    struct repo_commit commit = {.tree = tree,
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
    size_t n = sizeof ".gitattributes" - 1;
    for (size_t i = 0; i < index->len; i++) {
        const struct index_entry *e = &index->v[i];
        if (e->path_len >= n && e->path[e->path_len - 1] == 's' &&
            memcmp(e->path + e->path_len - n, ".gitattributes", n) == 0)
            return true;
    }
    return false;
}

/* What has to be known of the repository and does not depend on the files: found out by a thread of
 * its own while git looks at them. */
struct aside {
    struct work *w;
    struct index staged;
    bool configured; /* attributes by configuration */
    int rc;
    struct err err;
};

static void *look_aside(void *payload)
{
    struct aside *a = payload;
    struct attrs_repo repo = {.git_dir = a->w->git_dir, .work_tree = a->w->place->worktree};
    bool all = false, some = false;
    a->rc = read_index(a->w, "index", &a->staged, &a->err);
    if (a->rc == 0)
        a->rc = attrs_config(&repo, &all, &some, &a->err);
    a->configured = all || some;
    return NULL;
}

static int look(struct work *w, struct aside *a, struct err *err)
{
    pthread_t thread;
    bool started = pthread_create(&thread, NULL, look_aside, a) == 0;
    int rc = add_all(w, err);
    if (started)
        pthread_join(thread, NULL);
    else
        look_aside(a);
    if (rc == 0 && a->rc < 0)
        rc = err_set(err, a->rc, "%s", a->err.msg);
    return rc;
}

int work_materialize(struct work *w, enum work_mode mode, struct err *err)
{
    struct aside a = {.w = w, .staged = INDEX_INIT, .err = ERR_INIT};
    const char *path;
    int rc = mode == WORK_SYNC ? work_lock_index(w, err) : 0;
    w->started = time(NULL);
    if (rc == 0)
        rc = look(w, &a, err);
    cleanup_index struct index staged = a.staged;
    if (rc == 0 && mode != WORK_SNAPSHOT && index_has_unmerged(&staged, &path))
        return err_set(err, ERR_CONFLICT,
                       "%.300s has unresolved conflicts; resolve them, `git add` it, then sync",
                       path);
    if (rc == 0)
        rc = choose_base(w, err);
    if (rc == 0)
        rc = settle_submodules(w, err);
    if (rc == 0)
        rc = index_write_tree(&w->index, w->disk, &w->disk_tree, err);
    if (rc < 0)
        return rc;
    w->local_tree = w->disk_tree;
    w->attributes = a.configured || has_attributes_file(&w->index);
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
