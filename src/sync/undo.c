#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sync/commit.h"
#include "sync/extra.h"
#include "sync/overlaps.h"

#define UNDO_COMMITS_MAX 10000 /* looked at for the person's last sync */
#define UNDO_PREFIX "undo "

void undo_result_release(struct undo_result *r)
{
    free(r->subject);
    sync_result_release(&r->sync);
    memset(r, 0, sizeof *r);
}

static bool is_theirs(const struct repo_commit *c, const struct agent_identity *who)
{
    return strcmp(c->author.name, who->author_name) == 0 &&
           strcmp(c->author.email, who->author_email) == 0 &&
           strcmp(c->committer.name, COMMITTER_NAME) == 0 && c->n_parents > 0;
}

/* "undo <id>: ..." names what it took back. */
static bool undone_by(const struct repo_commit *c, struct oid *out)
{
    size_t n = sizeof UNDO_PREFIX - 1;
    return strncmp(c->message, UNDO_PREFIX, n) == 0 && strlen(c->message) > n + OID_HEX &&
           oid_parse(c->message + n, OID_HEX, out, NULL) == 0;
}

static char *subject_of(const struct repo_commit *c)
{
    cleanup_str struct str out = STR_INIT;
    str_add_printable(&out, c->message, strcspn(c->message, "\n"));
    return str_detach(&out);
}

/* The newest sync of the person on the branch that no undo names. */
static int find_last(struct work *w, const struct oid *head, const struct agent_identity *who,
                     struct oid *commit, struct repo_commit *out, struct err *err)
{
    cleanup_oid_set struct oid_set undone = OID_SET_INIT;
    struct oid at = *head;
    for (int i = 0; i < UNDO_COMMITS_MAX; i++) {
        struct oid id;
        int rc = repo_read_commit(w->mem, &at, out, err);
        if (rc < 0)
            return rc;
        if (is_theirs(out, who)) {
            if (undone_by(out, &id))
                oid_set_add(&undone, &id);
            else if (!oid_set_has(&undone, &at)) {
                *commit = at;
                return 0;
            }
        }
        if (out->n_parents == 0)
            break;
        at = out->parents[0];
        repo_commit_release(out);
    }
    return ERR_NOT_FOUND;
}

static int undo_change(struct work *w, const struct oid *head, const struct agent_identity *who,
                       void *payload, struct extra *out, bool *needed, struct err *err)
{
    struct undo_result *result = payload;
    cleanup_repo_commit struct repo_commit commit = {0};
    struct oid id;
    char hex[OID_HEX + 1];
    int rc = find_last(w, head, who, &id, &commit, err);
    if (rc == ERR_NOT_FOUND)
        return 0;
    if (rc == 0)
        rc = extra_tree_of(w->mem, &commit.parents[0], &out->local_tree, err);
    if (rc < 0)
        return rc;
    oid_format(&id, hex);
    out->base = id;
    out->base_tree = commit.tree;
    free(result->subject);
    result->subject = subject_of(&commit);
    result->undone = id;
    out->subject = xasprintf(UNDO_PREFIX "%s: %s", hex, result->subject);
    *needed = true;
    return 0;
}

int sync_undo(const struct sync_place *place, struct undo_result *out, struct err *err)
{
    const struct sync_options options = {.place = place};
    bool done;
    int rc = extra_commit(place, undo_change, out, &out->sync.overlaps, &done, err);
    if (rc == 0 && done)
        rc = overlaps_forget(place, &out->undone, err);
    if (rc < 0 || !done)
        return rc;
    return sync_run(&options, &out->sync, err);
}
