/* One update taken as a whole state and struct by struct: the verdict, what the documents say and
 * how they go on are the same; aborts where they are not. */
#ifndef TESTS_YCRDT_BOTH_WAYS_H
#define TESTS_YCRDT_BOTH_WAYS_H

#include <string.h>

#include "check.h"
#include "ycrdt/ycrdt.h"

static inline void must_equal(const struct str *a, const struct str *b)
{
    BUG_ON(a->len != b->len || memcmp(a->p, b->p, a->len) != 0);
}

/* All that can be read of a document. */
static inline void tell(struct ycrdt *d, struct str *out)
{
    struct ycrdt_span *span;
    struct ycrdt_stats stats;
    size_t n;
    unsigned text = ycrdt_text(d, "content");
    str_clear(out);
    BUG_ON(ycrdt_encode(d, NULL, 0, out, NULL) != 0);
    ycrdt_encode_sv(d, out);
    ycrdt_encode_snapshot(d, out);
    ycrdt_read(d, text, out);
    ycrdt_authors(d, text, &span, &n);
    str_add(out, span, n * sizeof *span);
    free(span);
    ycrdt_stats(d, &stats);
    str_addf(out, "%zu %zu %d %zu %zu", stats.structs, stats.clients, ycrdt_has_pending(d),
             ycrdt_units(d, text), ycrdt_bytes(d, text));
}

/* The document's own next edits, as an update. */
static inline void go_on(struct ycrdt *d, struct str *out)
{
    unsigned text = ycrdt_text(d, "content");
    size_t units = ycrdt_units(d, text);
    ycrdt_begin(d);
    (void)ycrdt_insert(d, text, units / 2, "xy", 2, NULL); /* the clock may be used up */
    if (units > 2)
        BUG_ON(ycrdt_delete(d, text, units / 3, units / 3, NULL) != 0);
    ycrdt_commit(d, out);
}

static inline void check_both_ways(uint64_t client, unsigned flags, const void *p, size_t n)
{
    for (int in_txn = 0; in_txn < 2; in_txn++) {
        cleanup_ycrdt struct ycrdt *a = ycrdt_new(client, flags), *b = ycrdt_new(client, flags);
        cleanup_str struct str x = STR_INIT, y = STR_INIT;
        struct err ea = ERR_INIT, eb = ERR_INIT;
        if (in_txn) {
            ycrdt_begin(a);
            ycrdt_begin(b);
        }
        int code = ycrdt_apply(a, p, n, &ea);
        BUG_ON(apply_structs(b, p, n, &eb) != code || strcmp(ea.msg, eb.msg) != 0);
        if (in_txn) {
            ycrdt_commit(a, &x);
            ycrdt_commit(b, &y);
            must_equal(&x, &y);
        }
        BUG_ON(code != 0 && a->structs != 0);
        check_doc(a);
        tell(a, &x);
        tell(b, &y);
        must_equal(&x, &y);
        /* Once more changes nothing, and what is parked can go on. */
        BUG_ON(ycrdt_apply(a, p, n, NULL) != code || ycrdt_apply(b, p, n, NULL) != code);
        ycrdt_settle(a);
        ycrdt_settle(b);
        go_on(a, &x);
        go_on(b, &y);
        must_equal(&x, &y);
        check_doc(a);
        tell(a, &x);
        tell(b, &y);
        must_equal(&x, &y);
    }
}

#endif
