#include "sync/credit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/path.h"
#include "git/repo.h"
#include "git/run.h"
#include "sync/blame.h"
#include "sync/meta.h"

#define LOG_LINE_MAX 65536

void credit_release(struct credit *c)
{
    for (size_t i = 0; i < c->len; i++) {
        free(c->v[i].author);
        free(c->v[i].text);
    }
    free(c->v);
    *c = (struct credit){0};
}

static struct credit_line *add_line(struct credit *c, const char *text, size_t len)
{
    VEC_GROW(c->v, c->len, c->cap);
    struct credit_line *l = &c->v[c->len++];
    *l = (struct credit_line){.text = xstrndup(text, len), .len = len};
    return l;
}

static int last_synced(const struct sync_place *place, struct oid *out, struct err *err)
{
    cleanup_meta struct meta meta = {0};
    cleanup_free char *dir = path_join(place->home, ".worktree");
    cleanup_close int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, "open %s", dir);
    int rc = meta_read(fd, &meta, err);
    *out = meta.last_synced;
    return rc;
}

/* What the session began with: the parent of the first commit in the log that only the agent
 * writes. Zero: nothing was synced yet. */
static int session_start(const struct sync_place *place, struct repo *repo, struct oid *out,
                         struct err *err)
{
    static const struct oid zero;
    cleanup_free char *root =
        xstrndup(place->socket, (size_t)(strrchr(place->socket, '/') - place->socket));
    cleanup_free char *name = path_join(root, "sync-log");
    cleanup_close int fd = open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    char text[LOG_LINE_MAX];
    *out = zero;
    ssize_t n = fd < 0 ? 0 : pread(fd, text, sizeof text, 0);
    const char *end = n > 0 ? memchr(text, '\n', (size_t)n) : NULL;
    cleanup_json struct json_object *entry = NULL;
    cleanup_repo_commit struct repo_commit commit = {0};
    const char *hex = NULL;
    struct oid first;
    if (!end)
        return 0;
    int rc = json_parse(text, (size_t)(end - text), &entry, err);
    if (rc == 0)
        rc = json_get_str(entry, "commit", OID_HEX, &hex, err);
    if (rc == 0)
        rc = oid_parse(hex, strlen(hex), &first, err);
    if (rc == 0)
        rc = repo_read_commit(repo, &first, &commit, err);
    if (rc == 0 && commit.n_parents)
        *out = commit.parents[0];
    return rc ? err_wrap(err, "%s", name) : 0;
}

static int run_git(const struct sync_place *place, struct strv *args, struct proc_result *out,
                   struct err *err)
{
    cleanup_free char *git_dir = xasprintf("%s/.git", place->worktree);
    struct git_run run = {.kind = GIT_RUN_USER,
                          .git_dir = git_dir,
                          .work_tree = place->worktree,
                          .args = (const char *const *)args->v,
                          .max_output = CREDIT_BLAME_MAX};
    return git_run(&run, out, err);
}

/* Of the worktree's file back to (without) `stop`, or of the file in `revision`. */
static int blame(const struct sync_place *place, const char *revision, const char *stop,
                 const char *path, struct proc_result *out, struct err *err)
{
    cleanup_strv struct strv args = STRV_INIT;
    strv_pushl(&args, "-C", place->worktree, "blame", "--line-porcelain", NULL);
    if (stop) {
        strv_push(&args, "--first-parent");
        strv_pushf(&args, "^%s", stop);
    }
    if (revision)
        strv_push(&args, revision);
    strv_pushl(&args, "--", path, NULL);
    return run_git(place, &args, out, err);
}

/* Commits that the session does not have yet. */
static int own_commits(const struct sync_place *place, const char *last, struct oid_set *own,
                       struct err *err)
{
    cleanup_strv struct strv args = STRV_INIT;
    cleanup_strv struct strv lines = STRV_INIT;
    cleanup_proc_result struct proc_result answer = {0, STR_INIT, STR_INIT};
    strv_push(&args, "rev-list");
    strv_pushf(&args, "%s..HEAD", last);
    int rc = run_git(place, &args, &answer, err);
    if (rc == 0)
        strv_split(&lines, answer.out.p, "\n");
    for (size_t i = 0; i < lines.len && rc == 0; i++) {
        struct oid oid;
        rc = oid_parse(lines.v[i], strlen(lines.v[i]), &oid, err);
        if (rc == 0)
            oid_set_add(own, &oid);
    }
    return rc;
}

static void fill(struct credit_line *l, const struct blame_line *b, const struct oid_set *own)
{
    l->synced = !oid_is_zero(&b->commit) && !(own && oid_set_has(own, &b->commit));
    l->commit = b->commit;
    l->time = l->synced ? b->time : 0;
    free(l->author);
    l->author = l->synced ? xstrndup(b->author, b->author_len) : NULL;
}

/* Where a line that the session began with was: the number in that file. */
struct origin {
    size_t line; /* in the result */
    uint64_t then;
    char *path;
};
struct origins {
    struct origin *v;
    size_t len;
    size_t cap;
};

static void origins_release(struct origins *o)
{
    for (size_t i = 0; i < o->len; i++)
        free(o->v[i].path);
    free(o->v);
}

