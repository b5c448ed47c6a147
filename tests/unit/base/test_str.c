#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"

static void test_str_add_and_consume(void **state)
{
    (void)state;
    cleanup_str struct str s = STR_INIT;
    assert_string_equal(s.p, "");
    str_adds(&s, "hello ");
    str_addf(&s, "%d%c", 42, '!');
    assert_string_equal(s.p, "hello 42!");
    str_consume(&s, 6);
    assert_string_equal(s.p, "42!");
    cleanup_free char *given = str_detach(&s);
    assert_string_equal(given, "42!");
    assert_int_equal(s.len, 0);
}

static void test_str_shell_quoted(void **state)
{
    (void)state;
    cleanup_str struct str s = STR_INIT;
    str_add_shell_quoted(&s, "it's $(x)");
    assert_string_equal(s.p, "'it'\\''s $(x)'");
}

static void test_str_printable(void **state)
{
    (void)state;
    cleanup_str struct str s = STR_INIT;
    const char in[] = "a\x1b[2J\xff\xc3\xa9\xc2\x9b";
    str_add_printable(&s, in, sizeof in - 1);
    assert_string_equal(s.p, "a\\x1b[2J\\xff\xc3\xa9\\xc2\\x9b");
}

static void test_str_utf8(void **state)
{
    (void)state;
    assert_true(str_is_utf8("\xf0\x9f\x98\x80", 4));
    assert_false(str_is_utf8("\xed\xa0\x80", 3)); /* a surrogate */
    assert_false(str_is_utf8("\xc0\x80", 2));     /* overlong */
    assert_false(str_is_utf8("\xf0\x9f\x98", 3));
}

static void test_str_equal_secret(void **state)
{
    (void)state;
    assert_true(str_equal_secret("abc", "abc"));
    assert_false(str_equal_secret("abc", "abd"));
    assert_false(str_equal_secret("abc", ""));
    assert_false(str_equal_secret("", "a"));
    assert_true(str_equal_secret("", ""));
}

static void test_strv(void **state)
{
    (void)state;
    cleanup_strv struct strv v = STRV_INIT;
    strv_pushl(&v, "git", "clone", NULL);
    strv_split(&v, " a,,b ", " ,");
    assert_int_equal(v.len, 4);
    assert_string_equal(v.v[3], "b");
    assert_null(v.v[4]);
    assert_true(strv_has(&v, "clone"));
}

static void test_err_first_stands(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    assert_int_equal(err_set(&err, ERR_NOT_FOUND, "no %s\n", "session"), ERR_NOT_FOUND);
    assert_int_equal(err_set(&err, ERR_INVALID, "later"), ERR_NOT_FOUND);
    assert_string_equal(err.msg, "no session ");
    assert_int_equal(err_wrap(&err, "start"), ERR_NOT_FOUND);
    assert_string_equal(err.msg, "start: no session ");
    assert_int_equal(err_code_of_word(err_word(ERR_CONFLICT)), ERR_CONFLICT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_str_add_and_consume), cmocka_unit_test(test_str_shell_quoted),
        cmocka_unit_test(test_str_printable),       cmocka_unit_test(test_str_utf8),
        cmocka_unit_test(test_str_equal_secret),    cmocka_unit_test(test_strv),
        cmocka_unit_test(test_err_first_stands),
    };
    return cmocka_run_group_tests_name("base/str", tests, NULL, NULL);
}
