#include <git2.h>
#include <string.h>

#include "base/mem.h"
#include "git/repo.h"
#include "git/repo_internal.h"

static enum repo_type type_of(git_object_t type)
{
    switch (type) {
    case GIT_OBJECT_COMMIT:
        return REPO_COMMIT;
    case GIT_OBJECT_TREE:
        return REPO_TREE;
    case GIT_OBJECT_BLOB:
        return REPO_BLOB;
    case GIT_OBJECT_TAG:
        return REPO_TAG;
    default:
        return REPO_ANY;
    }
}

bool repo_has(struct repo *repo, const struct oid *oid)
{
    return git_odb_exists_ext(repo->odb, oid_git(oid), GIT_ODB_LOOKUP_NO_REFRESH) == 1;
}

void repo_refresh(struct repo *repo)
{
    git_odb_refresh(repo->odb);
}

int repo_object_info(struct repo *repo, const struct oid *oid, enum repo_type *type, size_t *size,
                     struct err *err)
{
    git_object_t kind;
    int rc = git_odb_read_header(size, &kind, repo->odb, oid_git(oid));
    if (rc < 0)
        return repo_err(err, rc, "object");
    *type = type_of(kind);
    return 0;
}

int repo_open_blob(struct repo *repo, const struct oid *oid, size_t max, struct blob *out,
                   struct err *err)
{
    git_odb_object *object = NULL;
    size_t size;
    git_object_t kind;
    int rc = git_odb_read_header(&size, &kind, repo->odb, oid_git(oid));
    if (rc == 0 && kind != GIT_OBJECT_BLOB)
        return err_set(err, ERR_INVALID, "object is not a blob");
    if (rc == 0 && size > max)
        return err_set(err, ERR_LIMIT, "blob of %zu bytes, at most %zu are read", size, max);
    if (rc == 0)
        rc = git_odb_read(&object, repo->odb, oid_git(oid));
    if (rc < 0)
        return repo_err(err, rc, "blob");
    *out = (struct blob){
        .p = git_odb_object_data(object), .len = git_odb_object_size(object), .handle = object};
    return 0;
}

void blob_release(struct blob *blob)
{
    git_odb_object_free(blob->handle);
    *blob = (struct blob)BLOB_INIT;
}

int repo_read_blob(struct repo *repo, const struct oid *oid, size_t max, struct str *out,
                   struct err *err)
{
    cleanup_blob struct blob blob = BLOB_INIT;
    int rc = repo_open_blob(repo, oid, max, &blob, err);
    if (rc == 0)
        str_add(out, blob.p, blob.len);
    return rc;
}

int repo_write_blob(struct repo *repo, const void *p, size_t n, struct oid *out, struct err *err)
{
    git_oid oid;
    int rc = git_odb_write(&oid, repo->odb, p, n, GIT_OBJECT_BLOB);
    if (rc < 0)
        return repo_err(err, rc, "write blob");
    *out = oid_of_git(&oid);
    return 0;
}

void repo_hash_blob(const void *p, size_t n, struct oid *out)
{
    git_oid oid;
    int rc = git_odb_hash(&oid, p, n, GIT_OBJECT_BLOB);
    BUG_ON(rc < 0);
    *out = oid_of_git(&oid);
}

/* --- trees ------------------------------------------------------------------------------------ */

void tree_list_release(struct tree_list *l)
{
    for (size_t i = 0; i < l->len; i++)
        free((char *)l->v[i].name);
    free(l->v);
    *l = (struct tree_list)TREE_LIST_INIT;
}

int repo_read_tree(struct repo *repo, const struct oid *oid, struct tree_list *out, struct err *err)
{
    if (oid_equal(oid, &oid_empty_tree))
        return 0;
    cleanup(cleanup_git_tree) git_tree *tree = NULL;
    int rc = git_tree_lookup(&tree, repo->git, oid_git(oid));
    if (rc < 0)
        return repo_err(err, rc, "tree");
    size_t n = git_tree_entrycount(tree);
    for (size_t i = 0; i < n; i++) {
        const git_tree_entry *e = git_tree_entry_byindex(tree, i);
        VEC_GROW(out->v, out->len, out->cap);
        out->v[out->len++] = (struct tree_entry){.name = xstrdup(git_tree_entry_name(e)),
                                                 .mode = git_tree_entry_filemode_raw(e),
                                                 .oid = oid_of_git(git_tree_entry_id(e))};
    }
    return 0;
}

int repo_tree_find(struct repo *repo, const struct oid *tree, const char *path, uint32_t *mode,
                   struct oid *out, struct err *err)
{
    cleanup(cleanup_git_tree) git_tree *root = NULL;
    git_tree_entry *entry = NULL;
    if (oid_equal(tree, &oid_empty_tree))
        return ERR_NOT_FOUND;
    int rc = git_tree_lookup(&root, repo->git, oid_git(tree));
    if (rc < 0)
        return repo_err(err, rc, "tree");
    rc = git_tree_entry_bypath(&entry, root, path);
    if (rc == GIT_ENOTFOUND)
        return ERR_NOT_FOUND;
    if (rc < 0)
        return repo_err(err, rc, "%.200s", path);
    *mode = git_tree_entry_filemode_raw(entry);
    *out = oid_of_git(git_tree_entry_id(entry));
    git_tree_entry_free(entry);
    return 0;
}

