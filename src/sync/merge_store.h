/* The object store that merge/tree.h works on, over one repository handle. */
#ifndef SYNC_MERGE_STORE_H
#define SYNC_MERGE_STORE_H

#include "git/repo.h"
#include "merge/tree.h"

struct merge_store_ctx {
    struct repo *repo;
    /* For .gitattributes: the worktree's; NULL when no attributes are anywhere. */
    const char *git_dir;
    const char *work_tree;
};

/* *ctx is borrowed by the store. */
void merge_store_init(struct merge_store *store, struct merge_store_ctx *ctx);

static inline struct merge_oid merge_oid_of(const struct oid *oid)
{
    struct merge_oid out;
    __builtin_memcpy(out.id, oid->id, OID_LEN);
    return out;
}

static inline struct oid oid_of_merge(const struct merge_oid *oid)
{
    struct oid out;
    __builtin_memcpy(out.id, oid->id, OID_LEN);
    return out;
}

#endif
