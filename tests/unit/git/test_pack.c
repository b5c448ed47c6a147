#include "git/pack.h"

#include <sys/stat.h>

#include "git_fixture.h"

/* origin with two files, repo/ and canonical/ as in a session. */
static struct oid make_session(const struct fixture *f)
{
    struct oid head;
    struct err err = ERR_INIT;
    free(sh(f, "git init -q origin; cd origin; mkdir d; echo a >a; echo b >d/b; git add .;"
               "git commit -qm start; cd ..; git clone -q --bare origin repo"));
    cleanup_free char *repo = in(f, "repo");
    cleanup_free char *canonical = in(f, "canonical");
    if (repo_make_canonical(repo, canonical, NULL, "s/x", &head, &err) < 0)
        fail_msg("%s", err.msg);
    free(sh(f, "git clone -q -b s/x -s canonical work"));
    return head;
}

static int collect(const void *p, size_t n, void *payload)
{
    str_add(payload, p, n);
    return 0;
}

/* The pack of what work's HEAD has and canonical has not. */
static void make_pack(const struct fixture *f, struct oid *commit, struct str *pack)
{
    cleanup_free char *hex = sh(f, "git -C work rev-parse HEAD");
    cleanup_free char *work = in(f, "work/.git");
    cleanup_free char *canonical = in(f, "canonical");
    cleanup_repo struct repo *from = NULL;
    cleanup_repo struct repo *known = NULL;
    *commit = oid_of_text(hex);
    assert_int_equal(repo_open(work, &from, NULL), 0);
    assert_int_equal(repo_open(canonical, &known, NULL), 0);
    size_t n;
    assert_int_equal(pack_write_new(from, known, commit, collect, pack, &n, NULL), 0);
}

static int import(const struct fixture *f, const struct str *pack, const struct pack_claim *claim,
                  struct oid *head, struct err *err)
{
    cleanup_free char *canonical = in(f, "canonical");
    struct pack_import_opts opts = {.repo_dir = canonical};
    struct pack_import *imp;
    assert_int_equal(pack_import_begin(&opts, &imp, err), 0);
    int rc = 0;
    for (size_t at = 0; rc == 0 && at < pack->len; at += 7)
        rc = pack_import_data(imp, pack->p + at, pack->len - at < 7 ? pack->len - at : 7, err);
    if (rc == 0)
        rc = pack_import_wait(imp, claim, head, err);
    pack_import_free(imp);
    cleanup_free char *left = sh(f, "ls -d canonical/quarantine-* 2>/dev/null || true");
    assert_string_equal(left, "");
    return rc;
}

static struct pack_claim claim_of(const struct oid *parent, const struct oid *commit)
{
    return (struct pack_claim){.ref = "refs/heads/s/x",
                               .commit = *commit,
                               .has_parent = true,
                               .parent = *parent,
                               .author_name = "Ada",
                               .author_email = "ada@example.org",
                               .committer_name = "SteadyState"};
}

static void test_import(void **state)
{
    struct fixture *f = *state;
    struct oid parent = make_session(f);
    struct oid commit;
    struct oid head;
    struct err err = ERR_INIT;
    cleanup_str struct str pack = STR_INIT;
    free(sh(f, "cd work; echo new >d/n; git add .; git commit -qm one"));
    make_pack(f, &commit, &pack);
    struct pack_claim claim = claim_of(&parent, &commit);
    if (import(f, &pack, &claim, &head, &err) < 0)
        fail_msg("%s", err.msg);
    assert_true(oid_equal(&head, &commit));
    free(sh(f, "git -C canonical fsck --strict --connectivity-only && "
               "test \"$(git -C canonical show s/x:d/n)\" = new"));
    /* The same again: the branch is there already. */
    struct err again = ERR_INIT;
    assert_int_equal(import(f, &pack, &claim, &head, &again), ERR_CONFLICT);
    assert_true(oid_equal(&head, &commit));
}

static void expect_refused(const struct fixture *f, const struct str *pack,
                           const struct pack_claim *claim, int code)
{
    struct oid head;
    struct err err = ERR_INIT;
    cleanup_free char *before = sh(f, "git -C canonical rev-parse s/x; ls canonical/objects/pack");
    assert_int_equal(import(f, pack, claim, &head, &err), code);
    cleanup_free char *after = sh(f, "git -C canonical rev-parse s/x; ls canonical/objects/pack");
    assert_string_equal(before, after);
}

static void test_refuses_forgery(void **state)
{
    struct fixture *f = *state;
    struct oid parent = make_session(f);
    struct oid commit;
    cleanup_str struct str pack = STR_INIT;
    free(sh(f, "cd work; echo new >n; git add .; git commit -qm one --author 'Eve <e@x>'"));
    make_pack(f, &commit, &pack);
    struct pack_claim claim = claim_of(&parent, &commit);
    expect_refused(f, &pack, &claim, ERR_DENIED);
    claim.author_name = "Eve";
    expect_refused(f, &pack, &claim, ERR_DENIED);
    claim.author_email = "e@x";
    claim.committer_name = "Somebody";
    expect_refused(f, &pack, &claim, ERR_DENIED);
    claim.committer_name = NULL;
    claim.parent = commit;
    expect_refused(f, &pack, &claim, ERR_CONFLICT);
}

