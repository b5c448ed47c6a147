#include "sync/worktree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "git/run.h"
#include "sync/attrs.h"
#include "sync/checkout.h"
#include "sync/config_text.h"
#include "sync/flat.h"
#include "sync/meta.h"
#include "sync/submodules.h"
#include "sync/work.h"

#define LOCK_MS 600000
#define STAMP_AGE 2 /* seconds: older than the index by more than git's resolution */

struct prepare {
    const struct worktree_opts *opts;
    int dot;    /* <home>/.worktree */
    int tree;   /* the worktree */
    char *path; /* of the worktree */
    char *git_dir;
    struct meta meta;
    struct repo *repo;
    struct index index;
    bool *slow; /* one per entry: for the git command */
    struct err *err;
};

static void prepare_release(struct prepare *p)
{
    if (p->dot >= 0)
        close(p->dot);
    if (p->tree >= 0)
        close(p->tree);
    free(p->path);
    free(p->git_dir);
    meta_release(&p->meta);
    repo_free(p->repo);
    index_release(&p->index);
    free(p->slow);
}

/* --- the repository --------------------------------------------------------------------------- */

static void format_config(const struct worktree_opts *o, struct str *out)
{
    str_adds(out, "[core]\n"
                  "\trepositoryformatversion = 0\n"
                  "\tfilemode = true\n"
                  "\tbare = false\n"
                  "\tlogallrefupdates = true\n"
                  "[gc]\n"
                  "\tauto = 0\n"
                  "[maintenance]\n"
                  "\tauto = false\n"
                  "[user]\n"
                  "\tname = ");
    config_add_quoted(out, o->author_name);
    str_adds(out, "\n\temail = ");
    config_add_quoted(out, o->author_email);
    str_adds(out, "\n[remote \"session\"]\n\turl = ");
    config_add_quoted(out, o->canonical);
    str_adds(out, "\n\tfetch = +refs/heads/*:refs/remotes/session/*\n");
}

static int write_text(int dirfd, const char *name, const char *text, struct err *err)
{
    return fd_write_file(dirfd, name, text, strlen(text), 0644, err);
}

static int make_repository(struct prepare *p)
{
    static const char *const dirs[] = {
        ".git",      ".git/objects",     ".git/objects/info", ".git/refs", ".git/refs/heads",
        ".git/info", ".git/objects/pack"};
    for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
        if (mkdirat(p->tree, dirs[i], 0777) < 0 && errno != EEXIST)
            return err_errno(p->err, "create %s", dirs[i]);
    cleanup_close int git = path_open_beneath(p->tree, ".git", O_RDONLY | O_DIRECTORY, 0, p->err);
    if (git < 0)
        return git;
    cleanup_str struct str config = STR_INIT;
    cleanup_free char *alternates = xasprintf("%s/objects\n", p->opts->canonical);
    cleanup_free char *head = xasprintf("ref: refs/heads/%s\n", p->opts->session_branch);
    format_config(p->opts, &config);
    int rc = write_text(git, "objects/info/alternates", alternates, p->err);
    if (rc == 0)
        rc = write_text(git, "config", config.p, p->err);
    if (rc == 0)
        rc = write_text(git, "HEAD", head, p->err);
    return rc;
}

/* --- files ------------------------------------------------------------------------------------ */

/* Writes the .gitattributes of the tree and says whether they ask for conversions. */
static int look_at_attributes(struct prepare *p, const struct checkout *c, bool *convert)
{
    bool *others = xcalloc(p->index.len, sizeof *others);
    bool any = false;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < p->index.len; i++) {
        const struct index_entry *e = &p->index.v[i];
        const char *slash = strrchr(e->path, '/');
        others[i] = strcmp(slash ? slash + 1 : e->path, ".gitattributes") != 0 || !S_ISREG(e->mode);
        if (others[i])
            continue;
        cleanup_str struct str text = STR_INIT;
        any = true;
        rc = repo_read_blob(p->repo, &e->oid, ATTRS_FILE_MAX, &text, NULL);
        *convert |= rc < 0 || attrs_text_converts(text.p, text.len);
        rc = 0;
    }
    struct checkout first = *c;
    first.threads = 1;
    first.progress = NULL;
    if (any && *convert)
        rc = checkout_write(&first, &p->index, others, p->err);
    free(others);
    return rc;
}

