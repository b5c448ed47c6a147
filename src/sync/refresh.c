/* The worktree becomes a commit: only what differs is touched. */
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
#include "git/run.h"
#include "git/safe_path.h"
#include "sync/attrs.h"
#include "sync/journal.h"
#include "sync/put.h"
#include "sync/work.h"

#define MADE WORK_TMP "/made"

struct refresh {
    struct work *w;
    struct tree_changes changes;
    struct stat *stats; /* one per change */
    bool *changed;      /* the person's own state is there */
    bool *converted;    /* git makes the file */
    struct put put;
    struct err *err;
};

static void refresh_release(struct refresh *r)
{
    tree_changes_release(&r->changes);
    free(r->stats);
    free(r->changed);
    free(r->converted);
    put_close(&r->put);
}

static const struct index_entry *entry_of(const struct work *w, const char *path)
{
    bool found;
    size_t at = index_position(&w->index, path, &found);
    return found ? &w->index.v[at] : NULL;
}

/* --- converted content ------------------------------------------------------------------------ */

static bool is_attributes(const char *path)
{
    const char *slash = strrchr(path, '/');
    return strcmp(slash ? slash + 1 : path, ".gitattributes") == 0;
}

static int ask_converted(struct refresh *r)
{
    struct work *w = r->w;
    struct attrs_repo repo = {.git_dir = w->git_dir, .work_tree = w->place->worktree};
    struct attrs_config config;
    const char **paths = xcalloc(r->changes.len, sizeof *paths);
    for (size_t i = 0; i < r->changes.len; i++)
        paths[i] = r->changes.v[i].path;
    int rc = attrs_config(&repo, &config, r->err);
    if (rc == 0 && !config.all)
        rc = attrs_converted(&repo, paths, r->changes.len, r->converted, r->err);
    for (size_t i = 0; i < r->changes.len; i++)
        r->converted[i] = (config.all || r->converted[i]) && S_ISREG(r->changes.v[i].new_mode) &&
                          !is_attributes(r->changes.v[i].path);
    free(paths);
    return rc;
}

/* An index with the converted files, for git to write them from. */
static int write_made_index(struct refresh *r, struct str *input)
{
    cleanup_index struct index made = INDEX_INIT;
    cleanup_str struct str raw = STR_INIT;
    for (size_t i = 0; i < r->changes.len; i++) {
        const struct tree_change *c = &r->changes.v[i];
        if (!r->converted[i])
            continue;
        struct index_entry *e = index_add(&made, c->path, strlen(c->path));
        e->mode = c->new_mode;
        e->oid = c->new_oid;
        str_add(input, c->path, strlen(c->path) + 1);
    }
    index_sort(&made);
    index_format(&made, &raw);
    return fd_write_file(r->w->git, WORK_INDEX, raw.p, raw.len, 0644, r->err);
}

/* git writes them into tmp/made/; each then becomes the finished file of its change. */
static int make_converted(struct refresh *r)
{
    struct work *w = r->w;
    cleanup_str struct str input = STR_INIT;
    int rc = write_made_index(r, &input);
    if (rc < 0 || input.len == 0)
        return rc;
    cleanup_free char *prefix = xasprintf("--prefix=%s/" MADE "/", w->git_dir);
    cleanup_free char *index = xasprintf("%s/" WORK_INDEX, w->git_dir);
    const char *const args[] = {"checkout-index", "-f", "-q", "-z", "--stdin", prefix, NULL};
    struct git_run run = {.kind = GIT_RUN_USER,
                          .git_dir = w->git_dir,
                          .work_tree = w->place->worktree,
                          .index_file = index,
                          .args = args,
                          .input = input.p,
                          .input_len = input.len,
                          .timeout_s = 3600};
    rc = git_run(&run, NULL, r->err);
    for (size_t i = 0; rc == 0 && i < r->changes.len; i++) {
        if (!r->converted[i])
            continue;
        cleanup_free char *from = xasprintf("made/%s", r->changes.v[i].path);
        cleanup_free char *to = xasprintf("%zu.0", i);
        if (renameat(r->put.tmp, from, r->put.tmp, to) < 0)
            rc = err_errno(r->err, "converted %.300s", r->changes.v[i].path);
    }
    return rc;
}

/* --- changes ---------------------------------------------------------------------------------- */

static int put_one(struct refresh *r, size_t i)
{
    const struct tree_change *c = &r->changes.v[i];
    return put_change(&r->put, i, c, entry_of(r->w, c->path), r->converted[i], &r->stats[i],
                      &r->changed[i]);
}

/* Deletions first, since a file may become a directory; then attributes, which decide how the
 * others are written. */
static int put_all(struct refresh *r)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < r->changes.len; i++)
        if (r->changes.v[i].new_mode == 0)
            rc = put_one(r, i);
    for (size_t i = 0; rc == 0 && i < r->changes.len; i++)
        if (r->changes.v[i].new_mode && is_attributes(r->changes.v[i].path))
            rc = put_one(r, i);
    bool attributes = r->w->attributes;
    for (size_t i = 0; i < r->changes.len; i++)
        attributes |= is_attributes(r->changes.v[i].path);
    if (rc == 0 && attributes)
        rc = ask_converted(r);
    if (rc == 0 && attributes)
        rc = make_converted(r);
    for (size_t i = 0; rc == 0 && i < r->changes.len; i++)
        if (r->changes.v[i].new_mode && !is_attributes(r->changes.v[i].path))
            rc = put_one(r, i);
    return rc;
}

/* --- the new index ---------------------------------------------------------------------------- */

