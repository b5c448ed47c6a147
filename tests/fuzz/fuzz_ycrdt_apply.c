/*
 * Hostile updates into a document. The input is a sequence of updates, each behind a 16-bit length.
 * A refused update leaves the document as it was; after each taken one the document is consistent,
 * and its own encoding loads into another one that says the same.
 */
#include <stdlib.h>
#include <string.h>

#include "../unit/ycrdt/check.h"
#include "ycrdt/ycrdt.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void encode(struct ycrdt *d, struct str *out)
{
    BUG_ON(ycrdt_encode(d, NULL, 0, out, NULL) != 0);
}

static bool equal(const struct str *a, const struct str *b)
{
    return a->len == b->len && memcmp(a->p, b->p, a->len) == 0;
}

static void reload(struct ycrdt *d)
{
    cleanup_str struct str state = STR_INIT, sv = STR_INIT, copied_sv = STR_INIT;
    cleanup_ycrdt struct ycrdt *copy = ycrdt_new(77777, 0);
    encode(d, &state);
    BUG_ON(ycrdt_apply(copy, state.p, state.len, NULL) != 0);
    check_doc(copy);
    ycrdt_encode_sv(d, &sv);
    ycrdt_encode_sv(copy, &copied_sv);
    /* What is parked here may be applicable there, so the copy can only know more. */
    BUG_ON(!ycrdt_has_pending(d) && !equal(&sv, &copied_sv));
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    cleanup_ycrdt struct ycrdt *d = ycrdt_new(1, 0);
    unsigned text = ycrdt_text(d, "t");
    BUG_ON(ycrdt_insert(d, text, 0, "a\xf0\x9f\x98\x80z", 6, NULL) != 0);
    while (size > 2) {
        size_t n = data[0] | (size_t)data[1] << 8;
        data += 2;
        size -= 2;
        n = n > size ? size : n;
        cleanup_str struct str before = STR_INIT, after = STR_INIT;
        encode(d, &before);
        if (ycrdt_apply(d, data, n, NULL) != 0) {
            encode(d, &after);
            BUG_ON(!equal(&before, &after));
        } else if (ycrdt_units(d, text) > 0) {
            BUG_ON(ycrdt_delete(d, text, 0, 1, NULL) != 0);
            BUG_ON(ycrdt_insert(d, text, ycrdt_units(d, text), "xy", 2, NULL) != 0);
        }
        check_doc(d);
        data += n;
        size -= n;
    }
    ycrdt_settle(d);
    check_doc(d);
    reload(d);
    return 0;
}
