/* The file of blobs: what a worktree is made from when it is there, and only then. */
#include "worktree_fixture.h"

#include "sync/flat.h"
#include "sync/flat_table.h"

#define MANY "mkdir -p d; for i in $(seq 700); do echo \"number $i\" >d/$i; done"

static bool write_flat(const struct fixture *f)
{
    cleanup_free char *canonical = in(f, "canonical");
    struct err err = ERR_INIT;
    bool made = false;
    if (flat_write(canonical, "refs/heads/s/x", &made, &err) < 0)
        fail_msg("%s", err.msg);
    return made;
}

static void test_worktree_from_it(void **state)
{
    struct fixture *f = *state;
    make_canonical(f, MANY "; cp d/1 again; : >empty; ln -s d l; echo x >x; chmod +x x;"
                           "printf '*.bat eol=crlf\\n' >.gitattributes; printf 'a\\nb\\n' >r.bat;"
                           "head -c 5000000 /dev/zero >long");
    assert_true(write_flat(f));
    assert_false(write_flat(f));
    must_prepare(f, "home", true);
    free(sh(f, "git clone -q -b s/x canonical w2;"
               "diff -r --no-dereference --exclude=.git w2 home/proj/.; cd home/proj;"
               "test -z \"$(git status --porcelain)\"; git diff-files --quiet"));
    /* It is what they come from: somebody who damaged it would be seen. */
    free(sh(f, "sed -i s/number/NUMBER/ canonical/steadystate-flat"));
    must_prepare(f, "home2", true);
    free(sh(f, "grep -q NUMBER home2/proj/d/77; ! grep -q NUMBER home/proj/d/77"));
}

static void test_moved_branch_takes_the_rest_from_objects(void **state)
{
    struct fixture *f = *state;
    make_canonical(f, MANY);
    assert_true(write_flat(f));
    free(sh(f, "git clone -q -b s/x canonical w; cd w; echo new >d/5; echo more >e;"
               "git add .; git commit -qm next; git push -q"));
    must_prepare(f, "home", true);
    free(sh(f, "diff -r --exclude=.git w home/proj/.; cd home/proj;"
               "test -z \"$(git status --porcelain)\""));
}

static bool worth_it(const struct fixture *f)
{
    cleanup_free char *canonical = in(f, "canonical");
    bool yes = false;
    assert_int_equal(flat_is_worth_it(canonical, "refs/heads/s/x", &yes, NULL), 0);
    return yes;
}

static void test_few_files_are_not_worth_it(void **state)
{
    struct fixture *f = *state;
    make_canonical(f, "mkdir -p d/e d/f; for i in $(seq 255); do echo $i >d/e/$i; echo $i >d/f/$i;"
                      "done; echo one >top");
    assert_false(worth_it(f));
    assert_false(write_flat(f));
    free(sh(f, "git clone -q -b s/x canonical w; cd w; echo new >d/e/new;"
               "git add .; git commit -qm next; git push -q"));
    assert_true(worth_it(f));
    assert_true(write_flat(f));
    cleanup_free char *none = in(f, "none");
    bool yes = true;
    assert_int_not_equal(flat_is_worth_it(none, "refs/heads/s/x", &yes, NULL), 0);
}

static void test_damaged_is_passed_over(void **state)
{
    struct fixture *f = *state;
    static const char *const damages[] = {
        "truncate -s 100 canonical/steadystate-flat",
        "truncate -s 0 canonical/steadystate-flat",
        "truncate -s +1 canonical/steadystate-flat",
        "printf X | dd of=canonical/steadystate-flat bs=1 conv=notrunc",
        "printf '\\377\\377' | dd of=canonical/steadystate-flat bs=1 seek=44 conv=notrunc",
        "rm canonical/steadystate-flat; mkdir canonical/steadystate-flat",
        "rmdir canonical/steadystate-flat; ln -s /etc/passwd canonical/steadystate-flat",
        "rm canonical/steadystate-flat; mkfifo canonical/steadystate-flat",
    };
    make_canonical(f, MANY);
    assert_true(write_flat(f));
    cleanup_free char *canonical = in(f, "canonical");
    for (size_t i = 0; i < ARRAY_LEN(damages); i++) {
        struct flat *flat = NULL;
        struct err err = ERR_INIT;
        free(sh(f, damages[i]));
        assert_int_not_equal(flat_open(canonical, &flat, &err), 0);
        assert_null(flat);
        if (i < 5)
            free(sh(f, "rm -f canonical/steadystate-flat"));
        if (i < 4)
            assert_true(write_flat(f));
        if (i == 4)
            free(sh(f, "touch canonical/steadystate-flat"));
    }
    must_prepare(f, "home", true);
    free(sh(f, "git clone -q -b s/x canonical w2; diff -r --exclude=.git w2 home/proj/."));
}

static void test_small_trees_have_none(void **state)
{
    struct fixture *f = *state;
    make_canonical(f, "echo a >a");
    assert_false(write_flat(f));
    free(sh(f, "test ! -e canonical/steadystate-flat -a ! -e canonical/steadystate-flat.tmp"));
}

int main(void)
{
#define WITH_DIR(t) cmocka_unit_test_setup_teardown(t, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        WITH_DIR(test_worktree_from_it), WITH_DIR(test_moved_branch_takes_the_rest_from_objects),
        WITH_DIR(test_damaged_is_passed_over), WITH_DIR(test_small_trees_have_none),
        WITH_DIR(test_few_files_are_not_worth_it)};
    return cmocka_run_group_tests_name("sync/flat", tests, NULL, NULL);
}
