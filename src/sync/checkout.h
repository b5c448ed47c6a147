/*
 * Writes the files of a tree into an empty (or interrupted) worktree, by several threads, each with
 * its own handle on the objects.
 */
#ifndef SYNC_CHECKOUT_H
#define SYNC_CHECKOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/err.h"
#include "git/index.h"

#define CHECKOUT_IN_MEMORY ((size_t)64 << 20) /* longer blobs go through git cat-file */
#define CHECKOUT_THREADS_MAX 16

struct flat;

struct checkout {
    const char *git_dir;
    int root; /* of the worktree */
    /* Files get this modification time. A file that has it is complete: that is how an
     * interrupted checkout goes on, and it keeps git from looking at every file again because it
     * is as new as the index. */
    time_t stamp;
    int threads;
    const struct flat *flat; /* blobs that need not be unpacked; may be NULL */
    void (*progress)(size_t done, size_t total, void *payload);
    void *payload;
};

/* Entries of a tree in index order, without stat data; names are checked (ERR_DENIED). */
int checkout_list(struct repo *repo, const struct oid *tree, struct index *out, struct err *err);

/* Writes every entry that `skip` (may be NULL) does not leave out, and fills in its stat data. */
int checkout_write(const struct checkout *c, struct index *index, const bool *skip,
                   struct err *err);

/* Writes one blob to a new descriptor-held file; shared with the refresh. */
int checkout_blob_to_fd(struct repo *repo, const char *git_dir, const struct oid *oid, int fd,
                        struct err *err);

#endif