static void test_refuses_other_parent(void **state)
{
    struct fixture *f = *state;
    struct oid parent = make_session(f);
    struct oid commit;
    cleanup_str struct str pack = STR_INIT;
    free(sh(f, "cd work; git checkout -q --orphan o; git commit -qm alone"));
    make_pack(f, &commit, &pack);
    struct pack_claim claim = claim_of(&parent, &commit);
    expect_refused(f, &pack, &claim, ERR_INVALID);
}

static void test_refuses_damage(void **state)
{
    struct fixture *f = *state;
    struct oid parent = make_session(f);
    struct oid commit;
    cleanup_str struct str pack = STR_INIT;
    free(sh(f, "cd work; seq 1000 >n; git add .; git commit -qm one"));
    make_pack(f, &commit, &pack);
    struct pack_claim claim = claim_of(&parent, &commit);
    char keep = pack.p[pack.len / 2];
    pack.p[pack.len / 2] ^= 0x55;
    expect_refused(f, &pack, &claim, ERR_INVALID);
    pack.p[pack.len / 2] = keep;
    size_t whole = pack.len;
    pack.len = whole / 2;
    expect_refused(f, &pack, &claim, ERR_INVALID);
    pack.len = 5;
    expect_refused(f, &pack, &claim, ERR_INVALID);
    pack.len = whole;
    pack.p[0] = 'Q';
    expect_refused(f, &pack, &claim, ERR_INVALID);
}

/* A commit whose new blob is missing from the pack. */
static void test_refuses_incomplete(void **state)
{
    struct fixture *f = *state;
    struct oid parent = make_session(f);
    struct oid commit;
    cleanup_str struct str pack = STR_INIT;
    free(sh(f, "cd work; echo new >n; git add .; git commit -qm one;"
               "git rev-parse HEAD HEAD^{tree} | git pack-objects -q --stdout >../pack"));
    cleanup_free char *hex = sh(f, "git -C work rev-parse HEAD");
    cleanup_free char *path = in(f, "pack");
    commit = oid_of_text(hex);
    assert_int_equal(fd_read_file(AT_FDCWD, path, 1 << 20, &pack, NULL), 0);
    struct pack_claim claim = claim_of(&parent, &commit);
    expect_refused(f, &pack, &claim, ERR_INVALID);
}

static void refuse_tree(const struct fixture *f, const char *mktree)
{
    struct oid commit;
    cleanup_str struct str pack = STR_INIT;
    cleanup_free char *script = xasprintf(
        "cd work; b=$(echo x | git hash-object -w --stdin); e=$(git mktree </dev/null);"
        "tree() { %s | git hash-object -t tree -w --stdin --literally; }; entry() { printf '%%s "
        "%%s\\0' "
        "$1 \"$2\"; echo $3 | xxd -r -p; }; t=$(tree); c=$(echo m | git commit-tree $t -p s/x);"
        "git update-ref HEAD $c",
        mktree);
    free(sh(f, script));
    make_pack(f, &commit, &pack);
    cleanup_free char *hex = sh(f, "git -C canonical rev-parse s/x");
    struct oid parent = oid_of_text(hex);
    struct pack_claim claim = claim_of(&parent, &commit);
    struct oid head;
    struct err err = ERR_INIT;
    int rc = import(f, &pack, &claim, &head, &err);
    assert_true(rc == ERR_DENIED || rc == ERR_INVALID);
    free(sh(f, "cd work; git update-ref HEAD $(git -C ../canonical rev-parse s/x)"));
}

static void test_refuses_hostile_trees(void **state)
{
    struct fixture *f = *state;
    make_session(f);
    refuse_tree(f, "entry 100644 .git $b");
    refuse_tree(f, "entry 100644 .GIT $b");
    refuse_tree(f, "entry 100644 'git~1' $b");
    refuse_tree(f, "entry 100644 .. $b");
    refuse_tree(f, "entry 100644 a/b $b");
    refuse_tree(f, "entry 120000 .gitmodules $b");
    refuse_tree(f, "entry 100644 .g$(printf '\\342\\200\\214')it $b");
    refuse_tree(f, "entry 100644 $(printf '%0300d' 1) $b");
    refuse_tree(f, "{ entry 100644 b $b; entry 100644 a $b; }");
    refuse_tree(f, "{ entry 100644 a $b; entry 100644 a $b; }");
}

