#include "sync/submodules.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "git/run.h"
#include "git/submodule_list.h"
#include "sync/config_text.h"
#include "sync/meta.h"

#define MODE_GITLINK 0160000u

/* Where they are, for each of the list. */
struct places {
    struct submodule_list list;
    char *mirrors; /* directory */
    char *git_dir[SUBMODULES_MAX];
    char *tree[SUBMODULES_MAX];
};

static void places_release(struct places *p)
{
    for (size_t i = 0; i < SUBMODULES_MAX; i++) {
        free(p->git_dir[i]);
        free(p->tree[i]);
    }
    free(p->mirrors);
    submodule_list_release(&p->list);
}

static int write_text(int dirfd, const char *name, const char *text, struct err *err)
{
    return fd_write_volatile(dirfd, name, text, strlen(text), 0644, err);
}

static void format_config(const char *tree, const char *url, struct str *out)
{
    str_adds(out, "[core]\n"
                  "\trepositoryformatversion = 0\n"
                  "\tfilemode = true\n"
                  "\tbare = false\n"
                  "\tlogallrefupdates = true\n"
                  "\tworktree = ");
    config_add_quoted(out, tree);
    str_adds(out,
             "\n[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n[remote \"origin\"]\n\turl = ");
    config_add_quoted(out, url);
    str_adds(out, "\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n");
}

