/* The board: lines of the event stream in, people, activity, files and places out; hostile names;
 * the plain and the JSON form. */
#include "watch/board.h"

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "watch/plain.h"
#include "watch/text.h"

#define NOW 1700000000

static enum board_type take(struct board *b, const char *line)
{
    enum board_type type = BOARD_OTHER;
    assert_int_equal(board_take(b, line, strlen(line), &type, NULL), 0);
    return type;
}

static void take_session(struct board *b)
{
    assert_int_equal(
        take(b,
             "{\"type\":\"session\",\"session_id\":\"abc\",\"mode\":\"collab\",\"repo_url\":"
             "\"https://example.org/p.git\",\"repo_name\":\"p\",\"session_branch\":"
             "\"steadystate/collab/abc\",\"magic_link\":\"steadystate://collab/abc\",\"ssh_url\":"
             "\"ssh://s@h:2222\",\"login\":\"ann\",\"provider\":\"sshkey\"}"),
        BOARD_SESSION);
}

static void check_doing(const struct board_person *p, int64_t now, const char *want)
{
    cleanup_str struct str out = STR_INIT;
    board_describe_person(p, now, &out);
    assert_string_equal(out.p, want);
}

static void test_people(void **state)
{
    cleanup_board struct board b = {0};
    (void)state;
    take_session(&b);
    assert_int_equal(
        take(&b,
             "{\"type\":\"people\",\"people\":["
             "{\"login\":\"cia\",\"provider\":\"sshkey\",\"connected\":false},"
             "{\"login\":\"ben\",\"provider\":\"sshkey\",\"connected\":true,\"since\":1699990000,"
             "\"typed_at\":1699999700,\"editing\":\"a.c\",\"edited_at\":1699999900},"
             "{\"login\":\"ann\",\"provider\":\"github\",\"connected\":true,\"since\":1699990000},"
             "{\"login\":\"ann\",\"provider\":\"sshkey\",\"connected\":true,\"since\":1699999990,"
             "\"typed_at\":1699999995}]}"),
        BOARD_PEOPLE);
    assert_int_equal(b.n_people, 4);
    /* Oneself first, then who is here, then the others. */
    assert_true(b.people[0].self);
    assert_string_equal(b.people[0].provider, "sshkey");
    check_doing(&b.people[0], NOW, "typing");
    assert_int_equal(board_next_change(&b, NOW), 15);
    check_doing(&b.people[0], NOW + 40, "here");
    check_doing(&b.people[1], NOW, "idle 2 h");
    assert_string_equal(b.people[2].login, "ben");
    check_doing(&b.people[2], NOW, "editing a.c");
    check_doing(&b.people[2], NOW - 95, "editing a.c, typing");
    check_doing(&b.people[2], NOW + 400, "idle 8 min");
    check_doing(&b.people[3], NOW, "away");
    assert_int_equal(board_next_change(&b, NOW + 40), 60);
}

static void test_the_end_moves_and_comes_nearer(void **state)
{
    cleanup_board struct board b = {0};
    (void)state;
    take_session(&b);
    take(&b, "{\"type\":\"people\",\"people\":[],\"expires_at\":1700000130}");
    assert_int_equal(b.expires_at, NOW + 130);
    /* Drawn again when a minute less is left. */
    assert_int_equal(board_next_change(&b, NOW), 11);
    assert_int_equal(board_next_change(&b, NOW + 11), 60);
    assert_int_equal(board_next_change(&b, NOW + 130), 60);
    take(&b, "{\"type\":\"people\",\"people\":[],\"expires_at\":1700003600}");
    take(&b, "{\"type\":\"people\",\"people\":[]}");
    assert_int_equal(b.expires_at, NOW + 3600);
}

