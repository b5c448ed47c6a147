/*
 * Updates without a document. The input is a sequence of updates, each behind a 16-bit length: what
 * comes out of merging and cutting is an update again, whose state vector can be told.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "ycrdt/ycrdt.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

#define UPDATES 40

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct ycrdt_buf v[UPDATES];
    size_t n = 0;
    while (size > 2 && n < UPDATES) {
        size_t len = data[0] | (size_t)data[1] << 8;
        data += 2;
        size -= 2;
        len = len > size ? size : len;
        cleanup_str struct str sv = STR_INIT, diff = STR_INIT, none = STR_INIT;
        if (ycrdt_update_sv(data, len, &sv, NULL) == 0) {
            v[n++] = (struct ycrdt_buf){data, len};
            BUG_ON(ycrdt_diff_update(data, len, sv.p, sv.len, &diff, NULL) != 0);
            BUG_ON(ycrdt_update_sv(diff.p, diff.len, &none, NULL) != 0);
        }
        data += len;
        size -= len;
    }
    cleanup_str struct str merged = STR_INIT, sv = STR_INIT, diff = STR_INIT;
    BUG_ON(ycrdt_merge_updates(v, n, &merged, NULL) != 0);
    BUG_ON(ycrdt_update_sv(merged.p, merged.len, &sv, NULL) != 0);
    BUG_ON(ycrdt_diff_update(merged.p, merged.len, sv.p, sv.len, &diff, NULL) != 0);
    cleanup_ycrdt struct ycrdt *d = ycrdt_new(1, 0);
    BUG_ON(ycrdt_apply(d, merged.p, merged.len, NULL) != 0);
    return 0;
}
