#include "sync/quick_add.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "git/run.h"

#define QUICK_PATHS_MAX 2000
#define PART_INDEX WORK_DIR "/part"
#define GITLINK 0160000u

static bool ends_with_name(const struct index_entry *e, const char *name)
{
    size_t n = strlen(name);
    return e->path_len >= n && memcmp(e->path + e->path_len - n, name, n) == 0 &&
           (e->path_len == n || e->path[e->path_len - n - 1] == '/');
}

/* What git reads from the index when the worktree does not have it. */
static bool is_context(const struct index_entry *e)
{
    return ends_with_name(e, ".gitattributes") || ends_with_name(e, ".gitmodules");
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort_unique(struct strv *paths)
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

/* --- which paths ------------------------------------------------------------------------------ */

bool quick_add_parse(const char *p, size_t n, struct strv *out)
{
    const char *end = p + n;
    while (p < end) {
        const char *zero = memchr(p, '\0', (size_t)(end - p));
        if (!zero || zero - p < 4 || p[2] != ' ')
            return false;
        bool untracked = p[0] == '?' && p[1] == '?';
        if (!untracked && (!strchr(" MTAD", p[0]) || !strchr(" MTAD", p[1])))
            return false;
        bool unmerged = p[0] == p[1] && (p[0] == 'A' || p[0] == 'D');
        if (unmerged || zero[-1] == '/' || out->len >= QUICK_PATHS_MAX)
            return false;
        if (p[1] != ' ')
            strv_push(out, p + 3);
        p = zero + 1;
    }
    return true;
}

static bool ask_status(struct work *w, struct strv *out)
{
    static const char *const args[] = {"-c",
                                       "core.safecrlf=false",
                                       "status",
                                       "--porcelain",
                                       "-z",
                                       "--no-renames",
                                       "--untracked-files=all",
                                       "--ignore-submodules=dirty",
                                       NULL};
    cleanup_free char *index = xasprintf("%s/" WORK_INDEX, w->git_dir);
    struct git_run run = {.kind = GIT_RUN_USER,
                          .git_dir = w->git_dir,
                          .work_tree = w->place->worktree,
                          .index_file = index,
                          .args = args,
                          .max_output = (size_t)QUICK_PATHS_MAX * INDEX_PATH_MAX};
    cleanup_proc_result struct proc_result result = {0, STR_INIT, STR_INIT};
    return git_run(&run, &result, NULL) == 0 && quick_add_parse(result.out.p, result.out.len, out);
}

/* Entries that git would not believe without reading the file, since that may have been saved in
 * the same moment as the index. */
static bool add_racy(const struct work *w, const struct stat *index, struct strv *out)
{
    uint32_t s = (uint32_t)index->st_mtim.tv_sec;
    uint32_t ns = (uint32_t)index->st_mtim.tv_nsec;
    for (size_t i = 0; i < w->index.len; i++) {
        const struct index_entry *e = &w->index.v[i];
        if (e->mtime_s < s || (e->mtime_s == s && e->mtime_ns < ns) ||
            (e->mode & S_IFMT) == GITLINK)
            continue;
        if (out->len >= QUICK_PATHS_MAX)
            return false;
        strv_push(out, e->path);
    }
    return true;
}

/* --- adding them ------------------------------------------------------------------------------ */

/* The entries of these paths, to be read anew, and what decides how they are read. */
static bool write_part(struct work *w, const struct strv *paths, struct err *err)
{
    cleanup_index struct index part = INDEX_INIT;
    size_t next = 0;
    for (size_t i = 0; i < w->index.len; i++) {
        const struct index_entry *e = &w->index.v[i];
        while (next < paths->len && strcmp(paths->v[next], e->path) < 0)
            next++;
        bool named = next < paths->len && strcmp(paths->v[next], e->path) == 0;
        if (!named && !is_context(e))
            continue;
        if (named && (e->mode & S_IFMT) == GITLINK)
            return false;
        struct index_entry *copy = index_add(&part, e->path, e->path_len);
        const char *own = copy->path;
        *copy = *e;
        copy->path = own;
        if (named)
            index_clear_stat(copy);
    }
    cleanup_str struct str raw = STR_INIT;
    index_format(&part, &raw);
    return fd_write_file(w->git, PART_INDEX, raw.p, raw.len, 0600, err) == 0;
}

static bool add_part(struct work *w, const struct strv *paths, struct index *out, struct err *err)
{
    static const char *const args[] = {"-c",
                                       "advice.addEmbeddedRepo=false",
                                       "-c",
                                       "core.safecrlf=false",
                                       "-c",
                                       "core.splitIndex=false",
                                       "add",
                                       "-A",
                                       "--pathspec-from-file=-",
                                       "--pathspec-file-nul",
                                       NULL};
    cleanup_free char *index = xasprintf("%s/" PART_INDEX, w->git_dir);
    cleanup_str struct str input = STR_INIT;
    for (size_t i = 0; i < paths->len; i++)
        str_add(&input, paths->v[i], strlen(paths->v[i]) + 1);
    struct git_run run = {.kind = GIT_RUN_USER,
                          .git_dir = w->git_dir,
                          .work_tree = w->place->worktree,
                          .index_file = index,
                          .args = args,
                          .input = input.p,
                          .input_len = input.len};
    cleanup_str struct str raw = STR_INIT;
    return write_part(w, paths, err) && git_run(&run, NULL, err) == 0 &&
           fd_read_file(w->git, PART_INDEX, INDEX_FILE_MAX, &raw, err) == 0 &&
           index_parse(raw.p, raw.len, out, err) == 0;
}

bool quick_add(struct work *w)
{
    cleanup_strv struct strv paths = STRV_INIT;
    cleanup_index struct index part = INDEX_INIT;
    const char *unmerged;
    struct stat st;
    if (fstatat(w->git, WORK_INDEX, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
        index_has_unmerged(&w->index, &unmerged) || !ask_status(w, &paths) ||
        !add_racy(w, &st, &paths))
        return false;
    if (paths.len == 0)
        return true;
    sort_unique(&paths);
    unlinkat(w->git, PART_INDEX ".lock", 0); /* of a git that was killed */
    bool added = add_part(w, &paths, &part, NULL);
    unlinkat(w->git, PART_INDEX, 0);
    if (added)
        index_replace(&w->index, (const char *const *)paths.v, paths.len, &part);
    return added;
}