static void test_activity(void **state)
{
    cleanup_board struct board b = {0};
    (void)state;
    take_session(&b);
    take(&b, "{\"type\":\"sync\",\"timestamp\":20,\"user\":\"ben\",\"changes\":[{\"file\":\"a.c\","
             "\"lines\":\"10:12,20:20\"},{\"file\":\"b\",\"lines\":\"\"}],\"overlaps\":[{\"file\":"
             "\"a.c\",\"lines\":\"3:4\",\"with\":[\"ann\",\"cia\"]}]}");
    take(&b, "{\"type\":\"activity\",\"timestamp\":10,\"user\":\"ann\",\"event\":\"connected\"}");
    take(&b, "{\"type\":\"activity\",\"timestamp\":20,\"user\":\"ben\",\"event\":\"synced\"}");
    take(&b, "{\"type\":\"activity\",\"timestamp\":30,\"user\":\"ben\",\"event\":\"published\","
             "\"detail\":{\"branch\":\"x\"}}");
    take(&b, "{\"type\":\"activity\",\"timestamp\":40,\"user\":\"ben\",\"event\":\"new_thing\"}");
    static const char *const want[] = {"joined", "synced 2 files: a.c 10-12, 20; b",
                                       "overlap with ann, cia: a.c 3-4", "published x",
                                       "new thing"};
    assert_int_equal(b.n_entries, ARRAY_LEN(want));
    for (size_t i = 0; i < b.n_entries; i++)
        assert_string_equal(b.entries[i].text, want[i]);
    assert_int_equal(b.entries[2].tone, BOARD_WARN);
    for (int i = 0; i < 2 * BOARD_ENTRIES_MAX; i++)
        take(&b, "{\"type\":\"activity\",\"timestamp\":50,\"user\":\"x\",\"event\":\"connected\"}");
    assert_int_equal(b.n_entries, BOARD_ENTRIES_MAX);
    /* A new stream begins with a session: nothing is there twice. */
    take_session(&b);
    assert_int_equal(b.n_entries, 0);
}

static void test_files_and_places(void **state)
{
    cleanup_board struct board b = {0};
    (void)state;
    take_session(&b);
    take(&b, "{\"type\":\"unsynced\",\"files\":[{\"file\":\"a.c\",\"change\":\"M\",\"lines\":"
             "\"10:12\"},{\"file\":\"b\",\"change\":\"D\",\"lines\":\"1:0\"}],\"more\":true}");
    take(&b, "{\"type\":\"radar\",\"places\":[{\"file\":\"a.c\",\"lines\":\"10:12\",\"login\":"
             "\"ben\"}]}");
    assert_int_equal(b.n_files, 2);
    assert_true(b.more_files);
    assert_string_equal(b.files[0].lines, "10-12");
    assert_int_equal(b.files[1].change, 'D');
    assert_int_equal(b.n_places, 1);
    assert_string_equal(b.places[0].who, "ben");
    take(&b, "{\"type\":\"radar\",\"places\":[]}");
    assert_int_equal(b.n_places, 0);
    assert_false(b.ready);
    assert_int_equal(take(&b, "{\"type\":\"ready\"}"), BOARD_READY);
    assert_true(b.ready);
}

static void test_wrong_lines(void **state)
{
    static const char *const wrong[] = {"", "x", "[]", "1", "null", "{}", "{\"type\":1}"};
    cleanup_board struct board b = {0};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        assert_true(board_take(&b, wrong[i], strlen(wrong[i]), NULL, NULL) < 0);
    /* What a later version says is passed over. */
    assert_int_equal(take(&b, "{\"type\":\"weather\",\"rain\":true}"), BOARD_OTHER);
    take(&b, "{\"type\":\"people\",\"people\":[1,\"x\",null,{}]}");
    assert_int_equal(b.n_people, 4);
    take(&b, "{\"type\":\"sync\",\"changes\":[7],\"overlaps\":[{\"with\":[1,null]}]}");
}

static void test_hostile_names(void **state)
{
    cleanup_board struct board b = {0};
    (void)state;
    take_session(&b);
    take(&b, "{\"type\":\"sync\",\"timestamp\":1,\"user\":\"e\\u001b]0;x\\u0007\",\"changes\":[{"
             "\"file\":\"a\\u202eb\\n\\u009bc\",\"lines\":\"1:1\"}]}");
    assert_string_equal(b.entries[0].who, "e?]0;x?");
    assert_string_equal(b.entries[0].text, "synced 1 file: a?b??c 1");
}

