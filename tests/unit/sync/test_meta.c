#include "sync/meta.h"

#include "../git/git_fixture.h"

static void test_round_trip(void **state)
{
    (void)state;
    cleanup_meta struct meta meta = {.session_id = xstrdup("abc"),
                                     .session_branch = xstrdup("steadystate/collab/abc"),
                                     .last_synced = {{1, 2, 3}},
                                     .syncing_to = {{4, 5, 6}},
                                     .resumed_to = {{7, 8}},
                                     .resumed_tree = {{9}},
                                     .prepared_time = 77};
    struct oid sub = {{7}};
    meta_set_submodule(&meta, "lib/x", &sub);
    cleanup_str struct str text = STR_INIT;
    meta_format(&meta, &text);
    cleanup_meta struct meta back = {0};
    assert_int_equal(meta_parse(text.p, text.len, &back, NULL), 0);
    assert_string_equal(back.session_branch, meta.session_branch);
    assert_true(oid_equal(&back.last_synced, &meta.last_synced));
    assert_true(oid_equal(&back.syncing_to, &meta.syncing_to));
    assert_true(oid_equal(&back.resumed_to, &meta.resumed_to));
    assert_true(oid_equal(&back.resumed_tree, &meta.resumed_tree));
    assert_true(oid_is_zero(&back.preparing));
    meta_end_refresh(&back);
    assert_true(oid_is_zero(&back.syncing_to) && oid_is_zero(&back.resumed_to));
    assert_int_equal(back.prepared_time, 77);
    assert_true(oid_equal(meta_submodule_of(&back, "lib/x"), &sub));
    meta_drop_submodule(&back, "lib/x");
    assert_null(meta_submodule_of(&back, "lib/x"));
}

static void test_refuses(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "[]",
        "{}",
        "{\"session_id\":\"a\"}",
        "{\"session_id\":1,\"session_branch\":\"b\"}",
        "{\"session_id\":\"a\",\"session_branch\":\"b\",\"last_synced_commit\":\"xyz\"}",
        "{\"session_id\":\"a\",\"session_branch\":\"b\",\"submodules\":{\"x\":\"1\"}}",
        "{\"session_id\":\"a\",\"session_branch\":\"b\"} x",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        cleanup_meta struct meta meta = {0};
        assert_true(meta_parse(bad[i], strlen(bad[i]), &meta, NULL) < 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round_trip),
                                       cmocka_unit_test(test_refuses)};
    return cmocka_run_group_tests_name("sync/meta", tests, NULL, NULL);
}
