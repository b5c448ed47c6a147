#include "merge/outcome.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

#define NAME_LEN_MAX 255
#define LOGIN_LEN_MAX 64
#define BESIDE_TRIES 10000

void outcomes_release(struct outcomes *o)
{
    for (size_t i = 0; i < o->len; i++)
        free(o->v[i].path);
    free(o->v);
    *o = (struct outcomes)OUTCOMES_INIT;
}

struct outcome *outcomes_add(struct outcomes *o, const char *path, const struct file *file,
                             enum merge_side owner)
{
    VEC_GROW(o->v, o->len, o->cap);
    struct outcome *new = &o->v[o->len++];
    *new = (struct outcome){.path = xstrdup(path), .file = *file, .owner = owner};
    return new;
}

/* Component by component, those that keep their name first, canonical's before local's. */
static int by_claim(const void *a, const void *b)
{
    const struct outcome *x = a, *y = b;
    const unsigned char *p = (const unsigned char *)x->path, *q = (const unsigned char *)y->path;
    for (; *p == *q && *p; p++, q++)
        ;
    if (*p != *q) {
        int cp = *p == '/' ? 1 : *p ? *p + 1 : 0;
        int cq = *q == '/' ? 1 : *q ? *q + 1 : 0;
        return cp - cq;
    }
    if (x->beside != y->beside)
        return x->beside - y->beside;
    if (x->owner != y->owner)
        return (int)y->owner - (int)x->owner;
    int order = memcmp(&x->file.oid, &y->file.oid, sizeof x->file.oid);
    return order ? order : (x->file.mode > y->file.mode) - (x->file.mode < y->file.mode);
}

static void sort(struct outcomes *o)
{
    if (o->len)
        qsort(o->v, o->len, sizeof *o->v, by_claim);
}

static bool is_below(const char *path, const char *directory)
{
    size_t len = strlen(directory);
    return strncmp(path, directory, len) == 0 && path[len] == '/';
}

static bool claimed(const struct outcomes *o, const char *path)
{
    for (size_t i = 0; i < o->len; i++)
        if (strcmp(o->v[i].path, path) == 0 || is_below(o->v[i].path, path))
            return true;
    return false;
}

static int is_taken(const struct outcomes *o, const struct naming *n, const char *path, bool *taken,
                    struct err *err)
{
    uint32_t mode;
    *taken = claimed(o, path);
    int rc = *taken ? 0 : tree_lookup(n->store, n->canonical, path, &mode, err);
    if (rc == 0 && !*taken)
        *taken = mode != 0;
    if (rc == 0 && !*taken) {
        rc = tree_lookup(n->store, n->local, path, &mode, err);
        *taken = mode != 0;
    }
    return rc;
}

static void add_login(struct str *s, const char *login)
{
    size_t n = 0;
    for (const char *p = login && *login ? login : "local"; *p && n < LOGIN_LEN_MAX; p++, n++) {
        unsigned char c = (unsigned char)*p;
        str_addc(s, isalnum(c) || strchr("_-.@+", c) ? (char)c : '-');
    }
}

/* dir/name.ext -> dir/name.login.ext, and name.login-2.ext from the second try on. */
static void beside_name(const char *path, const char *login, unsigned try, struct str *out)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    const char *dot = strrchr(name, '.');
    if (!dot || dot == name)
        dot = name + strlen(name);
    cleanup_str struct str middle = STR_INIT;
    str_addc(&middle, '.');
    add_login(&middle, login);
    if (try > 1)
        str_addf(&middle, "-%u", try);
    size_t stem = (size_t)(dot - name), ext = strlen(dot);
    size_t room = NAME_LEN_MAX - middle.len;
    if (ext > room / 2)
        ext = 0;
    if (stem + ext > room) {
        stem = room - ext;
        while (stem > 1 && ((unsigned char)name[stem] & 0xc0) == 0x80)
            stem--;
    }
    str_clear(out);
    str_add(out, path, (size_t)(name - path) + stem);
    str_add(out, middle.p, middle.len);
    str_add(out, dot, ext);
}

static int free_name(const struct outcomes *o, const struct naming *n, const char *path,
                     struct str *out, struct err *err)
{
    for (unsigned try = 1; try <= BESIDE_TRIES; try++) {
        bool taken;
        beside_name(path, n->login, try, out);
        int rc = is_taken(o, n, out->p, &taken, err);
        if (rc < 0 || !taken)
            return rc;
    }
    return err_set(err, ERR_LIMIT, "merge: no free name beside %s", path);
}

static void rename_outcome(struct outcome *o, const char *path, struct merge_report *report)
{
    for (size_t i = o->report_from; i < o->report_to; i++) {
        free(report->v[i].path);
        report->v[i].path = xstrdup(path);
    }
    free(o->path);
    o->path = xstrdup(path);
}

static void report_move(struct merge_report *report, enum merge_overlap_kind kind, const char *path,
                        const char *other)
{
    struct merge_overlap *o = merge_report_add(report, kind, MERGE_BOTH);
    o->path = xstrdup(path);
    o->other_path = xstrdup(other);
}

