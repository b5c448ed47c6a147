/* The repositories of a session: clone of the origin, canonical. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/ctl.h"
#include "agent/publish.h"
#include "agent/start.h"
#include "agent/submodules.h"
#include "base/log.h"
#include "base/mem.h"
#include "git/pack.h"
#include "git/repo.h"

#define PROGRESS_MS 150 /* between two looks at what the job reports */

/* Written by the job's thread, read by the loop's. */
struct progress {
    pthread_mutex_t lock;
    char stage[64];
    int percent;
    bool dirty;
    struct loop_watch *timer;
};

struct start {
    struct agent *agent;
    struct secrets secrets;
    struct transport_remote remote;
    struct transport_helper helper;
    char *repo, *canonical, *branch, *session_branch;
    struct progress *progress;
    const char *reason;
    struct err err;
};

int start_look(const struct agent *a, bool *found, struct err *err)
{
    cleanup_repo struct repo *repo = NULL;
    cleanup_free char *ref = xasprintf("refs/heads/%s", a->spec.session_branch);
    struct oid head;
    struct stat st;
    *found = false;
    if (lstat(a->layout.canonical, &st) != 0)
        return errno == ENOENT ? 0 : err_errno(err, "%s", a->layout.canonical);
    int rc = repo_open(a->layout.canonical, &repo, err);
    if (rc == 0)
        rc = repo_ref_read(repo, ref, &head, err);
    *found = rc == 0;
    return rc;
}

struct transport_helper start_helper(struct agent *a)
{
    return (struct transport_helper){
        .before_exec = sandbox_child_enter,
        .payload = &a->transport_child,
        .has_uid = !a->local,
        .uid = a->transport_child.uid,
        .gid = a->transport_child.gid,
        .scratch = a->layout.scratch,
        .cancel = &a->cancel,
    };
}

static void report(struct progress *p, const char *stage, int percent)
{
    pthread_mutex_lock(&p->lock);
    (void)snprintf(p->stage, sizeof p->stage, "%s", stage);
    p->percent = percent;
    p->dirty = true;
    pthread_mutex_unlock(&p->lock);
}

static void on_transfer(const char *stage, int percent, void *payload)
{
    report(payload, stage, percent);
}

/* What a killed clone left belongs to the helper. */
static int remove_leftovers(const struct start *s, struct err *err)
{
    struct stat st;
    if (lstat(s->repo, &st) != 0)
        return errno == ENOENT ? 0 : err_errno(err, "%s", s->repo);
    return start_remove_as(s->repo, s->helper.has_uid, s->helper.uid, s->helper.gid, err);
}

/* Where the branch started, for the archive: only what the origin has may be left out there. */
static void note_base(const struct start *s, const struct oid *head)
{
    cleanup_repo struct repo *origin = NULL;
    cleanup_repo struct repo *canonical = NULL;
    struct err err = ERR_INIT;
    if (repo_open(s->repo, &origin, &err) < 0 || !repo_has(origin, head))
        return;
    if (repo_open(s->canonical, &canonical, &err) < 0 ||
        repo_ref_set(canonical, BASE_REF, head, "start", &err) < 0)
        log_warn("the start of the branch cannot be noted: %s", err.msg);
}

/* Before canonical, whose being there says that everything is. A session without them is a session.
 */
static void mirror_submodules(const struct start *s, const struct submodules *submodules)
{
    struct err err = ERR_INIT;
    if (submodules_mirror(submodules, s->repo, s->branch, &err) < 0 && err.code != ERR_NOT_FOUND)
        log_warn("submodules are not fetched: %s", err.msg);
}

static int clone_and_prepare(struct start *s, struct err *err)
{
    struct transport_failure why = {0};
    struct oid head;
    const struct submodules submodules = {&s->remote, &s->helper, s->canonical};
    int rc = remove_leftovers(s, err);
    if (rc == 0)
        rc = submodules_remove(&submodules, err);
    if (rc < 0)
        return rc;
    rc = transport_clone_bare(&s->remote, &s->helper, s->repo, s->branch, &why, err);
    if (rc < 0) {
        s->reason = why.reason;
        return rc;
    }
    mirror_submodules(s, &submodules);
    report(s->progress, "prepare", -1);
    rc = repo_make_canonical(s->repo, s->canonical, s->branch, s->session_branch, &head, err);
    if (rc == ERR_DENIED || rc == ERR_INVALID)
        s->reason = "repository_refused";
    else if (rc == ERR_LIMIT)
        s->reason = "repository_too_large";
    else if (rc == ERR_NOT_FOUND)
        s->reason = "branch_not_found";
    else if (rc == ERR_NO_SPACE)
        s->reason = "no_space";
    if (rc == 0)
        note_base(s, &head);
    return rc;
}

static void run(void *payload)
{
    struct start *s = payload;
    if (clone_and_prepare(s, &s->err) < 0 && !s->reason)
        s->reason = s->err.code == ERR_NO_SPACE ? "no_space" : "internal";
}

static void send_progress(void *payload)
{
    struct agent *a = payload;
    struct progress *p = a->progress;
    char stage[64];
    pthread_mutex_lock(&p->lock);
    bool dirty = p->dirty;
    int percent = p->percent;
    memcpy(stage, p->stage, sizeof stage);
    p->dirty = false;
    pthread_mutex_unlock(&p->lock);
    if (dirty)
        ctl_event_stage(a->ctl, "clone", percent, stage);
}

static void progress_free(struct progress *p)
{
    loop_remove(p->timer);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

static void done(void *payload)
{
    struct start *s = payload;
    struct agent *a = s->agent;
    progress_free(a->progress);
    a->progress = NULL;
    if (s->reason) {
        agent_fail(a, s->reason, s->err.msg);
    } else {
        a->repo_ready = true;
        agent_maybe_ready(a);
    }
    secrets_wipe(&s->secrets);
    free(s->repo);
    free(s->canonical);
    free(s->branch);
    free(s->session_branch);
    free(s);
}

void start_clone(struct agent *a)
{
    struct progress *p = xcalloc(1, sizeof *p);
    pthread_mutex_init(&p->lock, NULL);
    a->progress = p;
    struct start *s = xcalloc(1, sizeof *s);
    *s = (struct start){.agent = a,
                        .repo = xstrdup(a->layout.repo),
                        .canonical = xstrdup(a->layout.canonical),
                        .branch = a->spec.branch ? xstrdup(a->spec.branch) : NULL,
                        .session_branch = xstrdup(a->spec.session_branch),
                        .progress = p};
    secrets_copy(&a->secrets, &s->secrets);
    s->remote = secrets_remote(&s->secrets, &a->spec, a->local);
    s->helper = start_helper(a);
    s->helper.progress = on_transfer;
    s->helper.progress_payload = p;
    ctl_event_stage(a->ctl, "clone", -1, "");
    p->timer = loop_add_timer(a->loop, PROGRESS_MS, true, send_progress, a);
    jobs_add(a->jobs, run, done, s);
}
