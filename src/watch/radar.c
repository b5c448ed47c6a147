#include "watch/radar.h"

#include <string.h>

#include "base/mem.h"

static bool read_at(struct repo *repo, const struct oid *commit, const char *path, struct str *out)
{
    cleanup_repo_commit struct repo_commit c = {0};
    uint32_t mode;
    struct oid blob;
    return repo_read_commit(repo, commit, &c, NULL) == 0 &&
           repo_tree_find(repo, &c.tree, path, &mode, &blob, NULL) == 0 &&
           repo_read_blob(repo, &blob, RADAR_FILE_MAX, out, NULL) == 0;
}

/* The other's places in terms of one's own base. */
static void follow(struct repo *repo, const struct unsynced *own, const struct unsynced *other,
                   const char *path, struct line_ranges *r)
{
    cleanup_str struct str from = STR_INIT;
    cleanup_str struct str to = STR_INIT;
    if (!repo || oid_equal(&own->base, &other->base))
        return;
    repo_refresh(repo);
    if (read_at(repo, &other->base, path, &from) && read_at(repo, &own->base, path, &to))
        line_ranges_follow(r, from.p, from.len, to.p, to.len);
}

static void compare_file(struct repo *repo, const struct unsynced *own,
                         const struct unsynced *other, const struct unsynced_file *a,
                         const struct unsynced_file *b, radar_fn fn, void *payload)
{
    cleanup_line_ranges struct line_ranges theirs = LINE_RANGES_INIT;
    cleanup_line_ranges struct line_ranges common = LINE_RANGES_INIT;
    if (a->base.len == 0 || b->base.len == 0) {
        fn(a->path, &common, payload);
        return;
    }
    line_ranges_copy(&b->base, &theirs);
    follow(repo, own, other, a->path, &theirs);
    for (size_t i = 0; i < a->base.len && i < a->lines.len; i++) {
        bool met = false;
        for (size_t k = 0; k < theirs.len; k++)
            met = met || line_range_meets(a->base.v[i], theirs.v[k]);
        if (met)
            line_ranges_add(&common, a->lines.v[i].from, a->lines.v[i].n);
    }
    if (common.len)
        fn(a->path, &common, payload);
}

void radar_compare(struct repo *repo, const struct unsynced *own, const struct unsynced *other,
                   radar_fn fn, void *payload)
{
    /* Both are sorted by path. */
    for (size_t i = 0, k = 0; i < own->len && k < other->len;) {
        int order = strcmp(own->v[i].path, other->v[k].path);
        if (order == 0)
            compare_file(repo, own, other, &own->v[i], &other->v[k], fn, payload);
        i += order <= 0;
        k += order >= 0;
    }
}
