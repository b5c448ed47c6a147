/* Updates: bytes as Yjs writes them, parking, merging, hostile input. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "check.h"
#include "ycrdt/ycrdt.h"

static void unhex(const char *hex, struct str *out)
{
    for (; hex[0] && hex[1]; hex += 2) {
        const char digits[] = {hex[0], hex[1], '\0'};
        str_addc(out, (char)strtoul(digits, NULL, 16));
    }
}

static void assert_hex(const struct str *s, const char *want)
{
    cleanup_str struct str bytes = STR_INIT;
    unhex(want, &bytes);
    assert_int_equal(s->len, bytes.len);
    assert_memory_equal(s->p, bytes.p, bytes.len);
}

static void put(struct ycrdt *d, size_t pos, const char *s)
{
    assert_int_equal(ycrdt_insert(d, ycrdt_text(d, "content"), pos, s, strlen(s), NULL), 0);
}

static void cut(struct ycrdt *d, size_t pos, size_t len)
{
    assert_int_equal(ycrdt_delete(d, ycrdt_text(d, "content"), pos, len, NULL), 0);
}

static void assert_text(struct ycrdt *d, const char *want)
{
    cleanup_str struct str s = STR_INIT;
    ycrdt_read(d, ycrdt_text(d, "content"), &s);
    assert_string_equal(s.p, want);
    check_doc(d);
}

/* Written by yjs 13.6.33 for the same edits. */
static void test_state_as_yjs(void **state)
{
    (void)state;
    cleanup_ycrdt struct ycrdt *d = ycrdt_new(1, 0);
    cleanup_str struct str u = STR_INIT, sv = STR_INIT;
    put(d, 0, "hello world");
    put(d, 5, ", big");
    cut(d, 0, 1);
    put(d, 0, "J");
    assert_int_equal(ycrdt_encode(d, NULL, 0, &u, NULL), 0);
    assert_hex(&u,
               "01050100010107636f6e74656e740184010004656c6c6f8401040620776f726c64c401040105052c"
               "20626967c401000101014a0101010001");
    ycrdt_encode_sv(d, &sv);
    assert_hex(&sv, "010111");
    str_clear(&sv);
    ycrdt_encode_snapshot(d, &sv);
    assert_hex(&sv, "0101010001010111");
}

static void test_update_of_transaction(void **state)
{
    (void)state;
    cleanup_ycrdt struct ycrdt *d = ycrdt_new(1, 0);
    cleanup_str struct str u = STR_INIT;
    ycrdt_begin(d);
    ycrdt_commit(d, &u);
    assert_int_equal(u.len, 0);
    ycrdt_begin(d);
    put(d, 0, "ab");
    put(d, 2, "c");
    cut(d, 0, 1);
    ycrdt_commit(d, &u);
    assert_hex(&u, "01020100010107636f6e74656e74018401000262630101010001");
    str_clear(&u);
    ycrdt_begin(d);
    put(d, 2, "d");
    ycrdt_commit(d, &u);
    assert_hex(&u, "01010103840102016400");
}

/* What was not understood must come back as it came: map, array, XML, formats, embed, subdocument,
 * binary, JSON of an old version. */
static void test_foreign_contents(void **state)
{
    (void)state;
    static const char xml[] =
        "010901000401017401688401000165840101026c6c840103016fc60100010104626f6c640474727565c60103"
        "010404626f6c64046e756c6cc60101010204626f6c64046e756c6cc5010701020d7b22696d616765223a2278"
        "227dc60108010204626f6c64047472756500";
    static const char *const updates[] = {
        "010301002101016d016b012801016d026b32017c3fc00000a80100017e0101010001",
        "0104010008010161037d01770178750278760101617d0287010201280001030171017d018301030201ff00",
        xml,
        "01040100070101780301702800010002696401770176070001000604000102017400",
        "010101002901016d0164036162637602086175746f4c6f616478046d657461760101617d0100",
        "01020100010101610100050101010006",
        "010101000201016102043132333409756e646566696e656400",
    };
    for (size_t i = 0; i < ARRAY_LEN(updates); i++) {
        cleanup_ycrdt struct ycrdt *d = ycrdt_new(9, 0);
        cleanup_str struct str in = STR_INIT, out = STR_INIT, sv = STR_INIT;
        unhex(updates[i], &in);
        assert_int_equal(ycrdt_apply(d, in.p, in.len, NULL), 0);
        check_doc(d);
        assert_int_equal(ycrdt_encode(d, NULL, 0, &out, NULL), 0);
        assert_hex(&out, updates[i]);
    }
}

