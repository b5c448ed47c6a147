#include "sync/flat_table.h"

#include <stdlib.h>
#include <string.h>

#include "sync/flat.h"

static const char magic[8] = {'S', 'S', 'F', 'L', 'A', 'T', '1', '\n'};

static void get_entry(const unsigned char *p, struct flat_entry *out)
{
    memcpy(out->oid.id, p, OID_LEN);
    memcpy(&out->len, p + OID_LEN, sizeof out->len);
    memcpy(&out->offset, p + OID_LEN + sizeof out->len, sizeof out->offset);
}

void flat_put_entry(struct str *out, const struct flat_entry *e)
{
    str_add(out, e->oid.id, OID_LEN);
    str_add(out, &e->len, sizeof e->len);
    str_add(out, &e->offset, sizeof e->offset);
}

void flat_put_header(struct str *out, uint64_t count, uint64_t size)
{
    str_add(out, magic, sizeof magic);
    str_add(out, &count, sizeof count);
    str_add(out, &size, sizeof size);
}

int flat_parse_header(const void *p, size_t n, uint64_t size, size_t *table, struct err *err)
{
    uint64_t count = 0;
    uint64_t written = 0;
    if (n < FLAT_HEADER || memcmp(p, magic, sizeof magic) != 0)
        return err_set(err, ERR_INVALID, "no file of blobs");
    memcpy(&count, (const char *)p + sizeof magic, sizeof count);
    memcpy(&written, (const char *)p + sizeof magic + sizeof count, sizeof written);
    if (written != size || count > FLAT_TABLE_MAX || FLAT_HEADER + count * FLAT_ENTRY > size)
        return err_set(err, ERR_INVALID, "the file of blobs is not whole");
    *table = (size_t)count * FLAT_ENTRY;
    return 0;
}

int flat_check_table(const void *p, size_t n, uint64_t size, struct err *err)
{
    const unsigned char *at = p;
    for (size_t i = 0; i < n; i += FLAT_ENTRY) {
        struct flat_entry e;
        get_entry(at + i, &e);
        bool ordered = i == 0 || memcmp(at + i - FLAT_ENTRY, e.oid.id, OID_LEN) < 0;
        if (!ordered || e.len > FLAT_BLOB_MAX || e.offset < FLAT_HEADER + n || e.offset > size ||
            e.len > size - e.offset)
            return err_set(err, ERR_INVALID, "the table of blobs is damaged");
    }
    return 0;
}

static int compare_id(const void *key, const void *entry)
{
    return memcmp(key, entry, OID_LEN);
}

bool flat_find(const void *table, size_t n, const struct oid *oid, struct flat_entry *out)
{
    const void *found = n ? bsearch(oid->id, table, n / FLAT_ENTRY, FLAT_ENTRY, compare_id) : NULL;
    if (found)
        get_entry(found, out);
    return found != NULL;
}
