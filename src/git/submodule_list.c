#include "git/submodule_list.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/url.h"
#include "git/safe_path.h"

#define PROBLEM_MAX 4096
#define TEXT_MAX 4096 /* a refused name or path, its odd bytes spelled out */

void submodule_release(struct submodule *one)
{
    free(one->name);
    free(one->path);
    free(one->url);
    free(one->problem);
    *one = (struct submodule){.parent = -1, .mirror = -1};
}

void submodule_list_release(struct submodule_list *list)
{
    for (size_t i = 0; i < list->len; i++)
        submodule_release(&list->v[i]);
    list->len = 0;
}

bool submodule_list_add(struct submodule_list *list, struct submodule *one)
{
    if (list->len == SUBMODULES_MAX)
        return false;
    list->v[list->len++] = *one;
    *one = (struct submodule){.parent = -1, .mirror = -1};
    return true;
}

int submodule_list_depth(const struct submodule_list *list, size_t i)
{
    int depth = 1;
    for (int at = list->v[i].parent; at >= 0; at = list->v[at].parent)
        depth++;
    return depth;
}

void submodule_list_format(const struct submodule_list *list, struct str *out)
{
    cleanup_json struct json_object *obj = json_object_new_object();
    struct json_object *array = json_object_new_array();
    json_add(obj, "submodules", array);
    for (size_t i = 0; i < list->len; i++) {
        const struct submodule *s = &list->v[i];
        struct json_object *one = json_object_new_object();
        char commit[OID_HEX + 1];
        oid_format(&s->commit, commit);
        json_add_str(one, "name", s->name);
        json_add_str(one, "path", s->path);
        if (s->parent >= 0)
            json_add_i64(one, "parent", s->parent);
        json_add_str(one, "url", s->url);
        json_add_str(one, "commit", commit);
        if (s->mirror >= 0)
            json_add_i64(one, "mirror", s->mirror);
        json_add_str(one, "problem", s->problem);
        json_object_array_add(array, one);
    }
    json_print(obj, out);
}

static char *copy(const char *text)
{
    return text ? xstrdup(text) : NULL;
}

static int parse_one(struct json_object *obj, size_t index, struct submodule *out, struct err *err)
{
    const char *name = NULL, *path = NULL, *url = NULL, *commit = NULL, *problem = NULL;
    int64_t parent = -1, mirror = -1;
    int rc = json_get_str(obj, "name", TEXT_MAX, &name, err);
    if (rc == 0)
        rc = json_get_str(obj, "path", TEXT_MAX, &path, err);
    if (rc == 0)
        rc = json_opt_i64(obj, "parent", 0, SUBMODULES_MAX - 1, &parent, err);
    if (rc == 0)
        rc = json_opt_str(obj, "url", URL_MAX, &url, err);
    if (rc == 0)
        rc = json_get_str(obj, "commit", OID_HEX, &commit, err);
    if (rc == 0)
        rc = json_opt_i64(obj, "mirror", 0, SUBMODULES_MAX - 1, &mirror, err);
    if (rc == 0)
        rc = json_opt_str(obj, "problem", PROBLEM_MAX, &problem, err);
    if (rc == 0)
        rc = oid_parse(commit, strlen(commit), &out->commit, err);
    if (rc < 0)
        return rc;
    if (parent >= (int64_t)index)
        return err_set(err, ERR_INVALID, "a submodule in front of what it lies in");
    if (mirror >= 0 && (!url || !safe_path(name, strlen(name)) || !safe_path(path, strlen(path))))
        return err_set(err, ERR_INVALID, "a submodule that cannot be had");
    out->name = copy(name);
    out->path = copy(path);
    out->url = copy(url);
    out->problem = copy(problem);
    out->parent = (int)parent;
    out->mirror = (int)mirror;
    return 0;
}

int submodule_list_parse(const char *text, size_t len, struct submodule_list *out, struct err *err)
{
    cleanup_json struct json_object *obj = NULL;
    struct json_object *array = NULL;
    *out = (struct submodule_list){.len = 0};
    int rc = json_parse(text, len, &obj, err);
    if (rc == 0)
        rc = json_opt_array(obj, "submodules", SUBMODULES_MAX, &array, err);
    size_t n = rc == 0 && array ? json_object_array_length(array) : 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct submodule one = {.parent = -1, .mirror = -1};
        rc = parse_one(json_object_array_get_idx(array, i), i, &one, err);
        if (rc == 0)
            (void)submodule_list_add(out, &one);
    }
    if (rc < 0)
        submodule_list_release(out);
    return rc == ERR_NOT_FOUND ? ERR_INVALID : rc;
}

char *submodule_list_dir(const char *canonical)
{
    const char *slash = strrchr(canonical, '/');
    int n = slash ? (int)(slash - canonical) : 0;
    return xasprintf("%.*s/" SUBMODULES_DIR, n, canonical);
}

int submodule_list_read(const char *canonical, struct submodule_list *out, struct err *err)
{
    cleanup_free char *dir = submodule_list_dir(canonical);
    cleanup_free char *path = xasprintf("%s/" SUBMODULES_LIST, dir);
    cleanup_str struct str text = STR_INIT;
    *out = (struct submodule_list){.len = 0};
    int rc = fd_read_file(AT_FDCWD, path, SUBMODULES_LIST_BYTES_MAX, &text, err);
    return rc ? rc : submodule_list_parse(text.p, text.len, out, err);
}
