#include "sync/meta.h"

#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/mem.h"

void meta_release(struct meta *meta)
{
    free(meta->session_id);
    free(meta->session_branch);
    for (size_t i = 0; i < meta->n_submodules; i++)
        free(meta->submodules[i].path);
    free(meta->submodules);
    memset(meta, 0, sizeof *meta);
}

static int get_oid(struct json_object *obj, const char *key, struct oid *out, struct err *err)
{
    const char *text = NULL;
    int rc = json_opt_str(obj, key, OID_HEX, &text, err);
    if (rc < 0 || !text)
        return rc;
    return oid_parse(text, strlen(text), out, err);
}

static int get_submodules(struct json_object *obj, struct meta *out, struct err *err)
{
    struct json_object *list = NULL;
    int rc = json_opt_object(obj, "submodules", &list, err);
    if (rc < 0 || !list)
        return rc;
    struct json_object_iterator it = json_object_iter_begin(list);
    struct json_object_iterator end = json_object_iter_end(list);
    for (; rc == 0 && !json_object_iter_equal(&it, &end); json_object_iter_next(&it)) {
        const char *path = json_object_iter_peek_name(&it);
        struct oid oid = {{0}};
        if (out->n_submodules >= META_SUBMODULES_MAX)
            return err_set(err, ERR_LIMIT, "more than %d submodules", META_SUBMODULES_MAX);
        rc = get_oid(list, path, &oid, err);
        if (rc == 0)
            meta_set_submodule(out, path, &oid);
    }
    return rc;
}

static int read_members(struct json_object *obj, struct meta *out, struct err *err)
{
    const char *id;
    const char *branch;
    int64_t time = 0;
    int rc = json_get_str(obj, "session_id", 64, &id, err);
    if (rc == 0)
        rc = json_get_str(obj, "session_branch", 255, &branch, err);
    if (rc < 0)
        return rc;
    out->session_id = xstrdup(id);
    out->session_branch = xstrdup(branch);
    rc = get_oid(obj, "last_synced_commit", &out->last_synced, err);
    if (rc == 0)
        rc = get_oid(obj, "preparing", &out->preparing, err);
    if (rc == 0)
        rc = get_oid(obj, "syncing_to", &out->syncing_to, err);
    if (rc == 0)
        rc = get_oid(obj, "syncing_tree", &out->syncing_tree, err);
    if (rc == 0)
        rc = get_oid(obj, "resumed_to", &out->resumed_to, err);
    if (rc == 0)
        rc = get_oid(obj, "resumed_tree", &out->resumed_tree, err);
    if (rc == 0)
        rc = json_opt_i64(obj, "prepared_time", 0, INT64_MAX, &time, err);
    out->prepared_time = time;
    return rc ? rc : get_submodules(obj, out, err);
}

int meta_parse(const char *text, size_t len, struct meta *out, struct err *err)
{
    cleanup_json struct json_object *obj = NULL;
    if (len > META_MAX)
        return err_set(err, ERR_LIMIT, "sync metadata of %zu bytes", len);
    int rc = json_parse(text, len, &obj, err);
    if (rc == 0 && !json_object_is_type(obj, json_type_object))
        rc = err_set(err, ERR_INVALID, "sync metadata is not an object");
    if (rc == 0)
        rc = read_members(obj, out, err);
    if (rc < 0)
        meta_release(out);
    return rc;
}

static void add_oid(struct json_object *obj, const char *key, const struct oid *oid)
{
    char hex[OID_HEX + 1];
    if (oid_is_zero(oid))
        return;
    oid_format(oid, hex);
    json_add_str(obj, key, hex);
}

void meta_end_refresh(struct meta *meta)
{
    static const struct oid none;
    meta->syncing_to = meta->syncing_tree = none;
    meta->resumed_to = meta->resumed_tree = none;
}

void meta_format(const struct meta *meta, struct str *out)
{
    cleanup_json struct json_object *obj = json_object_new_object();
    json_add_str(obj, "session_id", meta->session_id);
    json_add_str(obj, "session_branch", meta->session_branch);
    add_oid(obj, "last_synced_commit", &meta->last_synced);
    add_oid(obj, "preparing", &meta->preparing);
    add_oid(obj, "syncing_to", &meta->syncing_to);
    add_oid(obj, "syncing_tree", &meta->syncing_tree);
    add_oid(obj, "resumed_to", &meta->resumed_to);
    add_oid(obj, "resumed_tree", &meta->resumed_tree);
    if (meta->prepared_time)
        json_add_i64(obj, "prepared_time", meta->prepared_time);
    if (meta->n_submodules) {
        struct json_object *list = json_object_new_object();
        for (size_t i = 0; i < meta->n_submodules; i++)
            add_oid(list, meta->submodules[i].path, &meta->submodules[i].checked_out);
        json_add(obj, "submodules", list);
    }
    json_print(obj, out);
    str_addc(out, '\n');
}

int meta_read(int dirfd, struct meta *out, struct err *err)
{
    cleanup_str struct str text = STR_INIT;
    int rc = fd_read_file(dirfd, META_NAME, META_MAX, &text, err);
    return rc ? rc : meta_parse(text.p, text.len, out, err);
}

int meta_write(int dirfd, const struct meta *meta, struct err *err)
{
    cleanup_str struct str text = STR_INIT;
    meta_format(meta, &text);
    return fd_write_file(dirfd, META_NAME, text.p, text.len, 0644, err);
}

static struct meta_submodule *find(const struct meta *meta, const char *path)
{
    for (size_t i = 0; i < meta->n_submodules; i++)
        if (strcmp(meta->submodules[i].path, path) == 0)
            return &meta->submodules[i];
    return NULL;
}

void meta_set_submodule(struct meta *meta, const char *path, const struct oid *checked_out)
{
    struct meta_submodule *there = find(meta, path);
    if (there) {
        there->checked_out = *checked_out;
        return;
    }
    meta->submodules =
        xreallocarray(meta->submodules, meta->n_submodules + 1, sizeof *meta->submodules);
    meta->submodules[meta->n_submodules++] =
        (struct meta_submodule){.path = xstrdup(path), .checked_out = *checked_out};
}

const struct oid *meta_submodule_of(const struct meta *meta, const char *path)
{
    const struct meta_submodule *there = find(meta, path);
    return there ? &there->checked_out : NULL;
}

void meta_drop_submodule(struct meta *meta, const char *path)
{
    struct meta_submodule *there = find(meta, path);
    if (!there)
        return;
    free(there->path);
    *there = meta->submodules[--meta->n_submodules];
}
