#include "agent/push.h"

#include <stdlib.h>
#include <string.h>

#include "agent/sock.h"
#include "base/log.h"
#include "base/mem.h"
#include "git/pack.h"
#include "git/repo.h"

struct push {
    struct agent *agent;
    uint64_t conn_id;
    uint32_t frame_id;
    char *provider;
    char *login;
    char *author_name;
    char *author_email;
    char *ref;
    char *canonical;
    struct push_request req;
    struct pack_import *import;
    /* result of the job */
    int rc;
    struct err err;
    struct oid head;
};

int push_begin(struct agent *a, uint64_t conn_id, uint32_t frame_id, const char *provider,
               const char *login, struct push_request *req, struct push **out, struct err *err)
{
    struct push *p = xcalloc(1, sizeof *p);
    *p = (struct push){.agent = a,
                       .conn_id = conn_id,
                       .frame_id = frame_id,
                       .provider = xstrdup(provider),
                       .login = xstrdup(login),
                       .ref = xasprintf("refs/heads/%s", a->spec.session_branch),
                       .canonical = xstrdup(a->layout.canonical),
                       .req = *req};
    *req = (struct push_request){0};
    people_author(a, provider, login, &p->author_name, &p->author_email);
    struct pack_import_opts opts = {
        .repo_dir = p->canonical,
        .before_exec = sandbox_child_enter,
        .payload = &a->import_child,
        .has_uid = !a->local,
        .uid = a->import_child.uid,
        .gid = a->import_child.gid,
    };
    int rc = pack_import_begin(&opts, &p->import, err);
    if (rc < 0) {
        push_free(p);
        return rc;
    }
    *out = p;
    return 0;
}

void push_free(struct push *p)
{
    if (!p)
        return;
    pack_import_free(p->import);
    push_request_release(&p->req);
    free(p->provider);
    free(p->login);
    free(p->author_name);
    free(p->author_email);
    free(p->ref);
    free(p->canonical);
    free(p);
}

uint32_t push_frame_id(const struct push *p)
{
    return p->frame_id;
}

int push_data(struct push *p, const void *data, size_t n, struct err *err)
{
    return pack_import_data(p->import, data, n, err);
}

static bool changes_have(struct json_object *list, const char *file)
{
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        const char *name = NULL;
        if (json_get_str(json_object_array_get_idx(list, i), "file", REQUEST_PATH_MAX, &name,
                         NULL) == 0 &&
            strcmp(name, file) == 0)
            return true;
    }
    return false;
}

static bool diff_has(const struct tree_changes *diff, const char *file)
{
    for (size_t i = 0; i < diff->len; i++)
        if (strcmp(diff->v[i].path, file) == 0)
            return true;
    return false;
}

/* The log tells what the commit did, not what its sender says it did: files are those of the
 * commit, the sender adds the lines. */
static void settle_changes(struct json_object **changes, const struct tree_changes *diff)
{
    if (diff->len > REQUEST_FILES_MAX)
        return;
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < json_object_array_length(*changes); i++) {
        struct json_object *one = json_object_array_get_idx(*changes, i);
        const char *file = NULL;
        if (json_get_str(one, "file", REQUEST_PATH_MAX, &file, NULL) == 0 && diff_has(diff, file))
            json_object_array_add(list, json_object_get(one));
    }
    for (size_t i = 0; i < diff->len; i++) {
        if (changes_have(list, diff->v[i].path))
            continue;
        struct json_object *one = json_object_new_object();
        json_add_str(one, "file", diff->v[i].path);
        json_add_str(one, "lines", "");
        json_object_array_add(list, one);
    }
    json_object_put(*changes);
    *changes = list;
}

static int read_diff(const struct push *p, struct tree_changes *diff, struct err *err)
{
    cleanup_repo struct repo *repo = NULL;
    cleanup_repo_commit struct repo_commit commit = {0};
    cleanup_repo_commit struct repo_commit parent = {0};
    int rc = repo_open(p->canonical, &repo, err);
    if (rc == 0)
        rc = repo_read_commit(repo, &p->req.commit, &commit, err);
    if (rc == 0)
        rc = repo_read_commit(repo, &p->req.parent, &parent, err);
    if (rc == 0)
        rc = repo_diff_trees(repo, &parent.tree, &commit.tree, diff, err);
    return rc;
}

static void run(void *payload)
{
    struct push *p = payload;
    struct pack_claim claim = {
        .ref = p->ref,
        .commit = p->req.commit,
        .has_parent = true,
        .parent = p->req.parent,
        .author_name = p->author_name,
        .author_email = p->author_email,
        .log = "sync",
    };
    p->rc = pack_import_wait(p->import, &claim, &p->head, &p->err);
    pack_import_free(p->import);
    p->import = NULL;
    if (p->rc < 0)
        return;
    cleanup_tree_changes struct tree_changes diff = TREE_CHANGES_INIT;
    struct err err = ERR_INIT;
    if (read_diff(p, &diff, &err) == 0)
        settle_changes(&p->req.changes, &diff);
    else
        log_warn("what a sync changed cannot be told: %s", err.msg);
}

/* --- many small packs become one ----------------------------------------------------------------
 */

struct fold {
    struct agent *agent;
    char *canonical;
};

static void run_fold(void *payload)
{
    struct fold *f = payload;
    struct err err = ERR_INIT;
    if (pack_fold(f->canonical, NULL, &err) < 0)
        log_warn("packs cannot be folded: %s", err.msg);
}

static void fold_done(void *payload)
{
    struct fold *f = payload;
    f->agent->folding = false;
    free(f->canonical);
    free(f);
}

static void maybe_fold(struct agent *a)
{
    if (a->folding)
        return;
    a->folding = true;
    struct fold *f = xcalloc(1, sizeof *f);
    *f = (struct fold){a, xstrdup(a->layout.canonical)};
    jobs_add(a->jobs, run_fold, fold_done, f);
}

static void answer(struct push *p, struct conn *conn)
{
    char head[OID_HEX + 1];
    oid_format(&p->head, head);
    if (p->rc == 0) {
        struct json_object *reply = json_object_new_object();
        json_add_str(reply, "head", head);
        conn_reply(conn, p->frame_id, reply);
        return;
    }
    cleanup_json struct json_object *reply = frame_error_reply(&p->err);
    if (p->rc == ERR_CONFLICT)
        json_add_str(reply, "head", head);
    conn_send_json(conn, p->frame_id, reply);
}

static void done(void *payload)
{
    struct push *p = payload;
    struct agent *a = p->agent;
    if (p->rc == 0) {
        char commit[OID_HEX + 1];
        oid_format(&p->req.commit, commit);
        records_sync(a, p->login, commit, p->req.changes, p->req.overlaps);
        struct json_object *detail = json_object_new_object();
        json_add_str(detail, "commit", commit);
        json_add_i64(detail, "files", (int64_t)json_object_array_length(p->req.changes));
        records_activity(a, p->login, "synced", detail);
        maybe_fold(a);
        sock_pushed(a->sock, p->conn_id);
    }
    struct conn *conn = sock_find(a->sock, p->conn_id);
    if (conn)
        answer(p, conn);
    sock_done(a->sock, p->conn_id);
    push_free(p);
}

void push_finish(struct push *p)
{
    jobs_add(p->agent->jobs, run, done, p);
}
