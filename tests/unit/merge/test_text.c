/* The rules of text merge, one by one; the bytes against git are in test_git.c. */
#include "merge/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "ycrdt/ycrdt.h"

static struct merge_slice s(const char *text)
{
    return (struct merge_slice){text, strlen(text)};
}

static void run(const char *base, const char *local, const char *canonical,
                struct merge_text_result *r)
{
    struct err err = ERR_INIT;
    assert_int_equal(merge_text(s(base), s(local), s(canonical), r, &err), 0);
    assert_true(r->through_crdt);
}

/* The result is `want`, without a report. */
static void merges(const char *base, const char *local, const char *canonical, const char *want)
{
    cleanup_merge_text struct merge_text_result r = MERGE_TEXT_RESULT_INIT;
    run(base, local, canonical, &r);
    assert_string_equal(r.text.p, want);
    assert_int_equal(r.report.len, 0);
}

/* The result is `want`, with one overlap at those lines. */
static void overlaps(const char *base, const char *local, const char *canonical, const char *want,
                     enum merge_overlap_kind kind, enum merge_side by, size_t line, size_t lines)
{
    cleanup_merge_text struct merge_text_result r = MERGE_TEXT_RESULT_INIT;
    run(base, local, canonical, &r);
    assert_string_equal(r.text.p, want);
    assert_int_equal(r.report.len, 1);
    assert_int_equal(r.report.v[0].kind, kind);
    assert_int_equal(r.report.v[0].by, by);
    assert_int_equal(r.report.v[0].line, line);
    assert_int_equal(r.report.v[0].lines, lines);
    assert_false(r.git_clean);
}

static void test_one_side_only(void **state)
{
    (void)state;
    cleanup_merge_text struct merge_text_result r = MERGE_TEXT_RESULT_INIT;
    assert_int_equal(merge_text(s("a\n"), s("a\n"), s("b\n"), &r, NULL), 0);
    assert_string_equal(r.text.p, "b\n");
    assert_true(r.git_clean);
    cleanup_merge_text struct merge_text_result r2 = MERGE_TEXT_RESULT_INIT;
    assert_int_equal(merge_text(s(""), s(""), s(""), &r2, NULL), 0);
    assert_int_equal(r2.text.len, 0);
}

static void test_different_lines(void **state)
{
    (void)state;
    merges("a\nb\nc\nd\n", "A\nb\nc\nd\n", "a\nb\nc\nD\n", "A\nb\nc\nD\n");
    merges("a\nb\nc\nd\n", "A\nb\nc\nd\n", "a\nB\nc\nd\n", "A\nB\nc\nd\n");
    /* a deletion beside a change */
    merges("a\nb\nc 1\nd\n", "a\nb\nc 2\nd\n", "a\nc 1\nd\n", "a\nc 2\nd\n");
}

static void test_different_words_of_a_line(void **state)
{
    (void)state;
    merges("Tom likes pizza\n", "Herwig likes pizza\n", "Tom likes hamburger\n",
           "Herwig likes hamburger\n");
    merges("int f(int a, char b)\n", "int f(long a, char b)\n", "int g(int a, char b)\n",
           "int g(long a, char b)\n");
    merges("die Höhe ist groß\n", "die Tiefe ist groß\n", "die Höhe war groß\n",
           "die Tiefe war groß\n");
    merges("from 1.2 to 1.3, at 1.\n", "from 1.2 to 1.4, at 1.\n", "from 1.1 to 1.3, at 1.\n",
           "from 1.1 to 1.4, at 1.\n");
    /* words put in right beside a change, but which could as well be one sign further off */
    merges("LDADD = $(DIR)/libcurl.la\n", "LDADD = $(DIR)/$(STUB).la\n",
           "LDADD = $(TOP)/lib/libcurl.la\n", "LDADD = $(TOP)/lib/$(STUB).la\n");
    /* reindented by one, edited by the other */
    merges("if (x)\n\tfoo(1);\n\tbar(2);\n", "if (x)\n    foo(1);\n    bar(2);\n",
           "if (x)\n\tfoo(1);\n\tbar(3);\n", "if (x)\n    foo(1);\n    bar(3);\n");
}