/* Two files of one name: equal ones are one, else local's goes beside. */
static void find_name_clashes(struct outcomes *o)
{
    size_t kept = 0;
    for (size_t i = 0; i < o->len; i++) {
        struct outcome *last = kept ? &o->v[kept - 1] : NULL;
        struct outcome *now = &o->v[i];
        if (last && !now->beside && strcmp(last->path, now->path) == 0) {
            if (file_equal(&last->file, &now->file)) {
                free(now->path);
                continue;
            }
            now->beside = true;
            now->kind = MERGE_FILE_RENAMED_ONTO;
        }
        o->v[kept++] = *now;
    }
    o->len = kept;
}

static int move_beside(struct outcomes *o, const struct naming *n, struct merge_report *report,
                       struct err *err)
{
    for (size_t i = 0; i < o->len; i++) {
        if (!o->v[i].beside)
            continue;
        cleanup_str struct str name = STR_INIT;
        int rc = free_name(o, n, o->v[i].path, &name, err);
        if (rc < 0)
            return rc;
        report_move(report, o->v[i].kind, o->v[i].path, name.p);
        rename_outcome(&o->v[i], name.p, report);
        o->v[i].beside = false;
    }
    return 0;
}

static bool any_canonical(const struct outcome *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (v[i].owner == MERGE_CANONICAL)
            return true;
    return false;
}

/* v[at] is a file, and the outcomes up to `end` would lie below it. */
static int part_directory(struct outcomes *o, size_t at, size_t end, const struct naming *n,
                          struct merge_report *report, struct err *err)
{
    cleanup_str struct str name = STR_INIT;
    cleanup_free char *old = xstrdup(o->v[at].path);
    int rc = free_name(o, n, old, &name, err);
    if (rc < 0)
        return rc;
    report_move(report, MERGE_FILE_DIRECTORY, old, name.p);
    if (o->v[at].owner != MERGE_CANONICAL || any_canonical(&o->v[at + 1], end - at - 1)) {
        rename_outcome(&o->v[at], name.p, report);
        return 0;
    }
    for (size_t i = at + 1; i < end; i++) {
        cleanup_str struct str moved = STR_INIT;
        str_addf(&moved, "%s%s", name.p, o->v[i].path + strlen(old));
        rename_outcome(&o->v[i], moved.p, report);
    }
    return 0;
}

static int part_directories(struct outcomes *o, const struct naming *n, struct merge_report *report,
                            struct err *err)
{
    for (size_t i = 0; i + 1 < o->len; i++) {
        size_t end = i + 1;
        while (end < o->len && is_below(o->v[end].path, o->v[i].path))
            end++;
        if (end == i + 1)
            continue;
        int rc = part_directory(o, i, end, n, report, err);
        if (rc < 0)
            return rc;
    }
    sort(o);
    return 0;
}

struct folded {
    char *fold;
    const struct outcome *outcome;
};

static int by_fold(const void *a, const void *b)
{
    const struct folded *x = a, *y = b;
    int order = strcmp(x->fold, y->fold);
    if (order || x->outcome->owner != y->outcome->owner)
        return order ? order : (int)y->outcome->owner - (int)x->outcome->owner;
    return strcmp(x->outcome->path, y->outcome->path);
}

static char *fold(const char *path)
{
    char *f = xstrdup(path);
    for (char *p = f; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    return f;
}

/* Names new on both sides that some file systems cannot tell apart. */
static void report_case(const struct outcomes *o, const struct naming *n,
                        struct merge_report *report)
{
    cleanup_free struct folded *v = xreallocarray(NULL, o->len + 1, sizeof *v);
    size_t count = 0;
    for (size_t i = 0; i < o->len; i++) {
        size_t at = path_changes_at(n->changes, o->v[i].path);
        if (at != SIZE_MAX && file_exists(&n->changes->v[at].at[VERSION_BASE]))
            continue;
        v[count++] = (struct folded){fold(o->v[i].path), &o->v[i]};
    }
    if (count)
        qsort(v, count, sizeof *v, by_fold);
    for (size_t i = 1; i < count; i++) {
        const struct outcome *first = v[i - 1].outcome, *second = v[i].outcome;
        if (strcmp(v[i - 1].fold, v[i].fold) == 0 && first->owner != second->owner)
            report_move(report, MERGE_FILE_CASE, first->path, second->path);
    }
    for (size_t i = 0; i < count; i++)
        free(v[i].fold);
}

int outcomes_settle(struct outcomes *o, const struct naming *naming, struct merge_report *report,
                    struct err *err)
{
    sort(o);
    find_name_clashes(o);
    int rc = move_beside(o, naming, report, err);
    if (rc < 0)
        return rc;
    sort(o);
    rc = part_directories(o, naming, report, err);
    if (rc == 0)
        report_case(o, naming, report);
    return rc;
}
