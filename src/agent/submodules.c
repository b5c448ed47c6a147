#include "agent/submodules.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/start.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "git/gitmodules.h"
#include "git/repo.h"

#define MODE_GITLINK 0160000u
#define PIN_REF "refs/steadystate/pinned" /* a commit that no branch leads to */
#define ALL_BRANCHES "refs/heads/*"

struct mirroring {
    const struct submodules *s;
    char *dir;
    int64_t deadline; /* monotonic, ms */
    struct submodule_list list;
    int mirrors;  /* tried so far: the next one's number */
    bool trouble; /* an entry was left out for want of room */
};

static void mirroring_release(struct mirroring *m)
{
    free(m->dir);
    submodule_list_release(&m->list);
}

static char *mirror_path(const struct mirroring *m, int number)
{
    return xasprintf("%s/%d", m->dir, number);
}

/* --- one mirror --------------------------------------------------------------------------------
 */

/* The remote and the helper for one of them. */
static int aim(const struct mirroring *m, const char *url, struct transport_remote *remote,
               struct transport_helper *helper, struct err *err)
{
    int64_t left = (m->deadline - clock_mono_ms(&clock_real)) / 1000;
    if (left <= 0)
        return err_set(err, ERR_TIMEOUT, "there was no time left for it");
    *remote = *m->s->remote;
    *helper = *m->s->helper;
    remote->url = url;
    remote->allow_local = false;
    helper->timeout_s = (int)left;
    return 0;
}

static bool has_commit(const char *mirror, const struct oid *commit)
{
    cleanup_repo struct repo *repo = NULL;
    enum repo_type type;
    size_t size;
    return repo_open(mirror, &repo, NULL) == 0 &&
           repo_object_info(repo, commit, &type, &size, NULL) == 0 && type == REPO_COMMIT;
}

static int check_tree(const char *mirror, const struct oid *commit, struct err *err)
{
    cleanup_repo struct repo *repo = NULL;
    cleanup_repo_commit struct repo_commit c = {0};
    int rc = repo_open(mirror, &repo, err);
    if (rc == 0)
        rc = repo_read_commit(repo, commit, &c, err);
    return rc ? rc : repo_check_tree(repo, &c.tree, err);
}

/* The same repository may be at several places. */
static int mirror_of(const struct submodule_list *list, const char *url)
{
    for (size_t i = 0; i < list->len; i++)
        if (list->v[i].mirror >= 0 && strcmp(list->v[i].url, url) == 0)
            return list->v[i].mirror;
    return -1;
}

static int fetch(struct mirroring *m, struct submodule *to, struct err *err)
{
    struct transport_remote remote;
    struct transport_helper helper;
    struct transport_failure why = {0};
    int rc = aim(m, to->url, &remote, &helper, err);
    if (rc < 0)
        return rc;
    int number = mirror_of(&m->list, to->url);
    bool there = number >= 0;
    if (!there)
        number = m->mirrors++;
    cleanup_free char *mirror = mirror_path(m, number);
    if (!there)
        rc = transport_clone_bare(&remote, &helper, mirror, NULL, &why, err);
    if (rc == 0 && !has_commit(mirror, &to->commit)) {
        char hex[OID_HEX + 1];
        oid_format(&to->commit, hex);
        rc = transport_fetch(&remote, &helper, mirror, NULL, hex, PIN_REF, &why, err);
    }
    if (rc == 0)
        rc = check_tree(mirror, &to->commit, err);
    if (rc == 0)
        to->mirror = number;
    return rc;
}

/* --- the submodules of one commit --------------------------------------------------------------
 */

struct super {
    struct repo *repo;
    struct oid tree;
    struct repo_url url;
    int parent; /* in the list, -1: the session's repository */
};

static void super_release(struct super *s)
{
    repo_free(s->repo);
    repo_url_release(&s->url);
}

static bool is_inside(const char *outer, const char *name)
{
    size_t n = strlen(outer);
    return strncmp(outer, name, n) == 0 && (name[n] == '/' || name[n] == '\0');
}

/* Their directories below .git/modules would lie in each other. */
static int check_name(const struct mirroring *m, const struct super *super, const char *name,
                      struct err *err)
{
    for (size_t i = 0; i < m->list.len; i++) {
        const struct submodule *other = &m->list.v[i];
        if (other->parent == super->parent && other->mirror >= 0 &&
            (is_inside(other->name, name) || is_inside(name, other->name)))
            return err_set(err, ERR_DENIED, "its name is another submodule's, or lies in it");
    }
    return 0;
}

