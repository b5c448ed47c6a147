#include "engine/mux.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/str.h"

static int add(enum engine_stream stream, const char *p, size_t n, void *payload, struct err *err)
{
    (void)err;
    struct str *s = payload;
    str_addf(s, "%d:", stream);
    str_add(s, p, n);
    str_addc(s, '|');
    return 0;
}

static int refuse(enum engine_stream stream, const char *p, size_t n, void *payload,
                  struct err *err)
{
    (void)stream;
    (void)p;
    (void)n;
    (void)payload;
    return err_set(err, ERR_LIMIT, "enough");
}

static const char stream[] = "\1\0\0\0\0\0\0\5hello\2\0\0\0\0\0\0\2no\1\0\0\0\0\0\0\0"
                             "\1\0\0\0\0\0\0\1x";

static void test_whole(void **state)
{
    (void)state;
    struct engine_mux mux = {0};
    cleanup_str struct str got = STR_INIT;
    assert_int_equal(engine_mux_feed(&mux, stream, sizeof stream - 1, add, &got, NULL), 0);
    assert_string_equal(got.p, "1:hello|2:no|1:x|");
}

static void test_split_anywhere(void **state)
{
    (void)state;
    for (size_t cut = 0; cut < sizeof stream; cut++) {
        struct engine_mux mux = {0};
        cleanup_str struct str got = STR_INIT, plain = STR_INIT;
        assert_int_equal(engine_mux_feed(&mux, stream, cut, add, &got, NULL), 0);
        assert_int_equal(
            engine_mux_feed(&mux, stream + cut, sizeof stream - 1 - cut, add, &got, NULL), 0);
        for (size_t i = 0; i < got.len; i++)
            if (strchr("helnox", got.p[i]))
                str_addc(&plain, got.p[i]);
        assert_string_equal(plain.p, "hellonox");
    }
}

static void test_not_this_format(void **state)
{
    (void)state;
    static const char *const bad[] = {"HTTP/1.1", "\3\0\0\0\0\0\0\1", "\1\0\0\1\0\0\0\1",
                                      "\1\0\0\0\377\0\0\0"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct engine_mux mux = {0};
        struct err err = ERR_INIT;
        assert_int_equal(engine_mux_feed(&mux, bad[i], 8, add, NULL, &err), ERR_INVALID);
    }
    struct engine_mux mux = {0};
    assert_int_equal(engine_mux_feed(&mux, stream, sizeof stream - 1, refuse, NULL, NULL),
                     ERR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_split_anywhere),
        cmocka_unit_test(test_not_this_format),
    };
    return cmocka_run_group_tests_name("engine/mux", tests, NULL, NULL);
}
