/* Whole states into empty documents. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "both_ways.h"
#include "check.h"
#include "ycrdt/ycrdt.h"

#define DOCS 3

static uint32_t next(uint32_t *random)
{
    *random = *random * 1664525 + 1013904223;
    return *random >> 8;
}

static void sync(struct ycrdt *from, struct ycrdt *to)
{
    cleanup_str struct str sv = STR_INIT, diff = STR_INIT;
    ycrdt_encode_sv(to, &sv);
    assert_int_equal(ycrdt_encode(from, sv.p, sv.len, &diff, NULL), 0);
    assert_int_equal(ycrdt_apply(to, diff.p, diff.len, NULL), 0);
}

static void edit(struct ycrdt *d, uint32_t r)
{
    static const char *const words[] = {"a", "bcd", "größe ", "日本", "😀", "0123456789abcdefghi"};
    unsigned text = ycrdt_text(d, r & 1024 ? "content" : "other");
    size_t units = ycrdt_units(d, text);
    const char *w = words[r % ARRAY_LEN(words)];
    if (r % 4 == 0 && units > 0)
        assert_int_equal(ycrdt_delete(d, text, r / 16 % units, 1, NULL), 0);
    else
        assert_int_equal(ycrdt_insert(d, text, r / 16 % (units + 1), w, strlen(w), NULL), 0);
}

/* The state of one of three documents that were edited at the same time. */
static void concurrent_state(uint32_t random, int steps, struct str *out)
{
    static const uint64_t clients[DOCS] = {1, 300, YCRDT_MAX_CLIENT};
    struct ycrdt *d[DOCS];
    for (int i = 0; i < DOCS; i++)
        d[i] = ycrdt_new(clients[i], 0);
    for (int i = 0; i < steps; i++) {
        uint32_t r = next(&random);
        if (r % 16 == 0)
            sync(d[r / 16 % DOCS], d[r / 64 % DOCS]);
        else
            edit(d[r / 16 % DOCS], next(&random));
    }
    for (int i = 1; i < DOCS; i++)
        sync(d[i], d[0]);
    assert_int_equal(ycrdt_encode(d[0], NULL, 0, out, NULL), 0);
    for (int i = 0; i < DOCS; i++)
        ycrdt_free(d[i]);
}

/* Encoded states go the quick way, and come out as they went in. */
static void test_states(void **state)
{
    (void)state;
    for (uint32_t seed = 0; seed < 25; seed++) {
        cleanup_str struct str u = STR_INIT, again = STR_INIT;
        cleanup_ycrdt struct ycrdt *d = ycrdt_new(300, 0);
        struct ranges deleted = {NULL, 0, 0};
        concurrent_state(seed, 10 + (int)seed * 20, &u);
        ycrdt_begin(d);
        assert_true(load_state(d, u.p, u.len, &deleted));
        assert_false(load_state(d, u.p, u.len, &deleted)); /* no longer empty */
        ycrdt_commit(d, NULL);
        assert_int_equal(ycrdt_encode(d, NULL, 0, &again, NULL), 0);
        assert_int_equal(again.len, u.len);
        assert_memory_equal(again.p, u.p, u.len);
        check_doc(d);
        ranges_free(&deleted);
        check_both_ways(1, 0, u.p, u.len);
        check_both_ways(9, 0, u.p, u.len);
        check_both_ways(9, YCRDT_RAW, u.p, u.len);
    }
}

/* Updates that were merged without a document: text that is still to be deleted, wholly or in part,
 * structs that are still to be joined, and now and then one that is not there. */
static void test_merged(void **state)
{
    (void)state;
    for (uint32_t seed = 0; seed < 25; seed++) {
        struct ycrdt *d[DOCS];
        struct str log[60];
        struct ycrdt_buf part[60];
        cleanup_str struct str merged = STR_INIT;
        uint32_t random = seed;
        for (uint32_t i = 0; i < DOCS; i++)
            d[i] = ycrdt_new(i + 1, 0);
        for (size_t i = 0; i < ARRAY_LEN(log); i++) {
            struct ycrdt *at = d[next(&random) % DOCS];
            if (next(&random) % 4 == 0)
                sync(d[next(&random) % DOCS], at);
            log[i] = (struct str)STR_INIT;
            ycrdt_begin(at);
            edit(at, next(&random));
            ycrdt_commit(at, &log[i]);
            part[i] = (struct ycrdt_buf){log[i].p, log[i].len};
        }
        size_t first = seed % 4 == 3;
        assert_int_equal(ycrdt_merge_updates(part + first, ARRAY_LEN(part) - first, &merged, NULL),
                         0);
        check_both_ways(9, 0, merged.p, merged.len);
        check_both_ways(1, 0, merged.p, merged.len);
        for (int i = 0; i < DOCS; i++)
            ycrdt_free(d[i]);
        for (size_t i = 0; i < ARRAY_LEN(log); i++)
            str_release(&log[i]);
    }
}

/* One byte changed, cut off, or doubled: whatever that means, it means the same both ways. */
static void test_damaged(void **state)
{
    (void)state;
    uint32_t random = 4711;
    for (uint32_t seed = 0; seed < 4; seed++) {
        cleanup_str struct str u = STR_INIT;
        concurrent_state(seed, 30 + (int)seed * 20, &u);
        for (size_t i = 0; i < u.len && i < 250; i++) {
            char *bad = xmemdup(u.p, u.len);
            bad[i] = (char)(bad[i] ^ (1 << next(&random) % 8));
            check_both_ways(1, 0, bad, u.len);
            free(bad);
            bad = xmemdup(u.p, i);
            check_both_ways(1, 0, bad, i);
            free(bad);
        }
    }
}