static void add_changed(struct refresh *r, size_t i, struct index *out)
{
    const struct tree_change *c = &r->changes.v[i];
    if (c->new_mode == 0)
        return;
    const struct index_entry *was = entry_of(r->w, c->path);
    struct index_entry *e = index_add(out, c->path, strlen(c->path));
    e->mode = c->new_mode;
    e->oid = c->new_oid;
    if (was)
        e->xflags = was->xflags & INDEX_SKIP_WORKTREE;
    if (!r->changed[i] && r->stats[i].st_mode)
        index_set_stat(e, &r->stats[i]);
}

/* The entries of the worktree as it was read, with the changes: exactly the new tree. */
static int build_index(struct refresh *r, const struct oid *tree, struct str *raw)
{
    cleanup_index struct index out = INDEX_INIT;
    size_t i = 0;
    for (size_t k = 0; k < r->w->index.len; k++) {
        const struct index_entry *e = &r->w->index.v[k];
        for (; i < r->changes.len && strcmp(r->changes.v[i].path, e->path) < 0; i++)
            add_changed(r, i, &out);
        if (i < r->changes.len && strcmp(r->changes.v[i].path, e->path) == 0) {
            add_changed(r, i++, &out);
            continue;
        }
        if (e->xflags & INDEX_INTENT_TO_ADD)
            continue;
        struct index_entry *copy = index_add(&out, e->path, e->path_len);
        const char *path = copy->path;
        *copy = *e;
        copy->path = path;
    }
    for (; i < r->changes.len; i++)
        add_changed(r, i, &out);
    int rc = index_set_tree(&out, r->w->mem, tree, r->err);
    if (rc == 0)
        index_format(&out, raw);
    return rc;
}

/* Through git's own lock, which we hold, as git would. */
static int write_index(struct refresh *r, const struct oid *tree)
{
    cleanup_str struct str raw = STR_INIT;
    int rc = build_index(r, tree, &raw);
    if (rc < 0)
        return rc;
    /* A new file: the name may still be a link to git's index. */
    unlinkat(r->w->git, WORK_INDEX, 0);
    cleanup_close int fd =
        openat(r->w->git, WORK_INDEX, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0)
        return err_errno(r->err, "write the index");
    rc = fd_write_full(fd, raw.p, raw.len, r->err);
    /* As old as the look at the worktree: git believes no entry whose file is as young as the
     * index, since it may have been saved again in the same second. */
    const struct timespec times[2] = {{.tv_sec = r->w->started}, {.tv_sec = r->w->started}};
    if (rc == 0 && futimens(fd, times) < 0)
        rc = err_errno(r->err, "write the index");
    if (rc == 0 && renameat(r->w->git, WORK_INDEX, r->w->git, "index") < 0)
        rc = err_errno(r->err, "write the index");
    return rc;
}

/* The branch that HEAD is on, or HEAD itself when it is detached, moves to the commit. */
static int move_branch(struct work *w, const struct oid *commit, struct err *err)
{
    cleanup_free char *branch = NULL;
    if (oid_equal(&w->head, commit))
        return 0;
    int rc = repo_head_branch(w->disk, &branch, err);
    repo_refresh(w->disk);
    return rc ? rc : repo_ref_set(w->disk, branch ? branch : "HEAD", commit, "sync", err);
}

static int clean_tmp(struct work *w, struct err *err)
{
    int rc = path_remove_tree(w->git, WORK_TMP, err);
    if (unlinkat(w->git, WORK_JOURNAL, 0) < 0 && errno != ENOENT && rc == 0)
        rc = err_errno(err, "remove the journal");
    return rc;
}

/* The session checks what comes in; a worktree relies on nobody. */
static int refuse_unsafe(const struct tree_changes *changes, struct err *err)
{
    for (size_t i = 0; i < changes->len; i++) {
        const struct tree_change *c = &changes->v[i];
        const char *slash = strrchr(c->path, '/');
        const char *name = slash ? slash + 1 : c->path;
        if (c->new_mode && (!safe_path(c->path, strlen(c->path)) ||
                            !safe_entry(name, strlen(name), c->new_mode))) {
            cleanup_str struct str shown = STR_INIT;
            str_add_printable(&shown, c->path, strlen(c->path));
            return err_set(err, ERR_DENIED, "unsafe path in the session: %.300s", shown.p);
        }
    }
    return 0;
}

int work_refresh(struct work *w, const struct oid *commit, const struct oid *tree,
                 struct sync_files *kept, struct err *err)
{
    cleanup(refresh_release) struct refresh r = {
        .w = w, .changes = TREE_CHANGES_INIT, .put = {.tmp = -1, .kept = -1}, .err = err};
    cleanup_str struct str journal = STR_INIT;
    int rc = repo_diff_trees(w->mem, &w->disk_tree, tree, &r.changes, err);
    if (rc == 0)
        rc = refuse_unsafe(&r.changes, err);
    if (rc < 0)
        return rc;
    r.stats = xcalloc(r.changes.len, sizeof *r.stats);
    r.changed = xcalloc(r.changes.len, sizeof *r.changed);
    r.converted = xcalloc(r.changes.len, sizeof *r.converted);
    journal_format(&r.changes, &journal);
    if (r.changes.len)
        rc = fd_write_file(w->git, WORK_JOURNAL, journal.p, journal.len, 0644, err);
    if (rc == 0)
        rc = put_open(w, kept, &r.put, err);
    if (rc == 0)
        rc = put_all(&r);
    if (rc == 0)
        rc = move_branch(w, commit, err);
    if (rc == 0)
        rc = write_index(&r, tree);
    if (rc == 0 && syncfs(w->tree) < 0)
        rc = err_errno(err, "sync the worktree to disk");
    if (rc < 0)
        return rc;
    w->meta.last_synced = *commit;
    meta_end_refresh(&w->meta);
    rc = meta_write(w->dot, &w->meta, err);
    return rc ? rc : clean_tmp(w, err);
}
