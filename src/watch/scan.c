#include "watch/scan.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "git/run.h"
#include "sync/meta.h"

#define DIFF_MAX ((size_t)16 << 20)
#define FILES_MAX ((size_t)64 << 20)
#define NEW_FILE_MAX ((size_t)1 << 20) /* longer new files: no lines */
#define GIT_SECONDS 120

static int find_base(const struct sync_place *place, struct oid *base, struct err *err)
{
    cleanup_free char *dot = path_join(place->home, ".worktree");
    cleanup_close int dir = open(dot, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    cleanup_meta struct meta meta = {0};
    if (dir < 0)
        return err_set(err, ERR_UNAVAILABLE, "there is no worktree yet");
    int rc = meta_read(dir, &meta, err);
    if (rc < 0)
        return rc;
    if (!oid_is_zero(&meta.preparing) || !oid_is_zero(&meta.syncing_to) ||
        oid_is_zero(&meta.last_synced))
        return err_set(err, ERR_UNAVAILABLE, "the worktree is being written");
    *base = meta.last_synced;
    return 0;
}

static int git(const struct sync_place *place, const char *const *args, size_t max,
               struct proc_result *out, struct err *err)
{
    cleanup_free char *git_dir = path_join(place->worktree, ".git");
    struct git_run run = {.kind = GIT_RUN_USER,
                          .git_dir = git_dir,
                          .work_tree = place->worktree,
                          .args = args,
                          .max_output = max,
                          .timeout_s = GIT_SECONDS};
    return git_run(&run, out, err);
}

static int take_changes(const struct sync_place *place, struct unsynced *u, struct err *err)
{
    char hex[OID_HEX + 1];
    oid_format(&u->base, hex);
    const char *const args[] = {"diff",
                                "--raw",
                                "-p",
                                "-z",
                                "-U0",
                                "--inter-hunk-context=0",
                                "--diff-algorithm=myers",
                                "--no-renames",
                                "--no-color",
                                "--no-ext-diff",
                                "--no-textconv",
                                "--no-relative",
                                "--src-prefix=a/",
                                "--dst-prefix=b/",
                                "--submodule=short",
                                "--ignore-submodules=dirty",
                                hex,
                                "--",
                                NULL};
    cleanup_proc_result struct proc_result out = {0, STR_INIT, STR_INIT};
    int rc = git(place, args, DIFF_MAX, &out, err);
    return rc < 0 ? rc : unsynced_take_diff(u, out.out.p, out.out.len, err);
}

/* Lines of a new file; none when it is long, binary or no file. */
static void count_lines(int tree, struct unsynced_file *f)
{
    cleanup_str struct str text = STR_INIT;
    cleanup_close int fd = path_open_beneath(tree, f->path, O_RDONLY | O_NONBLOCK, 0, NULL);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) ||
        fd_read_all(fd, NEW_FILE_MAX, &text, NULL) < 0 ||
        memchr(text.p, '\0', text.len < 8000 ? text.len : 8000))
        return;
    uint32_t n = text.len && text.p[text.len - 1] != '\n';
    for (size_t i = 0; i < text.len; i++)
        n += text.p[i] == '\n';
    line_ranges_add(&f->base, 1, 0);
    line_ranges_add(&f->lines, 1, n);
}

static void add_dirs(const char *path, struct strv *dirs)
{
    /* git lists a directory's files one after another; a parent without files of its own comes
     * with its first child. */
    const char *last = dirs->len ? dirs->v[dirs->len - 1] : "";
    size_t n = strlen(last);
    const char *slash = strrchr(path, '/');
    if (!slash || ((size_t)(slash - path) == n && memcmp(path, last, n) == 0))
        return;
    for (const char *s = strchr(path, '/'); s; s = strchr(s + 1, '/')) {
        size_t len = (size_t)(s - path);
        bool known = n >= len && memcmp(path, last, len) == 0 && (!last[len] || last[len] == '/');
        if (!known && dirs->len < SCAN_DIRS_MAX)
            strv_push_take(dirs, xstrndup(path, len));
    }
}

/* "H path" NUL, "? path" NUL ... */
static int take_files(const struct sync_place *place, struct unsynced *u, struct strv *dirs,
                      struct err *err)
{
    static const char *const args[] = {"ls-files",           "-z", "-t", "--cached", "--others",
                                       "--exclude-standard", NULL};
    cleanup_proc_result struct proc_result out = {0, STR_INIT, STR_INIT};
    cleanup_close int tree = open(place->worktree, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (tree < 0)
        return err_errno(err, "open %s", place->worktree);
    int rc = git(place, args, FILES_MAX, &out, err);
    if (rc < 0)
        return rc;
    if (dirs)
        strv_push(dirs, "");
    for (const char *p = out.out.p, *end = p + out.out.len; p + 2 < end; p += strlen(p) + 1) {
        const char *path = p + 2;
        if (dirs)
            add_dirs(path, dirs);
        if (*p != '?' || path[strlen(path) - 1] == '/')
            continue;
        struct unsynced_file *f = unsynced_add(u, path, 'A');
        if (f)
            count_lines(tree, f);
    }
    return 0;
}

int scan_worktree(const struct sync_place *place, struct unsynced *out, struct strv *dirs,
                  struct err *err)
{
    *out = (struct unsynced)UNSYNCED_INIT;
    int rc = find_base(place, &out->base, err);
    if (rc == 0)
        rc = take_changes(place, out, err);
    if (rc == 0)
        rc = take_files(place, out, dirs, err);
    if (rc < 0)
        unsynced_release(out);
    else
        unsynced_sort(out);
    return rc;
}
