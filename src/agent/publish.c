#include "agent/publish.h"

#include <stdlib.h>
#include <string.h>

#include "agent/sock.h"
#include "agent/submodules.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "git/repo.h"

enum outcome { FAILED, PUBLISHED, HEAD_MOVED, REMOTE_MOVED };

struct publish {
    struct agent *agent;
    struct publish *next;
    uint64_t conn_id;
    uint32_t frame_id;
    char *login;
    struct oid expect;
    /* for the job */
    struct secrets secrets;
    struct transport_remote remote;
    struct transport_helper helper;
    char *canonical, *repo, *alternates, *branch, *ref;
    /* result */
    enum outcome outcome;
    struct oid other; /* the head, or the remote's commit */
    struct err err;
};

struct publisher {
    struct agent *agent;
    struct publish *first; /* under way, then those that wait */
    int n;
};

struct publisher *publisher_new(struct agent *a)
{
    struct publisher *p = xcalloc(1, sizeof *p);
    p->agent = a;
    return p;
}

static void publish_free(struct publish *p)
{
    secrets_wipe(&p->secrets);
    free(p->login);
    free(p->canonical);
    free(p->repo);
    free(p->alternates);
    free(p->branch);
    free(p->ref);
    free(p);
}

void publisher_free(struct publisher *p)
{
    if (!p)
        return;
    for (struct publish *one = p->first, *next; one; one = next) {
        next = one->next;
        publish_free(one);
    }
    free(p);
}

static int fetch_remote(struct publish *p, struct err *err)
{
    struct transport_failure why = {0};
    int rc = transport_fetch(&p->remote, &p->helper, p->repo, p->alternates, p->ref, REMOTE_REF,
                             &why, err);
    cleanup_repo struct repo *repo = NULL;
    if (rc == 0)
        rc = repo_open(p->repo, &repo, err);
    if (rc == 0)
        rc = repo_ref_read(repo, REMOTE_REF, &p->other, err);
    return rc;
}

static int push_it(struct publish *p, struct err *err)
{
    cleanup_repo struct repo *canonical = NULL;
    struct oid head;
    int rc = repo_open(p->canonical, &canonical, err);
    if (rc == 0)
        rc = repo_ref_read(canonical, p->ref, &head, err);
    if (rc < 0)
        return rc;
    if (!oid_equal(&head, &p->expect)) {
        p->other = head;
        p->outcome = HEAD_MOVED;
        return 0;
    }
    enum transport_push_status status;
    struct transport_failure why = {0};
    rc = transport_push(&p->remote, &p->helper, p->repo, p->alternates, &p->expect, p->branch,
                        &status, &why, err);
    if (rc < 0)
        return rc;
    if (status == TRANSPORT_PUSH_MOVED) {
        rc = fetch_remote(p, err);
        if (rc == 0)
            p->outcome = REMOTE_MOVED;
        /* No branch there, so nothing moved: git says the same when it may not write. */
        if (rc == ERR_NOT_FOUND) {
            err_clear(err);
            return err_set(
                err, ERR_DENIED,
                "push: the origin could not make the branch %s; may it be written there?",
                p->branch);
        }
        return rc;
    }
    p->outcome = PUBLISHED;
    struct err note = ERR_INIT;
    if (repo_ref_set(canonical, PUBLISHED_REF, &p->expect, "publish", &note) < 0)
        log_warn("what was published cannot be noted: %s", note.msg);
    return 0;
}

static void run(void *payload)
{
    struct publish *p = payload;
    const struct submodules submodules = {&p->remote, &p->helper, p->canonical};
    p->outcome = FAILED;
    (void)push_it(p, &p->err);
    submodules_refresh(&submodules, &p->expect);
}

static void answer(struct publish *p, struct conn *conn)
{
    char oid[OID_HEX + 1];
    struct err err = p->err;
    struct json_object *reply;
    switch (p->outcome) {
    case PUBLISHED:
        reply = json_object_new_object();
        oid_format(&p->expect, oid);
        json_add_str(reply, "branch", p->branch);
        json_add_str(reply, "commit", oid);
        json_add_str(reply, "remote_url", p->agent->spec.repo_url);
        conn_reply(conn, p->frame_id, reply);
        return;
    case HEAD_MOVED:
        (void)err_set(&err, ERR_CONFLICT, "somebody synced meanwhile");
        break;
    case REMOTE_MOVED:
        (void)err_set(&err, ERR_CONFLICT, "the branch at the origin has moved");
        break;
    case FAILED:
        break;
    }
    reply = frame_error_reply(&err);
    oid_format(&p->other, oid);
    if (p->outcome == HEAD_MOVED)
        json_add_str(reply, "head", oid);
    if (p->outcome == REMOTE_MOVED)
        json_add_str(reply, "remote", oid);
    conn_send_json(conn, p->frame_id, reply);
    json_object_put(reply);
}

static void done(void *payload);

static void start(struct publish *p)
{
    struct agent *a = p->agent;
    /* As they are now: a hello may have brought others since the request came. */
    secrets_copy(&a->secrets, &p->secrets);
    p->remote = secrets_remote(&p->secrets, &a->spec, a->local);
    p->helper = start_helper(a);
    jobs_add(a->jobs, run, done, p);
}

static void done(void *payload)
{
    struct publish *p = payload;
    struct agent *a = p->agent;
    struct publisher *queue = a->publisher;
    if (p->outcome == PUBLISHED) {
        char commit[OID_HEX + 1];
        struct json_object *detail = json_object_new_object();
        oid_format(&p->expect, commit);
        json_add_str(detail, "commit", commit);
        json_add_str(detail, "branch", p->branch);
        records_activity(a, p->login, "published", detail);
    }
    struct conn *conn = sock_find(a->sock, p->conn_id);
    if (conn)
        answer(p, conn);
    sock_done(a->sock, p->conn_id);
    queue->first = p->next;
    queue->n--;
    publish_free(p);
    if (queue->first)
        start(queue->first);
}

int publish_request(struct publisher *queue, uint64_t conn_id, uint32_t frame_id, const char *login,
                    const struct oid *expect, struct err *err)
{
    struct agent *a = queue->agent;
    if (queue->n >= PUBLISH_WAITING_MAX)
        return err_set(err, ERR_LIMIT, "too many publishes at once");
    struct publish *p = xcalloc(1, sizeof *p);
    *p = (struct publish){.agent = a,
                          .conn_id = conn_id,
                          .frame_id = frame_id,
                          .login = xstrdup(login),
                          .expect = *expect,
                          .canonical = xstrdup(a->layout.canonical),
                          .repo = xstrdup(a->layout.repo),
                          .alternates = path_join(a->layout.canonical, "objects"),
                          .branch = xstrdup(a->spec.session_branch),
                          .ref = xasprintf("refs/heads/%s", a->spec.session_branch)};
    struct publish **at = &queue->first;
    while (*at)
        at = &(*at)->next;
    *at = p;
    if (queue->n++ == 0)
        start(p);
    return 0;
}
