#include "sync/sync.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sync/commit.h"
#include "sync/merge_store.h"
#include "sync/overlaps.h"
#include "sync/submodules.h"
#include "sync/sync_log.h"
#include "sync/work.h"

void sync_result_release(struct sync_result *r)
{
    sync_files_release(&r->sent);
    sync_files_release(&r->received);
    sync_files_release(&r->kept);
    merge_report_release(&r->overlaps);
    free(r->warning);
    memset(r, 0, sizeof *r);
}

/* One round: the state that would follow on `head`. */
struct round {
    struct oid head;
    struct oid head_tree;
    struct oid tree;
    bool own;    /* own commits become a second parent */
    bool commit; /* there is something to send */
    struct oid result;
    struct merge_tree_result merged;
};

static void round_release(struct round *r)
{
    merge_tree_result_release(&r->merged);
}

static int merge_round(struct work *w, struct round *r, struct err *err)
{
    cleanup_repo_commit struct repo_commit head = {0};
    merge_tree_result_release(&r->merged);
    r->merged = (struct merge_tree_result)MERGE_TREE_RESULT_INIT;
    repo_refresh(w->mem);
    repo_refresh(w->disk);
    int rc = repo_read_commit(w->mem, &r->head, &head, err);
    if (rc == 0)
        rc = work_own_commits(w, &r->head, &r->own, err);
    if (rc < 0)
        return rc;
    r->head_tree = head.tree;
    rc = work_merge(w, &head.tree, &r->merged, err);
    r->tree = oid_of_merge(&r->merged.tree);
    r->commit = r->own || !oid_equal(&r->tree, &head.tree);
    r->result = r->head;
    return rc;
}

/* Before the session can have the commit: so that after a kill the next sync knows that the
 * worktree's state is in it. */
static int announce(struct work *w, const struct oid *commit, struct err *err)
{
    w->meta.syncing_to = *commit;
    w->meta.syncing_tree = w->disk_tree;
    return meta_write(w->dot, &w->meta, err);
}

static int send_round(struct work *w, struct round *r, struct agent_client *agent,
                      const struct agent_identity *who, struct err *err)
{
    cleanup_json struct json_object *changes = NULL;
    cleanup_json struct json_object *overlaps = NULL;
    struct sync_files files = {NULL, 0, 0};
    struct commit_plan plan = {.parent = r->head,
                               .second = r->own ? &w->head : NULL,
                               .tree = r->tree,
                               .who = who,
                               .overlaps = &r->merged.report};
    int rc = sync_files_diff(w->mem, &r->head_tree, &r->tree, &files, err);
    plan.n_files = files.len;
    sync_files_release(&files);
    if (rc == 0)
        rc = commit_make(w, &plan, &r->result, err);
    if (rc == 0)
        rc = sync_log_changes(w->mem, &r->head_tree, &r->tree, &changes, err);
    if (rc < 0)
        return rc;
    overlaps = sync_log_overlaps(w->mem, &r->merged.report, &w->base, &r->head);
    rc = announce(w, &r->result, err);
    return rc ? rc : commit_send(w, agent, &r->head, &r->result, changes, overlaps, &r->head, err);
}

/* Merges on the head and sends, as often as somebody else was first. */
static int settle(struct work *w, struct round *r, struct agent_client *agent, struct err *err)
{
    cleanup_agent_identity struct agent_identity who = {0};
    int rc = agent_whoami(agent, &who, err);
    if (rc == 0)
        rc = agent_head(agent, &r->head, err);
    if (rc < 0)
        return rc;
    for (int i = 0; i < SYNC_ROUNDS_MAX; i++) {
        struct err why = ERR_INIT;
        rc = merge_round(w, r, err);
        if (rc < 0 || !r->commit)
            return rc;
        rc = send_round(w, r, agent, &who, &why);
        if (rc == 0)
            return 0;
        if (rc != ERR_CONFLICT)
            return err_set(err, rc, "%s", why.msg);
    }
    return err_set(err, ERR_CONFLICT, "the session moves faster than this sync");
}

