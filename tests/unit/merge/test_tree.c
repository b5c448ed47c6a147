/* The rules of tree merge on an object store in memory. Trees are written as lines
 * "mode path content"; a submodule's content is one letter that stands for its commit. */
#include "merge/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "memstore.h"

#define FILES_MAX 64

static struct merge_oid tree(struct memstore *m, const char *text)
{
    struct memfile files[FILES_MAX];
    size_t n = 0;
    for (const char *p = text; *p; n++) {
        char content[512] = "";
        char mode[8] = "";
        const char *end = strchr(p, '\n');
        assert_non_null(end);
        assert_true(n < FILES_MAX);
        struct memfile *f = &files[n];
        assert_true(sscanf(p, "%7[0-7] %255[^ ] %511[^\n]", mode, f->path, content) >= 2);
        f->mode = (uint32_t)strtoul(mode, NULL, 8);
        for (char *c = content; *c; c++)
            if (*c == '|')
                *c = '\n';
        if (f->mode == MERGE_MODE_SUBMODULE) {
            f->oid = (struct merge_oid){{0}};
            f->oid.id[0] = (unsigned char)content[0];
        } else {
            for (char *c = content; *c; c++)
                *c = *c == '#' ? '\1' : *c;
            size_t len = strlen(content);
            for (size_t i = 0; i < len; i++)
                if (content[i] == '\1')
                    content[i] = '\0';
            mem_write_blob(m, content, len, &f->oid, NULL);
        }
        p = end + 1;
    }
    qsort(files, n, sizeof *files, mem_by_path);
    return mem_tree_of(m, files, n, 0);
}

struct fixture {
    struct memstore store;
    struct merge_store vtable;
    struct merge_tree_result result;
    struct str listing;
};

static int contains(void *ctx, const char *path, const struct merge_oid *descendant,
                    const struct merge_oid *ancestor)
{
    (void)ctx;
    (void)path;
    return descendant->id[0] > ancestor->id[0] && descendant->id[0] < 'p';
}

static enum merge_attr attr(void *ctx, const char *path)
{
    (void)ctx;
    return strstr(path, ".lfs")    ? MERGE_ATTR_BINARY
           : strstr(path, ".txt0") ? MERGE_ATTR_TEXT
                                   : MERGE_ATTR_AUTO;
}

static void setup(struct fixture *f)
{
    *f = (struct fixture){.result = MERGE_TREE_RESULT_INIT, .listing = STR_INIT};
    f->vtable = mem_vtable(&f->store);
    f->vtable.submodule_contains = contains;
    f->vtable.attr = attr;
}

static void teardown(struct fixture *f)
{
    mem_release(&f->store);
    merge_tree_result_release(&f->result);
    str_release(&f->listing);
}

static void run(struct fixture *f, const char *base, const char *local, const char *canonical)
{
    setup(f);
    struct merge_oid b, l = tree(&f->store, local), c = tree(&f->store, canonical);
    if (base)
        b = tree(&f->store, base);
    struct merge_tree_opts opts = {.login = "ann", .text_max = 200};
    struct err err = ERR_INIT;
    assert_int_equal(merge_trees(&f->vtable, base ? &b : NULL, &l, &c, &opts, &f->result, &err), 0);
    mem_list(&f->store, &f->result.tree, "", &f->listing);
    for (size_t i = 0; i < f->listing.len; i++)
        if (f->listing.p[i] == '\0')
            f->listing.p[i] = '#';
}

static void merges(const char *base, const char *local, const char *canonical, const char *want)
{
    struct fixture f;
    run(&f, base, local, canonical);
    assert_string_equal(f.listing.p, want);
    assert_int_equal(f.result.report.len, 0);
    teardown(&f);
}

/* `want`, and one report. */
static void reports(const char *base, const char *local, const char *canonical, const char *want,
                    enum merge_overlap_kind kind, const char *path, const char *other)
{
    struct fixture f;
    run(&f, base, local, canonical);
    assert_string_equal(f.listing.p, want);
    assert_int_equal(f.result.report.len, 1);
    const struct merge_overlap *o = &f.result.report.v[0];
    assert_int_equal(o->kind, kind);
    assert_string_equal(o->path, path);
    if (other)
        assert_string_equal(o->other_path, other);
    else
        assert_null(o->other_path);
    cleanup_str struct str text = STR_INIT;
    merge_overlap_describe(o, &text);
    assert_true(text.len > 10);
    teardown(&f);
}

