#include "git/transport.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/path.h"
#include "git/transport_parse.h"
#include "git/transport_run.h"

#define SHORT_S 60 /* for questions whose answer is a line */

#define JOB_INIT(remote_, target_, helper_)                                               \
    {                                                                                     \
        .remote = (remote_), .target = (target_), .helper = (helper_), .args = STRV_INIT, \
        .out = STR_INIT, .errs = STR_INIT                                                 \
    }

/* Next line of text; false at the end. */
static bool next_line(const char **text, size_t *len, const char **line, size_t *line_len)
{
    if (*len == 0)
        return false;
    const char *end = memchr(*text, '\n', *len);
    *line = *text;
    *line_len = end ? (size_t)(end - *text) : *len;
    size_t used = *line_len + (end ? 1 : 0);
    *text += used;
    *len -= used;
    return true;
}

/* --- clone ------------------------------------------------------------------------------------ */

static int make_dest(const struct transport_helper *helper, const char *dest, struct err *err)
{
    if (mkdir(dest, 0755) < 0 && errno != EEXIST)
        return err_errno(err, "create %s", dest);
    cleanup_close int fd = open(dest, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fchmod(fd, 0755) < 0)
        return err_errno(err, "open %s", dest);
    if (helper->has_uid && fchown(fd, helper->uid, helper->gid) < 0)
        return err_errno(err, "give %s to the helper", dest);
    return 0;
}

int transport_clone_bare(const struct transport_remote *remote,
                         const struct transport_helper *helper, const char *dest,
                         const char *branch, struct transport_failure *why, struct err *err)
{
    cleanup_target struct transport_target target = {0};
    int rc = transport_check_remote(remote, &target, why, err);
    if (rc < 0)
        return rc;
    why->reason = "internal";
    rc = make_dest(helper, dest, err);
    if (rc < 0)
        return rc;
    cleanup_job struct transport_job job = JOB_INIT(remote, &target, helper);
    strv_pushl(&job.args, "clone", "--bare", "--progress", "--no-local", "--no-hardlinks", NULL);
    if (branch)
        strv_pushf(&job.args, "--branch=%s", branch);
    strv_pushl(&job.args, "--", target.url.url, dest, NULL);
    rc = transport_run(&job, why, err);
    if (rc == 0 && job.status != 0)
        rc = transport_job_failed(&job, "clone", why, err);
    if (rc < 0) {
        transport_remove(helper, dest);
        rmdir(dest);
    }
    return rc;
}

/* --- ls-remote -------------------------------------------------------------------------------- */

int transport_ls_remote(const struct transport_remote *remote,
                        const struct transport_helper *helper, const char *ref, struct oid *out,
                        bool *found, struct transport_failure *why, struct err *err)
{
    cleanup_target struct transport_target target = {0};
    *found = false;
    int rc = transport_check_remote(remote, &target, why, err);
    if (rc < 0)
        return rc;
    cleanup_job struct transport_job job = JOB_INIT(remote, &target, helper);
    job.timeout_s = SHORT_S;
    strv_pushl(&job.args, "ls-remote", "--", target.url.url, ref, NULL);
    rc = transport_run(&job, why, err);
    if (rc < 0)
        return rc;
    if (job.status != 0)
        return transport_job_failed(&job, "ask the remote", why, err);
    const char *text = job.out.p;
    size_t len = job.out.len;
    const char *line;
    size_t line_len;
    while (next_line(&text, &len, &line, &line_len)) {
        const char *name;
        size_t name_len;
        struct oid oid;
        rc = transport_parse_ls_line(line, line_len, &oid, &name, &name_len, err);
        if (rc < 0) {
            why->reason = "repository_unreachable";
            return rc;
        }
        if (name_len == strlen(ref) && memcmp(name, ref, name_len) == 0) {
            *out = oid;
            *found = true;
        }
    }
    return 0;
}

/* --- fetch ------------------------------------------------------------------------------------ */

