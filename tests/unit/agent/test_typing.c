#include "agent/typing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

static struct typing_seen scan(const char *text)
{
    struct typing t = {0};
    return typing_scan(&t, text, strlen(text));
}

static void keys_and_pastes_are_typed(void **state)
{
    (void)state;
    static const char *const typed[] = {"a",         " ",      "\xc3\xa4", "\r",
                                        "\x03",      "\x1b[A", "\x1bOP",   "\x1b[3~",
                                        "\x1b[1;5C", "\033f",  "\x7f",     "\x1b[200~x\x1b[201~"};
    for (size_t i = 0; i < ARRAY_LEN(typed); i++)
        assert_true(scan(typed[i]).typed);
    assert_true(scan("ls\r").enter);
    assert_false(scan("ls").enter);
}

static void what_a_terminal_says_by_itself_is_not(void **state)
{
    (void)state;
    static const char *const reports[] = {
        "\x1b[?62;22c",   /* which terminal it is */
        "\x1b[>0;276;0c", /* and its version */
        "\x1b[12;40R",    /* where the cursor is */
        "\x1b[0n",        /* in order */
        "\x1b[8;24;80t",  /* its size */
        "\x1b[?2026;2$y", /* a mode */
        "\x1b[I",         /* focus */
        "\x1b[O",
        "\x1b[<0;10;10M", /* mouse */
        "\x1b[<0;10;10m",
        "\x1b[M !!",                      /* mouse of old */
        "\x1b]11;rgb:0000/0000/0000\x07", /* colours */
        "\x1b]11;rgb:0/0/0\x1b\\",
        "\x1bP>|name(1)\x1b\\",
    };
    for (size_t i = 0; i < ARRAY_LEN(reports); i++) {
        struct typing_seen seen = scan(reports[i]);
        assert_false(seen.typed || seen.enter || seen.detach || seen.yes);
    }
    assert_true(scan("\x1b[M !!x").typed);
}

static void a_paste_has_a_beginning_and_an_end(void **state)
{
    (void)state;
    struct typing t = {0};
    struct typing_seen seen = typing_scan(&t,
                                          "\x1b[200~a\x02"
                                          "d\x02"
                                          "y",
                                          11);
    assert_true(seen.typed && t.pasting);
    /* What is pasted is no command. */
    assert_false(seen.detach || seen.yes);
    (void)typing_scan(&t, "\x1b[20", 4);
    (void)typing_scan(&t, "1~", 2);
    assert_false(t.pasting);
    assert_true(typing_scan(&t,
                            "\x02"
                            "d",
                            2)
                    .detach);
    (void)typing_scan(&t, "\x1b[?200~\x1b[1;200~", 16);
    assert_false(t.pasting);
}

static void what_follows_the_prefix_is_a_command(void **state)
{
    (void)state;
    assert_true(scan("\x02"
                     "d")
                    .detach);
    assert_false(scan("\x02"
                      "d")
                     .typed);
    assert_true(scan("\x02y").yes);
    assert_false(scan("d").detach);
    assert_false(scan("y").yes);
}

static void pieces_are_put_together(void **state)
{
    (void)state;
    static const char text[] = "\x1b[?62;22c\x1b]11;rgb:0/0/0\x1b\\\x02"
                               "d";
    struct typing t = {0};
    bool detach = false;
    for (size_t i = 0; i < sizeof text - 1; i++) {
        struct typing_seen seen = typing_scan(&t, text + i, 1);
        assert_false(seen.typed);
        detach = detach || seen.detach;
    }
    assert_true(detach);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_and_pastes_are_typed),
        cmocka_unit_test(what_a_terminal_says_by_itself_is_not),
        cmocka_unit_test(a_paste_has_a_beginning_and_an_end),
        cmocka_unit_test(what_follows_the_prefix_is_a_command),
        cmocka_unit_test(pieces_are_put_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
