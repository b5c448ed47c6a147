#include "git/transport_parse.h"

#include "git_fixture.h"

static void test_progress(void **state)
{
    (void)state;
    const char *stage;
    size_t len;
    int percent;
    const char line[] = "Receiving objects:  45% (9/20), 1.00 MiB | 2.00 MiB/s";
    assert_true(transport_parse_progress(line, sizeof line - 1, &stage, &len, &percent));
    assert_int_equal(percent, 45);
    assert_memory_equal(stage, "Receiving objects", len);
    const char *amount;
    assert_true(transport_parse_amount(line, sizeof line - 1, &amount, &len));
    assert_memory_equal(amount, "1.00 MiB", len);
    assert_int_equal(len, 8);
    static const char *const none[] = {"", "x: 1% (1/2)", "x: 1% (1/2), ", "x: 1% (1/2), 12 cats",
                                       "x: 1% (1/2), 1.00 M"};
    for (size_t i = 0; i < ARRAY_LEN(none); i++)
        assert_false(transport_parse_amount(none[i], strlen(none[i]), &amount, &len));
    const char remote[] = "remote: Compressing objects: 100% (3/3), done.";
    assert_true(transport_parse_progress(remote, sizeof remote - 1, &stage, &len, &percent));
    assert_int_equal(percent, 100);
    assert_memory_equal(stage, "Compressing objects", len);
    static const char *const no[] = {"",      "fatal: 45% of it", "x: 101% (", ": 5%",
                                     "a: b%", "remote: "};
    for (size_t i = 0; i < ARRAY_LEN(no); i++)
        if (i != 1)
            assert_false(transport_parse_progress(no[i], strlen(no[i]), &stage, &len, &percent));
}

static void test_classify(void **state)
{
    (void)state;
    static const struct {
        const char *text, *reason;
        int code;
    } cases[] = {
        {"fatal: could not read Username for 'https://x': terminal prompts disabled\n",
         "authentication_required", ERR_UNAUTHENTICATED},
        {"remote: Repository not found.\nfatal: repository 'https://x/' not found\n",
         "repository_not_found", ERR_NOT_FOUND},
        {"fatal: repository '/x' does not exist\n", "repository_not_found", ERR_NOT_FOUND},
        {"fatal: Remote branch nope not found in upstream origin\n", "branch_not_found",
         ERR_NOT_FOUND},
        {"fatal: unable to access 'https://x/': Could not resolve host: x\n",
         "repository_unreachable", ERR_UNAVAILABLE},
        {"fatal: unable to access 'https://x/': The requested URL returned error: 403\n",
         "repository_refused", ERR_DENIED},
        {"fatal: unable to access 'https://x/': The requested URL returned error: 302\n",
         "repository_refused", ERR_DENIED},
        {"fatal: unable to access 'https://x/': The requested URL returned error: 503\n",
         "repository_unreachable", ERR_UNAVAILABLE},
        {"fatal: write error: No space left on device\nfatal: index-pack failed\n", "no_space",
         ERR_NO_SPACE},
        {"git@x: Permission denied (publickey).\nfatal: Could not read from remote repository.\n",
         "authentication_required", ERR_UNAUTHENTICATED},
        {"something else\n", "internal", ERR_FAILED},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct transport_verdict v = transport_classify(cases[i].text, strlen(cases[i].text));
        assert_string_equal(v.reason, cases[i].reason);
        assert_int_equal(v.code, cases[i].code);
    }
}

static void test_main_line(void **state)
{
    (void)state;
    cleanup_str struct str line = STR_INIT;
    const char text[] = "Cloning into bare repository 'x'...\n"
                        "remote: error: GH006: Protected branch update failed.\n"
                        "error: failed to push some refs to 'https://x'\n";
    transport_main_line(text, sizeof text - 1, &line);
    assert_string_equal(line.p, "GH006: Protected branch update failed");
    str_clear(&line);
    transport_main_line("fatal: a\x1b[2Jb.\n", 13, &line);
    assert_string_equal(line.p, "a\\x1b[2Jb");
    str_clear(&line);
    transport_main_line("", 0, &line);
    assert_int_equal(line.len, 0);
}

static int parse(const char *text, struct transport_ref_line *l)
{
    return transport_parse_push_line(text, strlen(text), l, NULL);
}

static void test_push_lines(void **state)
{
    (void)state;
    struct transport_ref_line l;
    assert_int_equal(parse("To https://x/y", &l), ERR_NOT_FOUND);
    assert_int_equal(parse("Done", &l), ERR_NOT_FOUND);
    assert_int_equal(parse("*\tabc:refs/heads/x\t[new branch]", &l), 0);
    assert_int_equal(l.flag, TRANSPORT_REF_OK);
    assert_memory_equal(l.to, "refs/heads/x", l.to_len);
    assert_int_equal(parse("=\tabc:refs/heads/x\t[up to date]", &l), 0);
    assert_int_equal(l.flag, TRANSPORT_REF_OK);
    assert_int_equal(parse("!\tabc:refs/heads/x\t[rejected] (fetch first)", &l), 0);
    assert_int_equal(l.flag, TRANSPORT_REF_MOVED);
    assert_int_equal(parse("!\tabc:refs/heads/x\t[remote rejected] (hook declined)", &l), 0);
    assert_int_equal(l.flag, TRANSPORT_REF_REJECTED);
    assert_memory_equal(l.reason, "hook declined", l.reason_len);
    assert_int_equal(parse("?\ta:b\tx", &l), ERR_INVALID);
    assert_int_equal(parse("!\tno colon\tx", &l), ERR_INVALID);
    assert_int_equal(parse("!\ta:b", &l), ERR_INVALID);
}

static void test_ls_lines(void **state)
{
    (void)state;
    struct oid oid;
    const char *ref;
    size_t len;
    const char line[] = "4b825dc642cb6eb9a060e54bf8d69288fbee4904\trefs/heads/x";
    assert_int_equal(transport_parse_ls_line(line, sizeof line - 1, &oid, &ref, &len, NULL), 0);
    assert_true(oid_equal(&oid, &oid_empty_tree));
    assert_memory_equal(ref, "refs/heads/x", len);
    assert_int_equal(transport_parse_ls_line(line, 41, &oid, &ref, &len, NULL), ERR_INVALID);
    assert_int_equal(transport_parse_ls_line("x", 1, &oid, &ref, &len, NULL), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_progress), cmocka_unit_test(test_classify),
        cmocka_unit_test(test_main_line), cmocka_unit_test(test_push_lines),
        cmocka_unit_test(test_ls_lines)};
    return cmocka_run_group_tests_name("git/transport_parse", tests, NULL, NULL);
}
