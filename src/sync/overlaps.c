#include "sync/overlaps.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/enc.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "merge/tree.h"

#define NAME "overlaps.json"
#define LOCK_MS 600000
#define KEPT_TRIES 1000

/* --- the file --------------------------------------------------------------------------------- */

static int read_list(int dot, struct json_object **out, struct err *err)
{
    cleanup_str struct str text = STR_INIT;
    struct err why = ERR_INIT;
    int rc = fd_read_file(dot, NAME, OVERLAPS_FILE_MAX, &text, &why);
    if (rc == ERR_NOT_FOUND) {
        *out = json_object_new_array();
        return 0;
    }
    if (rc == 0)
        rc = json_parse(text.p, text.len, out, &why);
    if (rc == 0 && !json_object_is_type(*out, json_type_array)) {
        json_object_put(steal(out));
        rc = err_set(&why, ERR_INVALID, "not a list");
    }
    return rc ? err_set(err, rc, "remembered overlaps: %s", why.msg) : 0;
}

static int write_list(int dot, struct json_object *list, struct err *err)
{
    cleanup_str struct str text = STR_INIT;
    size_t n = json_object_array_length(list);
    if (n > OVERLAPS_MAX)
        json_object_array_del_idx(list, 0, n - OVERLAPS_MAX);
    json_print(list, &text);
    str_addc(&text, '\n');
    return fd_write_file(dot, NAME, text.p, text.len, 0600, err);
}

static void add_bytes(struct json_object *o, const char *key, const char *p, size_t n)
{
    cleanup_str struct str text = STR_INIT;
    enc_base64(&text, p, n);
    json_add_str(o, key, text.p);
}

static int get_bytes(struct json_object *o, const char *key, struct str *out)
{
    const char *text = "";
    if (json_opt_str(o, key, OVERLAPS_FILE_MAX, &text, NULL) < 0)
        return ERR_INVALID;
    return enc_unbase64(text, strlen(text), out, NULL);
}

/* --- remembering ------------------------------------------------------------------------------ */

/* Lines [line, line + lines) of text. */
static void slice_lines(const struct str *text, size_t line, size_t lines, size_t *start,
                        size_t *end)
{
    size_t at = 0;
    for (size_t i = 1; i < line && at < text->len; i++) {
        const char *nl = memchr(text->p + at, '\n', text->len - at);
        at = nl ? (size_t)(nl - text->p) + 1 : text->len;
    }
    *start = at;
    for (size_t i = 0; i < lines && at < text->len; i++) {
        const char *nl = memchr(text->p + at, '\n', text->len - at);
        at = nl ? (size_t)(nl - text->p) + 1 : text->len;
    }
    *end = at;
}

static void add_merged(struct json_object *o, struct repo *repo, const struct oid *tree,
                       const struct merge_overlap *overlap)
{
    cleanup_str struct str text = STR_INIT;
    struct oid oid;
    uint32_t mode;
    size_t start;
    size_t end;
    if (!overlap->line || repo_tree_find(repo, tree, overlap->path, &mode, &oid, NULL) < 0 ||
        repo_read_blob(repo, &oid, MERGE_TREE_TEXT_MAX, &text, NULL) < 0)
        return;
    slice_lines(&text, overlap->line, overlap->lines, &start, &end);
    add_bytes(o, "merged", text.p + start, end - start);
}

static struct json_object *describe(struct repo *repo, const struct oid *commit,
                                    const struct oid *tree, const struct merge_overlap *overlap,
                                    bool others)
{
    struct json_object *o = json_object_new_object();
    cleanup_str struct str text = STR_INIT;
    char hex[OID_HEX + 1];
    oid_format(commit, hex);
    merge_overlap_describe(overlap, &text);
    add_bytes(o, "path", overlap->path, strlen(overlap->path));
    if (overlap->other_path)
        add_bytes(o, "other_path", overlap->other_path, strlen(overlap->other_path));
    json_add_str(o, "kind", merge_overlap_word(overlap->kind));
    json_add_str(o, "by", merge_side_word(overlap->by));
    json_add_str(o, "text", text.p);
    json_add_str(o, "commit", hex);
    json_add_i64(o, "line", (int64_t)overlap->line);
    json_add_i64(o, "lines", (int64_t)overlap->lines);
    add_bytes(o, "local", overlap->local.p, overlap->local.len);
    add_bytes(o, "canonical", overlap->canonical.p, overlap->canonical.len);
    add_merged(o, repo, tree, overlap);
    if (others)
        json_add_bool(o, "others", true);
    return o;
}