static char *printable(const char *text)
{
    struct str out = STR_INIT;
    str_add_printable(&out, text, strnlen(text, GITMODULES_NAME_MAX));
    return str_detach(&out);
}

/* 1: what .gitmodules names is not in the tree, and git passes over it as well. */
static int look_up(const struct mirroring *m, const struct super *super,
                   const struct gitmodule *one, struct submodule *to, struct err *err)
{
    uint32_t mode = 0;
    cleanup_repo_url struct repo_url url = {.url = NULL};
    int rc = gitmodule_check(one, err);
    if (rc < 0)
        return rc;
    if (repo_tree_find(super->repo, &super->tree, one->path, &mode, &to->commit, NULL) < 0 ||
        mode != MODE_GITLINK)
        return 1;
    rc = check_name(m, super, one->name, err);
    if (rc == 0)
        rc = gitmodule_resolve(&super->url, one->url, &url, err);
    if (rc == 0)
        to->url = xstrdup(url.url);
    return rc;
}

static void take(struct mirroring *m, const struct super *super, const struct gitmodule *one)
{
    struct err err = ERR_INIT;
    struct submodule to = {.parent = super->parent, .mirror = -1};
    if (m->list.len == SUBMODULES_MAX) {
        m->trouble = true;
        return;
    }
    int rc = look_up(m, super, one, &to, &err);
    if (rc == 0)
        rc = fetch(m, &to, &err);
    if (rc == 0) {
        to.name = xstrdup(one->name);
        to.path = xstrdup(one->path);
    }
    if (rc < 0) {
        to.name = printable(one->name);
        to.path = printable(one->path ? one->path : one->name);
        to.problem = printable(err.msg);
        log_warn("submodule %s is not fetched: %s", to.path, to.problem);
    }
    if (rc <= 0)
        (void)submodule_list_add(&m->list, &to);
    submodule_release(&to);
}

static int look_into(struct mirroring *m, const char *repo_dir, const struct oid *commit,
                     const char *url, int parent, struct err *err)
{
    cleanup(super_release) struct super super = {.parent = parent};
    cleanup_repo_commit struct repo_commit c = {0};
    cleanup_str struct str text = STR_INIT;
    cleanup_gitmodules struct gitmodules modules = {.len = 0};
    struct oid blob;
    uint32_t mode = 0;
    int rc = repo_open(repo_dir, &super.repo, err);
    if (rc == 0)
        rc = repo_read_commit(super.repo, commit, &c, err);
    if (rc < 0)
        return rc;
    super.tree = c.tree;
    if (repo_tree_find(super.repo, &super.tree, ".gitmodules", &mode, &blob, NULL) < 0 ||
        !S_ISREG(mode))
        return 0;
    rc = repo_url_parse(url, strlen(url), &super.url, err);
    if (rc == 0)
        rc = repo_read_blob(super.repo, &blob, GITMODULES_BYTES_MAX, &text, err);
    if (rc == 0)
        rc = gitmodules_parse(text.p, text.len, &modules, err);
    if (rc == 0 && modules.len > 0 && mkdir(m->dir, 0755) != 0 && errno != EEXIST)
        rc = err_errno(err, "%s", m->dir);
    m->trouble |= modules.more;
    for (size_t i = 0; rc == 0 && i < modules.len; i++)
        take(m, &super, &modules.v[i]);
    return rc;
}

static void look_into_nested(struct mirroring *m)
{
    for (size_t i = 0; i < m->list.len; i++) {
        const struct submodule *s = &m->list.v[i];
        struct err err = ERR_INIT;
        if (s->mirror < 0 || submodule_list_depth(&m->list, i) >= SUBMODULES_DEPTH_MAX)
            continue;
        cleanup_free char *mirror = mirror_path(m, s->mirror);
        if (look_into(m, mirror, &s->commit, s->url, (int)i, &err) < 0)
            log_warn("submodules of %s are not fetched: %s", s->path, err.msg);
    }
}

/* --- what the agent asks for -------------------------------------------------------------------
 */

static void begin(struct mirroring *m, const struct submodules *s)
{
    *m = (struct mirroring){.s = s,
                            .dir = submodule_list_dir(s->canonical),
                            .deadline = clock_mono_ms(&clock_real) + SUBMODULES_SECONDS * 1000};
}

