#include "base/mem.h"
#include "sync/merge_store.h"
#include "sync/work.h"

int work_merge(struct work *w, const struct oid *head_tree, struct merge_tree_result *out,
               struct err *err)
{
    struct merge_store_ctx ctx = {.repo = w->mem,
                                  .git_dir = w->attributes ? w->git_dir : NULL,
                                  .work_tree = w->place->worktree};
    struct merge_store store;
    merge_store_init(&store, &ctx);
    struct merge_oid base = merge_oid_of(&w->base_tree);
    struct merge_oid local = merge_oid_of(&w->local_tree);
    struct merge_oid canonical = merge_oid_of(head_tree);
    struct merge_tree_opts opts = {.login = w->place->login};
    return merge_trees(&store, &base, &local, &canonical, &opts, out, err);
}
