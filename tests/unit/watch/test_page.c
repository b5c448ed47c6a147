/* The screen: rows at 40, 80 and 200 columns, low terminals, no UTF-8, scrolling, texts over it. */
#include "watch/page.h"

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "watch/text.h"

#define NOW 1700000000

static void fill(struct board *b)
{
    static const char *const lines[] = {
        "{\"type\":\"session\",\"session_id\":\"abcdefghijklmnopqrst\",\"mode\":\"collab\","
        "\"repo_url\":\"https://example.org/team/project.git\",\"repo_name\":\"project\","
        "\"session_branch\":\"steadystate/collab/abcdefghijklmnopqrst\",\"magic_link\":"
        "\"steadystate://collab/abcdefghijklmnopqrst?ssh=ssh%3A%2F%2Fs%40h%3A2222&host_key=x\","
        "\"ssh_url\":\"ssh://s@h:2222\",\"login\":\"ann\",\"provider\":\"sshkey\",\"expires_at\":"
        "1700043080}",
        "{\"type\":\"people\",\"people\":[{\"login\":\"ann\",\"provider\":\"sshkey\",\"connected\":"
        "true,\"since\":1699990000,\"typed_at\":1699999995},{\"login\":\"ben\",\"provider\":"
        "\"sshkey\",\"connected\":true,\"since\":1699990000,\"editing\":\"src/deep/a.c\","
        "\"edited_at\":1699999990,\"unsynced\":2},{\"login\":\"cia\",\"provider\":\"sshkey\","
        "\"connected\":false}]}",
        "{\"type\":\"sync\",\"timestamp\":1699999000,\"user\":\"ben\",\"changes\":[{\"file\":"
        "\"src/deep/a.c\",\"lines\":\"10:12\"}],\"overlaps\":[]}",
        "{\"type\":\"unsynced\",\"files\":[{\"file\":\"src/a/very/long/path/that/does/not/fit/in/"
        "narrow/terminals/file.c\",\"change\":\"M\",\"lines\":\"10:12,20:20\"}]}",
        "{\"type\":\"radar\",\"places\":[{\"file\":\"src/deep/\xc3\xa4.c\",\"lines\":\"3:3\","
        "\"login\":\"ben\"}]}",
        "{\"type\":\"ready\"}"};
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        assert_int_equal(board_take(b, lines[i], strlen(lines[i]), NULL, NULL), 0);
}

/* All rows, each checked for its width. */
static char *draw(const struct board *b, const struct page_view *view, struct page *keep)
{
    struct page page;
    struct str all = STR_INIT;
    page_make(b, view, &page);
    int height = view->height < PAGE_MIN_HEIGHT ? PAGE_MIN_HEIGHT : view->height;
    int width = view->width < PAGE_MIN_WIDTH ? PAGE_MIN_WIDTH : view->width;
    assert_int_equal(page.height, height);
    for (size_t i = 0; i < page.height; i++) {
        cleanup_str struct str row = STR_INIT;
        page_row_text(&page, i, &row);
        assert_true(text_columns(row.p) <= (size_t)width);
        assert_int_equal(text_columns(row.p), page.rows[i].columns);
        str_add(&all, row.p, row.len);
        str_addc(&all, '\n');
    }
    if (keep)
        *keep = (struct page){.scroll = page.scroll, .scroll_max = page.scroll_max};
    page_release(&page);
    return str_detach(&all);
}

static void has(const char *screen, const char *text)
{
    if (!strstr(screen, text))
        fail_msg("'%s' is not in\n%s", text, screen);
}

static void has_not(const char *screen, const char *text)
{
    if (strstr(screen, text))
        fail_msg("'%s' is in\n%s", text, screen);
}

static void test_80(void **state)
{
    cleanup_board struct board b = {0};
    struct page_view view = {.width = 80, .height = 30, .utf8 = true, .now = NOW};
    (void)state;
    fill(&b);
    cleanup_free char *s = draw(&b, &view, NULL);
    has(s, " SteadyState  project  collab");
    has(s, "11 h 58 min left until it ends \n");
    has(s, " repo    https://example.org/team/project.git\n");
    has(s, " join    steadystate join 'steadystate://collab/abcdefghijklmnopqrst?ssh=");
    has(s, " ssh     ssh -p 2222 s@h\n");
    has(s, " People here (2)\n  \xe2\x97\x8f ann (you)         typing\n");
    has(s, "ben               editing src/deep/a.c, typing  2 unsynced\n");
    has(s, "  \xe2\x97\x8b cia               away\n");
    has(s, "  ! src/deep/\xc3\xa4.c  3  ben\n");
    has(s, "/terminals/file.c  10-12, 20\n");
    has(s, "  16 min  ben synced 1 file: src/deep/a.c 10-12\n");
    has(s, " s sync  p publish  d diff  c conflicts  y copy  ? help  q leave");
}

