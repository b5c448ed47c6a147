/*
 * Object ids (SHA-1, the only object format that libgit2 1.5 and most forges have) as values.
 */
#ifndef GIT_OID_H_
#define GIT_OID_H_

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/mem.h"

#define OID_LEN 20
#define OID_HEX 40

struct oid {
    unsigned char id[OID_LEN];
};

/* Exactly OID_HEX lower-case hex digits. */
int oid_parse(const char *text, size_t len, struct oid *out, struct err *err);
void oid_format(const struct oid *oid, char out[OID_HEX + 1]);
bool oid_equal(const struct oid *a, const struct oid *b);
bool oid_is_zero(const struct oid *oid);

/* The tree without entries: 4b825dc642cb6eb9a060e54bf8d69288fbee4904. */
extern const struct oid oid_empty_tree;
/* The file without content: e69de29bb2d1d6434b8b29ae775ad8c2e48c5391. */
extern const struct oid oid_empty_blob;

/* SHA-1 of the bytes (no object header). */
void oid_hash(const void *p, size_t n, struct oid *out);

/* A set of ids. */
struct oid_set {
    struct oid *slots; /* zero: free */
    size_t len;
    size_t cap; /* 0 or a power of two */
};
#define OID_SET_INIT \
    {                \
        NULL, 0, 0   \
    }
/* False when it was there already. The zero id cannot be added. */
bool oid_set_add(struct oid_set *set, const struct oid *oid);
bool oid_set_has(const struct oid_set *set, const struct oid *oid);
void oid_set_release(struct oid_set *set);
#define cleanup_oid_set cleanup(oid_set_release)

#endif
