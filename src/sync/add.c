#include "sync/add.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "git/run.h"
#include "git/transport_parse.h"
#include "sync/scan.h"
#include "sync/strays.h"

#define CHANGED_MAX 2000 /* paths; from there on git is as quick with the whole */
#define PART_INDEX WORK_DIR "/part"
#define GITLINK 0160000u

/* --- git -------------------------------------------------------------------------------------- */

/* `git add -A <option>...` from the top of the worktree into the index of that name below .git. */
static int git_add(const struct work *w, const char *name, const char *const *options,
                   const struct str *input, struct proc_result *out, struct err *err)
{
    cleanup_free char *index = xasprintf("%s/%s", w->git_dir, name);
    cleanup_strv struct strv args = STRV_INIT;
    strv_pushl(&args, "-C", w->place->worktree, "-c", "advice.addEmbeddedRepo=false", "-c",
               "core.safecrlf=false", "-c", "core.splitIndex=false", "add", "-A", NULL);
    for (const char *const *o = options; *o; o++)
        strv_push(&args, *o);
    struct git_run run = {.kind = GIT_RUN_USER,
                          .git_dir = w->git_dir,
                          .work_tree = w->place->worktree,
                          .index_file = index,
                          .args = (const char *const *)args.v,
                          .input = input ? input->p : NULL,
                          .input_len = input ? input->len : 0,
                          .max_output = (size_t)16 << 20};
    return git_run(&run, out, err);
}

static int read_back(const struct work *w, const char *name, struct index *out, struct err *err)
{
    cleanup_str struct str raw = STR_INIT;
    int rc = fd_read_file(w->git, name, INDEX_FILE_MAX, &raw, err);
    return rc ? rc : index_parse(raw.p, raw.len, out, err);
}

/* --- the whole -------------------------------------------------------------------------------- */

/* A second name for git's index: same content, same time stamp, which is what tells git which
 * entries it may believe. git replaces the name when it writes. */
static int borrow_index(struct work *w, struct err *err)
{
    unlinkat(w->git, WORK_INDEX, 0);
    unlinkat(w->git, WORK_INDEX ".lock", 0); /* of a git that was killed */
    if (linkat(w->git, "index", w->git, WORK_INDEX, 0) < 0 && errno != ENOENT)
        return err_errno(err, "link the index");
    return 0;
}

int add_all(struct work *w, struct err *err)
{
    static const char *const options[] = {"--ignore-errors", NULL};
    cleanup_proc_result struct proc_result out = {0, STR_INIT, STR_INIT};
    struct err why = ERR_INIT;
    int rc = borrow_index(w, err);
    if (rc < 0)
        return rc;
    rc = git_add(w, WORK_INDEX, options, NULL, &out, &why);
    /* 1: all but some files, which stay as the index had them (unreadable, a repository without a
     * commit). They hold up nobody else's work. */
    if (rc < 0 && out.status == 1) {
        cleanup_str struct str line = STR_INIT;
        transport_main_line(out.errs.p, out.errs.len, &line);
        w->warning = str_detach(&line);
    } else if (rc < 0) {
        return err_set(err, rc, "%s", why.msg);
    }
    index_release(&w->index);
    rc = read_back(w, WORK_INDEX, &w->index, &why);
    if (rc == ERR_NOT_FOUND) /* nothing was ever there */
        return 0;
    return rc < 0 ? err_set(err, rc, "%s", why.msg) : 0;
}

/* --- untracked files -------------------------------------------------------------------------- */

