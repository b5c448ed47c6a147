#include "git/safe_path.h"

#include "git_fixture.h"

static void test_names(void **state)
{
    (void)state;
    static const char *const good[] = {".gitignore", ".github", ".gitattributes", "git",
                                       "a b",        "-x",      "a\nb",           "...",
                                       "git~5",      ".git1",   "gi~1",           "\xc3\xa9",
                                       "aux",        ".gitfoo", ".g\xc3\xaft",    "a\\b"};
    static const char *const bad[] = {"",
                                      ".",
                                      "..",
                                      ".git",
                                      ".GIT",
                                      ".Git",
                                      "a/b",
                                      ".git.",
                                      ".git ",
                                      ".git . ",
                                      "git~1",
                                      "GIT~2",
                                      ".git::$INDEX_ALLOCATION",
                                      ".git:x",
                                      ".g\xe2\x80\x8cit",
                                      "\xef\xbb\xbf.git",
                                      ".git\xe2\x81\xaf",
                                      ".git\\hooks",
                                      "x\\.GIT",
                                      "x\\git~1"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_true(safe_name(good[i], strlen(good[i])));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(safe_name(bad[i], strlen(bad[i])));
    char name[300];
    memset(name, 'a', sizeof name);
    assert_true(safe_name(name, 255));
    assert_false(safe_name(name, 256));
    assert_false(safe_name("a\0b", 3));
}

static void test_links_and_paths(void **state)
{
    (void)state;
    assert_true(safe_entry(".gitmodules", 11, 0100644));
    assert_false(safe_entry(".gitmodules", 11, 0120000));
    assert_false(safe_entry(".GitAttributes", 14, 0120000));
    assert_false(safe_entry("gitmod~1", 8, 0120000));
    assert_true(safe_entry("link", 4, 0120000));
    assert_true(safe_path("a/b/.github/x", 13));
    assert_false(safe_path("a/../b", 6));
    assert_false(safe_path("/a", 2));
    assert_false(safe_path("a/", 2));
    assert_false(safe_path("sub/.git/config", 15));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_names),
                                       cmocka_unit_test(test_links_and_paths)};
    return cmocka_run_group_tests_name("git/safe_path", tests, NULL, NULL);
}
