/* The process that watches one worktree: inotify, and a look some time after something changed. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/frame.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/path.h"
#include "git/repo.h"
#include "sync/meta.h"
#include "watch/scan.h"

#define DIR_EVENTS                                                                       \
    (IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR | \
     IN_DONT_FOLLOW | IN_EXCL_UNLINK)
#define EDITED_MAX 32 /* files saved between two looks whose names are kept */
#define RETRY_MS 2000

struct dir {
    int wd;
    char *path; /* below the worktree, "" for the top */
};

struct edited {
    char *path;
    bool sure; /* an editor has it open, changed or not */
    int64_t at;
};

struct scan {
    const struct sync_place *place;
    struct loop *loop;
    int out;
    int inotify;
    int meta_wd; /* <home>/.worktree, where syncs are written down */
    struct dir *dirs;
    size_t n_dirs, cap_dirs;
    struct edited edited[EDITED_MAX]; /* a ring */
    size_t n_edited;
    char *editing;
    int64_t edited_at;
    struct loop_watch *timer;
    int64_t not_before; /* monotonic ms */
    struct str sent;    /* what was told last */
};

static void look(void *payload);

static void look_soon(struct scan *s, int64_t ms)
{
    int64_t wait = s->not_before - clock_mono_ms(&clock_real);
    if (!s->timer)
        s->timer = loop_add_timer(s->loop, wait > ms ? wait : ms, false, look, s);
}

/* --- directories -------------------------------------------------------------------------------
 */

static struct dir *find_dir(struct scan *s, int wd)
{
    for (size_t i = 0; i < s->n_dirs; i++)
        if (s->dirs[i].wd == wd)
            return &s->dirs[i];
    return NULL;
}

/* True when it was not watched before. */
static bool watch_dir(struct scan *s, const char *path)
{
    if (s->n_dirs >= SCAN_DIRS_MAX)
        return false;
    cleanup_free char *full =
        *path ? path_join(s->place->worktree, path) : xstrdup(s->place->worktree);
    int wd = inotify_add_watch(s->inotify, full, DIR_EVENTS);
    if (wd < 0)
        return false;
    struct dir *known = find_dir(s, wd);
    if (known) {
        /* The same directory under another name. */
        if (strcmp(known->path, path) != 0) {
            free(known->path);
            known->path = xstrdup(path);
        }
        return false;
    }
    VEC_GROW(s->dirs, s->n_dirs, s->cap_dirs);
    s->dirs[s->n_dirs++] = (struct dir){wd, xstrdup(path)};
    return true;
}

static bool is_watched(const struct scan *s, const char *path)
{
    for (size_t i = 0; i < s->n_dirs; i++)
        if (strcmp(s->dirs[i].path, path) == 0)
            return true;
    return false;
}

static void forget_dir(struct scan *s, int wd)
{
    struct dir *d = find_dir(s, wd);
    if (!d)
        return;
    free(d->path);
    *d = s->dirs[--s->n_dirs];
}

/* Directories that are new: what happened in them before they were watched needs another look. */
static bool watch_new_dirs(struct scan *s, const struct strv *dirs)
{
    bool any = false;
    /* All at the first time, without a search for each. */
    bool first = s->n_dirs == 0;
    for (size_t i = 0; i < dirs->len; i++)
        if (first || !is_watched(s, dirs->v[i]))
            any = watch_dir(s, dirs->v[i]) || any;
    return any && !first;
}

/* --- what is being edited ----------------------------------------------------------------------
 */

static void remember_edit(struct scan *s, const char *dir, const char *name)
{
    cleanup_free char *path = *dir ? path_join(dir, name) : xstrdup(name);
    char *meant = unsynced_edited_name(path);
    struct edited *e = &s->edited[s->n_edited++ % EDITED_MAX];
    free(e->path);
    *e = (struct edited){meant ? meant : steal(&path), meant != NULL, clock_now(&clock_real)};
}

/* The last saved file that is changed; an editor's temporary file speaks for its file in any case.
 */
static void choose_edit(struct scan *s, const struct unsynced *u)
{
    for (size_t i = 0; i < EDITED_MAX; i++) {
        struct edited *e = &s->edited[i];
        if (e->path && e->at >= s->edited_at && (e->sure || unsynced_find(u, e->path))) {
            free(s->editing);
            s->editing = xstrdup(e->path);
            s->edited_at = e->at;
        }
        free(e->path);
        *e = (struct edited){NULL, false, 0};
    }
    s->n_edited = 0;
}

/* --- one look ----------------------------------------------------------------------------------
 */

static void leave_out_temporary(struct unsynced *u)
{
    size_t n = 0;
    for (size_t i = 0; i < u->len; i++) {
        cleanup_free char *meant = unsynced_edited_name(u->v[i].path);
        if (!meant) {
            u->v[n++] = u->v[i];
            continue;
        }
        free(u->v[i].path);
        line_ranges_release(&u->v[i].base);
        line_ranges_release(&u->v[i].lines);
    }
    u->len = n;
}