/* What is edited in a submodule has no place in the session's branch; silence would lose it. */
static void note_submodules(struct work *w)
{
    cleanup_strv struct strv paths = STRV_INIT;
    cleanup_str struct str text = STR_INIT;
    if (submodules_edited(&w->index, w->git_dir, w->place->worktree, &paths, NULL) < 0 ||
        paths.len == 0)
        return;
    if (w->warning)
        str_addf(&text, "%s; ", w->warning);
    str_adds(&text, "what was edited in");
    for (size_t i = 0; i < paths.len; i++) {
        str_adds(&text, i ? ", " : " ");
        str_add_printable(&text, paths.v[i], strlen(paths.v[i]));
    }
    str_adds(&text, " (edits in a submodule are not shared: commit and push them from there)");
    free(w->warning);
    w->warning = str_detach(&text);
}

static int fill_result(struct work *w, struct round *r, struct sync_result *out, struct err *err)
{
    out->base = w->base;
    out->head = r->result;
    out->base_tree = w->base_tree;
    out->local_tree = w->local_tree;
    out->head_tree = r->head_tree;
    out->committed = r->commit;
    out->advanced = !oid_equal(&r->head, &w->base);
    out->saved = w->saved;
    note_submodules(w);
    free(out->warning);
    out->warning = steal(&w->warning);
    merge_report_append(&out->overlaps, &r->merged.report);
    int rc = sync_files_diff(w->mem, &w->base_tree, &w->local_tree, &out->sent, err);
    return rc ? rc : sync_files_diff(w->mem, &w->base_tree, &r->head_tree, &out->received, err);
}

static int refresh(struct work *w, struct round *r, struct sync_result *out, struct err *err)
{
    bool there = oid_equal(&r->result, &w->meta.last_synced) &&
                 oid_equal(&r->tree, &w->disk_tree) && oid_equal(&r->result, &w->head) &&
                 oid_is_zero(&w->meta.syncing_to);
    if (there)
        return 0;
    int rc = announce(w, &r->result, err);
    return rc ? rc : work_refresh(w, &r->result, &r->tree, &out->kept, err);
}

static int dry_run(struct work *w, struct sync_result *out, struct err *err)
{
    cleanup(round_release) struct round r = {.merged = MERGE_TREE_RESULT_INIT};
    cleanup_free char *ref = xasprintf("refs/heads/%s", w->meta.session_branch);
    if (!oid_is_zero(&w->meta.syncing_to))
        return err_set(err, ERR_CONFLICT, "the last sync was interrupted; run sync");
    int rc = work_materialize(w, WORK_DRY_RUN, err);
    if (rc == 0)
        rc = repo_ref_read(w->canonical, ref, &r.head, err);
    if (rc == 0)
        rc = merge_round(w, &r, err);
    return rc ? rc : fill_result(w, &r, out, err);
}

int sync_run(const struct sync_options *options, struct sync_result *out, struct err *err)
{
    cleanup_work struct work w;
    cleanup_agent struct agent_client *agent = NULL;
    cleanup(round_release) struct round r = {.merged = MERGE_TREE_RESULT_INIT};
    bool resumed = false;
    int rc = work_open(options->place, &w, err);
    if (rc == 0)
        rc = work_check_idle(&w, err);
    if (rc == 0 && options->dry_run)
        return dry_run(&w, out, err);
    if (rc == 0)
        rc = agent_connect(options->place->socket, options->place->login, options->place->provider,
                           &agent, err);
    if (rc == 0)
        rc = work_recover(&w, &resumed, &out->kept, err);
    if (rc == 0)
        rc = work_materialize(&w, WORK_SYNC, err);
    if (rc == 0 && resumed)
        rc = work_resume(&w, err);
    if (rc == 0)
        rc = settle(&w, &r, agent, err);
    if (rc == 0 && r.commit)
        rc = overlaps_remember(w.dot, w.mem, &r.result, &r.tree, &r.merged.report, false, err);
    if (rc == 0)
        rc = refresh(&w, &r, out, err);
    return rc ? rc : fill_result(&w, &r, out, err);
}
