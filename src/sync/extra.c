#include "sync/extra.h"

#include <stdlib.h>

#include "base/mem.h"
#include "sync/commit.h"
#include "sync/merge_store.h"
#include "sync/overlaps.h"
#include "sync/sync_log.h"

int extra_tree_of(struct repo *repo, const struct oid *commit, struct oid *tree, struct err *err)
{
    cleanup_repo_commit struct repo_commit c = {0};
    int rc = repo_read_commit(repo, commit, &c, err);
    if (rc == 0)
        *tree = c.tree;
    return rc;
}

static int merge(struct work *w, const struct extra *x, const struct oid *head_tree,
                 struct merge_tree_result *out, struct err *err)
{
    struct merge_store_ctx ctx = {.repo = w->mem,
                                  .git_dir = w->attributes ? w->git_dir : NULL,
                                  .work_tree = w->tree >= 0 ? w->place->worktree : NULL};
    struct merge_store store;
    struct merge_tree_opts opts = {.login = x->login};
    struct merge_oid base = merge_oid_of(&x->base_tree);
    struct merge_oid local = merge_oid_of(&x->local_tree);
    struct merge_oid canonical = merge_oid_of(head_tree);
    merge_store_init(&store, &ctx);
    return merge_trees(&store, &base, &local, &canonical, &opts, out, err);
}

int extra_send(struct work *w, struct agent_client *agent, const struct agent_identity *who,
               const struct extra *x, struct oid *head, struct merge_report *report,
               struct err *err)
{
    cleanup_merge_tree struct merge_tree_result merged = MERGE_TREE_RESULT_INIT;
    cleanup_json struct json_object *changes = NULL;
    cleanup_json struct json_object *overlaps = NULL;
    struct sync_files files = {NULL, 0, 0};
    struct oid head_tree;
    struct oid commit;
    int rc = extra_tree_of(w->mem, head, &head_tree, err);
    if (rc == 0)
        rc = merge(w, x, &head_tree, &merged, err);
    if (rc < 0)
        return rc;
    struct commit_plan plan = {.parent = *head,
                               .second = x->has_second ? &x->second : NULL,
                               .tree = oid_of_merge(&merged.tree),
                               .who = who,
                               .overlaps = &merged.report,
                               .subject = x->subject};
    rc = sync_files_diff(w->mem, &head_tree, &plan.tree, &files, err);
    plan.n_files = files.len;
    sync_files_release(&files);
    if (rc == 0)
        rc = commit_make(w, &plan, &commit, err);
    if (rc == 0)
        rc = sync_log_changes(w->mem, &head_tree, &plan.tree, &changes, err);
    if (rc < 0)
        return rc;
    overlaps = sync_log_overlaps(w->mem, &merged.report, &x->base, head);
    rc = commit_send(w, agent, head, &commit, changes, overlaps, head, err);
    if (rc == 0 && report) {
        merge_report_release(report);
        *report = merged.report;
        merged.report = (struct merge_report)MERGE_REPORT_INIT;
    }
    return rc;
}

static int remember(struct work *w, const struct extra *x, const struct oid *commit,
                    struct merge_report *found, struct merge_report *all, struct err *err)
{
    struct oid tree;
    int rc = extra_tree_of(w->mem, commit, &tree, err);
    if (rc == 0)
        rc = overlaps_remember(w->dot, w->mem, commit, &tree, found, x->others, err);
    merge_report_append(all, found);
    return rc;
}

int extra_commit(const struct sync_place *place, extra_fn fn, void *payload,
                 struct merge_report *report, bool *done, struct err *err)
{
    cleanup_merge_report struct merge_report found = MERGE_REPORT_INIT;
    cleanup_work struct work w;
    cleanup_agent struct agent_client *agent = NULL;
    cleanup_agent_identity struct agent_identity who = {0};
    struct oid head;
    *done = false;
    int rc = work_open(place, &w, err);
    if (rc == 0)
        rc = agent_connect(place->socket, place->login, place->provider, &agent, err);
    if (rc == 0)
        rc = agent_whoami(agent, &who, err);
    if (rc == 0)
        rc = agent_head(agent, &head, err);
    for (int i = 0; rc == 0 && i < SYNC_ROUNDS_MAX; i++) {
        struct err why = ERR_INIT;
        struct extra x = {.login = place->login};
        bool needed = false;
        repo_refresh(w.mem);
        rc = fn(&w, &head, &who, payload, &x, &needed, err);
        if (rc == 0 && needed)
            rc = extra_send(&w, agent, &who, &x, &head, &found, &why);
        if (rc == 0 && needed)
            rc = remember(&w, &x, &head, &found, report, err);
        free(x.subject);
        if (rc == 0) {
            *done = needed;
            return 0;
        }
        if (rc != ERR_CONFLICT)
            return why.code ? err_set(err, rc, "%s", why.msg) : rc;
        rc = 0;
    }
    return rc ? rc : err_set(err, ERR_CONFLICT, "the session moves faster than this merge");
}