static int compare_paths(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

bool add_parse_untracked(const char *p, size_t n, struct strv *out)
{
    const char *end = p + n;
    while (p < end) {
        const char *zero = memchr(p, '\0', (size_t)(end - p));
        if (!zero || zero == p || zero[-1] == '/' || out->len >= CHANGED_MAX)
            return false;
        strv_push(out, p);
        p = zero + 1;
    }
    return true;
}

static bool ask_untracked(const struct work *w, struct strv *out)
{
    const char *const args[] = {
        "-C", w->place->worktree, "ls-files", "--others", "--exclude-standard", "-z", NULL};
    struct git_run run = {.kind = GIT_RUN_USER,
                          .git_dir = w->git_dir,
                          .work_tree = w->place->worktree,
                          .args = args,
                          .max_output = (size_t)CHANGED_MAX * INDEX_PATH_MAX};
    cleanup_proc_result struct proc_result answer = {0, STR_INIT, STR_INIT};
    return git_run(&run, &answer, NULL) == 0 &&
           add_parse_untracked(answer.out.p, answer.out.len, out);
}

/* Untracked files, looked for by a thread of its own. */
struct untracked {
    const struct work *w;
    struct strv paths;
    bool known;
};

static void *list_untracked(void *payload)
{
    struct untracked *u = payload;
    u->known = !strays_any(u->w->tree, &u->w->index) || ask_untracked(u->w, &u->paths);
    return NULL;
}

/* --- what changed ----------------------------------------------------------------------------- */

/* What git reads from the index when the worktree does not have it. */
static bool is_context(const struct index_entry *e)
{
    return index_entry_is_named(e, ".gitattributes") || index_entry_is_named(e, ".gitmodules");
}

/* Entries that git treats in ways of their own. */
static bool is_plain(const struct index *index)
{
    for (size_t i = 0; i < index->len; i++)
        if (index->v[i].flags || (index->v[i].xflags & INDEX_SKIP_WORKTREE) ||
            (index->v[i].mode & S_IFMT) == GITLINK)
            return false;
    return true;
}

/* The entries that changed, to be read anew, and what decides how they are read. Their paths are
 * appended. */
static bool choose_part(const struct work *w, time_t written, struct index *part,
                        struct strv *paths)
{
    cleanup_free bool *changed = xcalloc(w->index.len + 1, sizeof *changed);
    scan_changed(w->tree, &w->index, written, 0, changed);
    for (size_t i = 0; i < w->index.len; i++) {
        const struct index_entry *e = &w->index.v[i];
        if (!changed[i] && !is_context(e))
            continue;
        struct index_entry *copy = index_add(part, e->path, e->path_len);
        const char *own = copy->path;
        *copy = *e;
        copy->path = own;
        if (!changed[i])
            continue;
        index_clear_stat(copy);
        if (paths->len >= CHANGED_MAX)
            return false;
        strv_push(paths, e->path);
    }
    return true;
}

/* git's own index is still the one that was read, so that both looks were at the same. */
static bool is_same_index(const struct work *w, const struct stat *was)
{
    struct stat now;
    return fstatat(w->git, "index", &now, AT_SYMLINK_NOFOLLOW) == 0 && now.st_ino == was->st_ino &&
           now.st_dev == was->st_dev && now.st_size == was->st_size &&
           now.st_mtim.tv_sec == was->st_mtim.tv_sec && now.st_mtim.tv_nsec == was->st_mtim.tv_nsec;
}

/* Sorted by bytes, each once. */
static void sort_paths(struct strv *paths)
{
    if (paths->len == 0)
        return;
    qsort(paths->v, paths->len, sizeof *paths->v, compare_paths);
    size_t kept = 1;
    for (size_t i = 1; i < paths->len; i++) {
        if (strcmp(paths->v[i], paths->v[kept - 1]) == 0)
            free(paths->v[i]);
        else
            paths->v[kept++] = paths->v[i];
    }
    paths->len = kept;
}

/* Both looks at once: at what the index has, and at what it does not have. */
static bool find_changes(const struct work *w, time_t written, struct index *part,
                         struct strv *paths, struct strv *untracked)
{
    struct untracked u = {.w = w, .paths = STRV_INIT};
    pthread_t thread;
    bool started = pthread_create(&thread, NULL, list_untracked, &u) == 0;
    bool few = choose_part(w, written, part, paths);
    if (started)
        pthread_join(thread, NULL);
    else
        list_untracked(&u);
    *untracked = u.paths;
    for (size_t i = 0; i < untracked->len; i++)
        strv_push(paths, untracked->v[i]);
    sort_paths(paths);
    return few && u.known && paths->len <= CHANGED_MAX;
}

static bool write_part(const struct work *w, const struct str *raw)
{
    unlinkat(w->git, PART_INDEX, 0); /* of a git that was killed, likewise below */
    unlinkat(w->git, PART_INDEX ".lock", 0);
    cleanup_close int fd =
        openat(w->git, PART_INDEX, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return fd >= 0 && fd_write_full(fd, raw->p, raw->len, NULL) == 0;
}

static bool add_part(struct work *w, const struct index *part, const struct strv *paths,
                     struct index *out)
{
    /* Forced, since a tracked file may be ignored; of the others git has said that they are not. */
    static const char *const options[] = {"--force", "--pathspec-from-file=-",
                                          "--pathspec-file-nul", NULL};
    cleanup_str struct str raw = STR_INIT;
    cleanup_str struct str input = STR_INIT;
    for (size_t i = 0; i < paths->len; i++)
        str_add(&input, paths->v[i], strlen(paths->v[i]) + 1);
    index_format(part, &raw);
    bool done = write_part(w, &raw) && git_add(w, PART_INDEX, options, &input, NULL, NULL) == 0 &&
                read_back(w, PART_INDEX, out, NULL) == 0;
    unlinkat(w->git, PART_INDEX, 0);
    return done;
}

static bool is_among(const struct strv *paths, const char *path)
{
    return bsearch(&path, paths->v, paths->len, sizeof *paths->v, compare_paths) != NULL;
}

/* git made of the part what was asked for: each new file is there as a file, and there is nothing
 * else. */
static bool is_as_asked(const struct index *made, const struct strv *paths,
                        const struct strv *untracked)
{
    bool found = true;
    for (size_t i = 0; i < made->len; i++) {
        const struct index_entry *e = &made->v[i];
        if ((e->mode & S_IFMT) == GITLINK || e->flags || e->xflags ||
            (!is_context(e) && !is_among(paths, e->path)))
            return false;
    }
    for (size_t i = 0; found && i < untracked->len; i++)
        index_position(made, untracked->v[i], &found);
    return found;
}

/* No file is where a directory of another is: what was looked at in the middle of a change. */
static bool is_a_tree(const struct index *index, const struct strv *paths)
{
    for (size_t i = 0; i < paths->len; i++) {
        bool found;
        index_position(index, paths->v[i], &found);
        if (!found)
            continue;
        cleanup_free char *below = xasprintf("%s/", paths->v[i]);
        size_t n = strlen(below);
        size_t at = index_position(index, below, &found);
        if (at < index->len && strncmp(index->v[at].path, below, n) == 0)
            return false;
        below[n - 1] = '\0';
        for (char *slash = strrchr(below, '/'); slash; slash = strrchr(below, '/')) {
            *slash = '\0';
            index_position(index, below, &found);
            if (found)
                return false;
        }
    }
    return true;
}

bool add_changed(struct work *w, const struct stat *written)
{
    cleanup_strv struct strv paths = STRV_INIT;
    cleanup_strv struct strv untracked = STRV_INIT;
    cleanup_index struct index part = INDEX_INIT;
    cleanup_index struct index made = INDEX_INIT;
    if (!is_plain(&w->index) ||
        !find_changes(w, written->st_mtim.tv_sec, &part, &paths, &untracked) ||
        !is_same_index(w, written))
        return false;
    if (paths.len == 0)
        return true;
    if (!add_part(w, &part, &paths, &made) || !is_as_asked(&made, &paths, &untracked))
        return false;
    index_replace(&w->index, (const char *const *)paths.v, paths.len, &made);
    return is_a_tree(&w->index, &paths);
}