static void test_size_limit(void **state)
{
    struct fixture *f = *state;
    make_session(f);
    cleanup_free char *canonical = in(f, "canonical");
    struct pack_import_opts opts = {.repo_dir = canonical, .max_bytes = 64};
    struct pack_import *imp;
    char data[65] = "PACK\0\0\0\2\0\0\0\1";
    assert_int_equal(pack_import_begin(&opts, &imp, NULL), 0);
    assert_int_equal(pack_import_data(imp, data, 64, NULL), 0);
    assert_int_equal(pack_import_data(imp, data, 1, NULL), ERR_LIMIT);
    pack_import_free(imp);
    uint32_t n;
    assert_int_equal(pack_check_header("PACK\0\0\0\2\xff\xff\xff\xff", 12, &n, NULL), ERR_LIMIT);
    assert_int_equal(pack_check_header("PACK\0\0\0\4\0\0\0\1", 12, &n, NULL), ERR_INVALID);
    assert_int_equal(pack_check_header("PACK", 4, &n, NULL), ERR_INVALID);
}

static void test_quarantine_clean(void **state)
{
    struct fixture *f = *state;
    make_session(f);
    cleanup_free char *canonical = in(f, "canonical");
    free(sh(f, "mkdir -p canonical/quarantine-abc/objects/pack; echo >canonical/quarantine-abc/x"));
    assert_int_equal(pack_quarantine_clean(canonical, NULL), 0);
    cleanup_free char *left = sh(f, "ls -d canonical/quarantine-* 2>/dev/null || true");
    assert_string_equal(left, "");
}

/* What a killed writer left stops nobody, and nothing else goes. */
static void test_recover(void **state)
{
    struct fixture *f = *state;
    make_session(f);
    cleanup_free char *canonical = in(f, "canonical");
    free(sh(f, "cd canonical && git for-each-ref >../before && mkdir -p quarantine-a/objects &&"
               " touch HEAD.lock config.lock refs/heads/x.lock packed-refs.lock refs/y.locked &&"
               " for f in $(find refs -type d); do touch $f/z.lock; done; mkdir -p refs/d.lock"));
    assert_int_equal(repo_recover(canonical, NULL), 0);
    cleanup_free char *left =
        sh(f, "cd canonical && find . -name '*.lock' -type f -o -name 'quar*'");
    assert_string_equal(left, "");
    free(sh(
        f,
        "cd canonical && test -e refs/y.locked && git for-each-ref 2>/dev/null | cmp - ../before"));
}

/* Own commits of the person travel along; fold and bundle keep everything. */
static void test_history_fold_bundle(void **state)
{
    struct fixture *f = *state;
    struct oid parent = make_session(f);
    cleanup_free char *canonical = in(f, "canonical");
    for (int i = 0; i < PACK_FOLD_AT + 1; i++) {
        struct oid commit;
        struct oid head;
        struct err err = ERR_INIT;
        cleanup_str struct str pack = STR_INIT;
        cleanup_free char *script =
            xasprintf("cd work; echo %d >f%d; git add .; git commit -qm %d", i, i % 7, i);
        free(sh(f, script));
        make_pack(f, &commit, &pack);
        struct pack_claim claim = claim_of(&parent, &commit);
        if (import(f, &pack, &claim, &head, &err) < 0)
            fail_msg("%s", err.msg);
        parent = head;
    }
    bool folded;
    assert_int_equal(pack_fold(canonical, &folded, NULL), 0);
    assert_true(folded);
    assert_int_equal(pack_fold(canonical, &folded, NULL), 0);
    assert_false(folded);
    free(sh(f, "git -C canonical fsck --strict --connectivity-only;"
               "git -C canonical update-ref refs/x s/x~51"));
    cleanup_free char *path = in(f, "bundle");
    cleanup_close int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    char *const refs[] = {(char *)"refs/heads/s/x"};
    char *const not_refs[] = {(char *)"refs/x"};
    assert_int_equal(pack_bundle(canonical, refs, 1, not_refs, 1, fd, NULL), 0);
    free(sh(f, "git -C repo fetch -q ../bundle refs/heads/s/x:back;"
               "test $(git -C repo rev-parse back) = $(git -C canonical rev-parse s/x)"));
    assert_int_equal(pack_bundle(canonical, refs, 1, refs, 1, fd, NULL), ERR_NOT_FOUND);
}

int main(void)
{
#define WITH_DIR(t) cmocka_unit_test_setup_teardown(t, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {WITH_DIR(test_import),
                                       WITH_DIR(test_refuses_forgery),
                                       WITH_DIR(test_refuses_other_parent),
                                       WITH_DIR(test_refuses_damage),
                                       WITH_DIR(test_refuses_incomplete),
                                       WITH_DIR(test_refuses_hostile_trees),
                                       WITH_DIR(test_size_limit),
                                       WITH_DIR(test_quarantine_clean),
                                       WITH_DIR(test_recover),
                                       WITH_DIR(test_history_fold_bundle)};
    return cmocka_run_group_tests_name("git/pack", tests, NULL, NULL);
}
