#include "git/index.h"

#include "git_fixture.h"

static void read_index(const struct fixture *f, const char *path, struct index *out)
{
    cleanup_free char *full = in(f, path);
    cleanup_str struct str raw = STR_INIT;
    struct err err = ERR_INIT;
    assert_int_equal(fd_read_file(AT_FDCWD, full, 1 << 24, &raw, &err), 0);
    if (index_parse(raw.p, raw.len, out, &err) < 0)
        fail_msg("%s", err.msg);
}

static void make_work(const struct fixture *f)
{
    free(sh(f, "git init -q w; cd w; mkdir -p a/b a.d c/d/e; echo 1 >a/b/x; echo 2 >a.d/y;"
               "echo 3 >c/d/e/z; echo 4 >a-b; echo 5 >'sp ace'; ln -s a l; echo 6 >t;"
               "chmod +x t; git add .; git commit -qm x"));
}

static void round_trip(const struct fixture *f)
{
    cleanup_index struct index index = INDEX_INIT;
    cleanup_index struct index again = INDEX_INIT;
    cleanup_str struct str raw = STR_INIT;
    read_index(f, "w/.git/index", &index);
    index_format(&index, &raw);
    assert_int_equal(index_parse(raw.p, raw.len, &again, NULL), 0);
    assert_int_equal(again.len, index.len);
    cleanup_free char *path = in(f, "w/.git/index");
    cleanup_free char *before = sh(f, "git -C w ls-files -s --debug");
    assert_int_equal(fd_write_file(AT_FDCWD, path, raw.p, raw.len, 0644, NULL), 0);
    cleanup_free char *after = sh(f, "git -C w ls-files -s --debug");
    assert_string_equal(before, after);
    free(sh(f, "cd w; git fsck --strict; test -z \"$(git status --porcelain)\""));
}

static void test_versions(void **state)
{
    struct fixture *f = *state;
    make_work(f);
    round_trip(f);
    free(sh(f, "cd w; git update-index --index-version 4"));
    round_trip(f);
    free(sh(f, "cd w; git update-index --skip-worktree a-b; git update-index --assume-unchanged t;"
               "echo n >n; git add -N n; rm n; git rm -q --cached n; git update-index "
               "--index-version 3"));
    round_trip(f);
}

/* Trees from entries: with all known, nothing known, and something in between. */
static void test_write_tree(void **state)
{
    struct fixture *f = *state;
    make_work(f);
    cleanup_free char *git_dir = in(f, "w/.git");
    cleanup_repo struct repo *repo = NULL;
    assert_int_equal(repo_open(git_dir, &repo, NULL), 0);
    static const char *const steps[] = {
        "true",
        "echo 7 >c/d/new; git add .",
        "git rm -q a/b/x",
        "rm .git/index; git add .",
        "mkdir -p a; echo q >c/q; echo w >a/w; git add .",
        "echo later >i; git add -N i; mkdir o; echo x >o/p; git add -N o/p",
    };
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        cleanup_index struct index index = INDEX_INIT;
        struct oid tree;
        cleanup_free char *script = xasprintf("cd w; %s", steps[i]);
        free(sh(f, script));
        read_index(f, "w/.git/index", &index);
        assert_int_equal(index_write_tree(&index, repo, &tree, NULL), 0);
        cleanup_free char *hex = sh(f, "git -C w write-tree");
        struct oid wanted = oid_of_text(hex);
        assert_true(oid_equal(&wanted, &tree));
    }
}

static void test_set_tree(void **state)
{
    struct fixture *f = *state;
    make_work(f);
    cleanup_free char *git_dir = in(f, "w/.git");
    cleanup_free char *path = in(f, "w/.git/index");
    cleanup_repo struct repo *repo = NULL;
    cleanup_index struct index index = INDEX_INIT;
    cleanup_str struct str raw = STR_INIT;
    cleanup_free char *hex = sh(f, "git -C w rev-parse HEAD^{tree}");
    struct oid tree = oid_of_text(hex);
    assert_int_equal(repo_open(git_dir, &repo, NULL), 0);
    read_index(f, "w/.git/index", &index);
    assert_int_equal(index_set_tree(&index, repo, &tree, NULL), 0);
    index_format(&index, &raw);
    assert_int_equal(fd_write_file(AT_FDCWD, path, raw.p, raw.len, 0644, NULL), 0);
    free(sh(f, "cd w; git fsck; test $(git write-tree) = $(git rev-parse HEAD^{tree})"));
}

static void test_unmerged(void **state)
{
    struct fixture *f = *state;
    make_work(f);
    free(sh(f, "cd w; git checkout -q -b o; echo o >t; git commit -qam o; git checkout -q main;"
               "echo m >t; git commit -qam m; git merge -q o || true"));
    cleanup_index struct index index = INDEX_INIT;
    read_index(f, "w/.git/index", &index);
    const char *path;
    assert_true(index_has_unmerged(&index, &path));
    assert_string_equal(path, "t");
    bool found;
    index_position(&index, "t", &found);
    assert_false(found);
    index_position(&index, "l", &found);
    assert_true(found);
}

static void test_malformed(void **state)
{
    struct fixture *f = *state;
    make_work(f);
    cleanup_free char *full = in(f, "w/.git/index");
    cleanup_str struct str raw = STR_INIT;
    assert_int_equal(fd_read_file(AT_FDCWD, full, 1 << 24, &raw, NULL), 0);
    for (size_t cut = 0; cut < raw.len; cut += 3) {
        cleanup_index struct index index = INDEX_INIT;
        index_parse(raw.p, cut, &index, NULL);
    }
    raw.p[7] = 5;
    cleanup_index struct index index = INDEX_INIT;
    assert_int_equal(index_parse(raw.p, raw.len, &index, NULL), ERR_UNSUPPORTED);
    free(sh(f, "cd w; git update-index --split-index"));
    str_clear(&raw);
    assert_int_equal(fd_read_file(AT_FDCWD, full, 1 << 24, &raw, NULL), 0);
    assert_int_equal(index_parse(raw.p, raw.len, &index, NULL), ERR_UNSUPPORTED);
}

int main(void)
{
#define WITH_DIR(t) cmocka_unit_test_setup_teardown(t, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {WITH_DIR(test_versions), WITH_DIR(test_write_tree),
                                       WITH_DIR(test_set_tree), WITH_DIR(test_unmerged),
                                       WITH_DIR(test_malformed)};
    return cmocka_run_group_tests_name("git/index", tests, NULL, NULL);
}
