#include "sync/merge_store.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "git/run.h"

static int read_tree(void *ctx, const struct merge_oid *tree, struct merge_listing *out,
                     struct err *err)
{
    struct merge_store_ctx *c = ctx;
    struct oid oid = oid_of_merge(tree);
    cleanup_tree_list struct tree_list list = TREE_LIST_INIT;
    int rc = repo_read_tree(c->repo, &oid, &list, err);
    for (size_t i = 0; rc == 0 && i < list.len; i++) {
        struct merge_oid id = merge_oid_of(&list.v[i].oid);
        merge_listing_add(out, list.v[i].name, strlen(list.v[i].name), list.v[i].mode, &id);
    }
    return rc;
}

static int read_blob(void *ctx, const struct merge_oid *blob, size_t max, struct str *out,
                     struct err *err)
{
    struct merge_store_ctx *c = ctx;
    struct oid oid = oid_of_merge(blob);
    return repo_read_blob(c->repo, &oid, max, out, err);
}

static int write_blob(void *ctx, const void *data, size_t len, struct merge_oid *out,
                      struct err *err)
{
    struct merge_store_ctx *c = ctx;
    struct oid oid;
    int rc = repo_write_blob(c->repo, data, len, &oid, err);
    if (rc == 0)
        *out = merge_oid_of(&oid);
    return rc;
}

static int write_tree(void *ctx, const struct merge_entry *v, size_t n, struct merge_oid *out,
                      struct err *err)
{
    struct merge_store_ctx *c = ctx;
    struct tree_entry *entries = xcalloc(n, sizeof *entries);
    struct oid oid;
    for (size_t i = 0; i < n; i++)
        entries[i] = (struct tree_entry){
            .name = v[i].name, .mode = v[i].mode, .oid = oid_of_merge(&v[i].oid)};
    int rc = repo_write_tree(c->repo, entries, n, &oid, err);
    if (rc == 0)
        *out = merge_oid_of(&oid);
    free(entries);
    return rc;
}

/* "<path>\0<attribute>\0<value>\0" twice; a failure to ask means the default. */
static enum merge_attr attr(void *ctx, const char *path)
{
    struct merge_store_ctx *c = ctx;
    const char *const args[] = {"check-attr", "-z", "merge", "filter", "--", path, NULL};
    struct git_run run = {
        .kind = GIT_RUN_USER, .git_dir = c->git_dir, .work_tree = c->work_tree, .args = args};
    cleanup_proc_result struct proc_result out = {0, STR_INIT, STR_INIT};
    if (!c->git_dir || git_run(&run, &out, NULL) < 0)
        return MERGE_ATTR_AUTO;
    const char *values[2] = {"unspecified", "unspecified"};
    const char *p = out.out.p;
    const char *end = p + out.out.len;
    for (size_t i = 0; i < 6 && p < end; i++) {
        if (i % 3 == 2)
            values[i / 3] = p;
        p += strlen(p) + 1;
    }
    if (strcmp(values[0], "unset") == 0 || strcmp(values[0], "binary") == 0 ||
        strcmp(values[1], "lfs") == 0)
        return MERGE_ATTR_BINARY;
    return strcmp(values[0], "text") == 0 || strcmp(values[0], "union") == 0 ? MERGE_ATTR_TEXT
                                                                             : MERGE_ATTR_AUTO;
}

void merge_store_init(struct merge_store *store, struct merge_store_ctx *ctx)
{
    *store = (struct merge_store){.ctx = ctx,
                                  .read_tree = read_tree,
                                  .read_blob = read_blob,
                                  .write_blob = write_blob,
                                  .write_tree = write_tree,
                                  .attr = ctx->git_dir ? attr : NULL};
}
