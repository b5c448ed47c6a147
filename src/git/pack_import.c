#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <git2.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/proc.h"
#include "git/pack.h"
#include "git/repo_internal.h"
#include "git/safe_path.h"
#include "sandbox/sandbox.h"

#define QUARANTINE "quarantine-"
#define ERRORS_MAX 65536
#define IDX_FIXED 1072 /* header, fan-out and trailer of a version 2 index */
#define IDX_EACH 36    /* at most, an object: id, crc, offset, long offset */
#define IMPORT_MEMORY ((uint64_t)4 << 30)
#define TRAILER 20
#define MODE_TYPE 0170000u
#define MODE_TREE 0040000u

/*
 * <repo>/quarantine-XXXXXX/
 *     objects/pack/in.pack   written by us, read by the child
 *     out/                   the child's: in.idx
 *     errors                 the child's stderr, opened by us
 */
struct pack_import {
    struct pack_import_opts opts;
    char *repo_dir;
    char *dir;   /* of the quarantine, absolute or as repo_dir is */
    int fd;      /* of dir */
    int pack_fd; /* -1 until the first byte */
    uint64_t size;
    unsigned char header[PACK_HEADER];
    size_t header_len;
    uint32_t n_objects;
    bool checked; /* the child was started, or nothing is to be checked */
};

static uint64_t max_bytes(const struct pack_import *imp)
{
    return imp->opts.max_bytes ? imp->opts.max_bytes : PACK_MAX;
}

/* A directory that the child writes and whose files we can still remove: its group stays ours. */
static int make_childs_dir(const struct pack_import *imp, const char *name, struct err *err)
{
    if (mkdirat(imp->fd, name, 0770) < 0 || fchmodat(imp->fd, name, 0770, 0) < 0)
        return err_errno(err, "create %s/%s", imp->dir, name);
    if (imp->opts.has_uid && fchownat(imp->fd, name, imp->opts.uid, (gid_t)-1, 0) < 0)
        return err_errno(err, "give %s/%s away", imp->dir, name);
    return 0;
}

int pack_import_begin(const struct pack_import_opts *opts, struct pack_import **out,
                      struct err *err)
{
    struct pack_import *imp = xcalloc(1, sizeof *imp);
    imp->opts = *opts;
    imp->repo_dir = xstrdup(opts->repo_dir);
    imp->fd = imp->pack_fd = -1;
    char *dir = xasprintf("%s/" QUARANTINE "XXXXXX", opts->repo_dir);
    int rc = 0;
    if (mkdtemp(dir))
        imp->dir = dir;
    else
        rc = err_errno(err, "create %s", dir);
    if (rc == 0) {
        imp->fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (imp->fd < 0 || fchmod(imp->fd, 0755) < 0 || mkdirat(imp->fd, "objects", 0755) < 0 ||
            mkdirat(imp->fd, "objects/pack", 0755) < 0)
            rc = err_errno(err, "create %s", dir);
    }
    if (rc == 0)
        rc = make_childs_dir(imp, "out", err);
    if (rc < 0) {
        if (!imp->dir)
            free(dir);
        pack_import_free(imp);
        return rc;
    }
    *out = imp;
    return 0;
}

void pack_import_free(struct pack_import *imp)
{
    if (!imp)
        return;
    if (imp->pack_fd >= 0)
        close(imp->pack_fd);
    if (imp->fd >= 0)
        close(imp->fd);
    if (imp->dir)
        path_remove_tree(AT_FDCWD, imp->dir, NULL);
    free(imp->dir);
    free(imp->repo_dir);
    free(imp);
}

static int take_header(struct pack_import *imp, const void *p, size_t n, struct err *err)
{
    size_t room = PACK_HEADER - imp->header_len;
    size_t take = n < room ? n : room;
    if (take == 0)
        return 0;
    memcpy(imp->header + imp->header_len, p, take);
    imp->header_len += take;
    if (imp->header_len < PACK_HEADER)
        return 0;
    return pack_check_header(imp->header, PACK_HEADER, &imp->n_objects, err);
}

