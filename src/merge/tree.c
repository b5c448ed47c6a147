#include "merge/tree.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "merge/content.h"
#include "merge/outcome.h"
#include "merge/paths.h"
#include "merge/rename.h"
#include "merge/text.h"

void merge_tree_result_release(struct merge_tree_result *r)
{
    merge_report_release(&r->report);
}

struct tree_merge {
    const struct merge_store *store;
    size_t text_max;
    struct path_changes changes;
    size_t *renamed_to[VERSIONS]; /* by index of the changes: where that side has it now */
    bool *is_target[VERSIONS];    /* by index of the changes: that side's file came by a rename */
    struct outcomes outcomes;
    struct merge_tree_result *out;
    struct err *err;
};

static void tree_merge_release(struct tree_merge *m)
{
    path_changes_release(&m->changes);
    outcomes_release(&m->outcomes);
    for (int v = 0; v < VERSIONS; v++) {
        free(m->renamed_to[v]);
        free(m->is_target[v]);
    }
}

static int find_renames(struct tree_merge *m, enum version side)
{
    size_t n = m->changes.len;
    m->renamed_to[side] = xreallocarray(NULL, n + 1, sizeof(size_t));
    m->is_target[side] = xcalloc(n + 1, sizeof(bool));
    for (size_t i = 0; i < n; i++)
        m->renamed_to[side][i] = SIZE_MAX;
    struct renames r = RENAMES_INIT;
    int rc = renames_find(m->store, &m->changes, side, m->text_max, &r, m->err);
    for (size_t i = 0; rc == 0 && i < r.len; i++) {
        m->renamed_to[side][r.v[i].from] = r.v[i].to;
        m->is_target[side][r.v[i].to] = true;
    }
    renames_release(&r);
    return rc;
}

/* What version v has of the file that is at changes[i] in the base (or that v itself added there),
 * and under which name. NULL: nothing. */
static const char *follow(const struct tree_merge *m, size_t i, enum version v, struct file *file,
                          bool *moved)
{
    size_t at = i;
    if (v != VERSION_BASE && m->renamed_to[v][i] != SIZE_MAX) {
        at = m->renamed_to[v][i];
        *moved = true;
    } else if (v != VERSION_BASE && m->is_target[v][i]) {
        return NULL;
    }
    *file = m->changes.v[at].at[v];
    return file_exists(file) ? m->changes.v[at].path : NULL;
}

/* The name of the result, and whose it is. */
static const char *choose_name(struct tree_merge *m, const char *const path[VERSIONS],
                               const bool moved[VERSIONS], enum merge_side *owner)
{
    const char *local = path[VERSION_LOCAL], *canonical = path[VERSION_CANONICAL];
    *owner = canonical ? MERGE_CANONICAL : MERGE_LOCAL;
    if (!canonical || !local)
        return canonical ? canonical : local;
    if (strcmp(local, canonical) == 0)
        return canonical;
    if (moved[VERSION_LOCAL] && moved[VERSION_CANONICAL]) {
        struct merge_overlap *o =
            merge_report_add(&m->out->report, MERGE_FILE_RENAMED_TWICE, MERGE_BOTH);
        o->path = xstrdup(canonical);
        o->other_path = xstrdup(local);
    }
    if (moved[VERSION_CANONICAL])
        return canonical;
    *owner = MERGE_LOCAL;
    return local;
}

static int merge_file(struct tree_merge *m, size_t i)
{
    struct content_input in = {0};
    const char *path[VERSIONS];
    size_t report_from = m->out->report.len;
    for (int v = 0; v < VERSIONS; v++)
        path[v] = follow(m, i, (enum version)v, &in.at[v], &in.moved[v]);
    enum merge_side owner;
    in.name = choose_name(m, path, in.moved, &owner);
    if (!in.name)
        return 0;
    struct content_result r = CONTENT_RESULT_INIT;
    int rc = content_merge(m->store, m->text_max, &in, &r, m->err);
    if (rc == 0) {
        merge_report_take(&m->out->report, &r.report, in.name);
        m->out->files_merged += r.merged_text;
        if (file_exists(&r.file)) {
            struct outcome *o = outcomes_add(&m->outcomes, in.name, &r.file, owner);
            o->report_from = report_from;
            o->report_to = m->out->report.len;
        }
        if (file_exists(&r.beside)) {
            struct outcome *o = outcomes_add(&m->outcomes, in.name, &r.beside, MERGE_LOCAL);
            o->beside = true;
            o->kind = r.beside_kind;
        }
    }
    merge_report_release(&r.report);
    return rc;
}

/* Only where the result is not what canonical has. */
static int write_result(struct tree_merge *m, const struct merge_oid *canonical)
{
    const struct path_changes *c = &m->changes;
    const struct outcomes *o = &m->outcomes;
    cleanup_free struct placing *v = xreallocarray(NULL, c->len + o->len + 1, sizeof *v);
    cleanup_free bool *present = xcalloc(c->len + 1, sizeof *present);
    size_t n = 0;
    for (size_t i = 0; i < o->len; i++) {
        size_t at = path_changes_at(c, o->v[i].path);
        if (at != SIZE_MAX)
            present[at] = true;
        if (at == SIZE_MAX || !file_equal(&c->v[at].at[VERSION_CANONICAL], &o->v[i].file))
            v[n++] = (struct placing){o->v[i].path, o->v[i].file};
    }
    for (size_t i = 0; i < c->len; i++)
        if (!present[i] && file_exists(&c->v[i].at[VERSION_CANONICAL]))
            v[n++] = (struct placing){c->v[i].path, {0}};
    return tree_place(m->store, canonical, v, n, &m->out->tree, m->err);
}

static int by_place(const void *a, const void *b)
{
    const struct merge_overlap *x = a, *y = b;
    int order = strcmp(x->path, y->path);
    if (order)
        return order;
    if (x->line != y->line)
        return x->line < y->line ? -1 : 1;
    if (x->kind != y->kind)
        return (int)x->kind - (int)y->kind;
    return strcmp(x->other_path ? x->other_path : "", y->other_path ? y->other_path : "");
}

int merge_trees(const struct merge_store *store, const struct merge_oid *base,
                const struct merge_oid *local, const struct merge_oid *canonical,
                const struct merge_tree_opts *opts, struct merge_tree_result *out, struct err *err)
{
    struct tree_merge m = {.store = store, .out = out, .err = err};
    m.text_max = opts->text_max ? opts->text_max : MERGE_TREE_TEXT_MAX;
    if (m.text_max > MERGE_TEXT_MAX)
        m.text_max = MERGE_TEXT_MAX;
    const struct merge_oid *trees[VERSIONS] = {base, local, canonical};
    struct naming naming = {store, opts->login, local, canonical, &m.changes};
    int rc = path_changes_find(store, trees, &m.changes, err);
    if (rc == 0)
        rc = find_renames(&m, VERSION_LOCAL);
    if (rc == 0)
        rc = find_renames(&m, VERSION_CANONICAL);
    for (size_t i = 0; i < m.changes.len && rc == 0; i++)
        rc = merge_file(&m, i);
    if (rc == 0)
        rc = outcomes_settle(&m.outcomes, &naming, &out->report, err);
    if (rc == 0)
        rc = write_result(&m, canonical);
    if (rc == 0 && out->report.len)
        qsort(out->report.v, out->report.len, sizeof *out->report.v, by_place);
    tree_merge_release(&m);
    return rc;
}
