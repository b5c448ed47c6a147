/* Editing and reading one document. */
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

static void assert_text(struct ycrdt *d, unsigned text, const char *want)
{
    cleanup_str struct str s = STR_INIT;
    ycrdt_read(d, text, &s);
    assert_string_equal(s.p, want);
    assert_int_equal(s.len, ycrdt_bytes(d, text));
    check_doc(d);
}

static void put(struct ycrdt *d, unsigned text, size_t pos, const char *s)
{
    struct err err = ERR_INIT;
    if (ycrdt_insert(d, text, pos, s, strlen(s), &err) != 0)
        fail_msg("%s", err.msg);
}

static void test_edits(void **state)
{
    (void)state;
    cleanup_ycrdt struct ycrdt *d = ycrdt_new(7, 0);
    unsigned t = ycrdt_text(d, "content");
    assert_int_equal(ycrdt_text(d, "content"), t);
    assert_int_not_equal(ycrdt_text(d, "other"), t);
    put(d, t, 0, "hello world");
    put(d, t, 5, ", big");
    assert_text(d, t, "hello, big world");
    assert_int_equal(ycrdt_delete(d, t, 0, 7, NULL), 0);
    put(d, t, 0, "A ");
    assert_text(d, t, "A big world");
    assert_int_equal(ycrdt_delete(d, t, 0, 11, NULL), 0);
    assert_text(d, t, "");
    put(d, t, 0, "again");
    assert_text(d, t, "again");
}

static void test_positions_outside(void **state)
{
    (void)state;
    cleanup_ycrdt struct ycrdt *d = ycrdt_new(1, 0);
    unsigned t = ycrdt_text(d, "content");
    put(d, t, 0, "abc");
    struct err err = ERR_INIT;
    assert_int_equal(ycrdt_insert(d, t, 4, "x", 1, &err), ERR_INVALID);
    assert_string_equal(err.msg, "position 4 is behind the end of the text");
    assert_int_equal(ycrdt_delete(d, t, 4, 0, NULL), ERR_INVALID);
    assert_int_equal(ycrdt_delete(d, t, 1, 3, NULL), ERR_INVALID);
    assert_int_equal(ycrdt_delete(d, t, 1, SIZE_MAX, NULL), ERR_INVALID);
    assert_int_equal(ycrdt_insert(d, t, 0, "\xff", 1, NULL), ERR_INVALID);
    assert_int_equal(ycrdt_insert(d, t, 0, "\xed\xa0\x80", 3, NULL), ERR_INVALID);
    assert_text(d, t, "abc");
}

static void test_units_and_bytes(void **state)
{
    (void)state;
    cleanup_ycrdt struct ycrdt *d = ycrdt_new(1, 0);
    unsigned t = ycrdt_text(d, "content");
    put(d, t, 0, "zwölf 😀 日本");
    assert_int_equal(ycrdt_units(d, t), 11);
    assert_int_equal(ycrdt_bytes(d, t), 18);
    put(d, t, 9, "x");
    assert_text(d, t, "zwölf 😀 x日本");
    assert_int_equal(ycrdt_insert_bytes(d, t, 3, "!", 1, NULL), ERR_INVALID);
    assert_int_equal(ycrdt_insert_bytes(d, t, 4, "!", 1, NULL), 0);
    assert_text(d, t, "zwö!lf 😀 x日本");
    assert_int_equal(ycrdt_delete_bytes(d, t, 8, 4, NULL), 0);
    assert_text(d, t, "zwö!lf  x日本");
    assert_int_equal(ycrdt_delete_bytes(d, t, 0, 5, NULL), 0);
    assert_text(d, t, "lf  x日本");
    assert_int_equal(ycrdt_delete_bytes(d, t, 5, 4, NULL), ERR_INVALID);
    assert_int_equal(ycrdt_delete_bytes(d, t, 5, 6, NULL), 0);
    assert_text(d, t, "lf  x");
}

static void test_split_pair(void **state)
{
    (void)state;
    cleanup_ycrdt struct ycrdt *d = ycrdt_new(1, 0);
    unsigned t = ycrdt_text(d, "content");
    put(d, t, 0, "a😀b");
    put(d, t, 2, "-");
    assert_text(d, t,
                "a\xef\xbf\xbd-\xef\xbf\xbd"
                "b");
    put(d, t, 5, "😀");
    assert_int_equal(ycrdt_delete(d, t, 6, 1, NULL), 0);
    assert_text(d, t,
                "a\xef\xbf\xbd-\xef\xbf\xbd"
                "b\xef\xbf\xbd");
}