static int make_git_dir(const struct places *p, size_t i, struct err *err)
{
    static const char *const dirs[] = {"objects/info", "objects/pack", "refs/heads", "info"};
    const struct submodule *s = &p->list.v[i];
    for (size_t d = 0; d < ARRAY_LEN(dirs); d++) {
        cleanup_free char *dir = path_join(p->git_dir[i], dirs[d]);
        int rc = path_make_dirs(dir, 0777, err);
        if (rc < 0)
            return rc;
    }
    cleanup_close int git = open(p->git_dir[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (git < 0)
        return err_errno(err, "%s", p->git_dir[i]);
    cleanup_str struct str config = STR_INIT;
    cleanup_free char *alternates = xasprintf("%s/%d/objects\n", p->mirrors, s->mirror);
    char hex[OID_HEX + 1];
    oid_format(&s->commit, hex);
    cleanup_free char *head = xasprintf("%s\n", hex);
    format_config(p->tree[i], s->url, &config);
    int rc = write_text(git, "objects/info/alternates", alternates, err);
    if (rc == 0)
        rc = write_text(git, "config", config.p, err);
    return rc ? rc : write_text(git, "HEAD", head, err);
}

static int link_tree(const struct places *p, size_t i, struct err *err)
{
    cleanup_free char *text = xasprintf("gitdir: %s\n", p->git_dir[i]);
    cleanup_close int tree = open(p->tree[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (tree < 0)
        return err_errno(err, "%s", p->tree[i]);
    return write_text(tree, ".git", text, err);
}

/* No hook runs for this, and there is none. */
static int fill(const struct places *p, size_t i, struct err *err)
{
    char hex[OID_HEX + 1];
    oid_format(&p->list.v[i].commit, hex);
    const char *const args[] = {"-c",    "core.hooksPath=/dev/null",
                                "-c",    "submodule.recurse=false",
                                "reset", "--hard",
                                "-q",    hex,
                                NULL};
    cleanup_free char *lock = path_join(p->git_dir[i], "index.lock");
    (void)unlink(lock); /* of one that was killed */
    struct git_run run = {
        .kind = GIT_RUN_USER, .git_dir = p->git_dir[i], .work_tree = p->tree[i], .args = args};
    return git_run(&run, NULL, err);
}

static int set(const char *git_dir, const char *name, const char *key, const char *value,
               struct err *err)
{
    cleanup_free char *full = xasprintf("submodule.%s.%s", name, key);
    const char *const args[] = {"config", full, value, NULL};
    struct git_run run = {.kind = GIT_RUN_USER, .git_dir = git_dir, .args = args};
    return git_run(&run, NULL, err);
}

static int check_out(const struct places *p, size_t i, const char *super, struct err *err)
{
    const struct submodule *s = &p->list.v[i];
    int rc = make_git_dir(p, i, err);
    if (rc == 0)
        rc = link_tree(p, i, err);
    if (rc == 0)
        rc = fill(p, i, err);
    if (rc == 0)
        rc = set(super, s->name, "url", s->url, err);
    return rc ? rc : set(super, s->name, "active", "true", err);
}

static void say(const struct places *p, size_t i, const char *problem, struct str *said)
{
    cleanup_free char *path = NULL;
    for (int at = (int)i; at >= 0; at = p->list.v[at].parent) {
        char *longer =
            path ? xasprintf("%s/%s", p->list.v[at].path, path) : xstrdup(p->list.v[at].path);
        free(path);
        path = longer;
    }
    str_addf(said, "submodule %s is not here: %s\n", path, problem);
}

int submodules_check_out(const char *canonical, const char *git_dir, const char *worktree,
                         struct str *said, struct err *err)
{
    cleanup(places_release) struct places p = {.mirrors = submodule_list_dir(canonical)};
    int rc = submodule_list_read(canonical, &p.list, err);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < p.list.len; i++) {
        const struct submodule *s = &p.list.v[i];
        const char *super = s->parent < 0 ? git_dir : p.git_dir[s->parent];
        const char *outer = s->parent < 0 ? worktree : p.tree[s->parent];
        struct err why = ERR_INIT;
        if (s->mirror < 0) {
            say(&p, i, s->problem ? s->problem : "it was not fetched", said);
            /* For who can reach it: relative to canonical the URL would mean nothing. */
            if (super && s->url)
                (void)set(super, s->name, "url", s->url, NULL);
            continue;
        }
        if (!super || !outer) /* what it lies in is not here */
            continue;
        p.git_dir[i] = xasprintf("%s/modules/%s", super, s->name);
        p.tree[i] = path_join(outer, s->path);
        if (check_out(&p, i, super, &why) == 0)
            continue;
        say(&p, i, why.msg, said);
        free(steal(&p.git_dir[i]));
        free(steal(&p.tree[i]));
    }
    return 0;
}

/* --- what is edited in them --------------------------------------------------------------------
 */

/* "1 XY S<c><m><u> ...": the eighth field is followed by the path. */
static void take_line(const char *line, struct strv *out)
{
    const char *at = line;
    if (strncmp(line, "1 ", 2) != 0 || strlen(line) < 9 || line[5] != 'S')
        return;
    bool edited = line[7] == 'M' || line[8] == 'U';
    for (int field = 0; at && field < 8; field++) {
        at = strchr(at, ' ');
        at = at ? at + 1 : NULL;
    }
    if (at && *at && edited)
        strv_push(out, at);
}

void submodules_parse_status(const char *p, size_t n, struct strv *out)
{
    while (n > 0) {
        const char *end = memchr(p, '\0', n);
        if (!end)
            return;
        take_line(p, out);
        n -= (size_t)(end + 1 - p);
        p = end + 1;
    }
}

int submodules_edited(const struct index *index, const char *git_dir, const char *worktree,
                      struct strv *out, struct err *err)
{
    static const char *const options[] = {
        "-c", "core.fsmonitor=false", "status",       "--porcelain=v2",
        "-z", "--no-renames",         "--ignored=no", "--ignore-submodules=none",
        "--"};
    cleanup_free char *modules = path_join(git_dir, "modules");
    cleanup_strv struct strv args = STRV_INIT;
    size_t found = 0;
    if (access(modules, F_OK) != 0)
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(options); i++)
        strv_push(&args, options[i]);
    for (size_t i = 0; i < index->len && found < META_SUBMODULES_MAX; i++)
        if ((index->v[i].mode & S_IFMT) == MODE_GITLINK) {
            strv_push(&args, index->v[i].path);
            found++;
        }
    if (found == 0)
        return 0;
    cleanup_proc_result struct proc_result result = {0, STR_INIT, STR_INIT};
    struct git_run run = {.kind = GIT_RUN_USER,
                          .git_dir = git_dir,
                          .work_tree = worktree,
                          .args = (const char *const *)args.v};
    int rc = git_run(&run, &result, err);
    if (rc == 0)
        submodules_parse_status(result.out.p, result.out.len, out);
    return rc;
}
