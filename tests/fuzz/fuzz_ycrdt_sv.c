/* State vectors: what is taken is written again the same but for order and spelling, and a document
 * answers it. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ycrdt/ycrdt.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    cleanup_free struct ycrdt_clock *v = NULL;
    size_t n = 0;
    if (ycrdt_sv_decode(data, size, &v, &n, NULL) != 0)
        return 0;
    cleanup_str struct str sv = STR_INIT, diff = STR_INIT;
    ycrdt_sv_encode(v, n, &sv);
    cleanup_free struct ycrdt_clock *again = NULL;
    size_t count = 0;
    BUG_ON(ycrdt_sv_decode(sv.p, sv.len, &again, &count, NULL) != 0 || count != n);
    BUG_ON(n && memcmp(v, again, n * sizeof *v) != 0);
    cleanup_ycrdt struct ycrdt *d = ycrdt_new(1, 0), *copy = ycrdt_new(2, 0);
    BUG_ON(ycrdt_insert(d, ycrdt_text(d, "t"), 0, "\xf0\x9f\x98\x80text", 8, NULL) != 0);
    BUG_ON(ycrdt_encode(d, data, size, &diff, NULL) != 0);
    BUG_ON(ycrdt_apply(copy, diff.p, diff.len, NULL) != 0);
    return 0;
}
