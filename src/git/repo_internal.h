/* What the files of src/git share: the libgit2 handle and the mapping of its errors. */
#ifndef GIT_REPO_INTERNAL_H
#define GIT_REPO_INTERNAL_H

#include <git2.h>

#include "base/err.h"
#include "git/oid.h"

struct repo {
    git_repository *git;
    git_odb *odb;
};

/* Sets err from libgit2's last error: "<what>: <its text>"; returns the code. */
int repo_err(struct err *err, int rc, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static inline const git_oid *oid_git(const struct oid *oid)
{
    _Static_assert(sizeof(git_oid) == sizeof(struct oid), "libgit2 ids are SHA-1");
    return (const git_oid *)(const void *)oid;
}

static inline struct oid oid_of_git(const git_oid *oid)
{
    struct oid out;
    __builtin_memcpy(out.id, oid->id, OID_LEN);
    return out;
}

void cleanup_git_tree(git_tree **t);
void cleanup_git_commit(git_commit **c);
void cleanup_git_reference(git_reference **r);
void cleanup_git_signature(git_signature **s);
void cleanup_git_odb_object(git_odb_object **o);

#endif