static void test_parked(void **state)
{
    (void)state;
    cleanup_ycrdt struct ycrdt *a = ycrdt_new(1, 0), *b = ycrdt_new(2, 0);
    struct str u[4] = {STR_INIT, STR_INIT, STR_INIT, STR_INIT};
    const char *words[] = {"one ", "two ", "three "};
    size_t pos = 0;
    for (int i = 0; i < 3; i++) {
        ycrdt_begin(a);
        put(a, pos, words[i]);
        ycrdt_commit(a, &u[i]);
        pos += strlen(words[i]);
    }
    ycrdt_begin(a);
    cut(a, 0, 4);
    ycrdt_commit(a, &u[3]);
    for (int i = 3; i >= 0; i--) {
        assert_int_equal(ycrdt_apply(b, u[i].p, u[i].len, NULL), 0);
        assert_int_equal(ycrdt_has_pending(b), i > 0);
        assert_int_equal(ycrdt_apply(b, u[i].p, u[i].len, NULL), 0);
    }
    assert_text(b, "two three ");
    cleanup_str struct str x = STR_INIT, y = STR_INIT;
    assert_int_equal(ycrdt_encode(a, NULL, 0, &x, NULL), 0);
    assert_int_equal(ycrdt_encode(b, NULL, 0, &y, NULL), 0);
    assert_int_equal(x.len, y.len);
    assert_memory_equal(x.p, y.p, x.len);
    for (int i = 0; i < 4; i++)
        str_release(&u[i]);
}

static void test_concurrent_inserts(void **state)
{
    (void)state;
    cleanup_ycrdt struct ycrdt *a = ycrdt_new(1, 0), *b = ycrdt_new(2, 0);
    cleanup_str struct str x = STR_INIT, y = STR_INIT;
    put(a, 0, "aaa");
    put(b, 0, "bbb");
    assert_int_equal(ycrdt_encode(a, NULL, 0, &x, NULL), 0);
    assert_int_equal(ycrdt_encode(b, NULL, 0, &y, NULL), 0);
    assert_int_equal(ycrdt_apply(a, y.p, y.len, NULL), 0);
    assert_int_equal(ycrdt_apply(b, x.p, x.len, NULL), 0);
    assert_text(a, "aaabbb"); /* the lower client comes first */
    assert_text(b, "aaabbb");
}

static void test_diff_and_merge(void **state)
{
    (void)state;
    cleanup_ycrdt struct ycrdt *a = ycrdt_new(1, 0), *b = ycrdt_new(2, 0);
    cleanup_str struct str first = STR_INIT, all = STR_INIT, sv = STR_INIT, diff = STR_INIT;
    cleanup_str struct str merged = STR_INIT, again = STR_INIT;
    put(a, 0, "hello");
    assert_int_equal(ycrdt_encode(a, NULL, 0, &first, NULL), 0);
    ycrdt_encode_sv(a, &sv);
    put(a, 5, " world");
    assert_int_equal(ycrdt_encode(a, sv.p, sv.len, &diff, NULL), 0);
    assert_hex(&diff, "010101058401040620776f726c6400");
    assert_int_equal(ycrdt_encode(a, NULL, 0, &all, NULL), 0);
    assert_int_equal(ycrdt_diff_update(all.p, all.len, sv.p, sv.len, &again, NULL), 0);
    assert_int_equal(again.len, diff.len);
    assert_memory_equal(again.p, diff.p, diff.len);
    struct ycrdt_buf parts[] = {{diff.p, diff.len}, {first.p, first.len}, {diff.p, diff.len}};
    assert_int_equal(ycrdt_merge_updates(parts, 3, &merged, NULL), 0);
    assert_int_equal(ycrdt_apply(b, merged.p, merged.len, NULL), 0);
    assert_text(b, "hello world");
    str_clear(&sv);
    assert_int_equal(ycrdt_update_sv(merged.p, merged.len, &sv, NULL), 0);
    assert_hex(&sv, "01010b");
    str_clear(&sv);
    assert_int_equal(ycrdt_update_sv(diff.p, diff.len, &sv, NULL), 0);
    assert_hex(&sv, "00");
}