int overlaps_remember(int dot, struct repo *repo, const struct oid *commit, const struct oid *tree,
                      const struct merge_report *report, bool others, struct err *err)
{
    cleanup_json struct json_object *list = NULL;
    if (report->len == 0)
        return 0;
    int rc = read_list(dot, &list, err);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < report->len && i < OVERLAPS_MAX; i++)
        if (report->v[i].path)
            json_object_array_add(list, describe(repo, commit, tree, &report->v[i], others));
    return write_list(dot, list, err);
}

/* --- listing ---------------------------------------------------------------------------------- */

static int open_dot(const struct sync_place *place, int *lock, struct err *err)
{
    cleanup_free char *path = path_join(place->home, ".worktree");
    cleanup_close int dot = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (dot < 0)
        return err_set(err, ERR_NOT_FOUND, "there is no worktree here");
    *lock = fd_lock_file(dot, "lock", LOCK_MS, err);
    return *lock < 0 ? *lock : steal_fd(&dot);
}

int overlaps_forget(const struct sync_place *place, const struct oid *commit, struct err *err)
{
    cleanup_json struct json_object *list = NULL;
    cleanup_close int lock = -1;
    char hex[OID_HEX + 1];
    cleanup_close int dot = open_dot(place, &lock, err);
    if (dot < 0)
        return dot;
    int rc = read_list(dot, &list, err);
    if (rc < 0)
        return rc;
    oid_format(commit, hex);
    size_t before = json_object_array_length(list);
    for (size_t i = before; i-- > 0;) {
        const char *of = "";
        json_opt_str(json_object_array_get_idx(list, i), "commit", OID_HEX, &of, NULL);
        if (strcmp(of, hex) == 0)
            json_object_array_del_idx(list, i, 1);
    }
    return json_object_array_length(list) < before ? write_list(dot, list, err) : 0;
}

/* A file name as text: JSON and terminals take UTF-8 only. */
static void add_shown(struct json_object *to, const char *key, struct json_object *from,
                      const char *from_key)
{
    cleanup_str struct str path = STR_INIT;
    cleanup_str struct str shown = STR_INIT;
    if (get_bytes(from, from_key, &path) < 0 || path.len == 0)
        return;
    if (str_is_utf8(path.p, path.len))
        str_add(&shown, path.p, path.len);
    else
        str_add_printable(&shown, path.p, path.len);
    json_add_str(to, key, shown.p);
}

int overlaps_list(const struct sync_place *place, struct json_object **out, struct err *err)
{
    static const char *const copied[] = {"kind", "by", "text", "commit", "line", "lines"};
    cleanup_json struct json_object *list = NULL;
    cleanup_close int lock = -1;
    cleanup_close int dot = open_dot(place, &lock, err);
    if (dot < 0)
        return dot;
    int rc = read_list(dot, &list, err);
    if (rc < 0)
        return rc;
    *out = json_object_new_array();
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *from = json_object_array_get_idx(list, i);
        struct json_object *to = json_object_new_object();
        struct json_object *member;
        add_shown(to, "file", from, "path");
        add_shown(to, "other_file", from, "other_path");
        for (size_t k = 0; k < ARRAY_LEN(copied); k++)
            if (json_object_object_get_ex(from, copied[k], &member))
                json_add(to, copied[k], json_object_get(member));
        json_object_array_add(*out, to);
    }
    return 0;
}

/* --- resolving -------------------------------------------------------------------------------- */

struct resolve {
    int dot;  /* <home>/.worktree */
    int tree; /* the worktree */
    const char *file;
    enum overlaps_choice choice;
    struct err *err;
};

static int moved_away(struct resolve *r, const char *path)
{
    return err_set(r->err, ERR_CONFLICT,
                   "%.300s was moved or deleted since; --both leaves everything as it is now",
                   path);
}

