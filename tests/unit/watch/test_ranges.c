/* Ranges of lines: text form, touching places, following a place into another version. */
#include "watch/ranges.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void check_text(const char *text, const char *people)
{
    cleanup_line_ranges struct line_ranges r = LINE_RANGES_INIT;
    cleanup_str struct str out = STR_INIT;
    assert_int_equal(line_ranges_parse(text, strlen(text), &r, NULL), 0);
    line_ranges_format(&r, &out);
    assert_string_equal(out.p, text);
    str_clear(&out);
    line_ranges_describe(&r, &out);
    assert_string_equal(out.p, people);
}

static void test_text(void **state)
{
    static const char *const wrong[] = {
        "1",    "1:",   ":1",    "0:1",      "2:0",
        "a:b",  "1:2,", ",1:2",  "1:2,,3:3", "1 :2",
        "-1:2", "1:2x", "+1:+2", "1:2 ",     "99999999999:99999999999"};
    (void)state;
    check_text("", "");
    check_text("10:12", "10-12");
    check_text("10:12,20:19,30:30", "10-12, 20, 30");
    check_text("1:0", "1");
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        cleanup_line_ranges struct line_ranges r = LINE_RANGES_INIT;
        assert_true(line_ranges_parse(wrong[i], strlen(wrong[i]), &r, NULL) < 0);
    }
}

static void test_at_most(void **state)
{
    cleanup_line_ranges struct line_ranges r = LINE_RANGES_INIT;
    (void)state;
    for (uint32_t i = 0; i < 2 * RANGES_MAX; i++)
        line_ranges_add(&r, i + 1, 1);
    assert_int_equal(r.len, RANGES_MAX);
}

static bool meets(uint32_t a, uint32_t a_n, uint32_t b, uint32_t b_n)
{
    bool one = line_range_meets((struct line_range){a, a_n}, (struct line_range){b, b_n});
    assert_int_equal(one,
                     line_range_meets((struct line_range){b, b_n}, (struct line_range){a, a_n}));
    return one;
}

static void test_meets(void **state)
{
    (void)state;
    assert_true(meets(10, 3, 12, 1));
    assert_true(meets(10, 3, 13, 1)); /* they touch: a merge takes them as one place */
    assert_false(meets(10, 3, 14, 1));
    assert_true(meets(5, 0, 5, 0));
    assert_true(meets(5, 0, 4, 1));
    assert_false(meets(5, 0, 3, 1));
}

static void check_follow(const char *before, const char *from, const char *to, const char *after)
{
    cleanup_line_ranges struct line_ranges r = LINE_RANGES_INIT;
    cleanup_str struct str out = STR_INIT;
    assert_int_equal(line_ranges_parse(before, strlen(before), &r, NULL), 0);
    line_ranges_follow(&r, from, strlen(from), to, strlen(to));
    line_ranges_format(&r, &out);
    assert_string_equal(out.p, after);
}

static void test_follow(void **state)
{
    (void)state;
    check_follow("2:2", "a\nb\nc\n", "a\nb\nc\n", "2:2");
    check_follow("5:5", "a\nb\nc\nd\ne\n", "x\ny\na\nb\nc\nd\ne\n", "7:7");
    check_follow("1:1,5:5", "a\nb\nc\nd\ne\n", "a\nb\nd\ne\n", "1:1,4:4");
    check_follow("1:1", "a\nb\nc\nd\ne\n", "a\nb\nc\nd\ne\nf\n", "1:1");
    /* A place that was changed meanwhile is that whole place. */
    check_follow("3:3", "a\nb\nc\nd\ne\n", "a\nB\nC\nD\nD2\ne\n", "2:5");
    /* What was deleted is the place where it was. */
    check_follow("3:3", "a\nb\nc\nd\ne\n", "a\nb\nd\ne\n", "3:2");
    check_follow("1:0", "", "a\n", "1:1");
    check_follow("1:1", "a\n", "", "1:0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_at_most),
        cmocka_unit_test(test_meets),
        cmocka_unit_test(test_follow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