/* Which files our own code may not write: p->slow. */
static int choose_slow(struct prepare *p, const struct checkout *c)
{
    struct attrs_repo repo = {.git_dir = p->git_dir, .work_tree = p->path};
    struct attrs_config config;
    int rc = attrs_config(&repo, &config, p->err);
    p->slow = xcalloc(p->index.len, sizeof *p->slow);
    if (rc == 0)
        rc = look_at_attributes(p, c, &config.some);
    if (rc < 0 || !(config.all || config.some))
        return rc;
    const char **paths = xcalloc(p->index.len, sizeof *paths);
    for (size_t i = 0; i < p->index.len; i++)
        paths[i] = p->index.v[i].path;
    if (!config.all)
        rc = attrs_converted(&repo, paths, p->index.len, p->slow, p->err);
    for (size_t i = 0; i < p->index.len; i++)
        p->slow[i] = S_ISREG(p->index.v[i].mode) && (config.all || p->slow[i]);
    free(paths);
    return rc;
}

static int write_index(struct prepare *p)
{
    cleanup_str struct str raw = STR_INIT;
    index_format(&p->index, &raw);
    /* A checkout that was killed may have left git's own lock. */
    unlinkat(p->tree, ".git/index.lock", 0);
    cleanup_close int git = path_open_beneath(p->tree, ".git", O_RDONLY | O_DIRECTORY, 0, p->err);
    return git < 0 ? git : fd_write_file(git, "index", raw.p, raw.len, 0644, p->err);
}

/* The files that git has to write, in the worktree itself. */
static int write_slow(struct prepare *p)
{
    static const char *const args[] = {"checkout-index", "-f", "-u", "-q", "-z", "--stdin", NULL};
    cleanup_str struct str input = STR_INIT;
    for (size_t i = 0; i < p->index.len; i++)
        if (p->slow[i])
            str_add(&input, p->index.v[i].path, p->index.v[i].path_len + 1);
    if (input.len == 0)
        return 0;
    struct git_run run = {.kind = GIT_RUN_USER,
                          .git_dir = p->git_dir,
                          .work_tree = p->path,
                          .args = args,
                          .input = input.p,
                          .input_len = input.len,
                          .timeout_s = 3600};
    return git_run(&run, NULL, p->err);
}

static int write_files(struct prepare *p)
{
    cleanup_repo_commit struct repo_commit commit = {0};
    int rc = repo_read_commit(p->repo, &p->meta.preparing, &commit, p->err);
    if (rc == 0)
        rc = checkout_list(p->repo, &commit.tree, &p->index, p->err);
    if (rc < 0)
        return rc;
    /* None is no error: it is made when the agent is idle, and not for small trees. */
    cleanup_flat struct flat *flat = NULL;
    (void)flat_open(p->opts->canonical, &flat, NULL);
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    struct checkout c = {.git_dir = p->git_dir,
                         .root = p->tree,
                         .stamp = (time_t)p->meta.prepared_time,
                         .threads = p->opts->threads ? p->opts->threads
                                    : processors > 4 ? 4
                                                     : (int)processors,
                         .flat = flat,
                         .progress = p->opts->progress,
                         .payload = p->opts->payload};
    rc = choose_slow(p, &c);
    if (rc == 0)
        rc = checkout_write(&c, &p->index, p->slow, p->err);
    if (rc == 0)
        rc = index_set_tree(&p->index, p->repo, &commit.tree, p->err);
    if (rc == 0)
        rc = write_index(p);
    return rc ? rc : write_slow(p);
}

/* --- steps ------------------------------------------------------------------------------------ */

