/*
 * After a refresh that was killed the worktree is a mixture: some files are already the new ones.
 * A path that is as it was before, as it went into the sync, or as it was to become, is nothing the
 * person did since; every other one is. It is relative to what was to come when all of that is in
 * it, so it had arrived before the person went on; else to what went into the sync.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "merge/text.h"
#include "sync/attrs.h"
#include "sync/checkout.h"
#include "sync/journal.h"
#include "sync/put.h"
#include "sync/work.h"

/* --- files that the killed sync had in hand --------------------------------------------------- */

static int one_leftover(struct work *w, struct put *put, const struct tree_changes *changes,
                        const char *name, struct err *err)
{
    struct attrs_repo repo = {.git_dir = w->git_dir, .work_tree = w->place->worktree};
    size_t n;
    bool converted = false;
    if (!journal_tmp_name(name, &n) || n >= changes->len)
        return 0;
    const struct tree_change *c = &changes->v[n];
    const char *path = c->path;
    int rc = attrs_converted(&repo, &path, 1, &converted, err);
    return rc ? rc : put_leftover(put, n, c, name, converted);
}

/* Brings back what a person saved at the moment of the kill. */
static int bring_back(struct work *w, struct sync_files *kept, struct err *err)
{
    cleanup_tree_changes struct tree_changes changes = TREE_CHANGES_INIT;
    cleanup_str struct str text = STR_INIT;
    cleanup_put struct put put = {.tmp = -1, .kept = -1};
    struct err why = ERR_INIT;
    int rc = fd_read_file(w->git, WORK_JOURNAL, JOURNAL_MAX, &text, &why);
    if (rc == ERR_NOT_FOUND)
        return 0;
    if (rc < 0)
        return err_set(err, rc, "%s", why.msg);
    rc = journal_parse(text.p, text.len, &changes, err);
    if (rc == 0)
        rc = put_open(w, kept, &put, err);
    if (rc < 0)
        return rc;
    cleanup_strv struct strv names = STRV_INIT;
    int fd = dup(put.tmp);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir)
        return err_errno(err, "open .git/" WORK_TMP);
    struct dirent *e;
    while ((e = readdir(dir)))
        strv_push(&names, e->d_name);
    closedir(dir);
    for (size_t i = 0; rc == 0 && i < names.len; i++)
        rc = one_leftover(w, &put, &changes, names.v[i], err);
    return rc;
}

static int clean(struct work *w, struct err *err)
{
    int rc = path_remove_tree(w->git, WORK_TMP, err);
    unlinkat(w->git, WORK_JOURNAL, 0);
    if (rc == 0 && mkdirat(w->git, WORK_TMP, 0777) < 0)
        rc = err_errno(err, "create .git/" WORK_TMP);
    return rc;
}

static bool arrived(struct work *w, const struct oid *commit, const struct oid *head)
{
    return repo_has(w->canonical, commit) &&
           repo_is_ancestor(w->canonical, commit, head, NULL) == 1;
}

int work_recover(struct work *w, bool *resumed, struct sync_files *kept, struct err *err)
{
    cleanup_free char *ref = xasprintf("refs/heads/%s", w->meta.session_branch);
    struct oid head;
    *resumed = false;
    if (oid_is_zero(&w->meta.syncing_to))
        return clean(w, err);
    int rc = repo_ref_read(w->canonical, ref, &head, err);
    if (rc < 0)
        return rc;
    if (!arrived(w, &w->meta.syncing_to, &head)) {
        /* Killed before the session had the commit: what was begun before it is still what it is.
         */
        w->meta.syncing_to = w->meta.resumed_to;
        w->meta.syncing_tree = w->meta.resumed_tree;
    }
    w->meta.resumed_to = w->meta.syncing_to;
    w->meta.resumed_tree = w->meta.syncing_tree;
    *resumed = !oid_is_zero(&w->meta.syncing_to);
    if (*resumed)
        rc = bring_back(w, kept, err);
    return rc ? rc : clean(w, err);
}

/* --- whose a path is -------------------------------------------------------------------------- */

struct state {
    uint32_t mode; /* 0: absent */
    struct oid oid;
};

static int state_of(struct work *w, const struct oid *tree, const char *path, struct state *out,
                    struct err *err)
{
    *out = (struct state){0};
    int rc = repo_tree_find(w->disk, tree, path, &out->mode, &out->oid, err);
    if (rc == ERR_NOT_FOUND || (rc == 0 && out->mode == MERGE_MODE_TREE)) {
        out->mode = 0;
        return 0;
    }
    return rc;
}

