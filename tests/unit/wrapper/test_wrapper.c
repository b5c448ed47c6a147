#include "wrapper/args.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "wrapper/seat.h"

static int parse(const char *const *words, struct wrapper_args *out)
{
    cleanup_strv struct strv argv = STRV_INIT;
    for (; *words; words++)
        strv_push(&argv, *words);
    return wrapper_args_parse((int)argv.len, argv.v, out, NULL);
}

static void both_forms(void **state)
{
    (void)state;
    static const char *const forms[][6] = {
        {"w", "github", "ann", NULL},
        {"w", "--session-root", "/r", "github", "ann", NULL},
        {"w", "-c", "/usr/libexec/w github ann", NULL},
        {"-w", "-c", "/usr/libexec/w --session-root /r github ann", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        cleanup_wrapper_args struct wrapper_args args;
        assert_int_equal(parse(forms[i], &args), 0);
        assert_string_equal(args.root, i % 2 ? "/r" : "/session");
        assert_string_equal(args.provider, "github");
        assert_string_equal(args.login, "ann");
    }
}

static void nothing_else(void **state)
{
    (void)state;
    static const char *const forms[][6] = {
        {"w", NULL},
        {"w", "ann", NULL},
        {"w", "-c", NULL},
        {"w", "-c", "", NULL},
        {"w", "-c", "w", NULL},
        {"w", "-c", "w github ann extra", NULL},
        {"w", "-c", "w github ann; sh", NULL},
        {"w", "-c", "w github $(sh)", NULL},
        {"w", "--session-root", "r", "github", "ann", NULL},
        {"w", "--root", "/r", "github", "ann", NULL},
        {"w", "git hub", "ann", NULL},
        {"w", "github", "-ann", NULL},
        {"w", "-c", "sh", "x", NULL},
        {"w", "-i", "github", "ann", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        struct wrapper_args args;
        assert_true(parse(forms[i], &args) < 0);
        assert_null(args.login);
    }
}

static void what_was_asked_for(void **state)
{
    (void)state;
    assert_int_equal(wrapper_kind_of(NULL), WRAPPER_SHELL);
    assert_int_equal(wrapper_kind_of(""), WRAPPER_SHELL);
    assert_int_equal(wrapper_kind_of("/usr/lib/openssh/sftp-server"), WRAPPER_SFTP);
    assert_int_equal(wrapper_kind_of("steadystate pair"), WRAPPER_PAIR);
    assert_int_equal(wrapper_kind_of("steadystate pair --read-only"), WRAPPER_PAIR);
    assert_true(wrapper_is_read_only("steadystate pair --read-only"));
    assert_false(wrapper_is_read_only("steadystate pair") || wrapper_is_read_only(NULL));
    /* More than that is a command. */
    assert_int_equal(wrapper_kind_of("steadystate pair --read-only; id"), WRAPPER_COMMAND);
    assert_int_equal(wrapper_kind_of("steadystate pair "), WRAPPER_COMMAND);
    assert_int_equal(wrapper_kind_of("/usr/lib/openssh/sftp-server -l x"), WRAPPER_COMMAND);
    assert_int_equal(wrapper_kind_of("/x;/sftp-server"), WRAPPER_COMMAND);
    assert_int_equal(wrapper_kind_of("sftp-server"), WRAPPER_COMMAND);
    assert_int_equal(wrapper_kind_of("make test"), WRAPPER_COMMAND);
}

static void variables_that_come_along(void **state)
{
    (void)state;
    static const char *const kept[] = {"TERM=x",
                                       "LANG=C",
                                       "LC_ALL=C",
                                       "SSH_TTY=/dev/pts/0",
                                       "GIT_PROTOCOL=version=2",
                                       "COLORTERM=truecolor"};
    static const char *const dropped[] = {"LD_PRELOAD=x",    "PATH=/x",    "SSH_ORIGINAL_COMMAND=x",
                                          "BASH_ENV=x",      "LANGUAGE_X", "HOME=/",
                                          "SSH_AUTH_SOCK=x", "LC_",        "TERMX=1"};
    for (size_t i = 0; i < ARRAY_LEN(kept); i++)
        assert_true(wrapper_keeps_variable(kept[i]));
    for (size_t i = 0; i < ARRAY_LEN(dropped); i++)
        assert_false(wrapper_keeps_variable(dropped[i]));
}

#define SEAT                                                                                      \
    "\"account\":\"a\",\"home\":\"/h\",\"worktree\":\"/w\",\"repo_name\":\"r\",\"canonical\":\"/" \
    "c\","                                                                                        \
    "\"session_id\":\"s\",\"session_branch\":\"b\",\"author_name\":\"n\",\"author_email\":\"e\""

static int seat(const char *text, struct seat *out)
{
    cleanup_json struct json_object *o = NULL;
    assert_int_equal(json_parse(text, strlen(text), &o, NULL), 0);
    return seat_parse(o, out, NULL);
}

static void a_seat(void **state)
{
    (void)state;
    cleanup_seat struct seat s;
    assert_int_equal(seat("{\"uid\":10001,\"gid\":10002," SEAT ",\"env\":{\"A\":\"1\"}}", &s), 0);
    assert_int_equal(s.uid, 10001);
    assert_int_equal(s.gid, 10002);
    assert_string_equal(s.session_branch, "b");
    assert_string_equal(s.env.v[0], "A=1");
    static const char *const bad[] = {
        "{}",
        "{\"uid\":0,\"gid\":10002," SEAT "}",
        "{\"uid\":10001,\"gid\":0," SEAT "}",
        "{\"uid\":10001,\"gid\":4294967295," SEAT "}",
        "{\"uid\":10001,\"gid\":10001}",
        "{\"uid\":10001,\"gid\":10001," SEAT ",\"env\":7}",
        "{\"uid\":10001,\"gid\":10001," SEAT ",\"env\":{\"A\":7}}",
        "{\"uid\":10001,\"gid\":10001," SEAT ",\"home\":\"h\"}",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct seat none;
        assert_true(seat(bad[i], &none) < 0);
        assert_null(none.home);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_forms),
        cmocka_unit_test(nothing_else),
        cmocka_unit_test(what_was_asked_for),
        cmocka_unit_test(variables_that_come_along),
        cmocka_unit_test(a_seat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