/* What is unsynced, what is the session's, and which lines are of before (start may be NULL). */
static int read_session(const struct proc_result *answer, const struct oid_set *own,
                        const struct oid *start, struct credit *out, struct origins *origins,
                        struct err *err)
{
    const char *p = answer->out.p;
    size_t left = answer->out.len;
    struct blame_line b;
    int rc;
    while ((rc = blame_next(&p, &left, &b, err)) == 0) {
        fill(add_line(out, b.text, b.text_len), &b, own);
        if (!start || !oid_equal(&b.commit, start) || !b.path)
            continue;
        VEC_GROW(origins->v, origins->len, origins->cap);
        origins->v[origins->len++] =
            (struct origin){out->len - 1, b.line_then, xstrndup(b.path, b.path_len)};
    }
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

/* The lines of one file as the session began with it, by the whole of history. */
static int read_history(const struct sync_place *place, const char *revision, const char *path,
                        const struct origins *origins, struct credit *out, struct err *err)
{
    cleanup_proc_result struct proc_result answer = {0, STR_INIT, STR_INIT};
    int rc = blame(place, revision, NULL, path, &answer, err);
    const char *p = answer.out.p;
    size_t left = answer.out.len, at = 0;
    struct blame_line b;
    /* Both are in the order of their lines. */
    while (rc == 0 && (rc = blame_next(&p, &left, &b, err)) == 0)
        for (; at < origins->len && origins->v[at].then <= b.line; at++)
            if (origins->v[at].then == b.line && strcmp(origins->v[at].path, path) == 0)
                fill(&out->v[origins->v[at].line], &b, NULL);
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

static int by_place(const void *a, const void *b)
{
    const struct origin *x = a;
    const struct origin *y = b;
    int order = strcmp(x->path, y->path);
    return order ? order : (x->then > y->then) - (x->then < y->then);
}

/* A file that was put together from several has lines of each. */
static int read_histories(const struct sync_place *place, const char *revision,
                          struct origins *origins, struct credit *out, struct err *err)
{
    int rc = 0;
    if (origins->len)
        qsort(origins->v, origins->len, sizeof *origins->v, by_place);
    for (size_t i = 0; i < origins->len && rc == 0;) {
        struct origins one = {origins->v + i, 1, 0};
        while (i + one.len < origins->len &&
               strcmp(origins->v[i + one.len].path, origins->v[i].path) == 0)
            one.len++;
        rc = read_history(place, revision, origins->v[i].path, &one, out, err);
        i += one.len;
    }
    return rc;
}

static void all_unsynced(const struct str *text, struct credit *out)
{
    for (const char *p = text->p, *end = text->p + text->len; p < end;) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        size_t len = (size_t)((stop ? stop : end) - p);
        add_line(out, p, len);
        p += len + 1;
    }
}

static int credit_from(const struct sync_place *place, const char *path, const struct oid *start,
                       const struct oid *last, struct credit *out, struct err *err)
{
    char first[OID_HEX + 1], to[OID_HEX + 1];
    cleanup(origins_release) struct origins origins = {0};
    cleanup(oid_set_release) struct oid_set own = OID_SET_INIT;
    cleanup_proc_result struct proc_result answer = {0, STR_INIT, STR_INIT};
    bool synced = !oid_equal(start, last); /* else nothing of the session's is in here */
    oid_format(start, first);
    oid_format(last, to);
    int rc = own_commits(place, to, &own, err);
    if (rc == 0)
        rc = blame(place, NULL, synced ? first : NULL, path, &answer, err);
    if (rc == 0)
        rc = read_session(&answer, &own, synced ? start : NULL, out, &origins, err);
    return rc ? rc : read_histories(place, first, &origins, out, err);
}

/* Whether HEAD has the file: what it does not have, git tells nothing of. */
static int in_head(struct repo *repo, const char *path, bool *found, struct err *err)
{
    cleanup_repo_commit struct repo_commit commit = {0};
    struct err absent = ERR_INIT;
    struct oid head, blob;
    uint32_t mode;
    *found = false;
    int rc = repo_ref_read(repo, "HEAD", &head, err);
    if (rc == 0)
        rc = repo_read_commit(repo, &head, &commit, err);
    if (rc < 0)
        return rc;
    rc = repo_tree_find(repo, &commit.tree, path, &mode, &blob, &absent);
    *found = rc == 0;
    return rc == ERR_NOT_FOUND ? 0 : rc ? err_set(err, rc, "%s", absent.msg) : 0;
}

int sync_credit(const struct sync_place *place, const char *path, struct credit *out,
                struct err *err)
{
    cleanup_str struct str text = STR_INIT;
    cleanup_repo struct repo *repo = NULL;
    cleanup_free char *git_dir = xasprintf("%s/.git", place->worktree);
    cleanup_free char *file = path_join(place->worktree, path);
    struct oid last, start;
    bool known = false;
    int rc = fd_read_file(AT_FDCWD, file, CREDIT_FILE_MAX, &text, err);
    if (rc == 0)
        rc = repo_open(git_dir, &repo, err);
    if (rc == 0)
        rc = in_head(repo, path, &known, err);
    if (rc == 0 && !known)
        all_unsynced(&text, out);
    if (rc < 0 || !known)
        return rc;
    rc = last_synced(place, &last, err);
    if (rc == 0)
        rc = session_start(place, repo, &start, err);
    return rc ? rc
              : credit_from(place, path, oid_is_zero(&start) ? &last : &start, &last, out, err);
}