static void test_text(void **state)
{
    (void)state;
    cleanup_free char *clean = text_clean("a\xff\xc3\xa4\x1b[2J\xe2\x80\xae");
    assert_string_equal(clean, "a?\xc3\xa4?[2J?");
    assert_int_equal(text_columns("a\xc3\xa4\xe6\xbc\xa2"), 4);
    static const struct {
        const char *text;
        size_t columns;
        int from_end;
        const char *want;
    } cuts[] = {{"abcdef", 6, 0, "abcdef"},
                {"abcdef", 4, 0, "abc\xe2\x80\xa6"},
                {"abcdef", 4, 1,
                 "\xe2\x80\xa6"
                 "def"},
                {"abcdef", 1, 0, "\xe2\x80\xa6"},
                {"abcdef", 0, 0, ""},
                /* Two columns each: one does not fit in half. */
                {"\xe6\xbc\xa2\xe6\xbc\xa2\xe6\xbc\xa2", 4, 0, "\xe6\xbc\xa2\xe2\x80\xa6"}};
    for (size_t i = 0; i < ARRAY_LEN(cuts); i++) {
        cleanup_str struct str out = STR_INIT;
        size_t n = text_add_cut(&out, cuts[i].text, cuts[i].columns, cuts[i].from_end, 1);
        assert_string_equal(out.p, cuts[i].want);
        assert_true(n <= cuts[i].columns);
    }
    cleanup_str struct str times = STR_INIT;
    text_add_ago(&times, NOW - 59, NOW);
    str_addc(&times, '|');
    text_add_ago(&times, NOW - 3599, NOW);
    str_addc(&times, '|');
    text_add_ago(&times, NOW + 100, NOW);
    str_addc(&times, '|');
    text_add_ago(&times, NOW - 90000, NOW);
    str_addc(&times, '|');
    text_add_span(&times, 43080);
    str_addc(&times, '|');
    text_add_span(&times, -5);
    assert_string_equal(times.p, "now|59 min|now|1 d|11 h 58 min|none");
}

static void test_plain(void **state)
{
    cleanup_board struct board b = {0};
    struct plain said = PLAIN_INIT;
    cleanup_str struct str out = STR_INIT;
    (void)state;
    take_session(&b);
    take(&b, "{\"type\":\"radar\",\"places\":[{\"file\":\"a.c\",\"lines\":\"3:3\",\"login\":"
             "\"ben\"}]}");
    plain_summary(&b, NOW, &out);
    assert_non_null(strstr(out.p, "Ssh: ssh -p 2222 s@h\n"));
    assert_non_null(strstr(out.p, "Warning: ben has changed a.c line 3 too, not synced.\n"));
    str_clear(&out);
    plain_news(&said, &b, true, &out);
    assert_string_equal(out.p, "");
    plain_news(&said, &b, false, &out);
    assert_string_equal(out.p, "");
    take(&b, "{\"type\":\"activity\",\"timestamp\":10,\"user\":\"ann\",\"event\":\"connected\"}");
    take(&b, "{\"type\":\"people\",\"people\":[{\"login\":\"ben\",\"provider\":\"sshkey\","
             "\"connected\":true,\"editing\":\"z\"}]}");
    plain_news(&said, &b, false, &out);
    assert_non_null(strstr(out.p, " ann joined\nben is editing z\n"));
    str_clear(&out);
    plain_news(&said, &b, false, &out);
    assert_string_equal(out.p, "");
    plain_release(&said);
    cleanup_json struct json_object *o = plain_json(&b);
    const char *branch = "";
    assert_int_equal(json_get_str(o, "branch", 100, &branch, NULL), 0);
    assert_string_equal(branch, "steadystate/collab/abc");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_people),      cmocka_unit_test(test_the_end_moves_and_comes_nearer),
        cmocka_unit_test(test_activity),    cmocka_unit_test(test_files_and_places),
        cmocka_unit_test(test_wrong_lines), cmocka_unit_test(test_hostile_names),
        cmocka_unit_test(test_text),        cmocka_unit_test(test_plain),
    };
    setlocale(LC_CTYPE, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
