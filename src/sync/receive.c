#include "sync/receive.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "sync/attrs.h"
#include "sync/commit.h"
#include "sync/extra.h"
#include "sync/overlaps.h"
#include "sync/sync_log.h"

#define REMEMBER_LOCK_MS 30000

void receive_result_release(struct receive_result *r)
{
    merge_report_release(&r->overlaps);
    memset(r, 0, sizeof *r);
}

struct receive {
    struct work w;
    struct agent_client *agent;
    struct agent_identity who;
    const struct oid *pushed;
    struct oid head;
    struct receive_result *out;
    struct err *err;
};

static void receive_release(struct receive *r)
{
    work_close(&r->w);
    agent_close(r->agent);
    agent_identity_release(&r->who);
}

static int open_work(struct receive *r, const struct sync_place *place, const char *git_dir)
{
    struct work *w = &r->w;
    *w = (struct work){
        .place = place, .dot = -1, .tree = -1, .git = -1, .lock = -1, .index = INDEX_INIT};
    w->git_dir = xstrdup(git_dir);
    w->meta.session_id = xstrdup(place->session_id);
    int rc = repo_open(git_dir, &w->mem, r->err);
    if (rc == 0)
        rc = repo_use_memory(w->mem, r->err);
    if (rc == 0)
        rc = repo_open(place->canonical, &w->canonical, r->err);
    return rc;
}

/* --- as it is --------------------------------------------------------------------------------- */

struct chain {
    struct oid v[RECEIVE_CHAIN_MAX]; /* from the pushed commit down */
    size_t len;
};

/* The pusher's own commits from the head to the pushed one by first parents; *own false: there are
 * others, or they do not lead to the head. */
static int find_chain(struct receive *r, struct chain *chain, bool *own)
{
    struct oid at = *r->pushed;
    chain->len = 0;
    *own = false;
    while (!oid_equal(&at, &r->head)) {
        cleanup_repo_commit struct repo_commit commit = {0};
        int rc = repo_read_commit(r->w.mem, &at, &commit, r->err);
        if (rc < 0)
            return rc;
        if (chain->len == RECEIVE_CHAIN_MAX || commit.n_parents == 0 ||
            strcmp(commit.author.name, r->who.author_name) != 0 ||
            strcmp(commit.author.email, r->who.author_email) != 0)
            return 0;
        chain->v[chain->len++] = at;
        at = commit.parents[0];
    }
    *own = true;
    return 0;
}

static int send_one(struct receive *r, const struct oid *commit)
{
    cleanup_json struct json_object *changes = NULL;
    struct oid before;
    struct oid after;
    int rc = extra_tree_of(r->w.mem, &r->head, &before, r->err);
    if (rc == 0)
        rc = extra_tree_of(r->w.mem, commit, &after, r->err);
    if (rc == 0)
        rc = sync_log_changes(r->w.mem, &before, &after, &changes, r->err);
    return rc ? rc
              : commit_send(&r->w, r->agent, &r->head, commit, changes, NULL, &r->head, r->err);
}

static int send_chain(struct receive *r, const struct chain *chain)
{
    int rc = 0;
    for (size_t i = chain->len; rc == 0 && i-- > 0;) {
        rc = send_one(r, &chain->v[i]);
        if (rc == 0)
            r->out->taken++;
    }
    if (rc == 0)
        r->out->how = RECEIVE_AS_IS;
    return rc;
}

/* --- merged ----------------------------------------------------------------------------------- */

/* The attributes at the top of the session's tree, where git looks for them in a repository without
 * a worktree. */
static void take_attributes(struct receive *r, const struct oid *head_tree)
{
    uint32_t mode;
    struct oid blob;
    cleanup_str struct str text = STR_INIT;
    r->w.attributes = false;
    if (repo_tree_find(r->w.mem, head_tree, ".gitattributes", &mode, &blob, NULL) < 0 ||
        (mode & 0170000u) != 0100000u ||
        repo_read_blob(r->w.mem, &blob, ATTRS_FILE_MAX, &text, NULL) < 0)
        return;
    cleanup_free char *info = path_join(r->w.git_dir, "info");
    cleanup_free char *file = path_join(info, "attributes");
    r->w.attributes = path_make_dirs(info, 0700, NULL) == 0 &&
                      fd_write_file(AT_FDCWD, file, text.p, text.len, 0600, NULL) == 0;
}