static void test_one_side(void **state)
{
    (void)state;
    merges("100644 a 1\n", "100644 a 1\n100644 b 2\n", "100644 a 3\n100644 d/c 4\n",
           "100644 a 3\n100644 b 2\n100644 d/c 4\n");
    merges("100644 a 1\n100644 d/x 1\n100644 d/y 1\n", "100644 a 1\n100644 d/y 1\n",
           "100644 a 1\n100644 d/x 1\n", "100644 a 1\n");
    merges("100644 a 1\n", "", "100644 a 1\n", "");
    merges(
        "100644 a-b 1\n100644 a/c 1\n100644 a.d 1\n", "100644 a-b 1\n100644 a/c 2\n100644 a.d 1\n",
        "100644 a-b 1\n100644 a/c 1\n100644 a.d 2\n", "100644 a-b 1\n100644 a.d 2\n100644 a/c 2\n");
}

static void test_modes_and_links(void **state)
{
    (void)state;
    merges("100644 a 1\n", "100755 a 1\n", "100644 a 2\n", "100755 a 2\n");
    merges("100755 a 1\n", "100644 a 1\n", "100755 a 2\n", "100644 a 2\n");
    merges("120000 l x\n", "120000 l y\n", "120000 l x\n", "120000 l y\n");
    reports("120000 l x\n", "120000 l y\n", "120000 l z\n", "120000 l z\n120000 l.ann y\n",
            MERGE_FILE_SYMLINK, "l", "l.ann");
    reports("100644 a.c 1\n", "120000 a.c x\n", "100644 a.c 2\n",
            "120000 a.ann.c x\n100644 a.c 2\n", MERGE_FILE_TYPE, "a.c", "a.ann.c");
    reports("100644 z 1\n", "100644 z 1\n100755 a 1\n", "100644 z 1\n100644 a 1\n",
            "100755 a 1\n100644 z 1\n", MERGE_FILE_MODE, "a", NULL);
}

static void test_text_on_both_sides(void **state)
{
    (void)state;
    struct fixture f;
    run(&f, "100644 d/a one two|\n", "100644 d/a 1 two|\n", "100755 d/a one 2|\n");
    assert_string_equal(f.listing.p, "100755 d/a 1 2\n\n");
    assert_int_equal(f.result.report.len, 0);
    assert_int_equal(f.result.files_merged, 1);
    teardown(&f);
    run(&f, "100644 a x = 1|\n", "100644 a x = 2|\n", "100644 a x = 3|\n");
    assert_string_equal(f.listing.p, "100644 a x = 3\nx = 2\n\n");
    assert_int_equal(f.result.report.len, 1);
    assert_string_equal(f.result.report.v[0].path, "a");
    assert_int_equal(f.result.report.v[0].kind, MERGE_BOTH_REWROTE);
    assert_int_equal(f.result.report.v[0].lines, 2);
    teardown(&f);
}

static void test_added_by_both(void **state)
{
    (void)state;
    merges("", "100644 a 1\n", "100644 a 1\n", "100644 a 1\n");
    merges(NULL, "100644 a 1\n", "100644 b 1\n", "100644 a 1\n100644 b 1\n");
    struct fixture f;
    run(&f, "", "100644 a same line here|l|\n", "100644 a same line here|c|\n");
    assert_string_equal(f.listing.p, "100644 a same line here\nc\nl\n\n");
    assert_int_equal(f.result.report.len, 2);
    assert_int_equal(f.result.report.v[0].kind, MERGE_FILE_BOTH_ADDED);
    teardown(&f);
}

static void test_deleted_and_modified(void **state)
{
    (void)state;
    reports("100644 a 1\n100644 z 1\n", "100644 z 1\n", "100644 a 2\n100644 z 1\n",
            "100644 a 2\n100644 z 1\n", MERGE_FILE_DELETED_MODIFIED, "a", NULL);
    reports("100644 a 1\n", "100644 a 2\n", "", "100644 a 2\n", MERGE_FILE_DELETED_MODIFIED, "a",
            NULL);
}