/* Where `what` is in text, nearest to byte `near`; -1 when it is not there. */
static long find_nearest(const struct str *text, const struct str *what, size_t near)
{
    long best = -1;
    size_t best_distance = 0;
    if (what->len == 0)
        return -1;
    for (const char *p = text->p;
         (p = memmem(p, text->len - (size_t)(p - text->p), what->p, what->len)); p++) {
        size_t at = (size_t)(p - text->p);
        size_t distance = at > near ? at - near : near - at;
        if ((at == 0 || p[-1] == '\n') && (best < 0 || distance < best_distance)) {
            best = (long)at;
            best_distance = distance;
        }
    }
    return best;
}

static int resolve_text(struct resolve *r, struct json_object *o, int64_t line)
{
    cleanup_str struct str text = STR_INIT;
    cleanup_str struct str merged = STR_INIT;
    cleanup_str struct str chosen = STR_INIT;
    cleanup_str struct str out = STR_INIT;
    const char *name;
    struct stat st;
    size_t near;
    size_t unused;
    if (get_bytes(o, "merged", &merged) < 0 ||
        get_bytes(o, r->choice == OVERLAPS_MINE ? "local" : "canonical", &chosen) < 0)
        return err_set(r->err, ERR_INVALID, "remembered overlaps are damaged");
    cleanup_close int dir = path_open_parent(r->tree, r->file, false, &name, r->err);
    if (dir < 0)
        return dir == ERR_NOT_FOUND ? moved_away(r, r->file) : dir;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
        return moved_away(r, r->file);
    int rc = fd_read_file(dir, name, MERGE_TREE_TEXT_MAX, &text, r->err);
    if (rc < 0)
        return rc;
    slice_lines(&text, (size_t)line, 0, &near, &unused);
    long at = find_nearest(&text, &merged, near);
    if (at < 0)
        return err_set(r->err, ERR_CONFLICT,
                       "%.300s was edited there since; edit it by hand, then "
                       "use --both",
                       r->file);
    str_add(&out, text.p, (size_t)at);
    str_add(&out, chosen.p, chosen.len);
    str_add(&out, text.p + at + merged.len, text.len - (size_t)at - merged.len);
    return fd_write_file(dir, name, out.p, out.len, st.st_mode & 0777, r->err);
}

static int keep_directory(struct resolve *r, int dir, const char *name, const char *path)
{
    if (mkdirat(r->dot, "kept", 0700) < 0 && errno != EEXIST)
        return err_errno(r->err, "create .worktree/kept");
    for (int i = 1;; i++) {
        cleanup_free char *to = xasprintf("kept/%lld.%d", (long long)time(NULL), i);
        if (renameat2(dir, name, r->dot, to, RENAME_NOREPLACE) == 0)
            return 0;
        if (errno != EEXIST || i == KEPT_TRIES)
            return err_errno(r->err, "keep %.300s aside", path);
    }
}

static int remove_path(struct resolve *r, const char *path)
{
    const char *name;
    cleanup_close int dir = path_open_parent(r->tree, path, false, &name, r->err);
    if (dir == ERR_NOT_FOUND || dir == ERR_DENIED)
        return 0; /* a link or nothing where its directory was: it is gone */
    if (dir < 0)
        return dir;
    if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
        return 0;
    return errno == EISDIR ? keep_directory(r, dir, name, path)
                           : err_errno(r->err, "remove %.300s", path);
}

