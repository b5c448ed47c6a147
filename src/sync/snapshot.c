#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "git/pack.h"
#include "sync/commit.h"
#include "sync/work.h"

static int write_piece(const void *p, size_t n, void *payload)
{
    return fd_write_full(*(const int *)payload, p, n, NULL);
}

int sync_snapshot(const struct sync_place *place, const char *author_name, const char *author_email,
                  int out_fd, struct oid *commit, struct err *err)
{
    cleanup_work struct work w;
    cleanup_repo_commit struct repo_commit last = {0};
    cleanup_free char *ref = NULL;
    struct oid head;
    bool own = false;
    memset(commit, 0, sizeof *commit);
    int rc = work_open(place, &w, err);
    if (rc == 0)
        rc = work_materialize(&w, WORK_SNAPSHOT, err);
    if (rc < 0)
        return rc;
    ref = xasprintf("refs/heads/%s", w.meta.session_branch);
    rc = repo_ref_read(w.canonical, ref, &head, err);
    if (rc == 0)
        rc = work_own_commits(&w, &head, &own, err);
    if (rc == 0)
        rc = repo_read_commit(w.disk, &w.meta.last_synced, &last, err);
    if (rc < 0)
        return rc;
    if (!own && oid_equal(&w.disk_tree, &last.tree))
        return 0;
    struct agent_identity who = {.login = place->login,
                                 .author_name = (char *)author_name,
                                 .author_email = (char *)author_email};
    struct commit_plan plan = {.parent = w.meta.last_synced,
                               .second = own ? &w.head : NULL,
                               .tree = w.disk_tree,
                               .who = &who,
                               .subject = "unsynced work when the session ended"};
    rc = commit_make(&w, &plan, commit, err);
    return rc ? rc : pack_write_new(w.mem, w.canonical, commit, write_piece, &out_fd, NULL, err);
}
