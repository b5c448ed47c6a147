#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sync/extra.h"

#define PUBLISH_TRIES 50

void publish_result_release(struct publish_result *r)
{
    free(r->branch);
    free(r->remote_url);
    sync_result_release(&r->sync);
    memset(r, 0, sizeof *r);
}

/* The remote's branch moved: what it has joins the session. */
static int remote_change(struct work *w, const struct oid *head, const struct agent_identity *who,
                         void *payload, struct extra *out, bool *needed, struct err *err)
{
    const struct oid *remote = payload;
    struct err none = ERR_INIT;
    (void)who;
    int rc = repo_is_ancestor(w->mem, remote, head, err);
    if (rc != 0)
        return rc < 0 ? rc : 0;
    out->base_tree = oid_empty_tree;
    rc = repo_merge_base(w->mem, head, remote, &out->base, &none);
    if (rc == 0)
        rc = extra_tree_of(w->mem, &out->base, &out->base_tree, err);
    else if (rc == ERR_NOT_FOUND)
        rc = 0;
    if (rc == 0)
        rc = extra_tree_of(w->mem, remote, &out->local_tree, err);
    out->has_second = true;
    out->second = *remote;
    out->login = "remote";
    out->others = true;
    out->subject = xstrdup("sync: merge the published branch");
    *needed = true;
    return rc;
}

static int take_remote(const struct sync_place *place, struct oid *remote,
                       struct merge_report *report, struct err *err)
{
    bool done;
    return extra_commit(place, remote_change, remote, report, &done, err);
}

int sync_publish(const struct sync_place *place, struct publish_result *out, struct err *err)
{
    const struct sync_options options = {.place = place};
    for (int i = 0; i < PUBLISH_TRIES; i++) {
        cleanup_agent struct agent_client *agent = NULL;
        cleanup(agent_published_release) struct agent_published done = {0};
        struct err why = ERR_INIT;
        struct merge_report so_far = out->sync.overlaps;
        out->sync.overlaps = (struct merge_report)MERGE_REPORT_INIT;
        sync_result_release(&out->sync);
        out->sync.overlaps = so_far;
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
            rc = take_remote(place, &done.remote, &out->sync.overlaps, err);
        else if (!done.has_head)
            return err_set(err, rc, "%s", why.msg);
        else
            rc = 0;
        if (rc < 0)
            return rc;
    }
    return err_set(err, ERR_CONFLICT, "the remote branch moves faster than this publish");
}