int repo_write_tree(struct repo *repo, const struct tree_entry *v, size_t n, struct oid *out,
                    struct err *err)
{
    cleanup_str struct str raw = STR_INIT;
    for (size_t i = 0; i < n; i++) {
        str_addf(&raw, "%o %s", v[i].mode, v[i].name);
        str_addc(&raw, '\0');
        str_add(&raw, v[i].oid.id, OID_LEN);
    }
    git_oid oid;
    int rc = git_odb_write(&oid, repo->odb, raw.p, raw.len, GIT_OBJECT_TREE);
    if (rc < 0)
        return repo_err(err, rc, "write tree");
    *out = oid_of_git(&oid);
    return 0;
}

/* --- commits ---------------------------------------------------------------------------------- */

static void person_release(struct repo_person *p)
{
    free(p->name);
    free(p->email);
}

void repo_commit_release(struct repo_commit *c)
{
    free(c->parents);
    person_release(&c->author);
    person_release(&c->committer);
    free(c->message);
    memset(c, 0, sizeof *c);
}

static struct repo_person person_of_git(const git_signature *s)
{
    return (struct repo_person){.name = xstrdup(s ? s->name : ""),
                                .email = xstrdup(s ? s->email : ""),
                                .when = s ? s->when.time : 0,
                                .offset_minutes = s ? s->when.offset : 0};
}

int repo_read_commit(struct repo *repo, const struct oid *oid, struct repo_commit *out,
                     struct err *err)
{
    size_t size;
    git_object_t kind;
    int rc = git_odb_read_header(&size, &kind, repo->odb, oid_git(oid));
    if (rc < 0)
        return repo_err(err, rc, "commit");
    if (kind != GIT_OBJECT_COMMIT)
        return err_set(err, ERR_INVALID, "object is not a commit");
    if (size > REPO_COMMIT_MAX)
        return err_set(err, ERR_LIMIT, "commit of %zu bytes", size);
    cleanup(cleanup_git_commit) git_commit *commit = NULL;
    rc = git_commit_lookup(&commit, repo->git, oid_git(oid));
    if (rc < 0)
        return repo_err(err, rc, "commit");
    size_t n = git_commit_parentcount(commit);
    if (n > REPO_PARENTS_MAX)
        return err_set(err, ERR_LIMIT, "commit with %zu parents", n);
    *out = (struct repo_commit){
        .tree = oid_of_git(git_commit_tree_id(commit)),
        .parents = xcalloc(n, sizeof *out->parents),
        .n_parents = n,
        .author = person_of_git(git_commit_author(commit)),
        .committer = person_of_git(git_commit_committer(commit)),
        .message = xstrdup(git_commit_message_raw(commit) ? git_commit_message_raw(commit) : ""),
    };
    for (size_t i = 0; i < n; i++)
        out->parents[i] = oid_of_git(git_commit_parent_id(commit, (unsigned)i));
    return 0;
}

static void add_person(struct str *out, const char *role, const struct repo_person *p)
{
    int offset = p->offset_minutes;
    char sign = offset < 0 ? '-' : '+';
    if (offset < 0)
        offset = -offset;
    str_addf(out, "%s ", role);
    for (const char *c = p->name; *c; c++)
        if (*c != '<' && *c != '>' && (unsigned char)*c >= 0x20)
            str_addc(out, *c);
    str_adds(out, " <");
    for (const char *c = p->email; *c; c++)
        if (*c != '<' && *c != '>' && (unsigned char)*c > 0x20)
            str_addc(out, *c);
    str_addf(out, "> %lld %c%02d%02d\n", (long long)p->when, sign, offset / 60, offset % 60);
}

int repo_write_commit(struct repo *repo, const struct repo_commit *commit, struct oid *out,
                      struct err *err)
{
    cleanup_str struct str raw = STR_INIT;
    char hex[OID_HEX + 1];
    oid_format(&commit->tree, hex);
    str_addf(&raw, "tree %s\n", hex);
    for (size_t i = 0; i < commit->n_parents; i++) {
        oid_format(&commit->parents[i], hex);
        str_addf(&raw, "parent %s\n", hex);
    }
    add_person(&raw, "author", &commit->author);
    add_person(&raw, "committer", &commit->committer);
    str_addf(&raw, "\n%s", commit->message);
    git_oid oid;
    int rc = git_odb_write(&oid, repo->odb, raw.p, raw.len, GIT_OBJECT_COMMIT);
    if (rc < 0)
        return repo_err(err, rc, "write commit");
    *out = oid_of_git(&oid);
    return 0;
}

int repo_merge_base(struct repo *repo, const struct oid *a, const struct oid *b, struct oid *out,
                    struct err *err)
{
    git_oid oid;
    int rc = git_merge_base(&oid, repo->git, oid_git(a), oid_git(b));
    if (rc < 0)
        return repo_err(err, rc, "common ancestor");
    *out = oid_of_git(&oid);
    return 0;
}

int repo_is_ancestor(struct repo *repo, const struct oid *ancestor, const struct oid *descendant,
                     struct err *err)
{
    if (oid_equal(ancestor, descendant))
        return 1;
    int rc = git_graph_descendant_of(repo->git, oid_git(descendant), oid_git(ancestor));
    return rc < 0 ? repo_err(err, rc, "history") : rc;
}
