#include "inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "git/repo.h"
#include "ui.h"

int inside_begin(int argc, char **argv, const struct inside_start *start, int *first,
                 struct sync_place *place)
{
    struct err err = ERR_INIT;
    int code = opt_parse(argc, argv, start->opts, start->help, first);
    if (code >= 0)
        return code;
    if (argc - *first < start->min_operands)
        return opt_usage_error(start->help, "something is missing: %s %s", start->help->name,
                               start->help->synopsis);
    if (argc - *first > start->max_operands)
        return opt_usage_error(start->help, "unexpected argument '%s'",
                               argv[*first + start->max_operands]);
    cleanup_free char *what = xasprintf("cannot %s", start->doing);
    if (sync_place_from_env(place, &err) < 0)
        return ui_fail(EXIT_FAILED, what, err.msg,
                       "Enter the session with 'steadystate join' first.");
    if (repo_library_init(false, &err) < 0)
        return ui_fail_err(what, &err, NULL);
    return -1;
}

/* Takes "." and ".." out by the text alone; false when it leads above the top. */
static bool tidy_path(const char *path, struct str *out)
{
    cleanup_strv struct strv parts = STRV_INIT;
    size_t depth = 0;
    strv_split(&parts, path, "/");
    for (size_t i = 0; i < parts.len; i++) {
        if (strcmp(parts.v[i], ".") == 0)
            continue;
        if (strcmp(parts.v[i], "..") != 0) {
            char *kept = parts.v[depth];
            parts.v[depth++] = parts.v[i];
            parts.v[i] = kept;
        } else if (depth-- == 0) {
            return false;
        }
    }
    for (size_t i = 0; i < depth; i++)
        str_addf(out, "%s%s", i ? "/" : "", parts.v[i]);
    return true;
}

char *inside_path(const struct sync_place *place, const char *typed, struct err *err)
{
    cleanup_free char *cwd = getcwd(NULL, 0);
    cleanup_free char *root = realpath(place->worktree, NULL);
    cleanup_str struct str path = STR_INIT;
    size_t n = root ? strlen(root) : 0;
    bool in = cwd && n && strncmp(cwd, root, n) == 0 && (cwd[n] == '/' || !cwd[n]);
    const char *base = in ? cwd + n : "";
    size_t given = strlen(place->worktree);
    if (typed[0] == '/' && strncmp(typed, place->worktree, given) == 0)
        typed += given;
    else if (typed[0] == '/' && n && strncmp(typed, root, n) == 0)
        typed += n;
    else if (typed[0] == '/')
        typed = NULL;
    cleanup_free char *whole = typed ? xasprintf("%s/%s", *typed == '/' ? "" : base, typed) : NULL;
    if (!whole || !tidy_path(whole, &path)) {
        err_set(err, ERR_INVALID, "that is not in the worktree %s", place->worktree);
        return NULL;
    }
    return str_detach(&path);
}

int inside_fail(const char *what, const struct err *err)
{
    const char *todo = NULL;
    switch (err->code) {
    case ERR_UNAVAILABLE:
        todo = "Is the session still running?";
        break;
    case ERR_NO_SPACE:
        todo = "Free some space and sync again; nothing is lost";
        break;
    default:
        break;
    }
    return ui_fail_err(what, err, todo);
}

void inside_add_oid(struct json_object *obj, const char *key, const struct oid *oid)
{
    char hex[OID_HEX + 1];
    if (oid_is_zero(oid))
        return;
    oid_format(oid, hex);
    json_add_str(obj, key, hex);
}

struct json_object *inside_json_text(const char *text)
{
    cleanup_str struct str safe = STR_INIT;
    if (str_is_utf8(text, strlen(text)))
        return json_object_new_string(text);
    str_add_printable(&safe, text, strlen(text));
    return json_object_new_string(safe.p);
}

struct json_object *inside_files_json(const struct sync_files *files)
{
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < files->len; i++) {
        char mark[2] = {(char)files->v[i].mark, '\0'};
        struct json_object *one = json_object_new_object();
        json_add(one, "file", inside_json_text(files->v[i].path));
        json_add_str(one, "change", mark);
        json_object_array_add(list, one);
    }
    return list;
}

struct json_object *inside_overlaps_json(const struct merge_report *report)
{
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < report->len; i++) {
        const struct merge_overlap *o = &report->v[i];
        struct json_object *one = json_object_new_object();
        cleanup_str struct str text = STR_INIT;
        merge_overlap_describe(o, &text);
        if (o->path)
            json_add(one, "file", inside_json_text(o->path));
        if (o->other_path)
            json_add(one, "other_file", inside_json_text(o->other_path));
        json_add_str(one, "kind", merge_overlap_word(o->kind));
        if (o->line) {
            json_add_i64(one, "line", (int64_t)o->line);
            json_add_i64(one, "lines", (int64_t)o->lines);
        }
        json_add_str(one, "text", text.p);
        json_object_array_add(list, one);
    }
    return list;
}

void inside_print_files(const char *title, const struct sync_files *files, size_t max)
{
    if (files->len == 0)
        return;
    ui_title("%s\n", title);
    for (size_t i = 0; i < files->len && i < max; i++) {
        cleanup_str struct str name = STR_INIT;
        str_add_printable(&name, files->v[i].path, strlen(files->v[i].path));
        printf("  %c %s\n", (char)files->v[i].mark, name.p);
    }
    if (files->len > max)
        printf("  and %zu more\n", files->len - max);
}

void inside_print_overlaps(const struct merge_report *report)
{
    if (report->len == 0)
        return;
    ui_look("Overlaps to look at:\n");
    for (size_t i = 0; i < report->len; i++) {
        const struct merge_overlap *o = &report->v[i];
        cleanup_str struct str text = STR_INIT;
        cleanup_str struct str name = STR_INIT;
        if (o->path)
            str_add_printable(&name, o->path, strlen(o->path));
        merge_overlap_describe(o, &text);
        printf("  %s: %s\n", name.p, text.p);
    }
}
