#include "worktree_fixture.h"

#include "sync/checkout.h"
#include "sync/meta.h"

/* Everything as git itself would have checked it out, and git agrees without reading a file. */
static void same_as_git(const struct fixture *f)
{
    free(sh(f, "rm -rf w2; git clone -q -b s/x canonical w2; diff -r --no-dereference "
               "--exclude=.git w2 home/proj/.; cd home/proj; git fsck --strict;"
               "test -z \"$(git status --porcelain)\"; git diff-files --quiet;"
               "test $(git symbolic-ref HEAD) = refs/heads/s/x; git diff --cached --quiet"));
}

static void test_plain(void **state)
{
    struct fixture *f = *state;
    make_canonical(f, "mkdir -p d/e/f .github; echo a >a; echo b >d/e/f/b; ln -s d/e l;"
                      "echo x >x; chmod +x x; echo '*.o' >.gitignore; echo i >.github/i;"
                      "echo n >'new\nline'; echo u >\xc3\xbc; echo d >./-dash; : >empty;"
                      "seq 100000 >big");
    must_prepare(f, "home", true);
    same_as_git(f);
    must_prepare(f, "home", false);
    free(sh(f, "cd home/proj; test -L \"$OLDPWD/home/proj\"; test \"$(git config user.name)\" = "
               "'Ada \"the\" First'; test -z \"$(find .git/objects -type f | grep -v info)\";"));
}

static void test_attributes(void **state)
{
    struct fixture *f = *state;
    make_canonical(f,
                   "printf '*.bat text eol=crlf\\n*.u16 text working-tree-encoding=UTF-16LE\\n"
                   "*.id ident\\n*.lfs filter=lfs -text\\n' >.gitattributes; mkdir sub;"
                   "printf 'a\\r\\nb\\r\\n' >run.bat; printf 'h\\0i\\0' >w.u16;"
                   "echo '$Id$' >k.id; echo plain >p; printf '*.x eol=crlf\\n' "
                   ">sub/.gitattributes; printf 'q\\r\\n' >sub/q.x;"
                   "printf 'version https://git-lfs.github.com/spec/v1\\noid sha256:0\\nsize 1\\n' "
                   ">m.lfs");
    must_prepare(f, "home", true);
    same_as_git(f);
    free(sh(f, "cd home/proj; test \"$(od -An -c run.bat | tr -d ' ')\" = 'a\\r\\nb\\r\\n';"
               "test \"$(od -An -c w.u16 | tr -d ' ')\" = 'h\\0i\\0'"));
}

/* An interrupted checkout leaves some files whole, one half written, and no index. */
static void test_resumes(void **state)
{
    struct fixture *f = *state;
    make_canonical(f, "mkdir d; for i in 1 2 3 4 5 6 7 8 9; do echo $i >d/$i; done; ln -s d l");
    must_prepare(f, "home", true);
    cleanup_free char *dot_path = in(f, "home/.worktree");
    cleanup_close int dot = open(dot_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cleanup_meta struct meta meta = {0};
    assert_int_equal(meta_read(dot, &meta, NULL), 0);
    meta.preparing = meta.last_synced;
    meta.last_synced = (struct oid){{0}};
    cleanup_free char *stamp = sh(f, "stat -c %Y home/proj/d/1");
    meta.prepared_time = strtoll(stamp, NULL, 10);
    assert_int_equal(meta_write(dot, &meta, NULL), 0);
    free(sh(f, "cd home/proj; rm .git/index d/2 d/3; printf x >d/4; touch .git/index.lock;"
               "stat -c %i d/1 >../inode"));
    must_prepare(f, "home", true);
    same_as_git(f);
    free(sh(f, "cd home/proj; test $(stat -c %i d/1) = $(cat ../inode)"));
}

static void test_hostile_tree(void **state)
{
    struct fixture *f = *state;
    make_canonical(f, "echo a >a");
    free(sh(f, "cd canonical; b=$(echo x | git hash-object -w --stdin);"
               "t=$({ printf '100644 .git\\0'; echo $b | xxd -r -p; } |"
               " git hash-object -t tree -w --stdin --literally);"
               "git update-ref refs/heads/s/x $(echo m | git commit-tree $t)"));
    struct err err = ERR_INIT;
    bool made;
    assert_int_equal(prepare(f, "home", &made, &err), ERR_DENIED);
    assert_false(made);
}

/* A link where a directory belongs, put there between two attempts, is not followed. */
static void test_link_in_the_way(void **state)
{
    struct fixture *f = *state;
    make_canonical(f, "mkdir d; echo a >d/a");
    free(sh(f,
            "mkdir -p home/.worktree/proj outside; ln -s ../../../outside home/.worktree/proj/d"));
    struct err err = ERR_INIT;
    bool made;
    assert_int_equal(prepare(f, "home", &made, &err), ERR_DENIED);
    free(sh(f, "test -z \"$(ls outside)\""));
}

int main(void)
{
#define WITH_DIR(t) cmocka_unit_test_setup_teardown(t, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {WITH_DIR(test_plain), WITH_DIR(test_attributes),
                                       WITH_DIR(test_resumes), WITH_DIR(test_hostile_tree),
                                       WITH_DIR(test_link_in_the_way)};
    return cmocka_run_group_tests_name("sync/worktree", tests, NULL, NULL);
}