/* Many structs of one unit, and one so long that looking them up by clock finds them in one place.
 */
static void test_uneven(void **state)
{
    (void)state;
    enum { N = 2000 };
    cleanup_ycrdt struct ycrdt *d = ycrdt_new(9, 0);
    cleanup_str struct str u = STR_INIT, again = STR_INIT;
    uint32_t huge = (uint32_t)YCRDT_MAX_CLOCK - N - 1;
    str_add_var(&u, 1);
    str_add_var(&u, N + 1);
    str_add_var(&u, 5);
    str_add_var(&u, 0);
    str_add(&u,
            "\x01\x01\x07"
            "content",
            10);
    str_add_var(&u, huge);
    for (uint32_t i = 0; i < N; i++) {
        /* Behind the long tombstone or behind one of those before, in front of nothing. */
        str_addc(&u, (char)(INFO_LEFT | K_STRING));
        str_add_var(&u, 5);
        str_add_var(&u, i % 3 ? huge - 1 + i * 2 / 3 : huge - 1);
        str_add(&u, "\x01x", 2);
    }
    str_addc(&u, 0);
    struct ranges deleted = {NULL, 0, 0};
    assert_true(load_state(d, u.p, u.len, &deleted));
    ranges_free(&deleted);
    check_doc(d);
    check_both_ways(1, 0, u.p, u.len);
}

/* Left to the way that goes struct by struct, and nothing of the try stays. */
static void test_not_plain(void **state)
{
    (void)state;
    static const struct ycrdt_buf other[] = {
#define UPDATE(bytes) {bytes, sizeof(bytes) - 1}
        UPDATE("\x01\x01\x05\x01\x04\x01\x01t\x01x\x00"), /* begins later */
        UPDATE("\x01\x01\x05\x00\x84\x06\x00\x01x\x00"),  /* nobody knows client 6 */
        UPDATE("\x02\x01\x06\x00\x84\x05\x00\x01x\x01\x05\x00\x84\x06\x00\x01y\x00"), /* a circle */
        UPDATE("\x01\x02\x05\x00\x04\x01\x01t\x01x\x00\x03\x00"), /* collected */
        UPDATE("\x01\x01\x05\x00\x07\x01\x01t\x00\x00"),          /* a type */
        UPDATE("\x01\x01\x05\x00\x28\x01\x01m\x01k\x01\x7e\x00"), /* under a key */
        UPDATE("\x02\x01\x05\x00\x04\x01\x01t\x01x\x01\x06\x00\x04\x01\x01t\x01y\x00"), /* rising */
        UPDATE("\x01\x01\x05\x00\x04\x01\x01t\x01x"), /* cut off */
    };
    for (size_t i = 0; i < ARRAY_LEN(other); i++) {
        cleanup_ycrdt struct ycrdt *d = ycrdt_new(9, 0);
        struct ranges deleted = {NULL, 0, 0};
        if (load_state(d, other[i].p, other[i].n, &deleted))
            fail_msg("update %zu was taken", i);
        ranges_free(&deleted);
        assert_int_equal(d->structs, 0);
        assert_int_equal(d->nclients, 1);
        assert_int_equal(d->content, 0);
        check_doc(d);
        check_both_ways(9, 0, other[i].p, other[i].n);
        check_both_ways(5, 0, other[i].p, other[i].n);
    }
}

/* What is parked in an empty document waits for the state that brings its cause. */
static void test_parked_before(void **state)
{
    (void)state;
    cleanup_ycrdt struct ycrdt *a = ycrdt_new(1, 0), *b = ycrdt_new(2, 0);
    cleanup_str struct str all = STR_INIT, late = STR_INIT, x = STR_INIT, y = STR_INIT;
    unsigned text = ycrdt_text(a, "content");
    assert_int_equal(ycrdt_insert(a, text, 0, "hello", 5, NULL), 0);
    assert_int_equal(ycrdt_encode(a, NULL, 0, &all, NULL), 0);
    ycrdt_begin(a);
    assert_int_equal(ycrdt_insert(a, text, 5, " world", 6, NULL), 0);
    assert_int_equal(ycrdt_delete(a, text, 0, 1, NULL), 0);
    ycrdt_commit(a, &late);
    assert_int_equal(ycrdt_apply(b, late.p, late.len, NULL), 0);
    assert_true(ycrdt_has_pending(b));
    assert_int_equal(ycrdt_apply(b, all.p, all.len, NULL), 0);
    assert_false(ycrdt_has_pending(b));
    assert_int_equal(ycrdt_encode(a, NULL, 0, &x, NULL), 0);
    assert_int_equal(ycrdt_encode(b, NULL, 0, &y, NULL), 0);
    assert_int_equal(x.len, y.len);
    assert_memory_equal(x.p, y.p, x.len);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_states),    cmocka_unit_test(test_merged),
        cmocka_unit_test(test_damaged),   cmocka_unit_test(test_uneven),
        cmocka_unit_test(test_not_plain), cmocka_unit_test(test_parked_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