static void tell(struct scan *s, struct unsynced *u)
{
    cleanup_json struct json_object *o = json_object_new_object();
    cleanup_str struct str text = STR_INIT;
    u->editing = s->editing ? xstrdup(s->editing) : NULL;
    u->edited_at = s->edited_at;
    json_add_str(o, "event", "unsynced");
    unsynced_to_json(u, o);
    json_print(o, &text);
    if (strcmp(text.p, s->sent.p) == 0)
        return;
    if (frame_write(s->out, 'J', 0, text.p, text.len, NULL) < 0) {
        loop_stop(s->loop);
        return;
    }
    str_clear(&s->sent);
    str_add(&s->sent, text.p, text.len);
}

static void look(void *payload)
{
    struct scan *s = payload;
    cleanup_unsynced struct unsynced u;
    cleanup_strv struct strv dirs = STRV_INIT;
    struct err err = ERR_INIT;
    int64_t began = clock_mono_ms(&clock_real);
    s->timer = NULL;
    int rc = scan_worktree(s->place, &u, &dirs, &err);
    int64_t now = clock_mono_ms(&clock_real);
    int64_t pause = (now - began) * SCAN_PAUSE_TIMES;
    s->not_before = now + (pause > SCAN_PAUSE_MS ? pause : SCAN_PAUSE_MS);
    if (rc < 0) {
        if (rc != ERR_UNAVAILABLE)
            log_debug("look at a worktree: %s", err.msg);
        look_soon(s, RETRY_MS);
        return;
    }
    bool again = watch_new_dirs(s, &dirs);
    choose_edit(s, &u);
    leave_out_temporary(&u);
    tell(s, &u);
    if (again)
        look_soon(s, SCAN_SETTLE_MS);
}

/* --- events ------------------------------------------------------------------------------------
 */

/* True when the worktree may have changed. */
static bool take_event(struct scan *s, const struct inotify_event *e)
{
    if (e->mask & IN_Q_OVERFLOW)
        return true;
    if (e->wd == s->meta_wd)
        return e->len > 0 && strcmp(e->name, META_NAME) == 0;
    if (e->mask & IN_IGNORED) {
        forget_dir(s, e->wd);
        return true;
    }
    struct dir *d = find_dir(s, e->wd);
    if (!d || e->len == 0 || (!*d->path && strcmp(e->name, ".git") == 0))
        return false;
    if (e->mask & IN_ISDIR) {
        if (e->mask & (IN_CREATE | IN_MOVED_TO)) {
            cleanup_free char *path = *d->path ? path_join(d->path, e->name) : xstrdup(e->name);
            (void)watch_dir(s, path);
        }
        return true;
    }
    if (e->mask & (IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE))
        remember_edit(s, d->path, e->name);
    return true;
}

static void on_inotify(int fd, uint32_t events, void *payload)
{
    struct scan *s = payload;
    char buf[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
    bool changed = false;
    (void)events;
    ssize_t n = read(fd, buf, sizeof buf);
    for (ssize_t at = 0; at < n;) {
        const struct inotify_event *e = (const struct inotify_event *)(const void *)(buf + at);
        changed = take_event(s, e) || changed;
        at += (ssize_t)(sizeof *e + e->len);
    }
    if (changed)
        look_soon(s, SCAN_SETTLE_MS);
}

/* Nothing is ever sent here: it is the end. */
static void on_closed(int fd, uint32_t events, void *payload)
{
    (void)fd;
    (void)events;
    loop_stop(((struct scan *)payload)->loop);
}

static int set_up(struct scan *s, struct err *err)
{
    cleanup_free char *dot = path_join(s->place->home, ".worktree");
    int rc = repo_library_init(false, err);
    if (rc == 0)
        rc = loop_new(&s->loop, err);
    if (rc < 0)
        return rc;
    s->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (s->inotify < 0)
        return err_errno(err, "inotify");
    s->meta_wd = inotify_add_watch(s->inotify, dot, IN_MOVED_TO | IN_ONLYDIR | IN_DONT_FOLLOW);
    (void)loop_add_fd(s->loop, s->inotify, EPOLLIN, on_inotify, s);
    (void)loop_add_fd(s->loop, s->out, EPOLLIN | EPOLLRDHUP, on_closed, s);
    look_soon(s, 0);
    return 0;
}

int scan_run(const struct sync_place *place, int fd)
{
    struct scan s = {.place = place, .out = fd, .inotify = -1, .meta_wd = -1, .sent = STR_INIT};
    struct err err = ERR_INIT;
    /* It never takes the machine from those who work on it. */
    (void)(nice(10) + errno);
    int rc = set_up(&s, &err);
    if (rc == 0)
        rc = loop_run(s.loop, &err);
    if (rc < 0)
        log_error("watch a worktree: %s", err.msg);
    loop_free(s.loop);
    if (s.inotify >= 0)
        close(s.inotify);
    for (size_t i = 0; i < s.n_dirs; i++)
        free(s.dirs[i].path);
    free(s.dirs);
    for (size_t i = 0; i < EDITED_MAX; i++)
        free(s.edited[i].path);
    free(s.editing);
    str_release(&s.sent);
    return rc < 0;
}