static void test_binary_and_oversized(void **state)
{
    (void)state;
    reports("100644 d/p.png a#\n", "100644 d/p.png l#\n", "100644 d/p.png c#\n",
            "100644 d/p.ann.png l#\n100644 d/p.png c#\n", MERGE_FILE_BINARY, "d/p.png",
            "d/p.ann.png");
    reports("100644 .rc a#\n", "100644 .rc l#\n", "100644 .rc c#\n",
            "100644 .rc c#\n100644 .rc.ann l#\n", MERGE_FILE_BINARY, ".rc", ".rc.ann");
    /* by attribute, both ways */
    reports("100644 x.lfs 1\n", "100644 x.lfs 2\n", "100644 x.lfs 3\n",
            "100644 x.ann.lfs 2\n100644 x.lfs 3\n", MERGE_FILE_BINARY, "x.lfs", "x.ann.lfs");
    merges("100644 x.txt0 a#|b|\n", "100644 x.txt0 l#|b|\n", "100644 x.txt0 a#|c|\n",
           "100644 x.txt0 l#\nc\n\n");
    /* the name beside is taken */
    reports("100644 a.x 1#\n100644 a.ann.x 1\n", "100644 a.x 2#\n100644 a.ann.x 1\n",
            "100644 a.x 3#\n100644 a.ann.x 1\n",
            "100644 a.ann-2.x 2#\n100644 a.ann.x 1\n100644 a.x 3#\n", MERGE_FILE_BINARY, "a.x",
            "a.ann-2.x");
    char base[300], local[300], canonical[300], want[700];
    snprintf(base, sizeof base, "100644 a %0240d\n", 1);
    snprintf(local, sizeof local, "100644 a %0240d\n", 2);
    snprintf(canonical, sizeof canonical, "100644 a %0240d\n", 3);
    snprintf(want, sizeof want, "100644 a %0240d\n100644 a.ann %0240d\n", 3, 2);
    reports(base, local, canonical, want, MERGE_FILE_OVERSIZED, "a", "a.ann");
}

#define TEN "1|2|3|4|5|6|7|8|9|10|"
#define TEN_L "L|2|3|4|5|6|7|8|9|10|"
#define TEN_C "1|2|3|4|5|6|7|8|9|C|"
#define TEN_LC "L\n2\n3\n4\n5\n6\n7\n8\n9\nC\n"

static void test_renames(void **state)
{
    (void)state;
    /* the edit follows the rename, exact and similar */
    merges("100644 a " TEN "\n", "100644 b " TEN "\n", "100644 a " TEN_C "\n",
           "100644 b 1\n2\n3\n4\n5\n6\n7\n8\n9\nC\n\n");
    merges("100644 a " TEN "\n", "100644 a " TEN_L "\n", "100644 d/b " TEN_C "\n",
           "100644 d/b " TEN_LC "\n");
    /* case only */
    merges("100644 readme " TEN "\n", "100644 README " TEN_L "\n", "100644 readme " TEN_C "\n",
           "100644 README " TEN_LC "\n");
    /* both to one name */
    merges("100644 a " TEN "\n", "100644 b " TEN_L "\n", "100644 b " TEN_C "\n",
           "100644 b " TEN_LC "\n");
    reports("100644 a " TEN "\n", "100644 l " TEN_L "\n", "100644 c " TEN_C "\n",
            "100644 c " TEN_LC "\n", MERGE_FILE_RENAMED_TWICE, "c", "l");
    /* renamed by one, deleted by the other */
    reports("100644 a " TEN "\n100644 z 1\n", "100644 b " TEN "\n100644 z 1\n", "100644 z 1\n",
            "100644 b 1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n\n100644 z 1\n", MERGE_FILE_DELETED_MODIFIED,
            "b", NULL);
    /* too little in common: a deletion and an addition */
    reports("100644 a " TEN "\n", "100644 b 1|x|y|z|\n", "100644 a " TEN_C "\n",
            "100644 a 1\n2\n3\n4\n5\n6\n7\n8\n9\nC\n\n100644 b 1\nx\ny\nz\n\n",
            MERGE_FILE_DELETED_MODIFIED, "a", NULL);
    /* two files to one name */
    reports("100644 a " TEN "\n100644 b x|y|z|\n", "100644 b x|y|z|\n100644 n.c " TEN "\n",
            "100644 a " TEN_C "\n100644 n.c x|y|z|\n",
            "100644 n.ann.c 1\n2\n3\n4\n5\n6\n7\n8\n9\nC\n\n100644 n.c x\ny\nz\n\n",
            MERGE_FILE_RENAMED_ONTO, "n.c", "n.ann.c");
}

static void test_case_clash(void **state)
{
    (void)state;
    reports("100644 z 1\n", "100644 z 1\n100644 File l\n", "100644 z 1\n100644 file c\n",
            "100644 File l\n100644 file c\n100644 z 1\n", MERGE_FILE_CASE, "file", "File");
}