static void test_raw(void **state)
{
    (void)state;
    cleanup_ycrdt struct ycrdt *a = ycrdt_new(1, YCRDT_RAW), *b = ycrdt_new(2, YCRDT_RAW);
    unsigned t = ycrdt_text(a, "content");
    assert_int_equal(ycrdt_insert(a, t, 0, "gr\xfc\xdf e\0", 7, NULL), 0);
    assert_int_equal(ycrdt_insert(a, t, 3, "\xf0\x9f", 2, NULL), 0);
    assert_int_equal(ycrdt_units(a, t), 9);
    cleanup_str struct str u = STR_INIT, s = STR_INIT;
    assert_int_equal(ycrdt_encode(a, NULL, 0, &u, NULL), 0);
    assert_int_equal(ycrdt_apply(b, u.p, u.len, NULL), 0);
    ycrdt_read(b, ycrdt_text(b, "content"), &s);
    assert_int_equal(s.len, 9);
    assert_memory_equal(s.p, "gr\xfc\xf0\x9f\xdf e\0", 9);
    cleanup_ycrdt struct ycrdt *text = ycrdt_new(3, 0);
    assert_int_equal(ycrdt_apply(text, u.p, u.len, NULL), ERR_INVALID);
    check_doc(b);
}

static void test_authors(void **state)
{
    (void)state;
    cleanup_ycrdt struct ycrdt *a = ycrdt_new(1, 0), *b = ycrdt_new(2, 0);
    unsigned t = ycrdt_text(a, "content"), u = ycrdt_text(b, "content");
    cleanup_str struct str s = STR_INIT;
    put(a, t, 0, "größe");
    assert_int_equal(ycrdt_encode(a, NULL, 0, &s, NULL), 0);
    assert_int_equal(ycrdt_apply(b, s.p, s.len, NULL), 0);
    put(b, u, 2, "XY");
    assert_int_equal(ycrdt_delete(b, u, 4, 1, NULL), 0);
    struct ycrdt_span *v;
    size_t n;
    ycrdt_authors(b, u, &v, &n);
    assert_int_equal(n, 3);
    const struct ycrdt_span want[] = {{1, 0, 0, 2, 0, 2}, {2, 0, 2, 2, 2, 2}, {1, 3, 4, 2, 4, 3}};
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(v[i].client, want[i].client);
        assert_int_equal(v[i].clock, want[i].clock);
        assert_int_equal(v[i].pos, want[i].pos);
        assert_int_equal(v[i].len, want[i].len);
        assert_int_equal(v[i].byte_pos, want[i].byte_pos);
        assert_int_equal(v[i].byte_len, want[i].byte_len);
    }
    free(v);
}

/* Thousands of edits against a plain string. */
static void test_against_string(void **state)
{
    (void)state;
    cleanup_ycrdt struct ycrdt *d = ycrdt_new(1, 0);
    unsigned t = ycrdt_text(d, "content");
    cleanup_str struct str want = STR_INIT;
    uint32_t random = 99, cursor = 0;
    for (int i = 0; i < 20000; i++) {
        random = random * 1664525 + 1013904223;
        uint32_t r = random >> 9, len = (uint32_t)want.len;
        uint32_t pos = r % 3 ? cursor : r / 3 % (len + 1);
        pos = pos > len ? len : pos;
        if (r % 16 < 9 || len == 0) {
            char word[8];
            int n = snprintf(word, sizeof word, "%u", r % 1000);
            assert_int_equal(ycrdt_insert(d, t, pos, word, (size_t)n, NULL), 0);
            str_reserve(&want, (size_t)n);
            memmove(want.p + pos + n, want.p + pos, len - pos);
            memcpy(want.p + pos, word, (size_t)n);
            str_grew(&want, (size_t)n);
            cursor = pos + (uint32_t)n;
        } else {
            uint32_t n = r / 7 % 5;
            pos = pos >= n && r & 1024 ? pos - n : pos;
            n = n > len - pos ? len - pos : n;
            assert_int_equal(ycrdt_delete(d, t, pos, n, NULL), 0);
            memmove(want.p + pos, want.p + pos + n, len - pos - n);
            str_truncate(&want, len - n);
            cursor = pos;
        }
        if (i % 1000 == 0)
            assert_text(d, t, want.p);
    }
    assert_text(d, t, want.p);
}

