/* Remembered answers of a forge: whose they are, for how long, how many. */
#include "../base/test.h"

#include <string.h>

#include "forge/memory.h"

#define URL "https://h/keys"

static void put(struct forge_memory *m, const char *url, const char *token, int64_t now,
                const char *etag, size_t size)
{
    cleanup_http_response struct http_response res = HTTP_RESPONSE_INIT;
    res.status = 200;
    if (etag)
        strv_pushf(&res.headers, "etag: %s", etag);
    strv_push(&res.headers, "link: <https://h/2>; rel=\"next\"");
    for (size_t i = 0; i < size; i++)
        str_addc(&res.body, 'x');
    forge_memory_put(m, url, token, now, &res);
}

/* The length of the remembered body, -1: nothing. */
static long look(struct forge_memory *m, const char *url, const char *token, int64_t now)
{
    cleanup_http_response struct http_response res = HTTP_RESPONSE_INIT;
    cleanup_str struct str etag = STR_INIT;
    if (!forge_memory_find(m, url, token, now, &etag, &res))
        return -1;
    assert_int_equal(res.status, 200);
    assert_non_null(http_response_header(&res, "link"));
    assert_string_equal(http_response_header(&res, "etag"), etag.p);
    return (long)res.body.len;
}

static void test_remembers(void **state)
{
    (void)state;
    struct forge_memory *m = forge_memory_new();
    assert_int_equal(look(m, URL, NULL, 100), -1);
    put(m, URL, "t", 100, "W/\"a\"", 5);
    assert_int_equal(look(m, URL, "t", 100), 5);
    /* what one token may see is not what another may */
    assert_int_equal(look(m, URL, "u", 100), -1);
    assert_int_equal(look(m, URL, NULL, 100), -1);
    assert_int_equal(look(m, "https://h/other", "t", 100), -1);
    /* not for ever, and not from the future */
    assert_int_equal(look(m, URL, "t", 100 + FORGE_MEMORY_LIFE_S - 1), 5);
    assert_int_equal(look(m, URL, "t", 100 + FORGE_MEMORY_LIFE_S), -1);
    assert_int_equal(look(m, URL, "t", 99), -1);
    put(m, URL, "t", 200, "\"b\"", 6);
    assert_int_equal(look(m, URL, "t", 200), 6);
    /* an answer without an ETag takes the place of the earlier one */
    put(m, URL, "t", 300, NULL, 7);
    assert_int_equal(look(m, URL, "t", 300), -1);
    put(m, URL, "t", 300, "\"c\"", FORGE_MEMORY_BODY_MAX + 1);
    assert_int_equal(look(m, URL, "t", 300), -1);
    forge_memory_free(m);
}

static void test_room(void **state)
{
    (void)state;
    struct forge_memory *m = forge_memory_new();
    /* one less than the bodies alone: headers count too */
    enum { FIT = FORGE_MEMORY_BYTES_MAX / FORGE_MEMORY_BODY_MAX - 1, N = FIT + 5 };
    for (int i = 0; i < N; i++) {
        cleanup_free char *url = xasprintf("https://h/%d", i);
        put(m, url, NULL, i, "\"a\"", FORGE_MEMORY_BODY_MAX);
    }
    for (int i = 0; i < N; i++) {
        cleanup_free char *url = xasprintf("https://h/%d", i);
        assert_int_equal(look(m, url, NULL, N), i < N - FIT ? -1 : FORGE_MEMORY_BODY_MAX);
    }
    forge_memory_free(m);
}

static void test_etags(void **state)
{
    (void)state;
    static const char *const good[] = {"\"\"", "\"abc\"", "W/\"abc\"", "\"!#~\""};
    static const char *const bad[] = {"",        "abc",       "\"",          "W/",      "W/\"",
                                      "w/\"a\"", "\"a\"b\"",  "\"a b\"",     "\"a\n\"", "\"\x7f\"",
                                      "\"a",     "W/W/\"a\"", "\"\xc3\xa4\""};
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        if (!forge_etag_is_usable(good[i], strlen(good[i])))
            fail_msg("refused: %s", good[i]);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (forge_etag_is_usable(bad[i], strlen(bad[i])))
            fail_msg("taken: %s", bad[i]);
    assert_true(forge_etag_is_same("W/\"a\"", "\"a\""));
    assert_false(forge_etag_is_same("\"a\"", "\"b\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_remembers),
        cmocka_unit_test(test_room),
        cmocka_unit_test(test_etags),
    };
    return cmocka_run_group_tests_name("forge/memory", tests, NULL, NULL);
}