static void test_the_same_edit_happens_once(void **state)
{
    (void)state;
    merges("a\nb\n", "a\nx\nb\nl\n", "a\nx\nb\n", "a\nx\nb\nl\n");
    merges("one two three\n", "1 two 3\n", "1 two three\n", "1 two 3\n");
    merges("a\nb\n", "a\nimport x\nimport y\nb\n", "a\nimport x\nb\n",
           "a\nimport x\nimport y\nb\n");
    /* nearly the same, one with a little more to it */
    merges("a\nz\n", "a\n/* Reset the number of errors before we start */\nerrors = 0;\nz\n",
           "a\n/* Reset the number of errors before we start. */\nerrors = 0;\nz\n",
           "a\n/* Reset the number of errors before we start. */\nerrors = 0;\nz\n");
    /* at places that the diffs show differently; the other side did more */
    merges("size_t a;\nend\n", "size_t a;\nuint32_t one;\nuint32_t two;\nend\n",
           "uint32_t one;\nuint32_t two;\nend\n", "uint32_t one;\nuint32_t two;\nend\n");
}

static void test_both_inserted(void **state)
{
    (void)state;
    overlaps("a\nz\n", "a\nlocal 1\nlocal 2\nz\n", "a\ncanonical\nz\n",
             "a\ncanonical\nlocal 1\nlocal 2\nz\n", MERGE_BOTH_INSERTED, MERGE_BOTH, 2, 3);
    overlaps("", "local\n", "canonical\n", "canonical\nlocal\n", MERGE_BOTH_INSERTED, MERGE_BOTH, 1,
             2);
    /* a brace and a blank line in common do not interleave two functions */
    overlaps("x;\n", "x;\n\nvoid l(void)\n{\n\tone();\n}\n", "x;\n\nvoid c(void)\n{\n\ttwo();\n}\n",
             "x;\n\nvoid c(void)\n{\n\ttwo();\n}\n\nvoid l(void)\n{\n\tone();\n}\n",
             MERGE_BOTH_INSERTED, MERGE_BOTH, 2, 10);
    /* each has words of its own: two insertions */
    overlaps("a\nz\n", "a\nreset(number_of_errors, number_of_lines);\nz\n",
             "a\nreset(number_of_errors, number_of_words);\nz\n",
             "a\nreset(number_of_errors, number_of_words);\nreset(number_of_errors, "
             "number_of_lines);\nz\n",
             MERGE_BOTH_INSERTED, MERGE_BOTH, 2, 2);
    overlaps("f(a);\n", "f(a, l);\n", "f(a, c);\n", "f(a, c, l);\n", MERGE_BOTH_INSERTED,
             MERGE_BOTH, 1, 1);
}

/* Entries at the end of a list that has no comma behind the last one. */
static void test_both_extended_a_list(void **state)
{
    (void)state;
    overlaps("{\n  a: 1\n}\n", "{\n  a: 1,\n  l: 2\n}\n", "{\n  a: 1,\n  c: 3,\n  d: 4\n}\n",
             "{\n  a: 1,\n  c: 3,\n  d: 4,\n  l: 2\n}\n", MERGE_BOTH_INSERTED, MERGE_BOTH, 3, 3);
    overlaps("[\r\n1\r\n]\r\n", "[\r\n1,\r\n2\r\n]\r\n", "[\r\n1,\r\n3\r\n]\r\n",
             "[\r\n1,\r\n3,\r\n2\r\n]\r\n", MERGE_BOTH_INSERTED, MERGE_BOTH, 3, 2);
    overlaps("1\n", "1,\n2", "1,\n3", "1,\n3,\n2", MERGE_BOTH_INSERTED, MERGE_BOTH, 2, 2);
    /* commas behind all of them; no comma at all */
    overlaps("a,\n}\n", "a,\nl,\n}\n", "a,\nc,\n}\n", "a,\nc,\nl,\n}\n", MERGE_BOTH_INSERTED,
             MERGE_BOTH, 2, 2);
    overlaps("a\n}\n", "a\nl\n}\n", "a\nc\n}\n", "a\nc\nl\n}\n", MERGE_BOTH_INSERTED, MERGE_BOTH, 2,
             2);
}

