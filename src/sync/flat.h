/*
 * The blobs of one tree, ready to be copied: a file beside canonical's objects that holds them
 * uncompressed and in the order of the paths, so that a further collaborator's first login needs no
 * inflating and no deltas. The agent writes it when it has nothing else to do; whoever finds no
 * such file, or not the blob in it, takes the object itself. Blobs never change, so a file stays
 * right when the branch moves on.
 *
 * Layout, numbers in the machine's order: magic (8 bytes), u64 count, u64 size of the file, count
 * times {20 bytes object id, u32 length, u64 offset} by object id, then the data.
 */
#ifndef SYNC_FLAT_H
#define SYNC_FLAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "git/oid.h"
#include "git/repo.h"

#define FLAT_NAME "steadystate-flat"
#define FLAT_FILES_MIN 512                  /* fewer are quick anyway */
#define FLAT_BLOB_MAX ((size_t)4 << 20)     /* longer ones are left out */
#define FLAT_SIZE_MAX ((uint64_t)512 << 20) /* of the file; what does not fit is left out */
#define FLAT_TABLE_MAX ((size_t)1000000)    /* blobs */

/* Would flat_write make one? False: the tree has fewer than FLAT_FILES_MIN files. Looks at no more
 * of it than that takes. */
int flat_is_worth_it(const char *canonical, const char *ref, bool *out, struct err *err);

/* Makes the file for the head of ref, if there is none yet; at most a quarter of the free disk.
 * *made (may be NULL): there is a new one. It is on disk before it has its name. */
int flat_write(const char *canonical, const char *ref, bool *made, struct err *err);

/* One for all threads; reads with pread only. */
struct flat;

/* ERR_NOT_FOUND: there is none. ERR_INVALID: malformed. */
int flat_open(const char *canonical, struct flat **out, struct err *err);
void flat_free(struct flat *flat);
void flat_freep(struct flat **flat);
#define cleanup_flat cleanup(flat_freep)

/* Content of the blob into the empty `out`. ERR_NOT_FOUND without a message: it is not here. */
int flat_read(const struct flat *flat, const struct oid *oid, struct str *out, struct err *err);

#endif
