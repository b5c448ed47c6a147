#include "wrapper/remote.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "wrapper/hook.h"

#define CANONICAL "/session/canonical"
#define QUOTED_CANONICAL "'/session/canonical'"

static enum remote_kind parse(const char *command)
{
    return remote_parse(command, "proj", CANONICAL);
}

static void what_means_the_session(void **state)
{
    (void)state;
    static const char *const paths[] = {"'/proj'",        "'/proj.git'",  "'proj'",    "'proj.git'",
                                        "'~/proj'",       "'~/proj.git'", "'/~/proj'", "'~'",
                                        "'~/'",           "'/'",          "''",        "'/proj/'",
                                        QUOTED_CANONICAL, "proj",         "/proj//"};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        cleanup_free char *fetch = xasprintf("git-upload-pack %s", paths[i]);
        cleanup_free char *push = xasprintf("git receive-pack %s", paths[i]);
        cleanup_free char *archive = xasprintf("git-upload-archive %s", paths[i]);
        assert_int_equal(parse(fetch), REMOTE_FETCH);
        assert_int_equal(parse(push), REMOTE_PUSH);
        assert_int_equal(parse(archive), REMOTE_ARCHIVE);
    }
}

static void everything_else_is_a_command(void **state)
{
    (void)state;
    static const char *const commands[] = {
        "",
        "git",
        "git status",
        "git-upload-pack",
        "git-upload-packs 'proj'",
        "git upload-pack --strict 'proj'",
        "git-receive-pack 'projx'",
        "git-receive-pack 'proj.gitx'",
        "git-receive-pack '/home/proj'",
        "git-receive-pack '~ann/proj'",
        "git-receive-pack '/session/repo'",
        "git-receive-pack 'proj'; id",
        "git-receive-pack 'proj' 'proj'",
        "git-receive-pack 'proj",
        "git-receive-pack $(id)",
        "cd x && git-receive-pack 'proj'",
    };
    assert_int_equal(parse(NULL), REMOTE_NONE);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        assert_int_equal(parse(commands[i]), REMOTE_NONE);
}

static void names_that_git_quotes(void **state)
{
    (void)state;
    assert_int_equal(remote_parse("git-upload-pack '/it'\\''s'", "it's", CANONICAL), REMOTE_FETCH);
    assert_int_equal(remote_parse("git-upload-pack '/a'\\!'b'", "a!b", CANONICAL), REMOTE_FETCH);
    assert_int_equal(remote_parse("git-upload-pack '/a b.git'", "a b", CANONICAL), REMOTE_FETCH);
    assert_int_equal(remote_parse("git-upload-pack '/x.git'", "x.git", CANONICAL), REMOTE_FETCH);
}

#define OLD "0000000000000000000000000000000000000000"
#define NEW "4b825dc642cb6eb9a060e54bf8d69288fbee4904"

static int command(const char *text, struct hook_command *out, char line[256])
{
    size_t len = strlen(text);
    memcpy(line, text, len + 1);
    return hook_command_parse(line, len, out, NULL);
}

static void lines_of_the_hook(void **state)
{
    (void)state;
    struct hook_command c;
    char line[256];
    assert_int_equal(command(OLD " " NEW " refs/heads/a\n", &c, line), 0);
    assert_string_equal(c.ref, "refs/heads/a");
    assert_true(oid_is_zero(&c.old));
    assert_true(oid_equal(&c.new_, &oid_empty_tree));
    assert_true(command(OLD " " NEW " ", &c, line) < 0);
    assert_true(command(OLD " " NEW, &c, line) < 0);
    assert_true(command(OLD "x" NEW " refs/heads/a", &c, line) < 0);
    assert_true(command(OLD " X" NEW " refs/heads/a", &c, line) < 0);
    assert_int_equal(hook_line_length("0000"), 0);
    assert_int_equal(hook_line_length("0005"), 1);
    assert_int_equal(hook_line_length("fff0"), HOOK_LINE_MAX);
    assert_int_equal(hook_line_length("0004"), -1);
    assert_int_equal(hook_line_length("0001"), -1);
    assert_int_equal(hook_line_length("ffff"), -1);
    assert_int_equal(hook_line_length("00 5"), -1);
    assert_true(hook_is_called("/x/hooks/proc-receive"));
    assert_true(hook_is_called("proc-receive"));
    assert_false(hook_is_called("-steadystate-wrapper"));
    assert_false(hook_is_called(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_means_the_session), cmocka_unit_test(everything_else_is_a_command),
        cmocka_unit_test(names_that_git_quotes), cmocka_unit_test(lines_of_the_hook)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