static void test_state_vectors(void **state)
{
    (void)state;
    const struct ycrdt_clock v[] = {{5, 1}, {YCRDT_MAX_CLIENT, 300}, {7, 0}};
    cleanup_str struct str s = STR_INIT, again = STR_INIT;
    cleanup_free struct ycrdt_clock *out = NULL;
    size_t n = 0;
    ycrdt_sv_encode(v, 3, &s);
    assert_int_equal(ycrdt_sv_decode(s.p, s.len, &out, &n, NULL), 0);
    assert_int_equal(n, 3);
    assert_int_equal(out[0].client, YCRDT_MAX_CLIENT);
    assert_int_equal(out[0].clock, 300);
    ycrdt_sv_encode(out, n, &again);
    assert_memory_equal(again.p, s.p, s.len);
    assert_int_equal(ycrdt_sv_decode(s.p, s.len - 1, &out, &n, NULL), ERR_INVALID);
    assert_int_equal(ycrdt_sv_decode("\x02\x01\x01\x01\x01", 5, &out, &n, NULL), ERR_INVALID);
    assert_int_equal(ycrdt_sv_decode("\xff\xff\xff\xff\x0f", 5, &out, &n, NULL), ERR_INVALID);
}

/* Refused, and the document is as it was. */
static void test_malformed(void **state)
{
    (void)state;
    static const struct {
        const char *hex;
        int code;
    } bad[] = {
        {"", ERR_INVALID},
        {"00", ERR_INVALID},                             /* no delete set */
        {"0000ff", ERR_INVALID},                         /* bytes behind */
        {"ffffffffffffffff7f00", ERR_INVALID},           /* sections without end */
        {"01ffffffff0f050004010161016100", ERR_INVALID}, /* structs without end */
        {"010105000401016101", ERR_INVALID},             /* cut off */
        {"0101050004010161ffffffff0f6100", ERR_INVALID}, /* huge length */
        {"010105000401016101ff00", ERR_INVALID},         /* text is not UTF-8 */
        {"010105000401016103eda08000", ERR_INVALID},
        {"01010500840500016100", ERR_INVALID},   /* its own origin */
        {"01010500440509016100", ERR_INVALID},   /* a later one of its client */
        {"0101050004000500016100", ERR_INVALID}, /* its own parent */
        {"01010500040101610000", ERR_INVALID},   /* empty struct */
        {"01010500000000", ERR_INVALID},
        {"010105001f0000", ERR_INVALID},                           /* no such content */
        {"01010500070101610900", ERR_INVALID},                     /* no such type */
        {"0101050005010161027b7b00", ERR_INVALID},                 /* not JSON */
        {"0201050004010161016101050004010161016100", ERR_INVALID}, /* a client twice */
        {"010105808080800804010161016100", ERR_LIMIT},             /* clock too high */
        {"0101050000ffffffff0f00", ERR_LIMIT},                     /* length too high */
        {"000105010000", ERR_INVALID},                             /* empty deletion */
        {"00010501808080800801", ERR_LIMIT},
    };
    cleanup_ycrdt struct ycrdt *d = ycrdt_new(1, 0);
    cleanup_str struct str before = STR_INIT;
    put(d, 0, "text");
    assert_int_equal(ycrdt_encode(d, NULL, 0, &before, NULL), 0);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        cleanup_str struct str u = STR_INIT, after = STR_INIT;
        struct err err = ERR_INIT;
        unhex(bad[i].hex, &u);
        if (ycrdt_apply(d, u.p, u.len, &err) != bad[i].code)
            fail_msg("%s: code %d, %s", bad[i].hex, err.code, err.msg);
        assert_true(err.msg[0] != '\0');
        struct ycrdt_buf two[2] = {{u.p, u.len}, {before.p, before.len}};
        assert_int_equal(ycrdt_merge_updates(two, 2, &after, NULL), bad[i].code);
        assert_int_equal(ycrdt_update_sv(u.p, u.len, &after, NULL), bad[i].code);
        assert_int_equal(ycrdt_diff_update(u.p, u.len, "\0", 1, &after, NULL), bad[i].code);
        assert_int_equal(after.len, 0);
        assert_int_equal(ycrdt_encode(d, NULL, 0, &after, NULL), 0);
        assert_int_equal(after.len, before.len);
        assert_memory_equal(after.p, before.p, before.len);
        check_doc(d);
    }
}