/* Mine is at other, theirs at the file's own name. */
static int resolve_copies(struct resolve *r, const char *other)
{
    const char *name;
    const char *other_name;
    if (r->choice == OVERLAPS_THEIRS)
        return remove_path(r, other);
    cleanup_close int from = path_open_parent(r->tree, other, false, &other_name, r->err);
    if (from < 0)
        return from == ERR_NOT_FOUND ? moved_away(r, other) : from;
    cleanup_close int dir = path_open_parent(r->tree, r->file, true, &name, r->err);
    if (dir < 0)
        return dir;
    if (renameat2(from, other_name, dir, name, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno == EEXIST && renameat2(from, other_name, dir, name, RENAME_EXCHANGE) == 0)
        return remove_path(r, other);
    return errno == ENOENT ? moved_away(r, other) : err_errno(r->err, "rename %.300s", other);
}

/* It is at the file's name, which is theirs; mine called it other. */
static int resolve_names(struct resolve *r, const char *other)
{
    const char *name;
    const char *other_name;
    if (r->choice == OVERLAPS_THEIRS)
        return 0;
    cleanup_close int from = path_open_parent(r->tree, r->file, false, &name, r->err);
    if (from < 0)
        return from == ERR_NOT_FOUND ? moved_away(r, r->file) : from;
    cleanup_close int dir = path_open_parent(r->tree, other, true, &other_name, r->err);
    if (dir < 0)
        return dir;
    if (renameat2(from, name, dir, other_name, RENAME_NOREPLACE) == 0)
        return 0;
    return errno == ENOENT ? moved_away(r, r->file) : err_errno(r->err, "rename %.300s", r->file);
}

/* The file that one side deleted; what is a directory by now is not that file. */
static int remove_file(struct resolve *r)
{
    const char *name;
    struct stat st;
    cleanup_close int dir = path_open_parent(r->tree, r->file, false, &name, NULL);
    if (dir >= 0 && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
        return 0;
    return remove_path(r, r->file);
}

static enum overlaps_choice other_side(enum overlaps_choice choice)
{
    if (choice == OVERLAPS_BOTH)
        return choice;
    return choice == OVERLAPS_MINE ? OVERLAPS_THEIRS : OVERLAPS_MINE;
}

static int resolve_one(struct resolve *r, struct json_object *o)
{
    cleanup_str struct str other = STR_INIT;
    const char *kind = "";
    const char *by = "";
    int64_t line = 0;
    json_opt_str(o, "kind", 64, &kind, NULL);
    json_opt_str(o, "by", 64, &by, NULL);
    json_opt_i64(o, "line", 0, INT64_MAX, &line, NULL);
    if (r->choice == OVERLAPS_BOTH)
        return 0;
    if (line)
        return resolve_text(r, o, line);
    if (strcmp(kind, merge_overlap_word(MERGE_FILE_DELETED_MODIFIED)) == 0) {
        bool mine_deleted = strcmp(by, "local") == 0;
        return mine_deleted == (r->choice == OVERLAPS_MINE) ? remove_file(r) : 0;
    }
    if (get_bytes(o, "other_path", &other) == 0 && other.len && path_is_clean_rel(other.p))
        return strcmp(kind, merge_overlap_word(MERGE_FILE_RENAMED_TWICE)) == 0
                   ? resolve_names(r, other.p)
                   : resolve_copies(r, other.p);
    return err_set(r->err, ERR_UNSUPPORTED,
                   "%.300s cannot be decided by choosing a side; edit it, "
                   "then use --both",
                   r->file);
}

int overlaps_resolve(const struct sync_place *place, const char *file, enum overlaps_choice choice,
                     size_t *resolved, struct err *err)
{
    cleanup_json struct json_object *list = NULL;
    cleanup_close int lock = -1;
    cleanup_close int dot = open_dot(place, &lock, err);
    if (dot < 0)
        return dot;
    *resolved = 0;
    if (!path_is_clean_rel(file))
        return err_set(err, ERR_INVALID, "not a path inside the worktree: %.300s", file);
    cleanup_close int tree = open(place->worktree, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (tree < 0)
        return err_errno(err, "open %s", place->worktree);
    int rc = read_list(dot, &list, err);
    struct resolve r = {.dot = dot, .tree = tree, .file = file, .err = err};
    /* The last one first: line numbers before it stay right. */
    for (size_t i = rc == 0 ? json_object_array_length(list) : 0; rc == 0 && i-- > 0;) {
        cleanup_str struct str path = STR_INIT;
        struct json_object *o = json_object_array_get_idx(list, i);
        if (get_bytes(o, "path", &path) < 0 || strcmp(path.p, file) != 0)
            continue;
        r.choice = json_object_object_get_ex(o, "others", NULL) ? other_side(choice) : choice;
        rc = resolve_one(&r, o);
        if (rc == 0) {
            json_object_array_del_idx(list, i, 1);
            (*resolved)++;
        }
    }
    if (*resolved) {
        int written = write_list(dot, list, rc ? NULL : err);
        rc = rc ? rc : written;
    }
    if (rc == 0 && *resolved == 0)
        return err_set(err, ERR_NOT_FOUND, "no overlap is remembered for %.300s", file);
    return rc;
}
