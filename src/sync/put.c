#include "sync/put.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "git/run.h"
#include "merge/text.h"
#include "sync/checkout.h"

#define RECONCILE_TRIES 20
#define WRITERS_MS 250
#define NAME_MAX_TMP 48

static bool is_link(uint32_t mode)
{
    return S_ISLNK(mode);
}

static bool is_submodule(uint32_t mode)
{
    return mode == MERGE_MODE_SUBMODULE;
}

int put_open(struct work *w, struct sync_files *kept, struct put *out, struct err *err)
{
    *out = (struct put){.w = w, .kept = -1, .kept_files = kept, .err = err};
    out->tmp = path_open_beneath(w->git, WORK_TMP, O_RDONLY | O_DIRECTORY, 0, err);
    return out->tmp < 0 ? out->tmp : 0;
}

void put_close(struct put *p)
{
    if (p->tmp >= 0)
        close(p->tmp);
    if (p->kept >= 0)
        close(p->kept);
    free(p->kept_name);
}

static void tmp_name(struct put *p, char out[NAME_MAX_TMP])
{
    snprintf(out, NAME_MAX_TMP, "%zu.%zu", p->change, p->next++);
}

/* --- what is kept outside the checkout -------------------------------------------------------- */

static int open_kept(struct put *p)
{
    if (p->kept >= 0)
        return 0;
    p->kept_name = xasprintf("kept/%lld", (long long)p->w->started);
    if (mkdirat(p->w->dot, "kept", 0700) < 0 && errno != EEXIST)
        return err_errno(p->err, "create .worktree/kept");
    if (mkdirat(p->w->dot, p->kept_name, 0700) < 0 && errno != EEXIST)
        return err_errno(p->err, "create .worktree/%s", p->kept_name);
    p->kept = path_open_beneath(p->w->dot, p->kept_name, O_RDONLY | O_DIRECTORY, 0, p->err);
    return p->kept < 0 ? p->kept : 0;
}

/* Moves dir/name to <home>/.worktree/kept/<time>/<path>, under a further name if that is taken. */
static int keep_aside(struct put *p, int dir, const char *name, const char *path)
{
    int rc = open_kept(p);
    for (int i = 0; rc == 0 && i < 1000; i++) {
        const char *last;
        cleanup_free char *to = i ? xasprintf("%s.%d", path, i) : xstrdup(path);
        cleanup_close int parent = path_open_parent(p->kept, to, true, &last, p->err);
        if (parent < 0)
            return parent;
        if (renameat2(dir, name, parent, last, RENAME_NOREPLACE) == 0) {
            cleanup_free char *shown = xasprintf(".worktree/%s/%s", p->kept_name, to);
            sync_files_add(p->kept_files, shown, SYNC_ADDED);
            return 0;
        }
        if (errno != EEXIST)
            return err_errno(p->err, "keep %.300s", path);
    }
    return rc;
}

/* --- looking ---------------------------------------------------------------------------------- */

/* Content of a file or link at dir/name as bytes; ERR_LIMIT when it is too long to hold. */
static int read_at(int dir, const char *name, const struct stat *st, struct str *out,
                   struct err *err)
{
    if (S_ISLNK(st->st_mode)) {
        char *room = str_reserve(out, PATH_REL_MAX + 1);
        ssize_t n = readlinkat(dir, name, room, PATH_REL_MAX + 1);
        if (n < 0)
            return err_errno(err, "read link");
        str_grew(out, (size_t)n);
        return 0;
    }
    return fd_read_file(dir, name, MERGE_TEXT_MAX, out, err);
}

/* Id that git gives a file which it converts on the way in. */
static int hash_converted(struct put *p, const char *path, const struct str *content,
                          struct oid *out)
{
    cleanup_free char *arg = xasprintf("--path=%s", path);
    const char *const args[] = {"hash-object", "-w", "--stdin", arg, NULL};
    struct git_run run = {.kind = GIT_RUN_USER,
                          .git_dir = p->w->git_dir,
                          .work_tree = p->w->place->worktree,
                          .args = args,
                          .input = content->p,
                          .input_len = content->len};
    cleanup_proc_result struct proc_result result = {0, STR_INIT, STR_INIT};
    int rc = git_run(&run, &result, p->err);
    return rc ? rc : oid_parse(result.out.p, result.out.len < OID_HEX ? 0 : OID_HEX, out, p->err);
}