int submodules_remove(const struct submodules *s, struct err *err)
{
    cleanup(mirroring_release) struct mirroring m;
    struct stat st;
    begin(&m, s);
    if (lstat(m.dir, &st) != 0)
        return errno == ENOENT ? 0 : err_errno(err, "%s", m.dir);
    for (int i = 0; i < SUBMODULES_MAX; i++) {
        cleanup_free char *mirror = mirror_path(&m, i);
        if (lstat(mirror, &st) != 0)
            continue;
        int rc = start_remove_as(mirror, s->helper->has_uid, s->helper->uid, s->helper->gid, err);
        if (rc < 0)
            return rc;
    }
    return start_remove_as(m.dir, false, 0, 0, err);
}

int submodules_mirror(const struct submodules *s, const char *repo_dir, const char *branch,
                      struct err *err)
{
    cleanup(mirroring_release) struct mirroring m;
    cleanup_repo struct repo *repo = NULL;
    cleanup_free char *ref = branch ? xasprintf("refs/heads/%s", branch) : xstrdup("HEAD");
    cleanup_str struct str text = STR_INIT;
    struct oid head;
    begin(&m, s);
    int rc = repo_open(repo_dir, &repo, err);
    if (rc == 0)
        rc = repo_ref_read(repo, ref, &head, err);
    if (rc == 0)
        rc = look_into(&m, repo_dir, &head, s->remote->url, -1, err);
    look_into_nested(&m);
    if (m.trouble)
        log_warn("more than %d submodules: the others are not fetched", SUBMODULES_MAX);
    if (m.list.len == 0)
        return rc;
    cleanup_free char *path = xasprintf("%s/" SUBMODULES_LIST, m.dir);
    submodule_list_format(&m.list, &text);
    int wrote = fd_write_file(AT_FDCWD, path, text.p, text.len, 0644, err);
    return rc ? rc : wrote;
}

/* The commit that the superproject points at by now; false: none. */
static bool find_commit(const char *repo_dir, const struct oid *super, const char *path,
                        struct oid *out)
{
    cleanup_repo struct repo *repo = NULL;
    cleanup_repo_commit struct repo_commit c = {0};
    uint32_t mode = 0;
    return repo_open(repo_dir, &repo, NULL) == 0 && repo_read_commit(repo, super, &c, NULL) == 0 &&
           repo_tree_find(repo, &c.tree, path, &mode, out, NULL) == 0 && mode == MODE_GITLINK;
}

static int fetch_branches(const struct mirroring *m, const struct submodule *s, const char *mirror,
                          struct err *err)
{
    struct transport_remote remote;
    struct transport_helper helper;
    struct transport_failure why = {0};
    cleanup_repo_url struct repo_url origin = {.url = NULL};
    cleanup_repo_url struct repo_url url = {.url = NULL};
    int rc = repo_url_parse(m->s->remote->url, strlen(m->s->remote->url), &origin, err);
    if (rc == 0)
        rc = gitmodule_resolve(&origin, s->url, &url, err);
    if (rc == 0)
        rc = aim(m, url.url, &remote, &helper, err);
    return rc ? rc
              : transport_fetch(&remote, &helper, mirror, NULL, ALL_BRANCHES, ALL_BRANCHES, &why,
                                err);
}

void submodules_refresh(const struct submodules *s, const struct oid *head)
{
    cleanup(mirroring_release) struct mirroring m;
    struct oid now[SUBMODULES_MAX] = {0};
    begin(&m, s);
    if (submodule_list_read(s->canonical, &m.list, NULL) < 0)
        return;
    for (size_t i = 0; i < m.list.len; i++) {
        const struct submodule *one = &m.list.v[i];
        struct err err = ERR_INIT;
        if (one->mirror < 0 || (one->parent >= 0 && m.list.v[one->parent].mirror < 0))
            continue;
        cleanup_free char *mirror = mirror_path(&m, one->mirror);
        cleanup_free char *super =
            one->parent < 0 ? xstrdup(s->canonical) : mirror_path(&m, m.list.v[one->parent].mirror);
        if (!find_commit(super, one->parent < 0 ? head : &now[one->parent], one->path, &now[i]) ||
            has_commit(mirror, &now[i]))
            continue;
        if (fetch_branches(&m, one, mirror, &err) < 0)
            log_warn("submodule %s is not fetched again: %s", one->path, err.msg);
    }
}