int transport_fetch(const struct transport_remote *remote, const struct transport_helper *helper,
                    const char *repo_dir, const char *alternates, const char *remote_ref,
                    const char *local_ref, struct transport_failure *why, struct err *err)
{
    cleanup_target struct transport_target target = {0};
    int rc = transport_check_remote(remote, &target, why, err);
    if (rc < 0)
        return rc;
    cleanup_job struct transport_job job = JOB_INIT(remote, &target, helper);
    job.git_dir = repo_dir;
    job.alternates = alternates;
    strv_pushl(&job.args, "fetch", "--progress", "--no-tags", "--no-write-fetch-head",
               "--no-auto-gc", "--no-recurse-submodules", "--", target.url.url, NULL);
    strv_pushf(&job.args, "+%s:%s", remote_ref, local_ref);
    rc = transport_run(&job, why, err);
    if (rc == 0 && job.status != 0)
        rc = transport_job_failed(&job, "fetch", why, err);
    return rc;
}

/* --- push ------------------------------------------------------------------------------------- */

/* What the remote said about our one ref. ERR_NOT_FOUND: nothing. */
static int read_push(const struct transport_job *job, struct transport_ref_line *out,
                     struct err *err)
{
    const char *text = job->out.p;
    size_t len = job->out.len;
    const char *line;
    size_t line_len;
    while (next_line(&text, &len, &line, &line_len)) {
        int rc = transport_parse_push_line(line, line_len, out, err);
        if (rc != ERR_NOT_FOUND)
            return rc;
    }
    return ERR_NOT_FOUND;
}

/* The answer was lost, or says that another was first: the remote's ref decides. */
static bool remote_has(const struct transport_remote *remote, const struct transport_helper *helper,
                       const char *branch, const struct oid *commit)
{
    struct oid there;
    bool found;
    struct transport_failure ignored;
    cleanup_free char *ref = xasprintf("refs/heads/%s", branch);
    return transport_ls_remote(remote, helper, ref, &there, &found, &ignored, NULL) == 0 && found &&
           oid_equal(&there, commit);
}

static int rejected(const struct transport_job *job, const struct transport_ref_line *line,
                    struct transport_failure *why, struct err *err)
{
    cleanup_str struct str said = STR_INIT;
    cleanup_str struct str reason = STR_INIT;
    transport_main_line(job->errs.p, job->errs.len, &said);
    str_add_printable(&reason, line->reason ? line->reason : "", line->reason_len);
    why->reason = "repository_refused";
    return err_set(err, ERR_DENIED, "the remote refused the branch: %.200s%s%.200s", reason.p,
                   said.len ? ": " : "", said.p);
}

int transport_push(const struct transport_remote *remote, const struct transport_helper *helper,
                   const char *repo_dir, const char *alternates, const struct oid *commit,
                   const char *branch, enum transport_push_status *status,
                   struct transport_failure *why, struct err *err)
{
    cleanup_target struct transport_target target = {0};
    char hex[OID_HEX + 1];
    *status = TRANSPORT_PUSH_REJECTED;
    int rc = transport_check_remote(remote, &target, why, err);
    if (rc < 0)
        return rc;
    cleanup_job struct transport_job job = JOB_INIT(remote, &target, helper);
    job.git_dir = repo_dir;
    job.alternates = alternates;
    oid_format(commit, hex);
    strv_pushl(&job.args, "push", "--porcelain", "--progress", "--no-verify",
               "--recurse-submodules=no", "--", target.url.url, NULL);
    strv_pushf(&job.args, "%s:refs/heads/%s", hex, branch);
    rc = transport_run(&job, why, err);
    struct transport_ref_line line;
    int said = rc == 0 ? read_push(&job, &line, NULL) : ERR_NOT_FOUND;
    if (rc == 0 && said == 0 && line.flag == TRANSPORT_REF_OK) {
        *status = TRANSPORT_PUSH_DONE;
        return 0;
    }
    if (rc == 0 && said == 0 && line.flag == TRANSPORT_REF_REJECTED)
        return rejected(&job, &line, why, err);
    struct transport_verdict v = transport_classify(job.errs.p, job.errs.len);
    bool unclear = rc == ERR_TIMEOUT ||
                   (rc == 0 && (said == 0 || v.code == ERR_UNAVAILABLE || v.code == ERR_FAILED));
    if (unclear && remote_has(remote, helper, branch, commit)) {
        err_clear(err);
        *status = TRANSPORT_PUSH_DONE;
        return 0;
    }
    if (rc == 0 && said == 0) {
        *status = TRANSPORT_PUSH_MOVED;
        return 0;
    }
    return rc ? rc : transport_job_failed(&job, "push", why, err);
}
