/* The table of a file of blobs (sync/flat.h): pure. */
#ifndef SYNC_FLAT_TABLE_H
#define SYNC_FLAT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "git/oid.h"

struct flat_entry {
    struct oid oid;
    uint32_t len;
    uint64_t offset;
};
#define FLAT_HEADER 24
#define FLAT_ENTRY 32

void flat_put_header(struct str *out, uint64_t count, uint64_t size);
void flat_put_entry(struct str *out, const struct flat_entry *e);

/* Reads the header: how many bytes the table behind it has. size: of the whole file. */
int flat_parse_header(const void *p, size_t n, uint64_t size, size_t *table, struct err *err);
/* Checks order and bounds of the table. */
int flat_check_table(const void *p, size_t n, uint64_t size, struct err *err);
bool flat_find(const void *table, size_t n, const struct oid *oid, struct flat_entry *out);

#endif
