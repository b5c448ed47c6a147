/* Several threads write one worktree, from objects and from the file of blobs. */
#include "sync/worktree.h"

#include "../git/git_fixture.h"
#include "sync/flat.h"

static void prepare(const struct fixture *f, const char *home_name)
{
    cleanup_free char *home = in(f, home_name);
    cleanup_free char *canonical = in(f, "canonical");
    struct err err = ERR_INIT;
    struct worktree_opts opts = {.home = home,
                                 .repo_name = "proj",
                                 .canonical = canonical,
                                 .session_id = "abc",
                                 .session_branch = "s/x",
                                 .author_name = "Ada",
                                 .author_email = "ada@example.org",
                                 .threads = 4};
    setenv("HOME", home, 1);
    if (worktree_prepare(&opts, NULL, &err) < 0)
        fail_msg("%s", err.msg);
}

static void test_same_from_both(void **state)
{
    struct fixture *f = *state;
    struct oid head;
    bool made = false;
    cleanup_free char *repo = in(f, "repo");
    cleanup_free char *canonical = in(f, "canonical");
    free(sh(f,
            "git init -q origin; cd origin; for d in 1 2 3 4 5 6 7 8; do mkdir -p d$d/s;"
            "for i in $(seq 90); do seq $d $i >d$d/s/$i; done; echo $d >d$d/s/x; done;"
            "chmod +x d3/s/x; ln -s d1/s link; git add .; git commit -qm start; git gc -q; cd ..;"
            "git clone -q --bare origin repo; mkdir home home2"));
    assert_int_equal(repo_make_canonical(repo, canonical, NULL, "s/x", &head, NULL), 0);
    prepare(f, "home");
    assert_int_equal(flat_write(canonical, "refs/heads/s/x", &made, NULL), 0);
    assert_true(made);
    prepare(f, "home2");
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
