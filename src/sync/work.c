#include "sync/work.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"

#define LOCK_MARK WORK_DIR "/lock"

static const char lock_mark[] = "steadystate sync\n";

/* --- in the middle of something --------------------------------------------------------------- */

int work_check_idle(struct work *w, struct err *err)
{
    static const struct {
        const char *file, *what, *how;
    } states[] = {
        {"MERGE_HEAD", "a merge", "git merge --continue (or --abort)"},
        {"rebase-merge", "a rebase", "git rebase --continue (or --abort)"},
        {"rebase-apply", "a rebase", "git rebase --continue (or --abort)"},
        {"CHERRY_PICK_HEAD", "a cherry-pick", "git cherry-pick --continue (or --abort)"},
        {"REVERT_HEAD", "a revert", "git revert --continue (or --abort)"},
        {"BISECT_LOG", "a bisect", "git bisect reset"},
    };
    for (size_t i = 0; i < ARRAY_LEN(states); i++)
        if (faccessat(w->git, states[i].file, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
            return err_set(err, ERR_CONFLICT,
                           "the worktree is in the middle of %s; finish it with %s, then sync",
                           states[i].what, states[i].how);
    return 0;
}

/* --- locks ------------------------------------------------------------------------------------ */

static bool is_our_lock(int git)
{
    cleanup_str struct str text = STR_INIT;
    return fd_read_file(git, "index.lock", 64, &text, NULL) == 0 && strcmp(text.p, lock_mark) == 0;
}

void work_drop_stale_lock(int git)
{
    if (is_our_lock(git))
        unlinkat(git, "index.lock", 0);
}

/* The lock gets its name only with its text inside: one without would be taken for git's. */
static int write_mark(int git, struct err *err)
{
    unlinkat(git, LOCK_MARK, 0);
    cleanup_close int fd = openat(git, LOCK_MARK, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    return fd < 0 ? err_errno(err, "lock the index")
                  : fd_write_full(fd, lock_mark, sizeof lock_mark - 1, err);
}

/* git's own lock on its index, so that no git command writes it meanwhile. One that a killed sync
 * left is taken over: nobody else syncs, since our own lock is held. */
int work_lock_index(struct work *w, struct err *err)
{
    int rc = write_mark(w->git, err);
    if (rc < 0)
        return rc;
    bool taken = linkat(w->git, LOCK_MARK, w->git, "index.lock", 0) == 0;
    int why = errno;
    unlinkat(w->git, LOCK_MARK, 0);
    if (!taken && why != EEXIST) {
        errno = why;
        return err_errno(err, "lock the index");
    }
    if (!taken && !is_our_lock(w->git))
        return err_set(err, ERR_CONFLICT,
                       "another git command is at work here (.git/index.lock exists); wait "
                       "for it, or remove the file if none is");
    w->index_locked = true;
    return 0;
}

/* --- open and close --------------------------------------------------------------------------- */

static int open_dirs(struct work *w, struct err *err)
{
    cleanup_free char *dot = path_join(w->place->home, ".worktree");
    w->dot = open(dot, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (w->dot < 0)
        return err_set(err, ERR_NOT_FOUND, "there is no worktree here");
    w->lock = fd_lock_file(w->dot, "lock", WORK_LOCK_MS, err);
    if (w->lock < 0)
        return w->lock;
    w->tree = open(w->place->worktree, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (w->tree < 0)
        return err_errno(err, "open %s", w->place->worktree);
    w->git = path_open_beneath(w->tree, ".git", O_RDONLY | O_DIRECTORY, 0, err);
    if (w->git < 0)
        return w->git;
    if ((mkdirat(w->git, WORK_DIR, 0777) < 0 && errno != EEXIST) ||
        (mkdirat(w->git, WORK_TMP, 0777) < 0 && errno != EEXIST))
        return err_errno(err, "create .git/" WORK_TMP);
    return 0;
}

int work_open(const struct sync_place *place, struct work *w, struct err *err)
{
    *w = (struct work){
        .place = place, .dot = -1, .tree = -1, .git = -1, .lock = -1, .index = INDEX_INIT};
    w->git_dir = xasprintf("%s/.git", place->worktree);
    int rc = open_dirs(w, err);
    if (rc == 0)
        rc = meta_read(w->dot, &w->meta, err);
    if (rc == 0 && !oid_is_zero(&w->meta.preparing))
        rc = err_set(err, ERR_NOT_FOUND, "the worktree is not complete yet; log in again");
    if (rc == 0)
        rc = repo_open(w->git_dir, &w->disk, err);
    if (rc == 0)
        rc = repo_open(w->git_dir, &w->mem, err);
    if (rc == 0)
        rc = repo_use_memory(w->mem, err);
    if (rc == 0)
        rc = repo_open(place->canonical, &w->canonical, err);
    if (rc == 0)
        rc = repo_ref_read(w->disk, "HEAD", &w->head, err);
    return rc;
}

void work_close(struct work *w)
{
    if (w->index_locked)
        unlinkat(w->git, "index.lock", 0);
    if (w->git >= 0)
        unlinkat(w->git, WORK_INDEX, 0);
    int *const fds[] = {&w->git, &w->tree, &w->lock, &w->dot};
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        if (*fds[i] >= 0)
            close(steal_fd(fds[i]));
    repo_free(w->mem);
    repo_free(w->disk);
    repo_free(w->canonical);
    index_release(&w->index);
    meta_release(&w->meta);
    free(w->git_dir);
    free(w->warning);
}

/* --- lists ------------------------------------------------------------------------------------ */

void sync_files_add(struct sync_files *files, const char *path, enum sync_mark mark)
{
    VEC_GROW(files->v, files->len, files->cap);
    files->v[files->len++] = (struct sync_file){.path = xstrdup(path), .mark = mark};
}

void sync_files_release(struct sync_files *files)
{
    for (size_t i = 0; i < files->len; i++)
        free(files->v[i].path);
    free(files->v);
    *files = (struct sync_files){NULL, 0, 0};
}

int sync_files_diff(struct repo *repo, const struct oid *from, const struct oid *to,
                    struct sync_files *out, struct err *err)
{
    cleanup_tree_changes struct tree_changes changes = TREE_CHANGES_INIT;
    int rc = repo_diff_trees(repo, from, to, &changes, err);
    for (size_t i = 0; rc == 0 && i < changes.len; i++)
        sync_files_add(out, changes.v[i].path,
                       !changes.v[i].old_mode   ? SYNC_ADDED
                       : !changes.v[i].new_mode ? SYNC_DELETED
                                                : SYNC_MODIFIED);
    return rc;
}
