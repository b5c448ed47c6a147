/* Journal of a refresh, answers of git blame and git diff, and the quick look at .gitattributes. */
#include "../git/git_fixture.h"
#include "git/raw_diff.h"
#include "sync/attrs.h"
#include "sync/blame.h"
#include "sync/journal.h"

static void test_journal(void **state)
{
    (void)state;
    cleanup_tree_changes struct tree_changes changes = TREE_CHANGES_INIT;
    cleanup_tree_changes struct tree_changes back = TREE_CHANGES_INIT;
    cleanup_str struct str text = STR_INIT;
    VEC_GROW(changes.v, changes.len, changes.cap);
    changes.v[changes.len++] = (struct tree_change){.path = xstrdup("a/new\nline"),
                                                    .old_mode = 0100644,
                                                    .old_oid = {{1, 2}},
                                                    .new_mode = 0120000,
                                                    .new_oid = {{3, 4}}};
    VEC_GROW(changes.v, changes.len, changes.cap);
    changes.v[changes.len++] =
        (struct tree_change){.path = xstrdup("b"), .old_mode = 0100755, .old_oid = {{5}}};
    journal_format(&changes, &text);
    assert_int_equal(journal_parse(text.p, text.len, &back, NULL), 0);
    assert_int_equal(back.len, 2);
    assert_string_equal(back.v[0].path, "a/new\nline");
    assert_int_equal(back.v[0].new_mode, 0120000);
    assert_true(oid_equal(&back.v[0].new_oid, &changes.v[0].new_oid));
    assert_int_equal(back.v[1].new_mode, 0);
    for (size_t cut = 1; cut < text.len; cut++) {
        cleanup_tree_changes struct tree_changes part = TREE_CHANGES_INIT;
        int rc = journal_parse(text.p, cut, &part, NULL);
        assert_true(rc == ERR_INVALID || text.p[cut - 1] == '\0');
    }
    /* a path that leads out of the worktree */
    char *path = strstr(text.p, "a/new");
    memcpy(path, "../ne", 5);
    cleanup_tree_changes struct tree_changes bad = TREE_CHANGES_INIT;
    assert_int_equal(journal_parse(text.p, text.len, &bad, NULL), ERR_INVALID);
}

static void test_tmp_names(void **state)
{
    (void)state;
    size_t n;
    assert_true(journal_tmp_name("12.3", &n));
    assert_int_equal(n, 12);
    static const char *const bad[] = {"", ".", "12", "12.", ".3", "a.1", "1.b", "made", "-1.2"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(journal_tmp_name(bad[i], &n));
}

static void test_blame(void **state)
{
    (void)state;
    const char text[] = "4b825dc642cb6eb9a060e54bf8d69288fbee4904 7 9 1\nauthor Ada\n"
                        "author-time 1700000000\nsummary first\nfilename f\n\tint x;\n"
                        "0000000000000000000000000000000000000000 1 10\n\t\n";
    const char *p = text;
    size_t left = sizeof text - 1;
    struct blame_line l;
    assert_int_equal(blame_next(&p, &left, &l, NULL), 0);
    assert_int_equal(l.line, 9);
    assert_int_equal(l.time, 1700000000);
    assert_memory_equal(l.author, "Ada", l.author_len);
    assert_memory_equal(l.text, "int x;", l.text_len);
    assert_int_equal(blame_next(&p, &left, &l, NULL), 0);
    assert_true(oid_is_zero(&l.commit));
    assert_int_equal(l.text_len, 0);
    assert_int_equal(blame_next(&p, &left, &l, NULL), ERR_NOT_FOUND);
    p = "4b825dc642cb6eb9a060e54bf8d69288fbee4904 7\n";
    left = strlen(p);
    assert_int_equal(blame_next(&p, &left, &l, NULL), ERR_INVALID);
}

static void test_attributes_text(void **state)
{
    (void)state;
    static const char *const quiet[] = {"", "* text=auto\n", "*.png binary\n*.c diff=cpp\n"};
    static const char *const loud[] = {"*.bat eol=crlf", "*.x filter=lfs", "* ident",
                                       "*.u working-tree-encoding=UTF-16", "* -crlf"};
    for (size_t i = 0; i < ARRAY_LEN(quiet); i++)
        assert_false(attrs_text_converts(quiet[i], strlen(quiet[i])));
    for (size_t i = 0; i < ARRAY_LEN(loud); i++)
        assert_true(attrs_text_converts(loud[i], strlen(loud[i])));
}

static void test_raw_diff(void **state)
{
    (void)state;
    static const char text[] =
        ":100644 100644 9405325 e367831 R083\0a\0b\nc\0:100644 100644 718882c a548eec M\0bin\0"
        ":100644 000000 28ce6a8 0000000 D\0m\0:000000 100755 0000000 8ba3a16 A\0n\0"
        "1\t0\t\0a\0b\nc\0-\t-\tbin\0"
        "0\t1\tm\0"
        "3\t0\tn";
    cleanup_raw_diff struct raw_diff d = {0};
    assert_int_equal(raw_diff_parse(text, sizeof text, &d, NULL), 0);
    assert_int_equal(d.len, 4);
    assert_int_equal(d.v[0].status, 'R');
    assert_int_equal(d.v[0].similarity, 83);
    assert_string_equal(d.v[0].old_path, "a");
    assert_string_equal(d.v[0].path, "b\nc");
    assert_int_equal(d.v[0].added, 1);
    assert_int_equal(d.v[1].added, -1);
    assert_int_equal(d.v[2].deleted, 1);
    assert_int_equal(d.v[3].new_mode, 0100755);
    assert_int_equal(d.v[3].added, 3);
    for (size_t cut = 1; cut < sizeof text; cut++) {
        cleanup_raw_diff struct raw_diff part = {0};
        char *copy = xmalloc(cut);
        memcpy(copy, text, cut);
        int rc = raw_diff_parse(copy, cut, &part, NULL);
        assert_true(rc == 0 || rc == ERR_INVALID);
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_journal), cmocka_unit_test(test_tmp_names),
        cmocka_unit_test(test_blame), cmocka_unit_test(test_raw_diff),
        cmocka_unit_test(test_attributes_text)};
    return cmocka_run_group_tests_name("sync/parsers", tests, NULL, NULL);
}
