/* A worktree into an index: what changed alone, against what `git add -A` makes of the whole. */
#include "sync/quick_add.h"

#include <limits.h>

#include "../git/git_fixture.h"

static void test_parse(void **state)
{
    (void)state;
    static const char good[] = " M a\0?? new file\0A  staged\0 D gone\0AM both\0 T link\0 A intent";
    cleanup_strv struct strv paths = STRV_INIT;
    assert_true(quick_add_parse(good, sizeof good, &paths));
    static const char *const wanted[] = {"a", "new file", "gone", "both", "link", "intent"};
    assert_int_equal(paths.len, ARRAY_LEN(wanted));
    for (size_t i = 0; i < paths.len; i++)
        assert_string_equal(paths.v[i], wanted[i]);
    assert_true(quick_add_parse("", 0, &paths));

    static const char *const bad[] = {"UU a",  "AA a", "DD a", "DU a", "R  a", " R a", "!! a",
                                      "?? d/", " M ",  "M",    " M",   "",     "Mxa"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        cleanup_strv struct strv none = STRV_INIT;
        assert_false(quick_add_parse(bad[i], strlen(bad[i]) + 1, &none));
    }
    cleanup_strv struct strv none = STRV_INIT;
    assert_false(quick_add_parse(" M a", 4, &none)); /* no end */
}

struct bench {
    struct work w;
    struct sync_place place;
    char *work_tree;
};

static void read_worktree(const struct fixture *f, struct bench *b)
{
    cleanup_str struct str raw = STR_INIT;
    free(sh(f, "cd w; mkdir -p .git/steadystate; ln -f .git/index .git/steadystate/index"));
    b->work_tree = in(f, "w");
    b->place.worktree = b->work_tree;
    b->w.place = &b->place;
    b->w.git_dir = in(f, "w/.git");
    b->w.git = open(b->w.git_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(fd_read_file(b->w.git, WORK_INDEX, 1 << 24, &raw, NULL), 0);
    assert_int_equal(index_parse(raw.p, raw.len, &b->w.index, NULL), 0);
}

static void release(struct bench *b)
{
    index_release(&b->w.index);
    close(b->w.git);
    free(b->w.git_dir);
    free(b->work_tree);
}

/* After each step the quick way gives the tree of the thorough one, or says that it cannot. */
static void compare(const struct fixture *f, const char *step, bool quick)
{
    struct bench b = {.w = {.index = INDEX_INIT}};
    cleanup_repo struct repo *repo = NULL;
    struct oid tree;
    cleanup_free char *script = xasprintf("cd w; %s", step);
    free(sh(f, script));
    cleanup_free char *hex =
        sh(f, "cd w; cp .git/index ../all; export GIT_INDEX_FILE=$PWD/../all; git -c "
              "advice.addEmbeddedRepo=false add -A 2>/dev/null; git write-tree");
    read_worktree(f, &b);
    bool done = quick_add(&b.w);
    if (done != quick)
        fail_msg("%s: %d", step, done);
    assert_int_equal(repo_open(b.w.git_dir, &repo, NULL), 0);
    assert_int_equal(faccessat(b.w.git, WORK_DIR "/part", F_OK, 0), -1);
    if (done) {
        struct oid wanted = oid_of_text(hex);
        assert_int_equal(index_write_tree(&b.w.index, repo, &tree, NULL), 0);
        if (!oid_equal(&wanted, &tree))
            fail_msg("%s", step);
        for (size_t i = 1; i < b.w.index.len; i++)
            assert_true(strcmp(b.w.index.v[i - 1].path, b.w.index.v[i].path) < 0);
    }
    release(&b);
}

static void test_as_git_does(void **state)
{
    struct fixture *f = *state;
    setenv("GIT_CONFIG_GLOBAL", "/dev/null", 1);
    free(sh(f,
            "git init -q w; cd w; mkdir -p a/b c/d/e; echo 1 >a/b/x; echo 3 >c/d/e/z; echo 4 >a-b;"
            "echo 5 >'sp ace'; ln -s a l; echo 6 >t; printf 'a\\r\\nb\\r\\n' >w.txt; echo i "
            ">.gitignore;"
            "echo '*.txt text' >.gitattributes; echo keep >ignored; git add .; git commit -qm x"));
    static const char *const quick[] = {
        "true",
        "echo 7 >>t",
        "echo 8 >'new file'; echo 9 >c/n; echo i >i",
        "rm a-b; rm -r a/b",
        "rm -f t; mkdir t; echo in >t/in",
        "rm -r t; echo out >t",
        "rm l; ln -s c l; chmod +x a-b 2>/dev/null || true; echo x >a/x; chmod +x a/x",
        "chmod -x a/x",
        "printf 'c\\r\\n' >>w.txt",
        "printf 'd\\r\\n' >new.txt; rm .gitattributes",
        "echo '*.txt -text' >.gitattributes; printf 'e\\r\\n' >>new.txt",
        "echo s >staged; git add staged; echo later >>staged; echo only >only; git add only",
        "echo n >n; git add -N n",
        "git rm -q --cached c/d/e/z",
        "printf 'o' >$(printf 'odd\\nname'); printf x >-dash; printf u >\"$(printf '\\303\\274')\"",
        "git add -A; git commit -qm all; touch -- *",
        "printf 1 >racy; git add racy; printf 2 >racy",
    };
    for (size_t i = 0; i < ARRAY_LEN(quick); i++)
        compare(f, quick[i], true);
    static const char *const thorough[] = {
        "git init -q sub; git -C sub commit -q --allow-empty -m s",
        "git add sub 2>/dev/null; git commit -qm sub; git -C sub commit -q --allow-empty -m t",
        "rm -rf sub; git add -A; git commit -qm nosub; i=0; while [ $i -lt 2001 ]; do i=$((i+1));"
        "echo $i >many$i; done",
        "rm many*; mkdir real; echo f >real/f; git add -A; git commit -qm r; mv real other; ln -s "
        "other real",
    };
    for (size_t i = 0; i < ARRAY_LEN(thorough); i++)
        compare(f, thorough[i], false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test_setup_teardown(test_as_git_does, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