/* From Yjs: "some bold words" with formats, a tombstone and an embed. */
static const unsigned char rich[] = {
    0x01, 0x0c, 0x09, 0x00, 0x04, 0x01, 0x07, 0x63, 0x6f, 0x6e, 0x74, 0x65, 0x6e, 0x74, 0x02,
    0x73, 0x6f, 0x84, 0x09, 0x01, 0x01, 0x6d, 0x84, 0x09, 0x02, 0x01, 0x65, 0x81, 0x09, 0x03,
    0x01, 0x84, 0x09, 0x04, 0x04, 0x62, 0x6f, 0x6c, 0x64, 0x84, 0x09, 0x08, 0x03, 0x20, 0x77,
    0x6f, 0x84, 0x09, 0x0b, 0x03, 0x72, 0x64, 0x73, 0xc6, 0x09, 0x04, 0x09, 0x05, 0x04, 0x62,
    0x6f, 0x6c, 0x64, 0x04, 0x74, 0x72, 0x75, 0x65, 0xc6, 0x09, 0x08, 0x09, 0x09, 0x04, 0x62,
    0x6f, 0x6c, 0x64, 0x04, 0x6e, 0x75, 0x6c, 0x6c, 0xc5, 0x09, 0x0b, 0x09, 0x0c, 0x0b, 0x7b,
    0x22, 0x69, 0x6d, 0x61, 0x67, 0x65, 0x22, 0x3a, 0x31, 0x7d, 0xc6, 0x09, 0x01, 0x09, 0x02,
    0x02, 0x65, 0x6d, 0x04, 0x74, 0x72, 0x75, 0x65, 0xc6, 0x09, 0x02, 0x09, 0x03, 0x02, 0x65,
    0x6d, 0x04, 0x6e, 0x75, 0x6c, 0x6c, 0x01, 0x09, 0x01, 0x04, 0x01,
};

/* Where an edit falls must not depend on where the last one was: each is made in a fresh copy too,
 * which has to tell the same update. */
static void edits_as_in_copies(const void *begin, size_t n, uint32_t random)
{
    cleanup_ycrdt struct ycrdt *d = ycrdt_new(1, 0);
    unsigned t = ycrdt_text(d, "content");
    assert_int_equal(n ? ycrdt_apply(d, begin, n, NULL) : 0, 0);
    size_t cursor = 0;
    for (int i = 0; i < 1500; i++) {
        random = random * 1664525 + 1013904223;
        uint32_t r = random >> 9, add = r % 7 < 4 ? r / 7 % 3 : 0;
        size_t len = ycrdt_units(d, t), cut = r % 7 >= 3 ? 1 + r / 64 % 3 : 0;
        size_t pos = r & 16 ? r / 32 % (len + 1) : cursor;
        pos = pos > len ? len : pos;
        pos = cut && r & 1024 ? (pos > cut ? pos - cut : 0) : pos;
        cut = cut > len - pos ? len - pos : cut;
        cleanup_ycrdt struct ycrdt *copy = ycrdt_new(1, 0);
        cleanup_str struct str state = STR_INIT, ours = STR_INIT, its = STR_INIT;
        assert_int_equal(ycrdt_encode(d, NULL, 0, &state, NULL), 0);
        assert_int_equal(ycrdt_apply(copy, state.p, state.len, NULL), 0);
        struct ycrdt *both[] = {d, copy};
        struct str *update[] = {&ours, &its};
        for (int k = 0; k < 2; k++) {
            unsigned text = ycrdt_text(both[k], "content");
            ycrdt_begin(both[k]);
            assert_int_equal(ycrdt_delete(both[k], text, pos, cut, NULL), 0);
            assert_int_equal(ycrdt_insert(both[k], text, pos, "ab", add, NULL), 0);
            ycrdt_commit(both[k], update[k]);
        }
        assert_int_equal(ours.len, its.len);
        assert_memory_equal(ours.p, its.p, ours.len);
        cursor = pos + add;
    }
    check_doc(d);
}

static void test_cursor(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 4; seed++) {
        edits_as_in_copies(NULL, 0, seed);
        edits_as_in_copies(rich, sizeof rich, seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_edits),
        cmocka_unit_test(test_positions_outside),
        cmocka_unit_test(test_units_and_bytes),
        cmocka_unit_test(test_split_pair),
        cmocka_unit_test(test_raw),
        cmocka_unit_test(test_authors),
        cmocka_unit_test(test_against_string),
        cmocka_unit_test(test_cursor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
