/*
 * Three trees in, one out, over an abstract object store (the binding to real repositories is
 * src/git's). Trees are compared by object id; only what differs is opened.
 *
 * Per path, three-way, "unchanged" meaning the same object and mode as in base:
 *   - changed on one side only: that side's; changed alike on both: that;
 *   - content changed on both: text through merge_text (merge/text.h), modes three-way (a changed
 *     executable bit wins);
 *   - a file renamed on one side (same content, or at least MERGE_RENAME_MIN_PERCENT similar among
 *     at most MERGE_RENAME_MAX added and deleted pairs) takes the other side's edits along;
 *   - where no answer is safe, nothing is lost: canonical keeps the name, local's content is kept
 *     beside it as `<name>.<login>.<ext>`, and the place is reported (every rule: merge/report.h).
 * Symlinks and submodules are never merged by content.
 *
 * On cases without an overlap the result is the tree of `git merge-tree --write-tree` (2.39) with
 * merge.directoryRenames=false.
 *
 * Never an error because of content: errors are the store's, and trees deeper than MERGE_DEPTH_MAX.
 */
#ifndef MERGE_TREE_H
#define MERGE_TREE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "merge/report.h"

#define MERGE_OID_LEN 20
#define MERGE_DEPTH_MAX 256
#define MERGE_RENAME_MIN_PERCENT 50
#define MERGE_RENAME_MAX 1000
/* Longest file merged as text when merge_tree_opts.text_max is 0; longer ones are "oversized". */
#define MERGE_TREE_TEXT_MAX ((size_t)16 << 20)

struct merge_oid {
    unsigned char id[MERGE_OID_LEN];
};

/* Modes as git writes them in a tree. */
#define MERGE_MODE_TREE 040000u
#define MERGE_MODE_FILE 0100644u
#define MERGE_MODE_EXEC 0100755u
#define MERGE_MODE_LINK 0120000u
#define MERGE_MODE_SUBMODULE 0160000u

struct merge_entry {
    char *name; /* one path component, owned by the listing */
    uint32_t mode;
    struct merge_oid oid;
};

struct merge_listing {
    struct merge_entry *v;
    size_t len;
    size_t cap;
};
#define MERGE_LISTING_INIT \
    {                      \
        NULL, 0, 0         \
    }
void merge_listing_add(struct merge_listing *l, const char *name, size_t name_len, uint32_t mode,
                       const struct merge_oid *oid);
void merge_listing_release(struct merge_listing *l);

/* How a file is to be merged, as .gitattributes can say. */
enum merge_attr {
    MERGE_ATTR_AUTO,   /* text unless a NUL is in the first 8000 bytes, as git does */
    MERGE_ATTR_TEXT,   /* always by merge_text */
    MERGE_ATTR_BINARY, /* never by content (-merge, merge=binary, filter=lfs) */
};

/*
 * The object store. Every function returns 0 or a negative enum err_code with err set, and gets
 * `ctx` as it was given. merge_trees calls from the calling thread only.
 */
struct merge_store {
    void *ctx;
    /* Appends the entries of a tree with merge_listing_add, in the order of the tree object. */
    int (*read_tree)(void *ctx, const struct merge_oid *tree, struct merge_listing *out,
                     struct err *err);
    /* Content of a blob into the empty `out`. A blob longer than `max` bytes: ERR_LIMIT, and
     * nothing of it need be read. */
    int (*read_blob)(void *ctx, const struct merge_oid *blob, size_t max, struct str *out,
                     struct err *err);
    int (*write_blob)(void *ctx, const void *data, size_t len, struct merge_oid *out,
                      struct err *err);
    /* `v` is in git's tree order and has no duplicate name. n may be 0 (the empty tree, for the
     * root only). */
    int (*write_tree)(void *ctx, const struct merge_entry *v, size_t n, struct merge_oid *out,
                      struct err *err);
    /* May be NULL: every file is MERGE_ATTR_AUTO. `path` is the file's path in the result. */
    enum merge_attr (*attr)(void *ctx, const char *path);
    /* May be NULL: unknown. 1 when submodule commit `descendant` is known to contain `ancestor`,
     * else 0. */
    int (*submodule_contains)(void *ctx, const char *path, const struct merge_oid *descendant,
                              const struct merge_oid *ancestor);
};

struct merge_tree_opts {
    const char *login; /* names local's copies: `<name>.<login>.<ext>`; NULL or "": "local". Bytes
                          that do not belong into a file name become '-'. */
    size_t text_max;   /* bytes; 0 = MERGE_TREE_TEXT_MAX */
};

struct merge_tree_result {
    struct merge_oid tree;
    struct merge_report report; /* sorted by path, then line */
    size_t files_merged;        /* files that went through merge_text */
};
#define MERGE_TREE_RESULT_INIT      \
    {                               \
        {{0}}, MERGE_REPORT_INIT, 0 \
    }
void merge_tree_result_release(struct merge_tree_result *r);
#define cleanup_merge_tree cleanup(merge_tree_result_release)

/* Merges. base NULL means the empty tree (unrelated histories). `out` must be initialised. */
int merge_trees(const struct merge_store *store, const struct merge_oid *base,
                const struct merge_oid *local, const struct merge_oid *canonical,
                const struct merge_tree_opts *opts, struct merge_tree_result *out, struct err *err);

#endif
