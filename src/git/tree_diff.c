#include <git2.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "git/repo.h"
#include "git/repo_internal.h"
#include "git/safe_path.h"

#define MODE_TREE 040000u

void tree_changes_release(struct tree_changes *c)
{
    for (size_t i = 0; i < c->len; i++)
        free(c->v[i].path);
    free(c->v);
    *c = (struct tree_changes)TREE_CHANGES_INIT;
}

struct diff {
    struct repo *repo;
    struct tree_changes *out;
    struct str path;
    struct err *err;
};

static int diff_trees(struct diff *d, const git_oid *old_oid, const git_oid *new_oid, int depth);

static void add_change(struct diff *d, const git_tree_entry *old_e, const git_tree_entry *new_e)
{
    struct tree_change c = {.path = xstrndup(d->path.p, d->path.len)};
    if (old_e) {
        c.old_mode = git_tree_entry_filemode_raw(old_e);
        c.old_oid = oid_of_git(git_tree_entry_id(old_e));
    }
    if (new_e) {
        c.new_mode = git_tree_entry_filemode_raw(new_e);
        c.new_oid = oid_of_git(git_tree_entry_id(new_e));
    }
    VEC_GROW(d->out->v, d->out->len, d->out->cap);
    d->out->v[d->out->len++] = c;
}

static bool entry_is_tree(const git_tree_entry *e)
{
    return e && git_tree_entry_type(e) == GIT_OBJECT_TREE;
}

/* One name, present on either side or on both; both are trees or neither is. */
static int diff_entry(struct diff *d, const git_tree_entry *old_e, const git_tree_entry *new_e,
                      int depth)
{
    if (old_e && new_e && git_oid_equal(git_tree_entry_id(old_e), git_tree_entry_id(new_e)) &&
        git_tree_entry_filemode_raw(old_e) == git_tree_entry_filemode_raw(new_e))
        return 0;
    size_t length = d->path.len;
    if (length)
        str_addc(&d->path, '/');
    str_adds(&d->path, git_tree_entry_name(old_e ? old_e : new_e));
    int rc = 0;
    if (entry_is_tree(old_e ? old_e : new_e))
        rc = diff_trees(d, old_e ? git_tree_entry_id(old_e) : NULL,
                        new_e ? git_tree_entry_id(new_e) : NULL, depth + 1);
    else
        add_change(d, old_e, new_e);
    str_truncate(&d->path, length);
    return rc;
}

static int lookup(struct diff *d, const git_oid *oid, git_tree **out)
{
    if (!oid || git_oid_equal(oid, oid_git(&oid_empty_tree)))
        return 0;
    int rc = git_tree_lookup(out, d->repo->git, oid);
    return rc < 0 ? repo_err(d->err, rc, "tree of %s", d->path.p) : 0;
}

static int diff_trees(struct diff *d, const git_oid *old_oid, const git_oid *new_oid, int depth)
{
    cleanup(cleanup_git_tree) git_tree *old_tree = NULL;
    cleanup(cleanup_git_tree) git_tree *new_tree = NULL;
    if (depth > REPO_TREE_DEPTH_MAX)
        return err_set(d->err, ERR_LIMIT, "directories deeper than %d", REPO_TREE_DEPTH_MAX);
    int rc = lookup(d, old_oid, &old_tree);
    if (rc == 0)
        rc = lookup(d, new_oid, &new_tree);
    size_t n_old = old_tree ? git_tree_entrycount(old_tree) : 0;
    size_t n_new = new_tree ? git_tree_entrycount(new_tree) : 0;
    size_t i = 0;
    size_t j = 0;
    while (rc == 0 && (i < n_old || j < n_new)) {
        const git_tree_entry *a = i < n_old ? git_tree_entry_byindex(old_tree, i) : NULL;
        const git_tree_entry *b = j < n_new ? git_tree_entry_byindex(new_tree, j) : NULL;
        /* Git's order: a file and a directory of one name are two places in it. */
        int order = !a ? 1 : !b ? -1 : git_tree_entry_cmp(a, b);
        if (order == 0 && entry_is_tree(a) != entry_is_tree(b))
            order = entry_is_tree(b) ? -1 : 1;
        rc = diff_entry(d, order <= 0 ? a : NULL, order >= 0 ? b : NULL, depth);
        i += order <= 0;
        j += order >= 0;
    }
    return rc;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct tree_change *)a)->path, ((const struct tree_change *)b)->path);
}

/* A file that became a directory, or the other way round with the same path never occurs: only
 * type changes between file and link share a path, and those are one entry already. */
int repo_diff_trees(struct repo *repo, const struct oid *old_tree, const struct oid *new_tree,
                    struct tree_changes *out, struct err *err)
{
    if (old_tree && new_tree && oid_equal(old_tree, new_tree))
        return 0;
    struct diff d = {.repo = repo, .out = out, .path = STR_INIT, .err = err};
    int rc =
        diff_trees(&d, old_tree ? oid_git(old_tree) : NULL, new_tree ? oid_git(new_tree) : NULL, 0);
    str_release(&d.path);
    if (rc == 0 && out->len > 1)
        qsort(out->v, out->len, sizeof *out->v, by_path);
    return rc;
}

/* --- safety ----------------------------------------------------------------------------------- */

struct check {
    struct repo *repo;
    struct str path;
    size_t seen;
    struct err *err;
};

static int refuse(struct check *c, const char *name)
{
    cleanup_str struct str shown = STR_INIT;
    str_add_printable(&shown, c->path.p, c->path.len);
    if (c->path.len)
        str_addc(&shown, '/');
    str_add_printable(&shown, name, strnlen(name, 400));
    return err_set(c->err, ERR_DENIED, "unsafe path in the repository: %.300s", shown.p);
}

static int check_tree(struct check *c, const git_oid *oid, int depth)
{
    cleanup(cleanup_git_tree) git_tree *tree = NULL;
    if (depth > REPO_TREE_DEPTH_MAX)
        return err_set(c->err, ERR_LIMIT, "directories deeper than %d", REPO_TREE_DEPTH_MAX);
    int rc = git_tree_lookup(&tree, c->repo->git, oid);
    if (rc < 0)
        return repo_err(c->err, rc, "tree of %s", c->path.p);
    size_t n = git_tree_entrycount(tree);
    const char *before = NULL;
    for (size_t i = 0; i < n; i++) {
        const git_tree_entry *e = git_tree_entry_byindex(tree, i);
        const char *name = git_tree_entry_name(e);
        uint32_t mode = git_tree_entry_filemode_raw(e);
        if (!safe_entry(name, strlen(name), mode) || (before && strcmp(before, name) == 0))
            return refuse(c, name);
        if (c->path.len + strlen(name) + 1 > 4000)
            return refuse(c, name);
        before = name;
        if (++c->seen > REPO_TREE_ENTRIES_MAX)
            return err_set(c->err, ERR_LIMIT, "more than %d files", REPO_TREE_ENTRIES_MAX);
        if ((mode & 0170000u) != MODE_TREE)
            continue;
        size_t length = c->path.len;
        if (length)
            str_addc(&c->path, '/');
        str_adds(&c->path, name);
        rc = check_tree(c, git_tree_entry_id(e), depth + 1);
        str_truncate(&c->path, length);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int repo_check_tree(struct repo *repo, const struct oid *tree, struct err *err)
{
    if (oid_equal(tree, &oid_empty_tree))
        return 0;
    struct check c = {.repo = repo, .path = STR_INIT, .err = err};
    int rc = check_tree(&c, oid_git(tree), 0);
    str_release(&c.path);
    return rc;
}
