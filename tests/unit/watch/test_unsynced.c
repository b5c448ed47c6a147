/* Unsynced changes: git's output, the JSON form and its limits, editors' temporary names. */
#include "watch/unsynced.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

#define BASE "0123456789abcdef0123456789abcdef01234567"

static char *to_text(const struct unsynced *u)
{
    cleanup_json struct json_object *o = json_object_new_object();
    struct str out = STR_INIT;
    unsynced_to_json(u, o);
    json_print(o, &out);
    return str_detach(&out);
}

static int from_text(const char *text, struct unsynced *out)
{
    cleanup_json struct json_object *o = NULL;
    assert_int_equal(json_parse(text, strlen(text), &o, NULL), 0);
    return unsynced_from_json(o, out, NULL);
}

static void test_diff(void **state)
{
    static const char text[] =
        ":100644 100644 bdc955b 0000000 M\0bin\0"
        ":100644 000000 587be6b 0000000 D\0del\0"
        ":100644 100755 de98044 0000000 M\0f\0"
        ":000000 100644 0000000 6c33dfd A\0ne w\0"
        "\0diff --git a/bin b/bin\nindex bdc955b..8835708 100644\nBinary files a/bin and b/bin "
        "differ\n"
        "diff --git a/del b/del\ndeleted file mode 100644\n--- a/del\n+++ /dev/null\n"
        "@@ -1 +0,0 @@\n-x\n"
        "diff --git a/f b/f\nold mode 100644\nnew mode 100755\n--- a/f\n+++ b/f\n"
        "@@ -2 +2 @@ a\n-@@ -9 +9 @@\n+diff --git a/bin b/bin\n@@ -3,0 +4,2 @@ c\n+d\n+e\n"
        "diff --git a/ne w b/ne w\nnew file mode 100644\n--- /dev/null\n+++ b/ne w\t\n"
        "@@ -0,0 +1,2 @@\n+n\n+n2\n\\ No newline at end of file\n";
    cleanup_unsynced struct unsynced u = UNSYNCED_INIT;
    (void)state;
    assert_int_equal(unsynced_take_diff(&u, text, sizeof text - 1, NULL), 0);
    cleanup_free char *json = to_text(&u);
    assert_string_equal(
        json, "{\"base\":\"0000000000000000000000000000000000000000\",\"files\":["
              "{\"file\":\"bin\",\"change\":\"M\",\"base\":\"\",\"lines\":\"\"},"
              "{\"file\":\"del\",\"change\":\"D\",\"base\":\"1:1\",\"lines\":\"1:0\"},"
              "{\"file\":\"f\",\"change\":\"M\",\"base\":\"2:2,4:3\",\"lines\":\"2:2,4:5\"},"
              "{\"file\":\"ne w\",\"change\":\"A\",\"base\":\"1:0\",\"lines\":\"1:2\"}],"
              "\"more\":false}");
}

static void test_diff_wrong(void **state)
{
    static const char *const wrong[] = {":", ":100644", ":100644 100644 a b M"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        cleanup_unsynced struct unsynced u = UNSYNCED_INIT;
        assert_true(unsynced_take_diff(&u, wrong[i], strlen(wrong[i]), NULL) < 0);
    }
}

static void test_json(void **state)
{
    static const char text[] =
        "{\"base\":\"" BASE "\",\"files\":[{\"file\":\"a/b.c\",\"change\":\"M\",\"base\":\"10:12\","
        "\"lines\":\"10:14\"}],\"more\":true,\"editing\":\"a/b.c\",\"edited_at\":1700000000}";
    cleanup_unsynced struct unsynced u;
    (void)state;
    assert_int_equal(from_text(text, &u), 0);
    assert_non_null(unsynced_find(&u, "a/b.c"));
    assert_null(unsynced_find(&u, "a/b"));
    cleanup_free char *again = to_text(&u);
    assert_string_equal(again, text);
}

static void test_json_wrong(void **state)
{
    static const char *const wrong[] = {
        "{}",
        "{\"base\":\"xyz\"}",
        "{\"base\":\"" BASE "\",\"files\":[{}]}",
        "{\"base\":\"" BASE "\",\"files\":[{\"file\":\"../x\",\"change\":\"M\"}]}",
        "{\"base\":\"" BASE "\",\"files\":[{\"file\":\"/etc/x\",\"change\":\"M\"}]}",
        "{\"base\":\"" BASE "\",\"files\":[{\"file\":\"x\",\"change\":\"?\"}]}",
        "{\"base\":\"" BASE "\",\"files\":[{\"file\":\"x\",\"change\":\"\"}]}",
        "{\"base\":\"" BASE "\",\"files\":[{\"file\":\"x\",\"change\":\"M\",\"lines\":\"5\"}]}",
        "{\"base\":\"" BASE "\",\"files\":{}}",
        "{\"base\":\"" BASE "\",\"editing\":\"../../x\"}",
        "{\"base\":\"" BASE "\",\"edited_at\":-1}",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct unsynced u;
        assert_int_equal(from_text(wrong[i], &u), ERR_INVALID);
        assert_null(u.v);
    }
}

static void test_limits(void **state)
{
    cleanup_unsynced struct unsynced u = UNSYNCED_INIT;
    (void)state;
    for (int i = 0; i < UNSYNCED_FILES_MAX + 5; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "f%d", i);
        assert_int_equal(unsynced_add(&u, name, 'M') != NULL, i < UNSYNCED_FILES_MAX);
    }
    assert_int_equal(u.len, UNSYNCED_FILES_MAX);
    assert_true(u.more);

    cleanup_unsynced struct unsynced long_names = UNSYNCED_INIT;
    char name[4001];
    memset(name, 'x', 4000);
    name[4000] = '\0';
    while (unsynced_add(&long_names, name, 'M'))
        continue;
    assert_true(long_names.len < UNSYNCED_TEXT_MAX / 4000 + 1 && long_names.more);

    /* Names that JSON cannot carry are counted as "more". */
    cleanup_unsynced struct unsynced odd = UNSYNCED_INIT;
    assert_null(unsynced_add(&odd, "a\xff", 'M'));
    assert_true(odd.more);
}

static void test_edited_name(void **state)
{
    static const struct {
        const char *path, *name;
    } t[] = {{"a/.b.c.swp", "a/b.c"}, {".b.swo", "b"}, {"a/.#b.c", "a/b.c"}, {"a/#b.c#", "a/b.c"},
             {"a/b.c~", "a/b.c"},     {"a/b.c", NULL}, {".gitignore", NULL}, {"~", NULL},
             {"a/.swp", NULL},        {"#", NULL}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        cleanup_free char *name = unsynced_edited_name(t[i].path);
        if (t[i].name)
            assert_string_equal(name, t[i].name);
        else
            assert_null(name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_diff),   cmocka_unit_test(test_diff_wrong),
        cmocka_unit_test(test_json),   cmocka_unit_test(test_json_wrong),
        cmocka_unit_test(test_limits), cmocka_unit_test(test_edited_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
