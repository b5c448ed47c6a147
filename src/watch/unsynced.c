#include "watch/unsynced.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/path.h"

void unsynced_release(struct unsynced *u)
{
    for (size_t i = 0; i < u->len; i++) {
        free(u->v[i].path);
        line_ranges_release(&u->v[i].base);
        line_ranges_release(&u->v[i].lines);
    }
    free(u->v);
    free(u->editing);
    *u = (struct unsynced)UNSYNCED_INIT;
}

static bool can_be_told(const char *path)
{
    return path_is_clean_rel(path) && str_is_utf8(path, strlen(path));
}

struct unsynced_file *unsynced_add(struct unsynced *u, const char *path, char change)
{
    size_t need = strlen(path) + 64;
    if (!can_be_told(path) || u->len >= UNSYNCED_FILES_MAX || u->text + need > UNSYNCED_TEXT_MAX) {
        u->more = true;
        return NULL;
    }
    VEC_GROW(u->v, u->len, u->cap);
    struct unsynced_file *f = &u->v[u->len++];
    *f = (struct unsynced_file){.path = xstrdup(path),
                                .change = change,
                                .base = LINE_RANGES_INIT,
                                .lines = LINE_RANGES_INIT};
    u->text += need;
    return f;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct unsynced_file *)a)->path, ((const struct unsynced_file *)b)->path);
}

void unsynced_sort(struct unsynced *u)
{
    if (u->len > 1)
        qsort(u->v, u->len, sizeof *u->v, by_path);
}

const struct unsynced_file *unsynced_find(const struct unsynced *u, const char *path)
{
    for (size_t i = 0; i < u->len; i++)
        if (strcmp(u->v[i].path, path) == 0)
            return &u->v[i];
    return NULL;
}

/* --- JSON --------------------------------------------------------------------------------------
 */

static int read_ranges(struct json_object *obj, const char *key, struct line_ranges *out,
                       struct err *err)
{
    const char *text = "";
    int rc = json_opt_str(obj, key, RANGES_TEXT_MAX, &text, err);
    return rc < 0 ? rc : line_ranges_parse(text, strlen(text), out, err);
}

static int read_file(struct json_object *obj, struct unsynced *u, struct err *err)
{
    const char *path, *change;
    int rc = json_get_str(obj, "file", PATH_REL_MAX, &path, err);
    if (rc == 0)
        rc = json_get_str(obj, "change", 1, &change, err);
    if (rc < 0)
        return rc;
    if (!can_be_told(path) || !*change || !strchr("AMD", *change))
        return err_set(err, ERR_INVALID, "not a changed file");
    struct unsynced_file *f = unsynced_add(u, path, *change);
    if (!f)
        return 0;
    rc = read_ranges(obj, "base", &f->base, err);
    if (rc == 0)
        rc = read_ranges(obj, "lines", &f->lines, err);
    u->text += (f->base.len + f->lines.len) * 22;
    return rc;
}

static int read_all(struct json_object *obj, struct unsynced *u, struct err *err)
{
    const char *base = NULL, *editing = NULL;
    struct json_object *files = NULL;
    int rc = json_get_str(obj, "base", OID_HEX, &base, err);
    if (rc == 0)
        rc = oid_parse(base, strlen(base), &u->base, err);
    if (rc == 0)
        rc = json_opt_bool(obj, "more", &u->more, err);
    if (rc == 0)
        rc = json_opt_str(obj, "editing", PATH_REL_MAX, &editing, err);
    if (rc == 0 && editing && !can_be_told(editing))
        rc = err_set(err, ERR_INVALID, "not a file's name");
    if (rc == 0)
        rc = json_opt_i64(obj, "edited_at", 0, INT64_MAX / 2, &u->edited_at, err);
    if (rc == 0)
        rc = json_opt_array(obj, "files", UNSYNCED_FILES_MAX, &files, err);
    if (rc == 0 && editing)
        u->editing = xstrdup(editing);
    for (size_t i = 0; rc == 0 && files && i < json_object_array_length(files); i++)
        rc = read_file(json_object_array_get_idx(files, i), u, err);
    return rc;
}

int unsynced_from_json(struct json_object *obj, struct unsynced *out, struct err *err)
{
    *out = (struct unsynced)UNSYNCED_INIT;
    int rc = read_all(obj, out, err);
    if (rc < 0) {
        unsynced_release(out);
        return rc == ERR_NOT_FOUND ? ERR_INVALID : rc;
    }
    unsynced_sort(out);
    return 0;
}

void unsynced_to_json(const struct unsynced *u, struct json_object *obj)
{
    struct json_object *files = json_object_new_array();
    char hex[OID_HEX + 1];
    oid_format(&u->base, hex);
    json_add_str(obj, "base", hex);
    for (size_t i = 0; i < u->len; i++) {
        const struct unsynced_file *f = &u->v[i];
        cleanup_str struct str base = STR_INIT;
        cleanup_str struct str lines = STR_INIT;
        struct json_object *one = json_object_new_object();
        line_ranges_format(&f->base, &base);
        line_ranges_format(&f->lines, &lines);
        json_add_str(one, "file", f->path);
        json_add_strn(one, "change", &f->change, 1);
        json_add_str(one, "base", base.p);
        json_add_str(one, "lines", lines.p);
        json_object_array_add(files, one);
    }
    json_add(obj, "files", files);
    json_add_bool(obj, "more", u->more);
    json_add_str(obj, "editing", u->editing);
    if (u->edited_at)
        json_add_i64(obj, "edited_at", u->edited_at);
}

/* --- editors -----------------------------------------------------------------------------------
 */

char *unsynced_edited_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    int dir = (int)(name - path);
    size_t n = strlen(name);
    /* vim: .x.swp (and .swo ...), x~; emacs: .#x, #x# */
    if (n > 5 && name[0] == '.' && name[n - 4] == '.' && name[n - 3] == 's' && name[n - 2] == 'w')
        return xasprintf("%.*s%.*s", dir, path, (int)(n - 5), name + 1);
    if (n > 2 && name[0] == '.' && name[1] == '#')
        return xasprintf("%.*s%s", dir, path, name + 2);
    if (n > 2 && name[0] == '#' && name[n - 1] == '#')
        return xasprintf("%.*s%.*s", dir, path, (int)(n - 2), name + 1);
    if (n > 1 && name[n - 1] == '~')
        return xasprintf("%.*s%.*s", dir, path, (int)(n - 1), name);
    return NULL;
}
