#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sync/commit.h"
#include "sync/merge_store.h"
#include "sync/sync_log.h"
#include "sync/work.h"

#define PUBLISH_TRIES 50

void publish_result_release(struct publish_result *r)
{
    free(r->branch);
    free(r->remote_url);
    sync_result_release(&r->sync);
    memset(r, 0, sizeof *r);
}

static int tree_of(struct repo *repo, const struct oid *commit, struct oid *tree, struct err *err)
{
    cleanup_repo_commit struct repo_commit c = {0};
    int rc = repo_read_commit(repo, commit, &c, err);
    if (rc == 0)
        *tree = c.tree;
    return rc;
}

/* The tree of head with what the remote has in addition. */
static int merge_remote(struct work *w, const struct oid *head, const struct oid *remote,
                        struct oid *base, struct merge_tree_result *out, struct err *err)
{
    struct merge_store_ctx ctx = {.repo = w->mem};
    struct merge_store store;
    struct merge_tree_opts opts = {.login = "remote"};
    struct oid base_tree = oid_empty_tree;
    struct oid head_tree;
    struct oid remote_tree;
    struct err none = ERR_INIT;
    merge_store_init(&store, &ctx);
    int rc = repo_merge_base(w->mem, head, remote, base, &none);
    if (rc == 0)
        rc = tree_of(w->mem, base, &base_tree, err);
    else if (rc == ERR_NOT_FOUND)
        rc = 0;
    if (rc == 0)
        rc = tree_of(w->mem, head, &head_tree, err);
    if (rc == 0)
        rc = tree_of(w->mem, remote, &remote_tree, err);
    if (rc < 0)
        return rc;
    struct merge_oid b = merge_oid_of(&base_tree);
    struct merge_oid l = merge_oid_of(&remote_tree);
    struct merge_oid c = merge_oid_of(&head_tree);
    return merge_trees(&store, &b, &l, &c, &opts, out, err);
}

static int take_remote_once(struct work *w, struct agent_client *agent,
                            const struct agent_identity *who, const struct oid *remote,
                            struct oid *head, struct err *err)
{
    cleanup_merge_tree struct merge_tree_result merged = MERGE_TREE_RESULT_INIT;
    cleanup_json struct json_object *changes = NULL;
    cleanup_json struct json_object *overlaps = NULL;
    struct oid base = {{0}};
    struct oid head_tree;
    struct oid commit;
    int rc = merge_remote(w, head, remote, &base, &merged, err);
    if (rc == 0)
        rc = tree_of(w->mem, head, &head_tree, err);
    if (rc < 0)
        return rc;
    struct commit_plan plan = {.parent = *head,
                               .second = remote,
                               .tree = oid_of_merge(&merged.tree),
                               .who = who,
                               .overlaps = &merged.report,
                               .subject = "sync: merge the published branch"};
    rc = commit_make(w, &plan, &commit, err);
    if (rc == 0)
        rc = sync_log_changes(w->mem, &head_tree, &plan.tree, &changes, err);
    if (rc < 0)
        return rc;
    overlaps = sync_log_overlaps(w->mem, &merged.report, &base, head);
    return commit_send(w, agent, head, &commit, changes, overlaps, head, err);
}

/* The remote's branch moved: what it has joins the session. */
static int take_remote(const struct sync_place *place, const struct oid *remote, struct err *err)
{
    cleanup_work struct work w;
    cleanup_agent struct agent_client *agent = NULL;
    cleanup_agent_identity struct agent_identity who = {0};
    struct oid head;
    int rc = work_open(place, &w, err);
    if (rc == 0)
        rc = agent_connect(place->socket, place->login, place->provider, &agent, err);
    if (rc == 0)
        rc = agent_whoami(agent, &who, err);
    if (rc == 0)
        rc = agent_head(agent, &head, err);
    for (int i = 0; rc == 0 && i < SYNC_ROUNDS_MAX; i++) {
        struct err why = ERR_INIT;
        repo_refresh(w.mem);
        if (repo_is_ancestor(w.mem, remote, &head, NULL) == 1)
            return 0;
        rc = take_remote_once(&w, agent, &who, remote, &head, &why);
        if (rc == 0)
            return 0;
        if (rc != ERR_CONFLICT)
            return err_set(err, rc, "%s", why.msg);
        rc = 0;
    }
    return rc ? rc : err_set(err, ERR_CONFLICT, "the session moves faster than this merge");
}

int sync_publish(const struct sync_place *place, struct publish_result *out, struct err *err)
{
    const struct sync_options options = {.place = place};
    for (int i = 0; i < PUBLISH_TRIES; i++) {
        cleanup_agent struct agent_client *agent = NULL;
        cleanup(agent_published_release) struct agent_published done = {0};
        struct err why = ERR_INIT;
        sync_result_release(&out->sync);
        int rc = sync_run(&options, &out->sync, err);
        if (rc == 0)
            rc = agent_connect(place->socket, place->login, place->provider, &agent, err);
        if (rc < 0)
            return rc;
        rc = agent_publish(agent, &out->sync.head, &done, &why);
        if (rc == 0) {
            out->branch = steal(&done.branch);
            out->remote_url = steal(&done.remote_url);
            out->commit = done.commit;
            return 0;
        }
        if (rc != ERR_CONFLICT)
            return err_set(err, rc, "%s", why.msg);
        if (done.has_remote)
            rc = take_remote(place, &done.remote, err);
        else if (!done.has_head)
            return err_set(err, rc, "%s", why.msg);
        else
            rc = 0;
        if (rc < 0)
            return rc;
    }
    return err_set(err, ERR_CONFLICT, "the remote branch moves faster than this publish");
}