static void test_200(void **state)
{
    cleanup_board struct board b = {0};
    struct page_view view = {.width = 200, .height = 24, .utf8 = true, .now = NOW};
    (void)state;
    fill(&b);
    cleanup_free char *s = draw(&b, &view, NULL);
    /* Two columns: people and activity begin on one row. */
    const char *people = strstr(s, " People here (2)");
    assert_non_null(people);
    const char *activity = strstr(people, "\xe2\x94\x82 Activity");
    assert_non_null(activity);
    assert_null(memchr(people, '\n', (size_t)(activity - people)));
    has(s, "host_key=x'\n");
}

static void test_40(void **state)
{
    cleanup_board struct board b = {0};
    struct page_view view = {.width = 40, .height = 30, .utf8 = false, .now = NOW};
    (void)state;
    fill(&b);
    cleanup_free char *s = draw(&b, &view, NULL);
    has(s, "11 h 58 min left \n");
    has(s, "  * ann (you)");
    has(s, "  - cia");
    has(s, "  ! src/deep/?.c  3  ben\n");
    has(s, "file.c  10-12, 20\n");
    has(s, "\n s p d c y ? q\n");
    for (const char *p = s; *p; p++)
        assert_true((unsigned char)*p < 0x80);
}

static void test_sizes(void **state)
{
    cleanup_board struct board empty = {0};
    cleanup_board struct board b = {0};
    (void)state;
    fill(&b);
    for (int width = 1; width < 240; width += 7)
        for (int height = 1; height < 50; height += 3) {
            struct page_view view = {
                .width = width, .height = height, .utf8 = width % 2 == 0, .now = NOW, .scroll = 3};
            cleanup_free char *s = draw(&b, &view, NULL);
            has(s, "SteadyState");
            has(s, " s");
            cleanup_free char *none = draw(&empty, &view, NULL);
        }
}

static void test_scroll(void **state)
{
    cleanup_board struct board b = {0};
    struct page_view view = {.width = 80, .height = 20, .utf8 = true, .now = NOW};
    struct page got;
    (void)state;
    fill(&b);
    for (int i = 0; i < 40; i++) {
        char line[160];
        (void)snprintf(line, sizeof line,
                       "{\"type\":\"activity\",\"timestamp\":%d,\"user\":\"u%d\",\"event\":"
                       "\"connected\"}",
                       NOW - 10 + i, i);
        assert_int_equal(board_take(&b, line, strlen(line), NULL, NULL), 0);
    }
    cleanup_free char *top = draw(&b, &view, &got);
    assert_true(got.scroll == 0 && got.scroll_max > 30);
    has(top, "People here");
    view.scroll = 1000;
    cleanup_free char *end = draw(&b, &view, &got);
    assert_int_equal(got.scroll, got.scroll_max);
    has_not(end, "People here");
    has(end, "ben synced 1 file");
    /* The newest is first, the head stays. */
    has(end, "SteadyState");
}

static void test_text_over_it(void **state)
{
    cleanup_board struct board b = {0};
    struct page_text help = {"Help", page_help};
    struct page_view view = {
        .width = 80, .height = 24, .utf8 = true, .now = NOW, .text = &help, .notice = "n\033[1m!"};
    struct page got;
    (void)state;
    fill(&b);
    cleanup_free char *s = draw(&b, &view, NULL);
    has(s, "  s  sync:");
    has(s, " n?[1m!\n q back");
    has_not(s, "People here");
    struct page_text diff = {"diff", "+a\tb\n-\033[31mx\n@@ 1\n1\n2\n3\n4\n5\n6\n7\n8\n"};
    view.text = &diff;
    view.height = 9;
    cleanup_free char *t = draw(&b, &view, &got);
    has(t, "+a      b\n-?[31mx\n");
    assert_int_equal(got.scroll_max, 5);
}

static void test_ssh_line(void **state)
{
    (void)state;
    struct board b = {.ssh = (char *)"ssh://u@[::1]:22", .link = (char *)"steadystate://x?a&b"};
    cleanup_str struct str out = STR_INIT;
    page_ssh_line(&b, &out);
    str_addc(&out, '|');
    page_join_line(&b, &out);
    assert_string_equal(out.p, "ssh -p 22 u@[::1]|steadystate join 'steadystate://x?a&b'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_80),       cmocka_unit_test(test_200),
        cmocka_unit_test(test_40),       cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_scroll),   cmocka_unit_test(test_text_over_it),
        cmocka_unit_test(test_ssh_line),
    };
    setlocale(LC_CTYPE, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