static void test_both_rewrote(void **state)
{
    (void)state;
    overlaps("x = 1\n", "x = 2\n", "x = 3\n", "x = 3\nx = 2\n", MERGE_BOTH_REWROTE, MERGE_BOTH, 1,
             2);
    /* the same word, put in at two places: not a line with it twice */
    overlaps("cc old -c\n", "cc CFLAGS old CPP -c\n", "cc CFLAGS CPP -c\n",
             "cc CFLAGS CPP -c\ncc CFLAGS old CPP -c\n", MERGE_BOTH_REWROTE, MERGE_BOTH, 1, 2);
    /* a version is one word: not one that neither side has */
    overlaps("V = '3.29.0'\n", "V = '3.29.5'\n", "V = '4.22.0'\n", "V = '4.22.0'\nV = '3.29.5'\n",
             MERGE_BOTH_REWROTE, MERGE_BOTH, 1, 2);
    overlaps("tag v1.2.3-a\n", "tag v1.2.4-a\n", "tag v1.3.3-a\n", "tag v1.3.3-a\ntag v1.2.4-a\n",
             MERGE_BOTH_REWROTE, MERGE_BOTH, 1, 2);
    /* wrapped anew: words are not compared */
    overlaps("reads commands from file, if it exists\n",
             "reads all commands from file,\nif it exists\n",
             "reads lines from file, if it exists\n",
             "reads lines from file, if it exists\nreads all commands from file,\nif it exists\n",
             MERGE_BOTH_REWROTE, MERGE_BOTH, 1, 3);
    overlaps("1\n2\n3\n4\n", "1\nA\nB\n4\n", "1\nX\nY\nZ\n4\n", "1\nX\nY\nZ\nA\nB\n4\n",
             MERGE_BOTH_REWROTE, MERGE_BOTH, 2, 5);
}

/* One side rewrote all that the other did, word by word, and more. */
static void test_one_side_did_all_and_more(void **state)
{
    (void)state;
    const char *base = "const char *first;\nv = decode_escapes(s, len, &first);\n"
                       "if (v && first) {\n\twarn(parser, first);\n";
    const char *small = "int first_escape_char;\nconst char *first_escape;\n"
                        "v = decode_escapes_checked(s, len, &first_escape_char, &first_escape);\n"
                        "if (v && first_escape) {\n\twarn(parser, first_escape);\n";
    const char *large = "int first_escape_char;\nconst char *first_escape;\n"
                        "v = decode_escapes_checked(s, len, &first_escape_char, &first_escape);\n"
                        "/* the tokens are gone here, only the line is known */\n"
                        "if (v && first_escape && t) {\n\twarn(parser, s, first_escape);\n";
    merges(base, small, large, large);
    merges(base, large, small, large);
    /* the same, wrapped differently: somebody has to look at the blanks */
    const char *wrapped =
        "int first_escape_char;\nconst char *first_escape;\n"
        "v = decode_escapes_checked(s, len,\n\t&first_escape_char, &first_escape);\n"
        "if (v && first_escape) {\n\twarn(parser, first_escape);\n";
    overlaps(base, wrapped, large, large, MERGE_BLANKS, MERGE_LOCAL, 3, 4);
    /* within two insertions that are much the same */
    merges("a\nz\n",
           "a\n#define RESTORE(name) \\\n\tload(old_load_##name); \\\n"
           "\tkeep_blanks(old_blanks_##name);\n\nint known;\nz\n",
           "a\n#ifdef OLD\n# define OLD_START\n#endif\n\n#define RESTORE(name) \\\n"
           "\tload(old_load_##name); \\\n\tkeep_blanks(old_blanks_##name); \\\n"
           "\tOLD_END\n\nint known;\nz\n",
           "a\n#ifdef OLD\n# define OLD_START\n#endif\n\n#define RESTORE(name) \\\n"
           "\tload(old_load_##name); \\\n\tkeep_blanks(old_blanks_##name); \\\n"
           "\tOLD_END\n\nint known;\nz\n");
    /* each has words of its own */
    overlaps("first(x);\n", "count_everything_here(xy);\n", "count_everything_here(xz);\n",
             "count_everything_here(xz);\ncount_everything_here(xy);\n", MERGE_BOTH_REWROTE,
             MERGE_BOTH, 1, 2);
}