/* Every prefix of a good update is refused, and none of them leaves a trace. */
static void test_every_prefix(void **state)
{
    (void)state;
    cleanup_ycrdt struct ycrdt *a = ycrdt_new(300, 0), *b = ycrdt_new(2, 0);
    cleanup_str struct str u = STR_INIT;
    put(a, 0, "größe 😀");
    put(a, 3, "xyz");
    cut(a, 1, 3);
    assert_int_equal(ycrdt_encode(a, NULL, 0, &u, NULL), 0);
    for (size_t n = 0; n < u.len; n++) {
        char *exact = xmemdup(u.p, n);
        assert_int_equal(ycrdt_apply(b, exact, n, NULL), ERR_INVALID);
        free(exact);
    }
    assert_text(b, "");
    struct ycrdt_stats stats;
    ycrdt_stats(b, &stats);
    assert_int_equal(stats.structs, 0);
}

/* Three clients, late and repeated deliveries in a fixed random order: one text, one encoding. */
static void test_converge(void **state)
{
    (void)state;
    uint32_t random = 4711;
    for (int round = 0; round < 60; round++) {
        struct ycrdt *d[3];
        struct str log[120];
        int n = 0;
        for (int i = 0; i < 3; i++)
            d[i] = ycrdt_new((uint64_t)i + 10, 0);
        for (int step = 0; step < 120; step++) {
            random = random * 1664525 + 1013904223;
            uint32_t r = random >> 8;
            struct ycrdt *at = d[r % 3];
            size_t units = ycrdt_units(at, ycrdt_text(at, "content"));
            if (r % 5 < 2 && n > 0) {
                const struct str *u = &log[r / 16 % (uint32_t)n];
                assert_int_equal(ycrdt_apply(at, u->p, u->len, NULL), 0);
                continue;
            }
            log[n] = (struct str)STR_INIT;
            ycrdt_begin(at);
            if (r % 5 == 2 && units > 0)
                cut(at, r / 16 % units, 1);
            else
                put(at, r / 16 % (units + 1), r & 4096 ? "ab" : "ü😀");
            ycrdt_commit(at, &log[n++]);
        }
        cleanup_str struct str want = STR_INIT;
        for (int i = 0; i < 3; i++) {
            cleanup_str struct str got = STR_INIT;
            for (int k = 0; k < n; k++)
                assert_int_equal(ycrdt_apply(d[i], log[(k * 7) % n].p, log[(k * 7) % n].len, NULL),
                                 0);
            for (int k = 0; k < n; k++)
                assert_int_equal(ycrdt_apply(d[i], log[k].p, log[k].len, NULL), 0);
            ycrdt_settle(d[i]);
            assert_false(ycrdt_has_pending(d[i]));
            check_doc(d[i]);
            ycrdt_encode_snapshot(d[i], &got);
            if (i == 0)
                str_add(&want, got.p, got.len);
            assert_int_equal(got.len, want.len);
            assert_memory_equal(got.p, want.p, want.len);
        }
        for (int i = 0; i < 3; i++)
            ycrdt_free(d[i]);
        for (int k = 0; k < n; k++)
            str_release(&log[k]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_state_as_yjs),       cmocka_unit_test(test_update_of_transaction),
        cmocka_unit_test(test_foreign_contents),   cmocka_unit_test(test_parked),
        cmocka_unit_test(test_concurrent_inserts), cmocka_unit_test(test_diff_and_merge),
        cmocka_unit_test(test_state_vectors),      cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_every_prefix),       cmocka_unit_test(test_converge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
