#include "git/pack.h"

#include <git2.h>
#include <string.h>

#include "base/mem.h"
#include "git/repo_internal.h"

#define MODE_TYPE 0170000u
#define MODE_TREE 0040000u
#define MODE_SUBMODULE 0160000u

static uint32_t be32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

int pack_check_header(const void *p, size_t n, uint32_t *n_objects, struct err *err)
{
    const unsigned char *b = p;
    if (n < PACK_HEADER || memcmp(b, "PACK", 4) != 0)
        return err_set(err, ERR_INVALID, "not a pack");
    uint32_t version = be32(b + 4);
    if (version != 2 && version != 3)
        return err_set(err, ERR_INVALID, "pack version %u is not known", version);
    *n_objects = be32(b + 8);
    if (*n_objects > PACK_OBJECTS_MAX)
        return err_set(err, ERR_LIMIT, "pack of %u objects, at most %d are taken", *n_objects,
                       PACK_OBJECTS_MAX);
    return 0;
}

/* --- writing ---------------------------------------------------------------------------------- */

struct oid_vec {
    struct oid *v;
    size_t len;
    size_t cap;
};

struct writer {
    struct repo *from;
    struct repo *known;
    git_packbuilder *builder;
    struct err *err;
    struct oid_vec commits; /* still to be visited */
};

static void writer_release(struct writer *w)
{
    git_packbuilder_free(w->builder);
    free(w->commits.v);
}

/* Adds the object unless it is known or in the pack already; *added says so. */
static int insert(struct writer *w, const struct oid *oid, const char *name, bool *added)
{
    *added = false;
    if (repo_has(w->known, oid))
        return 0;
    size_t before = git_packbuilder_object_count(w->builder);
    int rc = git_packbuilder_insert(w->builder, oid_git(oid), name);
    if (rc < 0)
        return repo_err(w->err, rc, "object for the pack");
    *added = git_packbuilder_object_count(w->builder) > before;
    if (git_packbuilder_object_count(w->builder) > PACK_OBJECTS_MAX)
        return err_set(w->err, ERR_LIMIT, "more than %d new objects", PACK_OBJECTS_MAX);
    return 0;
}

static int insert_tree(struct writer *w, const struct oid *oid, const char *name, int depth)
{
    bool added;
    if (depth > REPO_TREE_DEPTH_MAX)
        return err_set(w->err, ERR_LIMIT, "directories deeper than %d", REPO_TREE_DEPTH_MAX);
    int rc = insert(w, oid, name, &added);
    if (rc < 0 || !added)
        return rc;
    cleanup(cleanup_git_tree) git_tree *tree = NULL;
    rc = git_tree_lookup(&tree, w->from->git, oid_git(oid));
    if (rc < 0)
        return repo_err(w->err, rc, "tree for the pack");
    rc = 0;
    for (size_t i = 0; rc == 0 && i < git_tree_entrycount(tree); i++) {
        const git_tree_entry *e = git_tree_entry_byindex(tree, i);
        unsigned type = (unsigned)git_tree_entry_filemode_raw(e) & MODE_TYPE;
        struct oid child = oid_of_git(git_tree_entry_id(e));
        if (type == MODE_SUBMODULE)
            continue;
        rc = type == MODE_TREE ? insert_tree(w, &child, git_tree_entry_name(e), depth + 1)
                               : insert(w, &child, git_tree_entry_name(e), &added);
    }
    return rc;
}

static int insert_commit(struct writer *w, const struct oid *oid)
{
    bool added;
    int rc = insert(w, oid, NULL, &added);
    if (rc < 0 || !added)
        return rc;
    cleanup_repo_commit struct repo_commit commit = {0};
    rc = repo_read_commit(w->from, oid, &commit, w->err);
    if (rc == 0)
        rc = insert_tree(w, &commit.tree, NULL, 0);
    for (size_t i = 0; rc == 0 && i < commit.n_parents; i++) {
        VEC_GROW(w->commits.v, w->commits.len, w->commits.cap);
        w->commits.v[w->commits.len++] = commit.parents[i];
    }
    return rc;
}

struct sink {
    pack_sink_fn fn;
    void *payload;
    int rc;
};

static int pass_on(void *buf, size_t size, void *payload)
{
    struct sink *sink = payload;
    sink->rc = sink->fn(buf, size, sink->payload);
    return sink->rc ? GIT_EUSER : 0;
}

int pack_write_new(struct repo *from, struct repo *known, const struct oid *commit,
                   pack_sink_fn sink, void *payload, size_t *n_objects, struct err *err)
{
    cleanup(writer_release) struct writer w = {.from = from, .known = known, .err = err};
    repo_refresh(known);
    int rc = git_packbuilder_new(&w.builder, from->git);
    if (rc < 0)
        return repo_err(err, rc, "pack");
    git_packbuilder_set_threads(w.builder, 1);
    rc = insert_commit(&w, commit);
    while (rc == 0 && w.commits.len) {
        struct oid next = w.commits.v[--w.commits.len];
        rc = insert_commit(&w, &next);
    }
    if (n_objects)
        *n_objects = git_packbuilder_object_count(w.builder);
    if (rc < 0 || git_packbuilder_object_count(w.builder) == 0)
        return rc;
    struct sink to = {.fn = sink, .payload = payload};
    rc = git_packbuilder_foreach(w.builder, pass_on, &to);
    if (to.rc)
        return err_set(err, to.rc < 0 ? to.rc : ERR_FAILED, "the pack was not taken");
    return rc < 0 ? repo_err(err, rc, "write pack") : 0;
}