static void test_what_opens_a_block_stays_on_it(void **state)
{
    (void)state;
    overlaps("a;\nput(primary);\nz;\n", "a;\nqueue(work);\n\nput(primary);\nz;\n",
             "a;\nif (primary)\n\tput(primary);\nz;\n",
             "a;\nqueue(work);\n\nif (primary)\n\tput(primary);\nz;\n", MERGE_BOTH_INSERTED,
             MERGE_BOTH, 2, 3);
    overlaps("a;\nput(primary);\nz;\n", "a;\nif (primary) {\n\tput(primary);\n}\nz;\n",
             "a;\nput(primary);\nqueue(work);\nz;\n",
             "a;\nif (primary) {\n\tput(primary);\n}\nqueue(work);\nz;\n", MERGE_BOTH_INSERTED,
             MERGE_BOTH, 4, 2);
    /* nothing is indented: canonical's first */
    overlaps("a;\nput(primary);\nz;\n", "a;\nqueue(work);\nput(primary);\nz;\n",
             "a;\nopen(primary);\nput(primary, 1);\nz;\n",
             "a;\nopen(primary);\nqueue(work);\nput(primary, 1);\nz;\n", MERGE_BOTH_INSERTED,
             MERGE_BOTH, 2, 2);
}

static void test_report_holds_both_texts(void **state)
{
    (void)state;
    cleanup_merge_text struct merge_text_result r = MERGE_TEXT_RESULT_INIT;
    run("a\nx = 1\n", "a\nx = 2\n", "a\nx = 3\n", &r);
    assert_string_equal(r.report.v[0].base.p, "x = 1\n");
    assert_string_equal(r.report.v[0].local.p, "x = 2\n");
    assert_string_equal(r.report.v[0].canonical.p, "x = 3\n");
    cleanup_str struct str text = STR_INIT;
    merge_overlap_describe(&r.report.v[0], &text);
    assert_string_equal(text.p,
                        "both rewrote lines 2-3: both versions are there, canonical's first");
    assert_string_equal(merge_overlap_word(r.report.v[0].kind), "both_rewrote");
}

static void test_deleted_and_changed(void **state)
{
    (void)state;
    overlaps("a\nb c\nd\n", "a\nd\n", "a\nb x\nd\n", "a\nb x\nd\n", MERGE_DELETED_EDITED,
             MERGE_LOCAL, 2, 1);
    overlaps("a\nb c\nd\n", "a\nb x\nd\n", "a\nd\n", "a\nb x\nd\n", MERGE_DELETED_EDITED,
             MERGE_CANONICAL, 2, 1);
    overlaps("a b c\n", "a c\n", "a x c\n", "a x c\n", MERGE_DELETED_EDITED, MERGE_LOCAL, 1, 1);
    /* words deleted beside others that were changed: both happen */
    overlaps("#!/usr/bin/env perl\n", "#!/usr/bin/env python3\n", "#!/usr/bin/perl\n",
             "#!/usr/bin/python3\n", MERGE_DELETED_EDITED, MERGE_CANONICAL, 1, 1);
    overlaps("f(a, b);\n", "f(a);\n", "f(a, b, c);\n", "f(a, c);\n", MERGE_DELETED_EDITED,
             MERGE_LOCAL, 1, 1);
    /* the rest of what was deleted is gone, what was put into it is there */
    overlaps("1\n2\n3\n4\n5\n6\n", "1\n6\n", "1\n2\n3\nnew\n4\n5\n6\n", "1\nnew\n6\n",
             MERGE_DELETED_EDITED, MERGE_LOCAL, 2, 1);
    merges("1\n2\n3\n4\n5\n6\n", "1\n4\n5\n6\n", "1\n2\n5\n6\n", "1\n5\n6\n");
}