int pack_import_data(struct pack_import *imp, const void *p, size_t n, struct err *err)
{
    BUG_ON(imp->checked);
    if (n == 0)
        return 0;
    if (n > max_bytes(imp) - imp->size)
        return err_set(err, ERR_LIMIT, "pack of more than %llu bytes",
                       (unsigned long long)max_bytes(imp));
    int rc = take_header(imp, p, n, err);
    if (rc < 0)
        return rc;
    if (imp->pack_fd < 0) {
        imp->pack_fd =
            openat(imp->fd, "objects/pack/in.pack", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (imp->pack_fd < 0)
            return err_errno(err, "create %s/objects/pack/in.pack", imp->dir);
    }
    imp->size += n;
    return fd_write_full(imp->pack_fd, p, n, err);
}

/* Legacy flaws that real histories have and that cannot hurt are let through; everything else that
 * fsck knows is refused. */
static const char strict_arg[] =
    "--strict=zeroPaddedFilemode=ignore,badTimezone=ignore,missingSpaceBeforeDate=ignore,"
    "badDateOverflow=ignore,missingNameBeforeEmail=ignore,missingEmail=ignore,badEmail=ignore,"
    "zeroPaddedDate=ignore,badTagName=ignore,missingTaggerEntry=ignore,badName=ignore,"
    "missingSpaceBeforeEmail=ignore";

static void child_environment(const struct pack_import *imp, struct strv *env)
{
    static const char *const config[][2] = {
        {"core.packedGitWindowSize", "32m"},
        {"core.packedGitLimit", "256m"},
        {"core.bigFileThreshold", "32m"}, /* longer blobs are streamed, not held */
        {"core.fsync", "none"},           /* what is taken is fsynced by the parent */
        {"core.hooksPath", "/dev/null"},
    };
    strv_pushf(env, "PATH=%s", imp->opts.path ? imp->opts.path : "/usr/local/bin:/usr/bin:/bin");
    strv_pushf(env, "GIT_DIR=%s", imp->repo_dir);
    strv_pushl(env, "HOME=/nonexistent", "LC_ALL=C", "GIT_CONFIG_NOSYSTEM=1",
               "GIT_CONFIG_GLOBAL=/dev/null", "GIT_TERMINAL_PROMPT=0", NULL);
    strv_pushf(env, "GIT_CONFIG_COUNT=%zu", ARRAY_LEN(config));
    for (size_t i = 0; i < ARRAY_LEN(config); i++) {
        strv_pushf(env, "GIT_CONFIG_KEY_%zu=%s", i, config[i][0]);
        strv_pushf(env, "GIT_CONFIG_VALUE_%zu=%s", i, config[i][1]);
    }
}

int pack_import_check(struct pack_import *imp, pid_t *pid, struct err *err)
{
    BUG_ON(imp->checked);
    *pid = 0;
    imp->checked = true;
    if (imp->size == 0)
        return 0;
    if (imp->header_len < PACK_HEADER)
        return err_set(err, ERR_INVALID, "not a pack");
    cleanup_close int errors =
        openat(imp->fd, "errors", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (errors < 0)
        return err_errno(err, "create %s/errors", imp->dir);
    cleanup_strv struct strv argv = STRV_INIT;
    cleanup_strv struct strv env = STRV_INIT;
    strv_pushl(&argv, "git", "index-pack", strict_arg, "--threads=1", "-o", NULL);
    strv_pushf(&argv, "%s/out/in.idx", imp->dir);
    strv_pushf(&argv, "%s/objects/pack/in.pack", imp->dir);
    child_environment(imp, &env);
    struct proc_spec spec = PROC_SPEC_INIT;
    spec.file = "git";
    spec.argv = argv.v;
    spec.envp = env.v;
    spec.stderr_fd = errors;
    spec.new_group = true;
    spec.die_with_parent = true;
    spec.max_memory = IMPORT_MEMORY;
    spec.max_file = max_bytes(imp);
    spec.max_cpu_s = PACK_CHECK_SECONDS;
    spec.before_exec = imp->opts.before_exec;
    spec.payload = imp->opts.payload;
    return proc_start(&spec, pid, err);
}

/* --- after the child -------------------------------------------------------------------------- */

/* What index-pack said, as one line for the person. */
static int child_failed(const struct pack_import *imp, int status, struct err *err)
{
    cleanup_str struct str text = STR_INIT;
    cleanup_str struct str shown = STR_INIT;
    if (fd_read_file(imp->fd, "errors", ERRORS_MAX, &text, NULL) < 0)
        str_clear(&text);
    if (WIFSIGNALED(status))
        return err_set(err, ERR_LIMIT, "the check of the pack exceeded its limits (signal %d)",
                       WTERMSIG(status));
    if (strstr(text.p, "out of memory") || strstr(text.p, "Out of memory"))
        return err_set(err, ERR_LIMIT, "the check of the pack exceeded its memory");
    char *line = strstr(text.p, "error: ");
    if (!line)
        line = strstr(text.p, "fatal: ");
    line = line ? line + 7 : text.p;
    str_add_printable(&shown, line, strcspn(line, "\n"));
    return err_set(err, ERR_INVALID, "the pack was refused: %.300s", shown.p);
}

/* The child's index, copied into a file of ours so that it cannot change any more, and compared
 * with the pack that we wrote. */
static int take_index(struct pack_import *imp, const unsigned char sum[TRAILER], struct err *err)
{
    cleanup_str struct str idx = STR_INIT;
    size_t max = IDX_FIXED + (size_t)imp->n_objects * IDX_EACH;
    int rc = fd_read_file(imp->fd, "out/in.idx", max, &idx, err);
    if (rc < 0)
        return rc;
    if (idx.len < IDX_FIXED || memcmp(idx.p, "\377tOc\0\0\0\2", 8) != 0 ||
        memcmp(idx.p + idx.len - 2 * (size_t)TRAILER, sum, TRAILER) != 0)
        return err_set(err, ERR_INVALID, "the index does not belong to the pack");
    cleanup_close int fd =
        openat(imp->fd, "objects/pack/in.idx", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
    if (fd < 0)
        return err_errno(err, "create %s/objects/pack/in.idx", imp->dir);
    rc = fd_write_full(fd, idx.p, idx.len, err);
    if (rc == 0 && (fsync(fd) < 0 || fsync(imp->pack_fd) < 0 || fchmod(imp->pack_fd, 0444) < 0))
        rc = err_errno(err, "fsync pack");
    return rc;
}

static int read_trailer(struct pack_import *imp, unsigned char sum[TRAILER], struct err *err)
{
    if (imp->size < PACK_HEADER + TRAILER ||
        pread(imp->pack_fd, sum, TRAILER, (off_t)(imp->size - TRAILER)) != TRAILER)
        return err_set(err, ERR_INVALID, "the pack has no end");
    return 0;
}

/* --- the claim -------------------------------------------------------------------------------- */

struct claim_check {
    struct repo *both;      /* repository and quarantine */
    struct repo *canonical; /* repository alone: what it has was checked before */
    struct err *err;
    struct oid_set seen;
    size_t commits;
};

static int check_new_tree(struct claim_check *c, const struct oid *oid, int depth)
{
    if (repo_has(c->canonical, oid) || oid_equal(oid, &oid_empty_tree) ||
        !oid_set_add(&c->seen, oid))
        return 0;
    if (depth > REPO_TREE_DEPTH_MAX)
        return err_set(c->err, ERR_LIMIT, "directories deeper than %d", REPO_TREE_DEPTH_MAX);
    cleanup_tree_list struct tree_list list = TREE_LIST_INIT;
    int rc = repo_read_tree(c->both, oid, &list, c->err);
    for (size_t i = 0; rc == 0 && i < list.len; i++) {
        const struct tree_entry *e = &list.v[i];
        if (!safe_entry(e->name, strlen(e->name), e->mode)) {
            cleanup_str struct str shown = STR_INIT;
            str_add_printable(&shown, e->name, strlen(e->name));
            return err_set(c->err, ERR_DENIED, "unsafe file name: %.255s", shown.p);
        }
        if ((e->mode & MODE_TYPE) == MODE_TREE)
            rc = check_new_tree(c, &e->oid, depth + 1);
    }
    return rc;
}

/* Every commit that the repository does not have yet, from `oid` on. */
static int check_new_commits(struct claim_check *c, const struct oid *oid)
{
    struct oid *todo = NULL;
    size_t len = 0;
    size_t cap = 0;
    int rc = 0;
    VEC_GROW(todo, len, cap);
    todo[len++] = *oid;
    while (rc == 0 && len) {
        struct oid next = todo[--len];
        if (repo_has(c->canonical, &next) || !oid_set_add(&c->seen, &next))
            continue;
        if (++c->commits > PACK_COMMITS_MAX) {
            rc = err_set(c->err, ERR_LIMIT, "more than %d new commits", PACK_COMMITS_MAX);
            break;
        }
        cleanup_repo_commit struct repo_commit commit = {0};
        rc = repo_read_commit(c->both, &next, &commit, c->err);
        if (rc == 0)
            rc = check_new_tree(c, &commit.tree, 0);
        for (size_t i = 0; rc == 0 && i < commit.n_parents; i++) {
            VEC_GROW(todo, len, cap);
            todo[len++] = commit.parents[i];
        }
    }
    free(todo);
    return rc;
}

/* The branch's own tree, whatever the repository had before: objects of a remote that was fetched
 * are known, too, and nobody has looked at their names. */
static int check_branch_tree(struct claim_check *c, const struct pack_claim *claim,
                             const struct oid *tree)
{
    cleanup_repo_commit struct repo_commit parent = {0};
    cleanup_tree_changes struct tree_changes changes = TREE_CHANGES_INIT;
    if (claim->free_ref || !claim->has_parent)
        return repo_check_tree(c->both, tree, c->err);
    int rc = repo_read_commit(c->both, &claim->parent, &parent, c->err);
    if (rc == 0)
        rc = repo_diff_trees(c->both, &parent.tree, tree, &changes, c->err);
    for (size_t i = 0; rc == 0 && i < changes.len; i++) {
        const char *path = changes.v[i].path;
        const char *slash = strrchr(path, '/');
        const char *name = slash ? slash + 1 : path;
        if (changes.v[i].new_mode && (!safe_path(path, strlen(path)) ||
                                      !safe_entry(name, strlen(name), changes.v[i].new_mode))) {
            cleanup_str struct str shown = STR_INIT;
            str_add_printable(&shown, path, strlen(path));
            rc = err_set(c->err, ERR_DENIED, "unsafe path: %.300s", shown.p);
        }
    }
    return rc;
}

static bool same(const char *wanted, const char *is)
{
    return !wanted || strcmp(wanted, is) == 0;
}

static int check_claim(struct claim_check *c, const struct pack_claim *claim)
{
    cleanup_repo_commit struct repo_commit commit = {0};
    int rc = repo_read_commit(c->both, &claim->commit, &commit, c->err);
    if (rc < 0)
        return err_wrap(c->err, "the pack does not hold the commit");
    if (!same(claim->author_name, commit.author.name) ||
        !same(claim->author_email, commit.author.email))
        return err_set(c->err, ERR_DENIED, "the commit's author is not its sender");
    if (!same(claim->committer_name, commit.committer.name) ||
        !same(claim->committer_email, commit.committer.email))
        return err_set(c->err, ERR_DENIED, "the commit's committer is not SteadyState");
    if (!claim->free_ref && claim->has_parent &&
        (commit.n_parents == 0 || !oid_equal(&commit.parents[0], &claim->parent)))
        return err_set(c->err, ERR_INVALID, "the commit was not made on the branch's head");
    if (!claim->free_ref && !claim->has_parent && commit.n_parents != 0)
        return err_set(c->err, ERR_INVALID, "the first commit has a parent");
    rc = check_new_commits(c, &claim->commit);
    return rc ? rc : check_branch_tree(c, claim, &commit.tree);
}

/* --- migration -------------------------------------------------------------------------------- */

static int migrate(struct pack_import *imp, const unsigned char sum[TRAILER], struct err *err)
{
    struct oid id;
    char hex[OID_HEX + 1];
    memcpy(id.id, sum, OID_LEN);
    oid_format(&id, hex);
    cleanup_free char *to = xasprintf("%s/objects/pack", imp->repo_dir);
    cleanup_close int dir = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return err_errno(err, "open %s", to);
    /* The pack first: whoever sees an index expects its pack to be there. */
    static const char *const suffixes[] = {"pack", "idx"};
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        cleanup_free char *from = xasprintf("objects/pack/in.%s", suffixes[i]);
        cleanup_free char *name = xasprintf("pack-%s.%s", hex, suffixes[i]);
        if (renameat(imp->fd, from, dir, name) < 0)
            return err_errno(err, "take in %s", name);
    }
    return fsync(dir) < 0 ? err_errno(err, "fsync %s", to) : 0;
}

/* ERR_CONFLICT with *head when the branch is not where the claim was built on. */
static int check_ref(struct repo *repo, const struct pack_claim *claim, struct oid *head,
                     struct err *err)
{
    struct err why = ERR_INIT;
    int rc = repo_ref_read(repo, claim->ref, head, &why);
    if (rc < 0 && rc != ERR_NOT_FOUND)
        return err_set(err, rc, "%s", why.msg);
    if (claim->free_ref)
        return 0;
    if (claim->has_parent ? rc == 0 && oid_equal(head, &claim->parent) : rc == ERR_NOT_FOUND)
        return 0;
    if (rc == ERR_NOT_FOUND)
        memset(head, 0, sizeof *head);
    return err_set(err, ERR_CONFLICT, "the branch moved");
}

static int move_ref(struct repo *repo, const struct pack_claim *claim, struct err *err)
{
    const char *log = claim->log ? claim->log : "sync";
    if (claim->free_ref)
        return repo_ref_set(repo, claim->ref, &claim->commit, log, err);
    return repo_ref_cas(repo, claim->ref, claim->has_parent ? &claim->parent : NULL, &claim->commit,
                        log, err);
}

int pack_import_finish(struct pack_import *imp, int wait_status, const struct pack_claim *claim,
                       struct oid *head, struct err *err)
{
    BUG_ON(!imp->checked);
    unsigned char sum[TRAILER] = {0};
    bool has_pack = imp->size > 0;
    if (has_pack && !(WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0))
        return child_failed(imp, wait_status, err);
    cleanup_repo struct repo *canonical = NULL;
    cleanup_repo struct repo *both = NULL;
    int rc = repo_open(imp->repo_dir, &canonical, err);
    if (rc == 0)
        rc = check_ref(canonical, claim, head, err);
    if (rc == 0)
        rc = repo_open(imp->repo_dir, &both, err);
    if (rc == 0 && has_pack) {
        rc = read_trailer(imp, sum, err);
        if (rc == 0)
            rc = take_index(imp, sum, err);
        cleanup_free char *objects = xasprintf("%s/objects", imp->dir);
        if (rc == 0 && git_odb_add_disk_alternate(both->odb, objects) < 0)
            rc = repo_err(err, -1, "quarantine");
    }
    if (rc == 0) {
        struct claim_check check = {.both = both, .canonical = canonical, .err = err};
        rc = check_claim(&check, claim);
        oid_set_release(&check.seen);
    }
    if (rc == 0 && has_pack)
        rc = migrate(imp, sum, err);
    if (rc == 0) {
        repo_refresh(canonical);
        rc = move_ref(canonical, claim, err);
        if (rc == ERR_CONFLICT)
            repo_ref_read(canonical, claim->ref, head, NULL);
    }
    if (rc == 0)
        *head = claim->commit;
    return rc;
}

/* A child of another uid ends by that uid's hand: the agent has no CAP_KILL. */
static void kill_check(const struct pack_import_opts *opts, pid_t pid)
{
    if (opts->has_uid && geteuid() != opts->uid)
        (void)sandbox_kill_as(opts->uid, opts->gid, -pid, SIGKILL);
    else
        (void)kill(-pid, SIGKILL);
}

static int wait_limited(const struct pack_import_opts *opts, pid_t pid, int *status,
                        struct err *err)
{
    struct timespec pause = {.tv_nsec = 500000};
    for (int64_t waited_us = 0;;) {
        pid_t got = waitpid(pid, status, WNOHANG);
        if (got == pid)
            return 0;
        if (got < 0 && errno != EINTR)
            return err_errno(err, "wait for the pack's check");
        if (waited_us > (int64_t)PACK_CHECK_SECONDS * 1000000) {
            kill_check(opts, pid);
            while (waitpid(pid, status, 0) < 0 && errno == EINTR)
                continue;
            return 0;
        }
        nanosleep(&pause, NULL);
        waited_us += pause.tv_nsec / 1000;
        if (pause.tv_nsec < 10000000)
            pause.tv_nsec *= 2;
    }
}

int pack_import_wait(struct pack_import *imp, const struct pack_claim *claim, struct oid *head,
                     struct err *err)
{
    pid_t pid;
    int status = 0;
    int rc = pack_import_check(imp, &pid, err);
    if (rc == 0 && pid)
        rc = wait_limited(&imp->opts, pid, &status, err);
    return rc ? rc : pack_import_finish(imp, status, claim, head, err);
}

int pack_quarantine_clean(const char *repo_dir, struct err *err)
{
    DIR *dir = opendir(repo_dir);
    if (!dir)
        return err_errno(err, "open %s", repo_dir);
    int rc = 0;
    struct dirent *e;
    while (rc == 0 && (e = readdir(dir)))
        if (str_starts_with(e->d_name, QUARANTINE))
            rc = path_remove_tree(dirfd(dir), e->d_name, err);
    closedir(dir);
    return rc;
}
