#include "git/gitmodules.h"

#include "git_fixture.h"

static void parse(const char *text, struct gitmodules *out)
{
    struct err err = ERR_INIT;
    assert_int_equal(gitmodules_parse(text, strlen(text), out, &err), 0);
}

static void test_reads(void **state)
{
    (void)state;
    cleanup_gitmodules struct gitmodules m;
    parse("\xef\xbb\xbf# ours\n"
          "[core]\n\tpath = none\n"
          "[submodule \"lib\"] path = libs/one ; here\r\n"
          "\tURL = ../lib.git\r\n"
          "\tbranch = main\n\tshallow\n"
          "[Submodule \"a \\\"b\\\\\"]\n"
          "path=\" x  y \" # quoted\n"
          "url = one \\\n two\\t3\n"
          "[submodule \"lib\"]\n\turl = ../other.git",
          &m);
    assert_int_equal(m.len, 2);
    assert_false(m.more);
    assert_string_equal(m.v[0].name, "lib");
    assert_string_equal(m.v[0].path, "libs/one");
    assert_string_equal(m.v[0].url, "../other.git");
    assert_string_equal(m.v[1].name, "a \"b\\");
    assert_string_equal(m.v[1].path, " x  y ");
    assert_string_equal(m.v[1].url, "one  two\t3");
}

static void test_refuses(void **state)
{
    (void)state;
    static const char *const bad[] = {"[submodule \"x\n\"]", "[submodule \"x\"", "[submodule \"x",
                                      "[a]\nkey = \"open\n", "[a]\nkey = \\q\n", "[a]\n= x\n",
                                      "[a]\nkey word = x",   "[a b]\n"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct gitmodules m;
        struct err err = ERR_INIT;
        assert_int_equal(gitmodules_parse(bad[i], strlen(bad[i]), &m, &err), ERR_INVALID);
        assert_int_equal(m.len, 0);
    }
    struct gitmodules m;
    struct err err = ERR_INIT;
    assert_int_equal(gitmodules_parse("[a]\nk = \0\n", 11, &m, &err), ERR_INVALID);
    err_clear(&err);
    cleanup_free char *long_one = xcalloc(1, GITMODULES_BYTES_MAX + 1);
    assert_int_equal(gitmodules_parse(long_one, GITMODULES_BYTES_MAX + 1, &m, &err), ERR_LIMIT);
}

static void test_many(void **state)
{
    (void)state;
    cleanup_str struct str text = STR_INIT;
    for (int i = 0; i < GITMODULES_ENTRIES_MAX + 3; i++)
        str_addf(&text, "[submodule \"%d\"]\n\tpath = p%d\n\turl = ../u\n", i, i);
    cleanup_gitmodules struct gitmodules m;
    parse(text.p, &m);
    assert_int_equal(m.len, GITMODULES_ENTRIES_MAX);
    assert_true(m.more);
    assert_string_equal(m.v[GITMODULES_ENTRIES_MAX - 1].path, "p31");
}

static int check(const char *name, const char *path, const char *url)
{
    const struct gitmodule m = {(char *)(uintptr_t)name, (char *)(uintptr_t)path,
                                (char *)(uintptr_t)url};
    struct err err = ERR_INIT;
    return gitmodule_check(&m, &err);
}

static void test_names(void **state)
{
    (void)state;
    assert_int_equal(check("lib", "libs/one", "x"), 0);
    assert_int_equal(check("libs/one two", "a", "x"), 0);
    static const char *const bad[] = {"",        "..",           "a/../b", "/a",     "a/",
                                      "-option", ".git",         ".GIT",   "a//b",   "a\nb",
                                      "a\x7f",   "x/.git/hooks", "git~1",  "../../", "./a"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(check(bad[i], "p", "x"), ERR_DENIED);
        assert_int_equal(check("n", bad[i], "x"), ERR_DENIED);
    }
    assert_int_equal(check("n", NULL, "x"), ERR_DENIED);
    assert_int_equal(check("n", "p", NULL), ERR_DENIED);
}

/* "" when it is refused. */
static void resolve(const char *base, const char *text, char *out, size_t size)
{
    cleanup_repo_url struct repo_url from;
    cleanup_repo_url struct repo_url to;
    struct err err = ERR_INIT;
    assert_int_equal(repo_url_parse(base, strlen(base), &from, &err), 0);
    int rc = gitmodule_resolve(&from, text, &to, &err);
    assert_true(rc == 0 || rc == ERR_DENIED || rc == ERR_INVALID);
    assert_true((rc == 0) == (to.url != NULL));
    (void)snprintf(out, size, "%s", rc == 0 ? to.url : "");
}

static void test_resolves(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"https://h.org/t/app.git", "../lib.git", "https://h.org/t/lib.git"},
        {"https://h.org/t/app", "../lib", "https://h.org/t/lib"},
        {"https://h.org/t/app.git", "../../u/lib.git", "https://h.org/u/lib.git"},
        {"https://h.org/t/app.git", "./lib.git", "https://h.org/t/app.git/lib.git"},
        {"https://h.org:8443/t/app.git", "../lib.git", "https://h.org:8443/t/lib.git"},
        {"https://h.org/t/app.git", "https://H.org:443/x/y.git", "https://h.org:443/x/y.git"},
        {"http://h.org/t/app.git", "http://h.org/x/y.git", "http://h.org/x/y.git"},
    };
    char got[URL_MAX + 1];
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        resolve(cases[i][0], cases[i][1], got, sizeof got);
        assert_string_equal(got, cases[i][2]);
    }
}

static void test_goes_nowhere_else(void **state)
{
    (void)state;
    static const char *const bad[] = {"https://evil.org/t/lib.git",
                                      "https://h.org.evil.org/t/lib.git",
                                      "https://h.org@evil.org/t/lib.git",
                                      "https://user:word@h.org/t/lib.git",
                                      "https://h.org:444/t/lib.git",
                                      "http://h.org/t/lib.git",
                                      "https://h.org\\@evil.org/lib.git",
                                      "ssh://git@h.org/t/lib.git",
                                      "git@h.org:t/lib.git",
                                      "git://h.org/t/lib.git",
                                      "file:///etc/lib.git",
                                      "/etc/lib.git",
                                      "ext::sh -c id",
                                      "-uevil",
                                      "--upload-pack=x",
                                      "",
                                      "..",
                                      "lib.git",
                                      "../../../lib.git",
                                      "../../../../evil.org/lib.git",
                                      "../x/../lib.git",
                                      "https://h.org/t/../lib.git",
                                      "../lib.git\nhttps://evil.org",
                                      "../a b"};
    char got[URL_MAX + 1];
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        resolve("https://h.org/t/app.git", bad[i], got, sizeof got);
        assert_string_equal(got, "");
    }
    static const char *const bases[] = {"ssh://git@h.org/t/app.git", "/srv/git/app.git"};
    for (size_t i = 0; i < ARRAY_LEN(bases); i++) {
        resolve(bases[i], "../lib.git", got, sizeof got);
        assert_string_equal(got, "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads),    cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_many),     cmocka_unit_test(test_names),
        cmocka_unit_test(test_resolves), cmocka_unit_test(test_goes_nowhere_else)};
    return cmocka_run_group_tests_name("git/gitmodules", tests, NULL, NULL);
}