static void test_inserted_beside_what_was_deleted(void **state)
{
    (void)state;
    overlaps("a\nb\nc\n", "a\nx\nb\nc\n", "a\nc\n", "a\nx\nc\n", MERGE_DELETED_EDITED,
             MERGE_CANONICAL, 2, 1);
    overlaps("free(a);\nfree(b);\nend\n", "out:\nend\n", "free(a);\nfree(b);\nfree(c);\nend\n",
             "out:\nfree(c);\nend\n", MERGE_DELETED_EDITED, MERGE_LOCAL, 2, 1);
    /* a wrapper stays when what it was put around goes */
    cleanup_merge_text struct merge_text_result r = MERGE_TEXT_RESULT_INIT;
    run("a\n#include <x>\nb\n", "a\n#if X\n#include <x>\n#endif\nb\n", "a\nb\n", &r);
    assert_string_equal(r.text.p, "a\n#if X\n#endif\nb\n");
    assert_int_equal(r.report.len, 2);
}

/* What one side took out of the place is what the other uses anew: both edits fit, and yet they may
 * not. */
static void test_word_that_is_gone(void **state)
{
    (void)state;
    overlaps("use old::{a};\nuse old::{b};\n", "use old::{a};\nuse old::{x};\nuse old::{b};\n",
             "use new::{a};\nuse new::{b};\n", "use new::{a};\nuse old::{x};\nuse new::{b};\n",
             MERGE_DELETED_EDITED, MERGE_CANONICAL, 1, 3);
    overlaps("count(page);\nfree(1);\n", "count(folio);\nfree(1);\n", "count(page);\nfree(page);\n",
             "count(folio);\nfree(page);\n", MERGE_DELETED_EDITED, MERGE_LOCAL, 1, 2);
    /* still there elsewhere in the place; too short to say anything */
    merges("count(page, page);\nfree(1);\n", "count(page, folio);\nfree(1);\n",
           "count(page, page);\nfree(page);\n", "count(page, folio);\nfree(page);\n");
    merges("f(a);\ng(1);\n", "f(b);\ng(1);\n", "f(a);\ng(a);\n", "f(b);\ng(a);\n");
}

static void test_blanks(void **state)
{
    (void)state;
    /* indented by one, deleted by the other */
    merges("a\nif (x)\n\tfoo(1);\nb\n", "a\nif (x)\n    foo(1);\nb\n", "a\nb\n", "a\nb\n");
    merges("a\nif (x)\n\tfoo(1);\nb\n", "a\nb\n", "a\nif (x)\n    foo(1);\nb\n", "a\nb\n");
    /* wrapped by one, reworded by the other: the words stand, once */
    overlaps("reads commands from file, if it exists\n",
             "reads commands from file,\nif it exists\n", "reads lines from file, if it exists\n",
             "reads lines from file, if it exists\n", MERGE_BLANKS, MERGE_LOCAL, 1, 1);
    overlaps("reads commands from file, if it exists\n", "reads lines from file, if it exists\n",
             "reads commands from file,\nif it exists\n", "reads lines from file, if it exists\n",
             MERGE_BLANKS, MERGE_CANONICAL, 1, 1);
    /* both put in the same words, indented differently */
    overlaps("a\nz\n", "a\nif (x)\n\tfoo(1);\nz\n", "a\nif (x)\n    foo(1);\nz\n",
             "a\nif (x)\n    foo(1);\nz\n", MERGE_BLANKS, MERGE_LOCAL, 2, 2);
    /* more than blanks: as ever */
    overlaps("a\nz\n", "a\nif (x)\n\tfoo(1);\nz\n", "a\nif (x)\n    foo(2);\nz\n",
             "a\nif (x)\n    foo(2);\nif (x)\n\tfoo(1);\nz\n", MERGE_BOTH_INSERTED, MERGE_BOTH, 2,
             4);
    cleanup_merge_text struct merge_text_result r = MERGE_TEXT_RESULT_INIT;
    cleanup_str struct str text = STR_INIT;
    run("reads files\n", "reads\nfiles\n", "reads links\n", &r);
    merge_overlap_describe(&r.report.v[0], &text);
    assert_string_equal(text.p,
                        "line 1: local's blanks (indentation, wrapping) gave way to canonical's "
                        "lines");
}