static bool same(const struct state *a, const struct state *b)
{
    return a->mode == b->mode && (a->mode == 0 || oid_equal(&a->oid, &b->oid));
}

/* Puts a state into the list of a tree's files. */
static void set_state(struct index *index, const char *path, const struct state *s)
{
    bool found;
    size_t at = index_position(index, path, &found);
    if (!found && s->mode) {
        index_add(index, path, strlen(path));
        index_sort(index);
        at = index_position(index, path, &found);
    }
    if (!found)
        return;
    if (s->mode) {
        index->v[at].mode = s->mode;
        index->v[at].oid = s->oid;
    } else {
        memmove(&index->v[at], &index->v[at + 1], (index->len - at - 1) * sizeof *index->v);
        index->len--;
    }
}

struct settle {
    struct work *w;
    struct oid before; /* tree of the last synced commit */
    struct oid sent;   /* tree that went into the sync */
    struct oid to;     /* tree that the refresh was to bring */
    struct index base;
    struct index local;
};

/* Does `now` hold all that `to` made of `sent`? What cannot be read counts as no. */
static bool holds(struct work *w, const struct state *sent, const struct state *now,
                  const struct state *to)
{
    cleanup_blob struct blob base = BLOB_INIT;
    cleanup_blob struct blob local = BLOB_INIT;
    cleanup_blob struct blob other = BLOB_INIT;
    cleanup_merge_text struct merge_text_result r = MERGE_TEXT_RESULT_INIT;
    if (!S_ISREG(sent->mode) || !S_ISREG(now->mode) || !S_ISREG(to->mode) ||
        repo_open_blob(w->disk, &sent->oid, MERGE_TEXT_MAX, &base, NULL) ||
        repo_open_blob(w->disk, &now->oid, MERGE_TEXT_MAX, &local, NULL) ||
        repo_open_blob(w->disk, &to->oid, MERGE_TEXT_MAX, &other, NULL) ||
        merge_text((struct merge_slice){base.p, base.len}, (struct merge_slice){local.p, local.len},
                   (struct merge_slice){other.p, other.len}, &r, NULL))
        return false;
    return r.text.len == local.len && (local.len == 0 || memcmp(r.text.p, local.p, local.len) == 0);
}

static int settle_path(struct settle *s, const struct tree_change *c, struct err *err)
{
    struct state before;
    struct state sent;
    struct state to;
    struct state now = {.mode = c->new_mode, .oid = c->new_oid};
    int rc = state_of(s->w, &s->before, c->path, &before, err);
    if (rc == 0)
        rc = state_of(s->w, &s->sent, c->path, &sent, err);
    if (rc == 0)
        rc = state_of(s->w, &s->to, c->path, &to, err);
    if (rc < 0 || same(&now, &before) || same(&now, &sent))
        return rc; /* local and base both keep the new state */
    set_state(&s->local, c->path, &now);
    if (holds(s->w, &sent, &now, &to))
        sent.oid = to.oid;
    set_state(&s->base, c->path, &sent);
    return 0;
}

int work_resume(struct work *w, struct err *err)
{
    struct settle s = {.w = w, .base = INDEX_INIT, .local = INDEX_INIT};
    cleanup_repo_commit struct repo_commit last = {0};
    cleanup_repo_commit struct repo_commit to = {0};
    cleanup_tree_changes struct tree_changes changes = TREE_CHANGES_INIT;
    int rc = repo_read_commit(w->disk, &w->meta.last_synced, &last, err);
    if (rc == 0)
        rc = repo_read_commit(w->disk, &w->meta.syncing_to, &to, err);
    if (rc < 0)
        return rc;
    s.before = last.tree;
    s.sent = oid_is_zero(&w->meta.syncing_tree) || !repo_has(w->disk, &w->meta.syncing_tree)
                 ? last.tree
                 : w->meta.syncing_tree;
    s.to = to.tree;
    rc = repo_diff_trees(w->disk, &to.tree, &w->disk_tree, &changes, err);
    if (rc == 0)
        rc = checkout_list(w->disk, &to.tree, &s.base, err);
    if (rc == 0)
        rc = checkout_list(w->disk, &to.tree, &s.local, err);
    for (size_t i = 0; rc == 0 && i < changes.len; i++)
        rc = settle_path(&s, &changes.v[i], err);
    if (rc == 0)
        rc = index_write_tree(&s.base, w->disk, &w->base_tree, err);
    if (rc == 0)
        rc = index_write_tree(&s.local, w->disk, &w->local_tree, err);
    w->base = w->meta.syncing_to;
    index_release(&s.base);
    index_release(&s.local);
    return rc;
}
