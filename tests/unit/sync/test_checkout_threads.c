/* Several threads write one worktree, from objects and from the file of blobs. */
#include "worktree_fixture.h"

#include "sync/flat.h"

static void test_same_from_both(void **state)
{
    struct fixture *f = *state;
    bool made = false;
    cleanup_free char *canonical = in(f, "canonical");
    make_canonical(f, "for d in 1 2 3 4 5 6 7 8; do mkdir -p d$d/s;"
                      "for i in $(seq 90); do seq $d $i >d$d/s/$i; done; echo $d >d$d/s/x; done;"
                      "chmod +x d3/s/x; ln -s d1/s link");
    must_prepare(f, "home", true);
    assert_int_equal(flat_write(canonical, "refs/heads/s/x", &made, NULL), 0);
    assert_true(made);
    must_prepare(f, "home2", true);
    free(sh(f, "diff -r --no-dereference --exclude=.git home/proj/. home2/proj/.;"
               "for h in home home2; do cd $h/proj; test -z \"$(git status --porcelain)\";"
               "git diff-files --quiet; cd ../..; done"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_same_from_both, fixture_setup, fixture_teardown)};
    return cmocka_run_group_tests_name("sync/checkout_threads", tests, NULL, NULL);
}