static void test_line_ends_and_bytes(void **state)
{
    (void)state;
    merges("one two\r\n", "1 two\r\n", "one 2\r\n", "1 2\r\n");
    /* line ends converted by one, words by the other */
    merges("a b\nc d\n", "a b\r\nc d\r\n", "a b\nc x\n", "a b\r\nc x\r\n");
    merges("\xef\xbb\xbfone two",
           "\xef\xbb\xbf"
           "1 two",
           "\xef\xbb\xbfone 2\n",
           "\xef\xbb\xbf"
           "1 2\n");
    /* Latin-1 */
    merges("h\xf6"
           "he gro\xdf\n",
           "tiefe gro\xdf\n",
           "h\xf6"
           "he klein\n",
           "tiefe klein\n");
    /* no newline at the end: lines do not run together */
    overlaps("a", "a\nl", "a\nc", "a\nc\nl", MERGE_BOTH_INSERTED, MERGE_BOTH, 2, 2);
    overlaps("a\r\nb", "a\r\nl", "a\r\nc", "a\r\nc\r\nl", MERGE_BOTH_REWROTE, MERGE_BOTH, 2, 2);
    merges("a\nb", "a\nb\n", "A\nb", "A\nb\n");
    merges("\tone two\n", "\t1 two\n", "\tone 2\n", "\t1 2\n");
}

static void test_merging_again_changes_nothing(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"x = 1\n", "x = 2\n", "x = 3\n"},
        {"a\nz\n", "a\nl\nz\n", "a\nc\nz\n"},
        {"a\nb c\nd\n", "a\nd\n", "a\nb x\nd\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        cleanup_merge_text struct merge_text_result r = MERGE_TEXT_RESULT_INIT;
        cleanup_merge_text struct merge_text_result again = MERGE_TEXT_RESULT_INIT;
        run(cases[i][0], cases[i][1], cases[i][2], &r);
        struct merge_slice result = {r.text.p, r.text.len};
        assert_int_equal(merge_text(s(cases[i][2]), result, s(cases[i][2]), &again, NULL), 0);
        assert_string_equal(again.text.p, r.text.p);
        assert_int_equal(again.report.len, 0);
    }
}

/* The updates alone give the base, and all together the result, in any order. */
static void test_updates_converge(void **state)
{
    (void)state;
    const char *base = "a\nTom likes pizza\nx = 1\nz\n";
    const char *local = "a\nsame\nHerwig likes pizza\nx = 2\nz\nl\n";
    const char *canonical = "a\nsame\nTom likes hamburger\nx = 3\nz\nc\n";
    struct merge_updates u = MERGE_UPDATES_INIT;
    assert_int_equal(merge_text_updates(s(base), s(local), s(canonical), &u, NULL), 0);
    cleanup_merge_text struct merge_text_result r = MERGE_TEXT_RESULT_INIT;
    run(base, local, canonical, &r);
    const struct str *order[][3] = {{&u.base, &u.local, &u.canonical},
                                    {&u.canonical, &u.base, &u.local},
                                    {&u.local, &u.canonical, &u.base}};
    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        cleanup_ycrdt struct ycrdt *doc = ycrdt_new(77, 0);
        unsigned text = ycrdt_text(doc, "content");
        cleanup_str struct str got = STR_INIT;
        for (int k = 0; k < 3; k++) {
            assert_int_equal(ycrdt_apply(doc, order[i][k]->p, order[i][k]->len, NULL), 0);
            if (order[i][k] == &u.base && k == 0) {
                ycrdt_read(doc, text, &got);
                assert_string_equal(got.p, base);
                str_clear(&got);
            }
        }
        ycrdt_read(doc, text, &got);
        assert_string_equal(got.p, r.text.p);
    }
    merge_updates_release(&u);
    struct err err = ERR_INIT;
    assert_int_equal(merge_text_updates(s("\xff\n"), s("a\n"), s("b\n"), &u, &err), ERR_INVALID);
}