static int open_dirs(struct prepare *p, const char *name)
{
    cleanup_close int home = open(p->opts->home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (home < 0)
        return err_errno(p->err, "open %s", p->opts->home);
    if (mkdirat(home, ".worktree", 0700) < 0 && errno != EEXIST)
        return err_errno(p->err, "create %s/.worktree", p->opts->home);
    p->dot = path_open_beneath(home, ".worktree", O_RDONLY | O_DIRECTORY, 0, p->err);
    if (p->dot < 0)
        return p->dot;
    if (mkdirat(p->dot, name, 0777) < 0 && errno != EEXIST)
        return err_errno(p->err, "create %s/.worktree/%s", p->opts->home, name);
    p->tree = path_open_beneath(p->dot, name, O_RDONLY | O_DIRECTORY, 0, p->err);
    return p->tree < 0 ? p->tree : 0;
}

static int begin(struct prepare *p)
{
    cleanup_repo struct repo *canonical = NULL;
    cleanup_free char *ref = xasprintf("refs/heads/%s", p->opts->session_branch);
    int rc = repo_open(p->opts->canonical, &canonical, p->err);
    if (rc == 0)
        rc = repo_ref_read(canonical, ref, &p->meta.preparing, p->err);
    if (rc < 0)
        return rc;
    p->meta.session_id = xstrdup(p->opts->session_id);
    p->meta.session_branch = xstrdup(p->opts->session_branch);
    p->meta.prepared_time = (long long)time(NULL) - STAMP_AGE;
    return meta_write(p->dot, &p->meta, p->err);
}

/* A worktree without them is a worktree. */
static void check_out_submodules(const struct prepare *p)
{
    cleanup_str struct str said = STR_INIT;
    struct err err = ERR_INIT;
    int rc = submodules_check_out(p->opts->canonical, p->git_dir, p->path, &said, &err);
    if (rc < 0 && rc != ERR_NOT_FOUND)
        str_addf(&said, "submodules: %s\n", err.msg);
    if (said.len && p->opts->say)
        p->opts->say(said.p, p->opts->payload);
}

static int finish(struct prepare *p)
{
    cleanup_free char *ref = xasprintf("refs/heads/%s", p->opts->session_branch);
    int rc = repo_ref_set(p->repo, ref, &p->meta.preparing, "start of the session", p->err);
    if (rc < 0)
        return rc;
    if (syncfs(p->tree) < 0)
        return err_errno(p->err, "sync %s", p->path);
    p->meta.last_synced = p->meta.preparing;
    p->meta.preparing = (struct oid){{0}};
    p->meta.prepared_time = 0;
    return meta_write(p->dot, &p->meta, p->err);
}

/* <home>/<repo name>, so that `ls` shows the project; whatever else is there stays. */
static int make_link(const struct worktree_opts *o, struct err *err)
{
    cleanup_free char *link = path_join(o->home, o->repo_name);
    cleanup_free char *target = xasprintf(".worktree/%s", o->repo_name);
    if (symlink(target, link) < 0 && errno != EEXIST)
        return err_errno(err, "create %s", link);
    return 0;
}

int worktree_prepare(const struct worktree_opts *opts, bool *made, struct err *err)
{
    cleanup(prepare_release) struct prepare p = {
        .opts = opts, .dot = -1, .tree = -1, .index = INDEX_INIT, .err = err};
    if (made)
        *made = false;
    if (!path_is_name(opts->repo_name))
        return err_set(err, ERR_INVALID, "repository name");
    p.path = xasprintf("%s/.worktree/%s", opts->home, opts->repo_name);
    p.git_dir = xasprintf("%s/.git", p.path);
    int rc = open_dirs(&p, opts->repo_name);
    if (rc < 0)
        return rc;
    cleanup_close int lock = fd_lock_file(p.dot, "lock", LOCK_MS, err);
    if (lock < 0)
        return lock;
    rc = meta_read(p.dot, &p.meta, err);
    if (rc == 0 && oid_is_zero(&p.meta.preparing)) {
        cleanup_close int git = path_open_beneath(p.tree, ".git", O_RDONLY | O_DIRECTORY, 0, NULL);
        if (git >= 0)
            work_drop_stale_lock(git);
        return make_link(opts, err);
    }
    if (rc == ERR_NOT_FOUND) {
        err_clear(err);
        rc = begin(&p);
    }
    if (rc == 0)
        rc = make_repository(&p);
    if (rc == 0)
        rc = repo_open(p.git_dir, &p.repo, err);
    if (rc == 0)
        rc = write_files(&p);
    if (rc == 0)
        check_out_submodules(&p);
    if (rc == 0)
        rc = finish(&p);
    if (rc == 0 && made)
        *made = true;
    return rc ? rc : make_link(opts, err);
}