static int send_merge(struct receive *r)
{
    struct extra x = {.login = r->w.place->login, .has_second = true, .second = *r->pushed};
    struct err none = ERR_INIT;
    struct oid head_tree;
    x.base_tree = oid_empty_tree;
    int rc = repo_merge_base(r->w.mem, &r->head, r->pushed, &x.base, &none);
    if (rc == 0)
        rc = extra_tree_of(r->w.mem, &x.base, &x.base_tree, r->err);
    else if (rc == ERR_NOT_FOUND)
        rc = 0;
    else
        rc = err_set(r->err, rc, "%s", none.msg);
    if (rc == 0)
        rc = extra_tree_of(r->w.mem, r->pushed, &x.local_tree, r->err);
    if (rc == 0)
        rc = extra_tree_of(r->w.mem, &r->head, &head_tree, r->err);
    if (rc < 0)
        return rc;
    take_attributes(r, &head_tree);
    rc = extra_send(&r->w, r->agent, &r->who, &x, &r->head, &r->out->overlaps, r->err);
    if (rc == 0)
        r->out->how = RECEIVE_MERGED;
    return rc;
}

/* --- rounds ----------------------------------------------------------------------------------- */

/* ERR_CONFLICT: the head moved, again. */
static int round_once(struct receive *r)
{
    struct chain chain;
    bool own;
    repo_refresh(r->w.mem);
    repo_refresh(r->w.canonical);
    int rc = repo_is_ancestor(r->w.mem, r->pushed, &r->head, r->err);
    if (rc < 0)
        return rc;
    if (rc == 1)
        return 0;
    rc = find_chain(r, &chain, &own);
    if (rc < 0)
        return rc;
    return own ? send_chain(r, &chain) : send_merge(r);
}

/* So that `conflicts` in the person's worktree, when there is one, lists them. */
static int remember(struct receive *r)
{
    struct oid tree;
    if (r->out->overlaps.len == 0)
        return 0;
    cleanup_free char *dir = path_join(r->w.place->home, ".worktree");
    cleanup_close int dot = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (dot < 0)
        return 0;
    cleanup_close int lock = fd_lock_file(dot, "lock", REMEMBER_LOCK_MS, r->err);
    if (lock < 0)
        return lock;
    int rc = extra_tree_of(r->w.mem, &r->head, &tree, r->err);
    return rc ? rc
              : overlaps_remember(dot, r->w.mem, &r->head, &tree, &r->out->overlaps, false, r->err);
}

int sync_receive(const struct sync_place *place, const char *git_dir, const struct oid *pushed,
                 struct receive_result *out, struct err *err)
{
    cleanup(receive_release) struct receive r = {.pushed = pushed, .out = out, .err = err};
    int rc = open_work(&r, place, git_dir);
    if (rc == 0)
        rc = agent_connect(place->socket, place->login, place->provider, &r.agent, err);
    if (rc == 0)
        rc = agent_whoami(r.agent, &r.who, err);
    if (rc == 0)
        rc = agent_head(r.agent, &r.head, err);
    if (rc == 0 && repo_merge_base(r.w.mem, &r.head, pushed, &out->base, NULL) < 0)
        memset(&out->base, 0, sizeof out->base);
    for (int i = 0; rc == 0 && i < SYNC_ROUNDS_MAX; i++) {
        struct err why = ERR_INIT;
        r.err = &why;
        rc = round_once(&r);
        r.err = err;
        if (rc == 0) {
            out->head = r.head;
            /* The branch has it: what cannot be remembered is still told. */
            struct err lost = ERR_INIT;
            r.err = &lost;
            (void)remember(&r);
            return 0;
        }
        if (rc != ERR_CONFLICT)
            return err_set(err, rc, "%s", why.msg);
        rc = 0;
    }
    return rc ? rc : err_set(err, ERR_CONFLICT, "the session moves faster than this push");
}
