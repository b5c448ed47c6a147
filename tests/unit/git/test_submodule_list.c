#include "git/submodule_list.h"

#include "git_fixture.h"

static struct submodule make(const char *name, int parent, int mirror, const char *problem)
{
    struct submodule s = {.name = xstrdup(name), .path = xstrdup(name), .parent = parent};
    s.mirror = mirror;
    s.url = mirror >= 0 ? xstrdup("https://h.org/x.git") : NULL;
    s.problem = problem ? xstrdup(problem) : NULL;
    return s;
}

static void test_round(void **state)
{
    (void)state;
    cleanup_submodule_list struct submodule_list list = {.len = 0};
    cleanup_submodule_list struct submodule_list back = {.len = 0};
    cleanup_str struct str text = STR_INIT;
    cleanup_str struct str again = STR_INIT;
    struct err err = ERR_INIT;
    struct submodule all[] = {make("lib", -1, 0, NULL), make("\\x0a", -1, -1, "why \"not\""),
                              make("in/ner", 0, 3, NULL)};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        assert_true(submodule_list_add(&list, &all[i]));
    submodule_list_format(&list, &text);
    assert_int_equal(submodule_list_parse(text.p, text.len, &back, &err), 0);
    submodule_list_format(&back, &again);
    assert_string_equal(text.p, again.p);
    assert_int_equal(submodule_list_depth(&back, 0), 1);
    assert_int_equal(submodule_list_depth(&back, 2), 2);
    assert_string_equal(back.v[1].problem, "why \"not\"");
    assert_int_equal(back.v[2].mirror, 3);
}

static void test_full(void **state)
{
    (void)state;
    cleanup_submodule_list struct submodule_list list = {.len = 0};
    for (int i = 0; i < SUBMODULES_MAX; i++) {
        struct submodule one = make("x", -1, -1, NULL);
        assert_true(submodule_list_add(&list, &one));
    }
    struct submodule one = make("x", -1, -1, NULL);
    assert_false(submodule_list_add(&list, &one));
    submodule_release(&one);
}

#define COMMIT "\"commit\":\"0123456789012345678901234567890123456789\""

static void test_refuses(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "[]",
        "{\"submodules\":[1]}",
        "{\"submodules\":[{\"name\":\"a\",\"path\":\"a\"}]}",
        "{\"submodules\":[{\"name\":\"a\",\"path\":\"a\",\"commit\":\"01\"}]}",
        "{\"submodules\":[{\"name\":\"a\",\"path\":\"a\",\"parent\":0," COMMIT "}]}",
        "{\"submodules\":[{\"name\":\"a\",\"path\":\"../a\",\"mirror\":0,\"url\":\"x\"," COMMIT
        "}]}",
        "{\"submodules\":[{\"name\":\"../a\",\"path\":\"a\",\"mirror\":0,\"url\":\"x\"," COMMIT
        "}]}",
        "{\"submodules\":[{\"name\":\"a\",\"path\":\"a\",\"mirror\":0," COMMIT "}]}",
        "{\"submodules\":[{\"name\":\"a\",\"path\":\"a\",\"mirror\":32,\"url\":\"x\"," COMMIT "}]}",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct submodule_list list;
        struct err err = ERR_INIT;
        assert_int_equal(submodule_list_parse(bad[i], strlen(bad[i]), &list, &err), ERR_INVALID);
        assert_int_equal(list.len, 0);
    }
}

static void test_place(void **state)
{
    (void)state;
    cleanup_free char *dir = submodule_list_dir("/session/canonical");
    assert_string_equal(dir, "/session/submodules");
    struct submodule_list list;
    assert_int_equal(submodule_list_read("/nonexistent/canonical", &list, NULL), ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round), cmocka_unit_test(test_full),
                                       cmocka_unit_test(test_refuses),
                                       cmocka_unit_test(test_place)};
    return cmocka_run_group_tests_name("git/submodule_list", tests, NULL, NULL);
}