static void test_directories(void **state)
{
    (void)state;
    /* a clean change of kind */
    merges("100644 a 1\n", "100644 a/b 1\n", "100644 a 1\n", "100644 a/b 1\n");
    merges("100644 a/b 1\n100644 a/c 1\n", "100644 a/b 1\n100644 a/c 1\n", "100644 a 2\n",
           "100644 a 2\n");
    reports("100644 z 1\n", "100644 z 1\n100644 a l\n", "100644 z 1\n100644 a/b c\n",
            "100644 a.ann l\n100644 a/b c\n100644 z 1\n", MERGE_FILE_DIRECTORY, "a", "a.ann");
    reports("100644 z 1\n", "100644 z 1\n100644 a/b l\n100644 a/c/d l\n",
            "100644 z 1\n100644 a c\n",
            "100644 a c\n100644 a.ann/b l\n100644 a.ann/c/d l\n100644 z 1\n", MERGE_FILE_DIRECTORY,
            "a", "a.ann");
}

static void test_submodules(void **state)
{
    (void)state;
    merges("160000 s b\n", "160000 s c\n", "160000 s b\n", "160000 s @c\n");
    merges("160000 s b\n", "160000 s c\n", "160000 s d\n", "160000 s @d\n");
    merges("160000 s b\n", "160000 s e\n", "160000 s d\n", "160000 s @e\n");
    reports("160000 s b\n", "160000 s q\n", "160000 s r\n", "160000 s @r\n", MERGE_FILE_SUBMODULE,
            "s", NULL);
}

static void test_login_is_made_a_name(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    struct merge_oid b = tree(&f.store, "100644 a.x 1#\n"), l = tree(&f.store, "100644 a.x 2#\n");
    struct merge_oid c = tree(&f.store, "100644 a.x 3#\n");
    struct merge_tree_opts opts = {.login = "../a b"};
    assert_int_equal(merge_trees(&f.vtable, &b, &l, &c, &opts, &f.result, NULL), 0);
    assert_string_equal(f.result.report.v[0].other_path, "a...-a-b.x");
    teardown(&f);
}

/* What is the same in all three is not opened. */
static void test_only_differences_are_opened(void **state)
{
    (void)state;
    struct fixture f;
    run(&f, "100644 a/x 1\n100644 b/x 1\n100644 c/x 1\n100644 d/x one two|\n",
        "100644 a/x 1\n100644 b/x 1\n100644 c/x 1\n100644 d/x 1 two|\n",
        "100644 a/x 1\n100644 b/x 1\n100644 c/x 1\n100644 d/x one 2|\n");
    f.store.trees_read = f.store.blobs_read = 0;
    struct merge_tree_result again = MERGE_TREE_RESULT_INIT;
    struct merge_oid v[3];
    v[0] = tree(&f.store, "100644 a/x 1\n100644 b/x 1\n100644 d/x one two|\n");
    v[1] = tree(&f.store, "100644 a/x 1\n100644 b/x 1\n100644 d/x 1 two|\n");
    v[2] = tree(&f.store, "100644 a/x 1\n100644 b/x 1\n100644 d/x one 2|\n");
    struct merge_tree_opts opts = {0};
    assert_int_equal(merge_trees(&f.vtable, &v[0], &v[1], &v[2], &opts, &again, NULL), 0);
    assert_int_equal(f.store.trees_read, 3 + 3 + 2); /* roots, d, and both once more to write */
    assert_int_equal(f.store.blobs_read, 3);
    merge_tree_result_release(&again);
    teardown(&f);
}

static void test_store_errors_come_through(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    struct merge_oid t = tree(&f.store, "100644 a 1\n"), missing = {{1, 2, 3}};
    struct merge_tree_opts opts = {0};
    struct err err = ERR_INIT;
    assert_int_equal(merge_trees(&f.vtable, &t, &missing, &t, &opts, &f.result, &err),
                     ERR_NOT_FOUND);
    struct merge_listing l = MERGE_LISTING_INIT;
    merge_listing_add(&l, "a/b", 3, MERGE_MODE_FILE, &t);
    struct merge_oid bad = {{9}};
    mem_new(&f.store, &bad)->is_tree = true;
    mem_find(&f.store, &bad)->tree = l;
    err_clear(&err);
    assert_int_equal(merge_trees(&f.vtable, &t, &bad, &t, &opts, &f.result, &err), ERR_INVALID);
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_side),
        cmocka_unit_test(test_modes_and_links),
        cmocka_unit_test(test_text_on_both_sides),
        cmocka_unit_test(test_added_by_both),
        cmocka_unit_test(test_deleted_and_modified),
        cmocka_unit_test(test_binary_and_oversized),
        cmocka_unit_test(test_renames),
        cmocka_unit_test(test_case_clash),
        cmocka_unit_test(test_directories),
        cmocka_unit_test(test_submodules),
        cmocka_unit_test(test_login_is_made_a_name),
        cmocka_unit_test(test_only_differences_are_opened),
        cmocka_unit_test(test_store_errors_come_through),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
