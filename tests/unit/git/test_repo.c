/* Objects, differences and the one ref that moves by compare-and-swap. */
#include "git/repo.h"

#include <sys/wait.h>

#include "git_fixture.h"

static struct repo *open_repo(const struct fixture *f, const char *name)
{
    struct repo *repo = NULL;
    struct err err = ERR_INIT;
    cleanup_free char *path = in(f, name);
    if (repo_open(path, &repo, &err) < 0)
        fail_msg("%s", err.msg);
    return repo;
}

static struct oid rev(const struct fixture *f, const char *what)
{
    cleanup_free char *script = xasprintf("git -C w rev-parse '%s'", what);
    cleanup_free char *hex = sh(f, script);
    return oid_of_text(hex);
}

static void test_diff(void **state)
{
    struct fixture *f = *state;
    free(sh(f, "git init -q w; cd w; mkdir -p d/e keep; echo 1 >a; echo 2 >d/e/f; echo 3 >keep/k;"
               "echo 4 >t; git add .; git commit -qm 1; rm a; mkdir a; echo 1 >a/b; echo 5 >d/e/f;"
               "chmod +x t; rm -r d/e/../../keep; echo n >a.c; git add -A; git commit -qm 2"));
    cleanup_repo struct repo *repo = open_repo(f, "w/.git");
    cleanup_tree_changes struct tree_changes changes = TREE_CHANGES_INIT;
    cleanup_str struct str text = STR_INIT;
    struct oid old_tree = rev(f, "HEAD~1^{tree}");
    struct oid new_tree = rev(f, "HEAD^{tree}");
    assert_int_equal(repo_diff_trees(repo, &old_tree, &new_tree, &changes, NULL), 0);
    for (size_t i = 0; i < changes.len; i++)
        str_addf(&text, "%s%c\t%s", i ? "\n" : "",
                 !changes.v[i].old_mode   ? 'A'
                 : !changes.v[i].new_mode ? 'D'
                                          : 'M',
                 changes.v[i].path);
    cleanup_free char *wanted = sh(f, "git -C w diff --no-renames --name-status HEAD~1 HEAD");
    assert_string_equal(text.p, wanted);
    cleanup_tree_changes struct tree_changes all = TREE_CHANGES_INIT;
    assert_int_equal(repo_diff_trees(repo, NULL, &new_tree, &all, NULL), 0);
    assert_int_equal(all.len, 4);
    uint32_t mode;
    struct oid oid;
    assert_int_equal(repo_tree_find(repo, &new_tree, "a/b", &mode, &oid, NULL), 0);
    assert_int_equal(mode, 0100644);
    assert_int_equal(repo_tree_find(repo, &new_tree, "a/none", &mode, &oid, NULL), ERR_NOT_FOUND);
}

static void test_objects(void **state)
{
    struct fixture *f = *state;
    free(sh(f, "git init -q w; cd w; git commit -qm 1 --allow-empty"));
    cleanup_repo struct repo *repo = open_repo(f, "w/.git");
    cleanup_repo struct repo *other = open_repo(f, "w/.git");
    cleanup_str struct str text = STR_INIT;
    struct oid blob;
    struct oid hashed;
    struct oid tree;
    struct oid commit;
    assert_int_equal(repo_use_memory(repo, NULL), 0);
    assert_int_equal(repo_write_blob(repo, "hello\n", 6, &blob, NULL), 0);
    repo_hash_blob("hello\n", 6, &hashed);
    assert_true(oid_equal(&blob, &hashed));
    assert_int_equal(repo_read_blob(repo, &blob, 6, &text, NULL), 0);
    assert_string_equal(text.p, "hello\n");
    assert_int_equal(repo_read_blob(repo, &blob, 5, &text, NULL), ERR_LIMIT);
    assert_false(repo_has(other, &blob)); /* only in memory */
    struct tree_entry entry = {.name = "f", .mode = 0100644, .oid = blob};
    assert_int_equal(repo_write_tree(repo, &entry, 1, &tree, NULL), 0);
    struct repo_person eve = {.name = (char *)"E<v\ne>", .email = (char *)"e v@x", .when = 5};
    struct repo_commit c = {
        .tree = tree, .author = eve, .committer = eve, .message = (char *)"m\n"};
    assert_int_equal(repo_write_commit(repo, &c, &commit, NULL), 0);
    cleanup_repo_commit struct repo_commit back = {0};
    assert_int_equal(repo_read_commit(repo, &commit, &back, NULL), 0);
    assert_string_equal(back.author.name, "Eve");
    assert_string_equal(back.author.email, "ev@x");
    assert_string_equal(back.message, "m\n");
    assert_int_equal(repo_read_blob(repo, &commit, 100, &text, NULL), ERR_INVALID);
    struct oid absent = {{9}};
    assert_int_equal(repo_read_blob(repo, &absent, 100, &text, NULL), ERR_NOT_FOUND);
}

/* Four processes add to one branch; no commit is lost. */
static void test_compare_and_swap(void **state)
{
    struct fixture *f = *state;
    enum { PROCESSES = 4, COMMITS = 20 };
    free(sh(f, "git init -q w; cd w; git commit -qm 1 --allow-empty"));
    struct oid tree = oid_empty_tree;
    struct oid first = rev(f, "HEAD");
    pid_t pids[PROCESSES];
    for (int p = 0; p < PROCESSES; p++) {
        pids[p] = fork();
        if (pids[p] != 0)
            continue;
        struct repo *repo = open_repo(f, "w/.git");
        for (int i = 0; i < COMMITS;) {
            struct oid head = first;
            struct oid next;
            cleanup_free char *message = xasprintf("%d %d\n", p, i);
            struct repo_person who = {.name = (char *)"x", .email = (char *)"y", .when = 1};
            if (repo_ref_read(repo, "refs/heads/main", &head, NULL) < 0)
                _exit(1);
            struct repo_commit c = {.tree = tree,
                                    .parents = &head,
                                    .n_parents = 1,
                                    .author = who,
                                    .committer = who,
                                    .message = message};
            if (repo_write_commit(repo, &c, &next, NULL) < 0)
                _exit(2);
            int rc = repo_ref_cas(repo, "refs/heads/main", &head, &next, "t", NULL);
            if (rc != 0 && rc != ERR_CONFLICT)
                _exit(3);
            i += rc == 0;
        }
        repo_free(repo);
        _exit(0);
    }
    for (int p = 0; p < PROCESSES; p++) {
        int status;
        assert_int_equal(waitpid(pids[p], &status, 0), pids[p]);
        assert_int_equal(status, 0);
    }
    cleanup_free char *n = sh(f, "git -C w rev-list --count main");
    assert_string_equal(n, "81");
    cleanup_repo struct repo *repo = open_repo(f, "w/.git");
    assert_int_equal(repo_ref_cas(repo, "refs/heads/main", NULL, &first, "t", NULL), ERR_CONFLICT);
    assert_int_equal(repo_ref_cas(repo, "refs/heads/new", NULL, &first, "t", NULL), 0);
    assert_int_equal(repo_ref_cas(repo, "refs/heads/none", &first, &first, "t", NULL),
                     ERR_CONFLICT);
    assert_int_equal(repo_is_ancestor(repo, &first, &first, NULL), 1);
}

int main(void)
{
#define WITH_DIR(t) cmocka_unit_test_setup_teardown(t, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {WITH_DIR(test_diff), WITH_DIR(test_objects),
                                       WITH_DIR(test_compare_and_swap)};
    return cmocka_run_group_tests_name("git/repo", tests, NULL, NULL);
}
