/*
 * The index file of a worktree ("DIRC", versions 2 to 4; gitformat-index(5)): read, changed and
 * written here because a sync has to keep the stat data that makes `git status` quick, and libgit2
 * drops what it does not know. Parsing and formatting are pure.
 *
 * Kept: entries with their stat data and flags, the cached trees. Dropped: other optional
 * extensions (git makes them anew). Refused: split and sparse indexes.
 */
#ifndef GIT_INDEX_H_
#define GIT_INDEX_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/str.h"
#include "git/oid.h"
#include "git/repo.h"

#define INDEX_ENTRIES_MAX 4000000
#define INDEX_FILE_MAX ((size_t)1 << 30)
#define INDEX_PATH_MAX 4095

#define INDEX_ASSUME_VALID 0x8000u
#define INDEX_STAGE_MASK 0x3000u
#define INDEX_SKIP_WORKTREE 0x4000u /* of xflags */
#define INDEX_INTENT_TO_ADD 0x2000u /* of xflags */

struct index_entry {
    uint32_t ctime_s, ctime_ns, mtime_s, mtime_ns;
    uint32_t dev, ino, mode, uid, gid, size;
    struct oid oid;
    uint16_t flags;  /* INDEX_ASSUME_VALID, stage */
    uint16_t xflags; /* INDEX_SKIP_WORKTREE, INDEX_INTENT_TO_ADD */
    uint32_t path_len;
    const char *path; /* NUL-terminated; lives as long as the index */
};

struct index_tree; /* what is known about the trees that the entries make */

struct index {
    struct index_entry *v; /* by path (bytes), then stage */
    size_t len;
    size_t cap;
    struct index_tree *tree; /* NULL: nothing is known */
    char **blocks;           /* memory of the paths */
    size_t n_blocks, cap_blocks;
    size_t block_used, block_size;
};
#define INDEX_INIT                         \
    {                                      \
        NULL, 0, 0, NULL, NULL, 0, 0, 0, 0 \
    }

void index_release(struct index *index);
#define cleanup_index cleanup(index_release)

/* ERR_INVALID: malformed; ERR_UNSUPPORTED: an extension that may not be ignored; ERR_LIMIT. */
int index_parse(const void *p, size_t n, struct index *out, struct err *err);
/* The whole file with its checksum. */
void index_format(const struct index *index, struct str *out);

/* Appends; the caller keeps the order, or calls index_sort. The path is copied. */
struct index_entry *index_add(struct index *index, const char *path, size_t len);
void index_sort(struct index *index);
/* Position of path at stage 0, or of where it belongs with *found false. */
size_t index_position(const struct index *index, const char *path, bool *found);
/* What `from` has of these paths (sorted by bytes, each once) takes the place of what index has of
 * them. Neither has conflicts. */
void index_replace(struct index *index, const char *const *paths, size_t n,
                   const struct index *from);
/* Is this the last component of the entry's path? */
bool index_entry_is_named(const struct index_entry *e, const char *name);
bool index_has_unmerged(const struct index *index, const char **path);

/* Stat data of the file into the entry (not its mode), or the data of a file that git has to look
 * at again. */
void index_set_stat(struct index_entry *e, const struct stat *st);
void index_clear_stat(struct index_entry *e);
/* Size, time of change and inode are those of the entry (not the time of the inode's change: a
 * rename moves that). */
bool index_stat_same(const struct index_entry *e, const struct stat *st);

/* Trees of the entries, written where they are not known yet. ERR_CONFLICT with unmerged ones. */
int index_write_tree(struct index *index, struct repo *repo, struct oid *out, struct err *err);
/* Says that the entries are exactly those of `tree`, for index_format. */
int index_set_tree(struct index *index, struct repo *repo, const struct oid *tree, struct err *err);
/* The entry of that path changed: what is known of the trees above it is forgotten. */
void index_forget_path(struct index *index, const char *path);
/* Id of the whole tree if the file said so. */
bool index_known_tree(const struct index *index, struct oid *out);

#endif
