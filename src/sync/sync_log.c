#include "sync/sync_log.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "merge/text.h"
#include "proto/spec.h"

#define MODE_TYPE 0170000u
#define MODE_REGULAR 0100000u

void sync_log_lines(const struct merge_overlap *o, struct str *out)
{
    if (o->line)
        str_addf(out, "%zu:%zu", o->line, o->lines ? o->line + o->lines - 1 : o->line);
}

static bool read_text(struct repo *repo, uint32_t mode, const struct oid *oid, struct str *out)
{
    if (mode == 0)
        return true;
    if ((mode & MODE_TYPE) != MODE_REGULAR ||
        repo_read_blob(repo, oid, SYNC_LOG_TEXT_MAX, out, NULL) < 0)
        return false;
    return !memchr(out->p, '\0', out->len < 8000 ? out->len : 8000);
}

static void add_lines(struct repo *repo, const struct tree_change *c, struct str *out)
{
    cleanup_str struct str before = STR_INIT;
    cleanup_str struct str after = STR_INIT;
    if (c->new_mode == 0 || !read_text(repo, c->old_mode, &c->old_oid, &before) ||
        !read_text(repo, c->new_mode, &c->new_oid, &after))
        return;
    struct merge_lines *ranges = NULL;
    size_t n = merge_changed_lines((struct merge_slice){before.p, before.len},
                                   (struct merge_slice){after.p, after.len}, &ranges);
    for (size_t i = 0; i < n && out->len < SYNC_LOG_LINES_MAX - 44; i++)
        str_addf(out, "%s%zu:%zu", i ? "," : "", ranges[i].line,
                 ranges[i].lines ? ranges[i].line + ranges[i].lines - 1 : ranges[i].line);
    free(ranges);
}

int sync_log_changes(struct repo *repo, const struct oid *old_tree, const struct oid *new_tree,
                     struct json_object **out, struct err *err)
{
    cleanup_tree_changes struct tree_changes changes = TREE_CHANGES_INIT;
    cleanup_json struct json_object *list = json_object_new_array();
    int rc = repo_diff_trees(repo, old_tree, new_tree, &changes, err);
    for (size_t i = 0; rc == 0 && i < changes.len && i < SYNC_LOG_FILES_MAX; i++) {
        cleanup_str struct str lines = STR_INIT;
        /* The agent has the files from the commit itself; a name that JSON cannot carry is left
         * to it. */
        if (!str_is_utf8(changes.v[i].path, strlen(changes.v[i].path)))
            continue;
        add_lines(repo, &changes.v[i], &lines);
        struct json_object *one = json_object_new_object();
        json_add_str(one, "file", changes.v[i].path);
        json_add_str(one, "lines", lines.p);
        json_object_array_add(list, one);
    }
    if (rc == 0)
        *out = steal(&list);
    return rc;
}

/* --- with whom -------------------------------------------------------------------------------- */

static void add_name(struct json_object *list, const char *name)
{
    for (size_t i = 0; i < json_object_array_length(list); i++)
        if (strcmp(json_object_get_string(json_object_array_get_idx(list, i)), name) == 0)
            return;
    json_object_array_add(list, json_object_new_string(name));
}

static bool touches(struct repo *repo, const struct oid *before, const struct oid *after,
                    const char *path)
{
    struct oid a = {{0}};
    struct oid b = {{0}};
    uint32_t mode_a = 0;
    uint32_t mode_b = 0;
    if (repo_tree_find(repo, before, path, &mode_a, &a, NULL) < 0)
        mode_a = 0;
    if (repo_tree_find(repo, after, path, &mode_b, &b, NULL) < 0)
        mode_b = 0;
    return mode_a != mode_b || !oid_equal(&a, &b);
}

/* Logins of those whose syncs changed path between base and head: a sync's author has the login as
 * name, which the agent has compared with who sent it. */
static void add_people(struct repo *repo, const char *path, const struct oid *base,
                       const struct oid *head, struct json_object *with)
{
    struct oid at = *head;
    for (int i = 0; i < SYNC_LOG_COMMITS_MAX && !oid_equal(&at, base); i++) {
        cleanup_repo_commit struct repo_commit commit = {0};
        cleanup_repo_commit struct repo_commit before = {0};
        if (repo_read_commit(repo, &at, &commit, NULL) < 0 || commit.n_parents == 0 ||
            repo_read_commit(repo, &commit.parents[0], &before, NULL) < 0)
            return;
        if (touches(repo, &before.tree, &commit.tree, path) &&
            spec_login_is_valid(commit.author.name))
            add_name(with, commit.author.name);
        at = commit.parents[0];
    }
}

struct json_object *sync_log_overlaps(struct repo *repo, const struct merge_report *report,
                                      const struct oid *base, const struct oid *head)
{
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < report->len && i < SYNC_LOG_FILES_MAX; i++) {
        const struct merge_overlap *o = &report->v[i];
        const char *path = o->path ? o->path : "";
        if (!path[0] || !str_is_utf8(path, strlen(path)))
            continue;
        cleanup_str struct str lines = STR_INIT;
        struct json_object *one = json_object_new_object();
        struct json_object *with = json_object_new_array();
        sync_log_lines(o, &lines);
        add_people(repo, path, base, head, with);
        json_add_str(one, "file", path);
        json_add_str(one, "lines", lines.p);
        json_add(one, "with", with);
        json_add_str(one, "kind", merge_overlap_word(o->kind));
        json_object_array_add(list, one);
    }
    return list;
}