static void test_limit(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    cleanup_merge_text struct merge_text_result r = MERGE_TEXT_RESULT_INIT;
    struct merge_slice long_one = {"", MERGE_TEXT_MAX + 1};
    assert_int_equal(merge_text(s("a"), long_one, s("b"), &r, &err), ERR_LIMIT);
}

/* Texts that are hard on a line diff end in time, and nothing gets lost. */
static void test_pathological(void **state)
{
    (void)state;
    cleanup_str struct str same = STR_INIT, two = STR_INIT, random_1 = STR_INIT,
                           random_2 = STR_INIT;
    uint32_t x = 1;
    for (int i = 0; i < 30000; i++) {
        str_adds(&same, "}\n");
        x = x * 1664525u + 1013904223u;
        str_adds(&two, x >> 31 ? "a\n" : "b\n");
        str_addc(&random_1, (char)(x >> 24));
        x = x * 1664525u + 1013904223u;
        str_addc(&random_2, (char)(x >> 24));
    }
    const struct str *v[] = {&same, &two, &random_1, &random_2};
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        for (size_t j = 0; j < ARRAY_LEN(v); j++) {
            cleanup_merge_text struct merge_text_result r = MERGE_TEXT_RESULT_INIT;
            struct merge_slice base = {v[i]->p, v[i]->len}, local = {v[j]->p, v[j]->len};
            struct merge_slice canonical = {v[(j + 1) % 4]->p, v[(j + 1) % 4]->len};
            assert_int_equal(merge_text(base, local, canonical, &r, NULL), 0);
            assert_true(r.text.len > 0);
        }
    }
}

static void test_changed_lines(void **state)
{
    (void)state;
    struct merge_lines *v;
    size_t n = merge_changed_lines(s("a\nb\nc\nd\n"), s("a\nB\nc\nx\ny\nd\n"), &v);
    assert_int_equal(n, 2);
    assert_int_equal(v[0].line, 2);
    assert_int_equal(v[0].lines, 1);
    assert_int_equal(v[1].line, 4);
    assert_int_equal(v[1].lines, 2);
    cleanup_freep(&v);
    n = merge_changed_lines(s("a\nb\n"), s("a\n"), &v);
    assert_int_equal(n, 1);
    assert_int_equal(v[0].line, 2);
    assert_int_equal(v[0].lines, 0);
    cleanup_freep(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_side_only),
        cmocka_unit_test(test_different_lines),
        cmocka_unit_test(test_different_words_of_a_line),
        cmocka_unit_test(test_the_same_edit_happens_once),
        cmocka_unit_test(test_both_inserted),
        cmocka_unit_test(test_both_extended_a_list),
        cmocka_unit_test(test_both_rewrote),
        cmocka_unit_test(test_one_side_did_all_and_more),
        cmocka_unit_test(test_what_opens_a_block_stays_on_it),
        cmocka_unit_test(test_report_holds_both_texts),
        cmocka_unit_test(test_deleted_and_changed),
        cmocka_unit_test(test_inserted_beside_what_was_deleted),
        cmocka_unit_test(test_word_that_is_gone),
        cmocka_unit_test(test_blanks),
        cmocka_unit_test(test_line_ends_and_bytes),
        cmocka_unit_test(test_merging_again_changes_nothing),
        cmocka_unit_test(test_updates_converge),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_pathological),
        cmocka_unit_test(test_changed_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
