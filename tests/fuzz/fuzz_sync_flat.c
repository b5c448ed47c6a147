/* Header and table of the file of blobs: every entry that is found lies within the file. */
#include "sync/flat_table.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    size_t n = 0;
    if (flat_parse_header(data, size, size, &n, NULL) < 0)
        return 0;
    if (n > size - FLAT_HEADER)
        __builtin_trap();
    const unsigned char *table = data + FLAT_HEADER;
    if (flat_check_table(table, n, size, NULL) < 0)
        return 0;
    for (size_t i = 0; i < n; i += FLAT_ENTRY) {
        struct flat_entry e;
        struct oid oid;
        for (size_t k = 0; k < OID_LEN; k++)
            oid.id[k] = table[i + k];
        if (!flat_find(table, n, &oid, &e) || e.offset > size || e.len > size - e.offset)
            __builtin_trap();
    }
    return 0;
}