/* The blob id of dir/name as git would have it. */
static int hash_at(struct put *p, int dir, const char *name, const struct stat *st,
                   const char *path, bool converted, struct oid *out)
{
    cleanup_str struct str content = STR_INIT;
    int rc = read_at(dir, name, st, &content, p->err);
    if (rc < 0)
        return rc;
    if (converted && S_ISREG(st->st_mode))
        return hash_converted(p, path, &content, out);
    repo_hash_blob(content.p, content.len, out);
    return 0;
}

static bool same_type(uint32_t mode, const struct stat *st)
{
    if (is_link(mode))
        return S_ISLNK(st->st_mode);
    return S_ISREG(mode) && S_ISREG(st->st_mode) && !(mode & 0100) == !(st->st_mode & 0100);
}

/* Somebody may have opened the file before it lost its name and write to it yet: give them a moment
 * to finish. A read lease is granted when nobody has it open for writing. */
static void wait_for_writers(int dir, const char *name)
{
    cleanup_close int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    for (int waited = 0; fd >= 0 && waited < WRITERS_MS; waited++) {
        if (fcntl(fd, F_SETLEASE, F_RDLCK) == 0) {
            fcntl(fd, F_SETLEASE, F_UNLCK);
            return;
        }
        if (errno != EAGAIN)
            return;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
}

/* Is dir/name still what the sync read? By its stat data if they cannot deceive (older than the
 * reading), else by its content. 1, 0 or a negative code. */
static int is_as_read(struct put *p, int dir, const char *name, const struct tree_change *c,
                      const struct index_entry *was, bool converted)
{
    struct stat st;
    struct oid oid;
    if (S_ISREG(c->old_mode))
        wait_for_writers(dir, name);
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return err_errno(p->err, "stat %.300s", c->path);
    if (!same_type(c->old_mode, &st))
        return 0;
    if (was && index_stat_same(was, &st) && st.st_mtime < p->w->started - 1)
        return 1;
    int rc = hash_at(p, dir, name, &st, c->path, converted, &oid);
    if (rc == ERR_LIMIT) { /* too long to read: then only the stat data can say */
        err_clear(p->err);
        return was && index_stat_same(was, &st);
    }
    return rc ? rc : oid_equal(&oid, &c->old_oid);
}

/* --- making ----------------------------------------------------------------------------------- */

static int make_file(struct put *p, const char *name, uint32_t mode, const void *data, size_t n)
{
    cleanup_close int fd =
        openat(p->tmp, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode & 0100 ? 0777 : 0666);
    if (fd < 0)
        return err_errno(p->err, "create a file in .git/" WORK_TMP);
    return fd_write_full(fd, data, n, p->err);
}

/* The new state as tmp/name. */
static int make_new(struct put *p, const char *name, const struct tree_change *c)
{
    if (is_link(c->new_mode)) {
        cleanup_str struct str target = STR_INIT;
        int rc = repo_read_blob(p->w->mem, &c->new_oid, PATH_REL_MAX, &target, p->err);
        if (rc == 0 && symlinkat(target.p, p->tmp, name) < 0)
            rc = err_errno(p->err, "create a link");
        return rc;
    }
    cleanup_close int fd = openat(p->tmp, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
                                  c->new_mode & 0100 ? 0777 : 0666);
    if (fd < 0)
        return err_errno(p->err, "create a file in .git/" WORK_TMP);
    return checkout_blob_to_fd(p->w->mem, p->w->git_dir, &c->new_oid, fd, p->err);
}

/* The directory for path; whatever stands in its way (an ignored file, a link) is kept aside. */
static int open_place(struct put *p, const char *path, const char **name)
{
    for (int i = 0; i < REPO_TREE_DEPTH_MAX; i++) {
        struct err why = ERR_INIT;
        int dir = path_open_parent(p->w->tree, path, true, name, &why);
        if (dir >= 0)
            return dir;
        /* The shortest part of the path that is no directory is the obstacle. */
        size_t cut = 0;
        const char *slash = path;
        struct stat st;
        while ((slash = strchr(slash, '/'))) {
            cleanup_free char *part = xstrndup(path, (size_t)(slash - path));
            const char *last;
            cleanup_close int parent = path_open_parent(p->w->tree, part, false, &last, NULL);
            if (parent < 0 || fstatat(parent, last, &st, AT_SYMLINK_NOFOLLOW) < 0)
                break;
            if (!S_ISDIR(st.st_mode)) {
                cut = (size_t)(slash - path);
                int rc = keep_aside(p, parent, last, part);
                if (rc < 0)
                    return rc;
                break;
            }
            slash++;
        }
        if (cut == 0)
            return err_set(p->err, why.code, "%s", why.msg);
    }
    return err_set(p->err, ERR_LIMIT, "too many obstacles at %.300s", path);
}

/* --- reconciling ------------------------------------------------------------------------------ */

static bool is_text(const struct str *s)
{
    return !memchr(s->p, '\0', s->len < 8000 ? s->len : 8000);
}

/* Mine, beside the path: as the tree merge names it. */
static int put_beside(struct put *p, const struct tree_change *c, const char *name)
{
    const char *last;
    for (int i = 0; i < 1000; i++) {
        cleanup_free char *to = i ? xasprintf("%s.%s.%d", c->path, p->w->place->login, i)
                                  : xasprintf("%s.%s", c->path, p->w->place->login);
        cleanup_close int dir = open_place(p, to, &last);
        if (dir < 0)
            return dir;
        if (renameat2(p->tmp, name, dir, last, RENAME_NOREPLACE) == 0) {
            sync_files_add(p->kept_files, to, SYNC_ADDED);
            return 0;
        }
        if (errno != EEXIST)
            return err_errno(p->err, "keep %.300s", to);
    }
    return err_set(p->err, ERR_LIMIT, "no name is free beside %.300s", c->path);
}

/* The three texts, when all of them are texts. */
static bool read_three(struct put *p, const struct tree_change *c, const char *name,
                       struct str *base, struct str *mine, struct str *theirs)
{
    struct stat st;
    if (!S_ISREG(c->new_mode) || fstatat(p->tmp, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
        !S_ISREG(st.st_mode) || read_at(p->tmp, name, &st, mine, NULL) < 0 ||
        repo_read_blob(p->w->mem, &c->new_oid, MERGE_TREE_TEXT_MAX, theirs, NULL) < 0)
        return false;
    if (S_ISREG(c->old_mode) &&
        repo_read_blob(p->w->mem, &c->old_oid, MERGE_TREE_TEXT_MAX, base, NULL) < 0)
        return false;
    return is_text(base) && is_text(mine) && is_text(theirs);
}

/* Exchanges merged content for what is at the path, which should be `expect`; when the person
 * saved again meanwhile, that is merged in as well. */
static int put_merged(struct put *p, const struct tree_change *c, struct str *mine,
                      struct str *theirs, struct str *base)
{
    const char *last;
    cleanup_str struct str expect = STR_INIT;
    str_add(&expect, theirs->p, theirs->len);
    for (int i = 0; i < RECONCILE_TRIES; i++) {
        cleanup_merge_text struct merge_text_result merged = MERGE_TEXT_RESULT_INIT;
        char name[NAME_MAX_TMP];
        int rc = merge_text((struct merge_slice){base->p, base->len},
                            (struct merge_slice){mine->p, mine->len},
                            (struct merge_slice){theirs->p, theirs->len}, &merged, p->err);
        tmp_name(p, name);
        if (rc == 0)
            rc = make_file(p, name, c->new_mode, merged.text.p, merged.text.len);
        cleanup_close int dir = rc == 0 ? open_place(p, c->path, &last) : -1;
        if (rc < 0 || dir < 0)
            return rc < 0 ? rc : dir;
        if (renameat2(p->tmp, name, dir, last, RENAME_EXCHANGE) < 0) {
            if (errno != ENOENT)
                return err_errno(p->err, "replace %.300s", c->path);
            /* deleted meanwhile: their wish, but text of theirs is at stake */
            return renameat2(p->tmp, name, dir, last, RENAME_NOREPLACE) < 0
                       ? err_errno(p->err, "replace %.300s", c->path)
                       : 0;
        }
        cleanup_str struct str out = STR_INIT;
        wait_for_writers(p->tmp, name);
        rc = fd_read_file(p->tmp, name, MERGE_TEXT_MAX, &out, p->err);
        if (rc < 0)
            return rc;
        if (out.len == expect.len && memcmp(out.p, expect.p, out.len) == 0) {
            unlinkat(p->tmp, name, 0);
            return 0;
        }
        /* Saved again: from what they had before. */
        str_clear(base);
        str_add(base, mine->p, mine->len);
        str_clear(mine);
        str_add(mine, out.p, out.len);
        str_clear(theirs);
        str_add(theirs, merged.text.p, merged.text.len);
        str_clear(&expect);
        str_add(&expect, merged.text.p, merged.text.len);
        unlinkat(p->tmp, name, 0);
    }
    return err_set(p->err, ERR_CONFLICT, "%.300s is being written all the time", c->path);
}

/* tmp/name is what a person had at c->path while the sync replaced it: it is brought together with
 * what is there now. */
static int reconcile(struct put *p, const struct tree_change *c, const char *name, bool converted)
{
    cleanup_str struct str base = STR_INIT;
    cleanup_str struct str mine = STR_INIT;
    cleanup_str struct str theirs = STR_INIT;
    if (converted || !read_three(p, c, name, &base, &mine, &theirs))
        return put_beside(p, c, name);
    int rc = put_merged(p, c, &mine, &theirs, &base);
    if (rc == 0) {
        unlinkat(p->tmp, name, 0);
        sync_files_add(p->kept_files, c->path, SYNC_MODIFIED);
    }
    return rc;
}

/* --- one change ------------------------------------------------------------------------------- */

static bool is_ignored(struct put *p, const char *path)
{
    const char *const args[] = {"check-ignore", "-q", "--no-index", "--", path, NULL};
    struct git_run run = {.kind = GIT_RUN_USER,
                          .git_dir = p->w->git_dir,
                          .work_tree = p->w->place->worktree,
                          .args = args};
    return git_run(&run, NULL, NULL) == 0;
}

/* tmp/name holds what was at a path where nothing was expected. */
static int settle_unexpected(struct put *p, const struct tree_change *c, const char *name,
                             bool converted, bool *changed)
{
    struct stat st;
    struct oid oid;
    if (fstatat(p->tmp, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return err_errno(p->err, "stat %.300s", c->path);
    if (S_ISDIR(st.st_mode)) {
        if (unlinkat(p->tmp, name, AT_REMOVEDIR) == 0)
            return 0;
        return keep_aside(p, p->tmp, name, c->path);
    }
    if (same_type(c->new_mode, &st) &&
        hash_at(p, p->tmp, name, &st, c->path, converted, &oid) == 0 &&
        oid_equal(&oid, &c->new_oid)) {
        unlinkat(p->tmp, name, 0);
        return 0;
    }
    err_clear(p->err);
    if (is_ignored(p, c->path))
        return keep_aside(p, p->tmp, name, c->path);
    *changed = true;
    return reconcile(p, c, name, converted);
}

static int put_new(struct put *p, const struct tree_change *c, const struct index_entry *was,
                   bool converted, const char *name, struct stat *st, bool *changed)
{
    const char *last;
    cleanup_close int dir = open_place(p, c->path, &last);
    if (dir < 0)
        return dir;
    int rc = 0;
    if (renameat2(p->tmp, name, dir, last, RENAME_EXCHANGE) == 0) {
        /* tmp/name is the old one now. */
        int same = S_ISREG(c->old_mode) || is_link(c->old_mode)
                       ? is_as_read(p, p->tmp, name, c, was, converted)
                       : 0;
        if (same < 0)
            return same;
        if (same)
            unlinkat(p->tmp, name, 0);
        else if (c->old_mode && !is_submodule(c->old_mode)) {
            *changed = true;
            rc = reconcile(p, c, name, converted);
        } else
            rc = settle_unexpected(p, c, name, converted, changed);
    } else if (errno != ENOENT || renameat2(p->tmp, name, dir, last, RENAME_NOREPLACE) < 0) {
        return err_errno(p->err, "write %.300s", c->path);
    }
    if (rc == 0 && fstatat(dir, last, st, AT_SYMLINK_NOFOLLOW) < 0)
        *changed = true;
    return rc;
}

/* Directories that became empty by our deletion go; the first that is not ends it. */
static void prune(struct put *p, const char *path)
{
    cleanup_free char *rest = xstrdup(path);
    char *slash;
    while ((slash = strrchr(rest, '/'))) {
        *slash = '\0';
        const char *last;
        cleanup_close int dir = path_open_parent(p->w->tree, rest, false, &last, NULL);
        if (dir < 0 || unlinkat(dir, last, AT_REMOVEDIR) < 0)
            return;
    }
}

static int put_nothing(struct put *p, const struct tree_change *c, const struct index_entry *was,
                       bool converted, bool *changed)
{
    const char *last;
    char name[NAME_MAX_TMP];
    struct err why = ERR_INIT;
    cleanup_close int dir = path_open_parent(p->w->tree, c->path, false, &last, &why);
    if (dir < 0) /* the directory is gone, or something else took its place */
        return 0;
    tmp_name(p, name);
    if (renameat2(dir, last, p->tmp, name, RENAME_NOREPLACE) < 0)
        return errno == ENOENT ? 0 : err_errno(p->err, "remove %.300s", c->path);
    int same = is_as_read(p, p->tmp, name, c, was, converted);
    if (same < 0)
        return same;
    if (same) {
        unlinkat(p->tmp, name, 0);
        prune(p, c->path);
        return 0;
    }
    /* Changed by one, deleted by the other: the change stays. */
    *changed = true;
    sync_files_add(p->kept_files, c->path, SYNC_ADDED);
    if (renameat2(p->tmp, name, dir, last, RENAME_NOREPLACE) == 0)
        return 0;
    return errno == EEXIST ? put_beside(p, c, name) : err_errno(p->err, "put %.300s back", c->path);
}

static int put_submodule(struct put *p, const struct tree_change *c)
{
    const char *last;
    if (is_submodule(c->old_mode)) {
        meta_set_submodule(&p->w->meta, c->path, &c->old_oid);
        return 0;
    }
    cleanup_close int dir = open_place(p, c->path, &last);
    if (dir < 0)
        return dir;
    return mkdirat(dir, last, 0777) < 0 && errno != EEXIST
               ? err_errno(p->err, "create %.300s", c->path)
               : 0;
}

int put_change(struct put *p, size_t n, const struct tree_change *c, const struct index_entry *was,
               bool converted, struct stat *st, bool *changed)
{
    char name[NAME_MAX_TMP];
    int rc = 0;
    p->change = n;
    p->next = 0;
    memset(st, 0, sizeof *st);
    *changed = false;
    if (is_submodule(c->new_mode)) {
        if (c->old_mode && !is_submodule(c->old_mode))
            rc = put_nothing(p, c, was, converted, changed);
        return rc ? rc : put_submodule(p, c);
    }
    if (c->new_mode == 0) {
        if (is_submodule(c->old_mode)) { /* git, too, leaves what is in it */
            meta_drop_submodule(&p->w->meta, c->path);
            return 0;
        }
        return put_nothing(p, c, was, converted, changed);
    }
    tmp_name(p, name);
    if (!converted)
        rc = make_new(p, name, c);
    return rc ? rc : put_new(p, c, was, converted, name, st, changed);
}

int put_leftover(struct put *p, size_t n, const struct tree_change *c, const char *name,
                 bool converted)
{
    struct tree_change now = *c;
    p->change = n;
    p->next = 1000; /* beyond what the killed process used */
    for (int i = 0; i < 2; i++) {
        /* As it was read, or as it was to become: nothing of the person's. */
        int same = now.old_mode ? is_as_read(p, p->tmp, name, &now, NULL, converted) : 0;
        if (same < 0)
            return same;
        if (same)
            return unlinkat(p->tmp, name, 0) < 0 ? err_errno(p->err, "remove tmp/%s", name) : 0;
        now.old_mode = c->new_mode;
        now.old_oid = c->new_oid;
    }
    bool changed;
    if (c->old_mode == 0)
        return settle_unexpected(p, c, name, converted, &changed);
    return c->new_mode ? reconcile(p, c, name, converted) : put_beside(p, c, name);
}
