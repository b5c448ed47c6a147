#include "sync/commit.h"

#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "git/pack.h"
#include "sync/sync_log.h"

#define TRAILERS_MAX 100 /* overlaps named in a commit message */

static void add_trailers(const struct work *w, const struct commit_plan *plan, struct str *out)
{
    str_addf(out, "\nSteadystate-Session: %s\n", w->meta.session_id);
    for (size_t i = 0; i < plan->who->coauthors.len; i++)
        str_addf(out, "Co-authored-by: %s\n", plan->who->coauthors.v[i]);
    const struct merge_report *r = plan->overlaps;
    for (size_t i = 0; r && i < r->len && i < TRAILERS_MAX; i++) {
        cleanup_str struct str lines = STR_INIT;
        const char *path = r->v[i].path ? r->v[i].path : "";
        sync_log_lines(&r->v[i], &lines);
        str_adds(out, "Steadystate-Overlap: ");
        str_add_printable(out, path, strlen(path));
        str_addf(out, "%s%s %s\n", lines.len ? ":" : "", lines.p, merge_overlap_word(r->v[i].kind));
    }
}

int commit_make(struct work *w, const struct commit_plan *plan, struct oid *out, struct err *err)
{
    cleanup_str struct str message = STR_INIT;
    struct oid parents[2] = {plan->parent};
    if (plan->second)
        parents[1] = *plan->second;
    if (plan->subject)
        str_addf(&message, "%s\n", plan->subject);
    else
        str_addf(&message, "sync: %zu files by %s\n", plan->n_files, plan->who->login);
    add_trailers(w, plan, &message);
    int64_t now = (int64_t)time(NULL);
    struct repo_commit commit = {
        .tree = plan->tree,
        .parents = parents,
        .n_parents = plan->second ? 2 : 1,
        .author = {.name = plan->who->author_name, .email = plan->who->author_email, .when = now},
        .committer = {.name = (char *)COMMITTER_NAME,
                      .email = (char *)COMMITTER_EMAIL,
                      .when = now},
        .message = message.p};
    return repo_write_commit(w->mem, &commit, out, err);
}

struct sender {
    struct agent_client *agent;
    struct err *err;
};

static int send_piece(const void *p, size_t n, void *payload)
{
    struct sender *s = payload;
    return agent_push_data(s->agent, p, n, s->err);
}

int commit_send(struct work *w, struct agent_client *agent, const struct oid *parent,
                const struct oid *commit, struct json_object *changes, struct json_object *overlaps,
                struct oid *head, struct err *err)
{
    struct err sending = ERR_INIT;
    struct sender sender = {.agent = agent, .err = &sending};
    int rc = agent_push_begin(agent, parent, commit, changes, overlaps, err);
    if (rc == 0)
        rc = pack_write_new(w->mem, w->canonical, commit, send_piece, &sender, NULL, err);
    if (rc < 0 && !sending.code)
        return rc;
    return agent_push_end(agent, head, err);
}
