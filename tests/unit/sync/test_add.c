/* A worktree into an index: what changed alone, against what `git add -A` makes of the whole. */
#include "sync/add.h"

#include <limits.h>

#include "../git/git_fixture.h"
#include "sync/strays.h"

static void test_parse(void **state)
{
    (void)state;
    static const char good[] = "a\0new file\0d/x\0-dash\0odd\nname";
    cleanup_strv struct strv paths = STRV_INIT;
    assert_true(add_parse_untracked(good, sizeof good, &paths));
    static const char *const wanted[] = {"a", "new file", "d/x", "-dash", "odd\nname"};
    assert_int_equal(paths.len, ARRAY_LEN(wanted));
    for (size_t i = 0; i < paths.len; i++)
        assert_string_equal(paths.v[i], wanted[i]);
    assert_true(add_parse_untracked("", 0, &paths));

    cleanup_strv struct strv none = STRV_INIT;
    assert_false(add_parse_untracked("repository/", 12, &none));
    assert_false(add_parse_untracked("\0a", 3, &none));
    assert_false(add_parse_untracked("no end", 6, &none));
}

struct bench {
    struct work w;
    struct sync_place place;
    struct stat written;
    char *work_tree;
};

static void read_worktree(const struct fixture *f, struct bench *b)
{
    cleanup_str struct str raw = STR_INIT;
    b->work_tree = in(f, "w");
    b->place.worktree = b->work_tree;
    b->w.place = &b->place;
    b->w.git_dir = in(f, "w/.git");
    b->w.tree = open(b->work_tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    b->w.git = open(b->w.git_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(fstatat(b->w.git, "index", &b->written, 0), 0);
    assert_int_equal(fd_read_file(b->w.git, "index", 1 << 24, &raw, NULL), 0);
    assert_int_equal(index_parse(raw.p, raw.len, &b->w.index, NULL), 0);
}

static void release(struct bench *b)
{
    index_release(&b->w.index);
    close(b->w.tree);
    close(b->w.git);
    free(b->w.git_dir);
    free(b->w.warning);
    free(b->work_tree);
}

enum way { QUICK, THOROUGH, EITHER };

/* After each step the quick way gives the tree of the thorough one, or says that it cannot. */
static void compare(const struct fixture *f, const char *step, enum way way)
{
    struct bench b = {.w = {.index = INDEX_INIT}};
    cleanup_repo struct repo *repo = NULL;
    struct oid tree;
    cleanup_free char *script = xasprintf("cd w; %s", step);
    free(sh(f, script));
    /* The copy keeps its time stamp, which is what tells git which entries it may believe. */
    cleanup_free char *hex =
        sh(f, "cd w; cp --preserve=timestamps .git/index ../all; export GIT_INDEX_FILE=$PWD/../all;"
              "git -c advice.addEmbeddedRepo=false add -A --ignore-errors 2>/dev/null || true;"
              "git write-tree");
    read_worktree(f, &b);
    bool done = add_changed(&b.w, &b.written);
    if (way != EITHER && done != (way == QUICK))
        fail_msg("%s: %d", step, done);
    assert_int_equal(repo_open(b.w.git_dir, &repo, NULL), 0);
    assert_int_equal(faccessat(b.w.git, WORK_DIR "/part", F_OK, 0), -1);
    if (!done)
        assert_int_equal(add_all(&b.w, NULL), 0);
    struct oid wanted = oid_of_text(hex);
    assert_int_equal(index_write_tree(&b.w.index, repo, &tree, NULL), 0);
    if (!oid_equal(&wanted, &tree))
        fail_msg("%s (%s)", step, done ? "quick" : "thorough");
    for (size_t i = 1; i < b.w.index.len; i++)
        assert_true(strcmp(b.w.index.v[i - 1].path, b.w.index.v[i].path) < 0);
    release(&b);
}

static void make_worktree(const struct fixture *f)
{
    setenv("GIT_CONFIG_GLOBAL", "/dev/null", 1);
    free(sh(f, "git init -q w; cd w; mkdir -p a/b c/d/e .git/steadystate; echo 1 >a/b/x; echo 3 "
               ">c/d/e/z; echo 4 >a-b; echo 5 >'sp ace'; ln -s a l; echo 6 >t; : >empty;"
               "printf 'a\\r\\nb\\r\\n' >w.txt; echo i >.gitignore; git config filter.up.clean 'tr "
               "a-z A-Z'; printf '*.txt text\\n*.up filter=up\\n' >.gitattributes; echo keep "
               ">ignored; git add .; git commit -qm x"));
}

static void test_as_git_does(void **state)
{
    struct fixture *f = *state;
    make_worktree(f);
    cleanup_free char *below = in(f, "w/c/d"); /* it does not matter where one stands */
    assert_int_equal(chdir(below), 0);
    static const char *const quick[] = {
        "true",
        "echo 7 >>t",
        "echo 8 >'new file'; echo 9 >c/n; echo i >i; mkdir nothing",
        "rm a-b; rm -r a/b",
        "rm -f t; mkdir t; echo in >t/in",
        "rm -r t; echo out >t",
        "rm l; ln -s c l; chmod +x a-b 2>/dev/null || true; echo x >a/x; chmod +x a/x",
        "chmod -x a/x",
        "rm l; mkdir l; echo in >l/in",
        "printf 'c\\r\\n' >>w.txt",
        "printf 'd\\r\\n' >new.txt; rm .gitattributes",
        "echo '*.txt -text' >.gitattributes; printf 'e\\r\\n' >>new.txt",
        "printf '*.up filter=up\\n*.crlf eol=crlf\\n' >.gitattributes; echo up >c/u.up",
        "printf 'x\\r\\ny\\r\\n' >n.crlf; rm c/u.up; echo more >c/v.up",
        "echo s >staged; git add staged; echo later >>staged; echo only >only; git add only",
        "echo n >n; git add -N n",
        "echo m >m; git add -N m; rm m",
        "git rm -q --cached c/d/e/z",
        "printf 'o' >$(printf 'odd\\nname'); printf x >-dash; echo q >'\"q\"'; echo g >'*.c'",
        "printf u >\"$(printf '\\303\\274')\"; echo m >':(top)m'",
        "printf v >\"$(printf 'latin\\344')\"",
        "git add -A; git commit -qm all; touch -- *",
        "printf 1 >racy; git add racy; printf 2 >racy",
        ": >empty2; git add empty2; git commit -qm e; printf 2 >empty2; : >racy",
        ("git add -A; git commit -qm old; find . -name .git -prune -o -type f -exec touch -d "
         "2020-01-01 {} +; git status >/dev/null"),
        /* git itself counts seconds, so in the same one it would miss it */
        ("while [ $(stat -c %Z staged) = $(date +%s) ]; do sleep 0.05; done;"
         "cp -p staged ../was; printf 'S\\nlater\\n' >staged; touch -r ../was staged"),
        "cp -p only ../other; printf 'yes\\n' >../other; touch -r only ../other; mv ../other only",
        "mv only Only",
        ("echo out/ >>.gitignore; mkdir out; echo 1 >out/f; git add -f out/f i; git commit -qm i;"
         "echo 2 >>out/f; echo new >out/new; echo more >>i"),
        "git config core.fileMode false; chmod +x staged; echo x >>staged; echo y >y; chmod +x y",
        "git config core.fileMode true",
        "git config core.untrackedCache true; git status >/dev/null; echo uc >c/uc",
        "git update-index --index-version 4; echo four >>staged",
        ("git config core.autocrlf input; printf 'i\\r\\n' >>n.crlf; printf 'i\\r\\n' >>w.txt;"
         "printf 'i\\r\\n' >c/input"),
        "mkfifo pipe",
        "rm -rf c",
    };
    for (size_t i = 0; i < ARRAY_LEN(quick); i++)
        compare(f, quick[i], QUICK);
    static const char *const thorough[] = {
        "rm t; mkfifo t",
        "rm t pipe; git add -A; git update-index --assume-unchanged staged; echo no >>staged",
        "git update-index --no-assume-unchanged staged; git update-index --skip-worktree staged",
        ("git update-index --no-skip-worktree staged; git init -q sub; git -C sub commit -q "
         "--allow-empty -m s"),
        "git add sub 2>/dev/null; git commit -qm sub; git -C sub commit -q --allow-empty -m t",
        ("rm -rf sub; git add -A; git commit -qm nosub; i=0; while [ $i -lt 2001 ]; do i=$((i+1));"
         "echo $i >many$i; done"),
        ("rm many*; mkdir real; echo f >real/f; git add -A; git commit -qm r; mv real other; ln -s "
         "other real"),
    };
    for (size_t i = 0; i < ARRAY_LEN(thorough); i++)
        compare(f, thorough[i], THOROUGH);
    /* A repository grows around a tracked file. */
    compare(f, "rm real; mv other real; git init -q real; echo new >real/new", EITHER);
    compare(f, "rm real/new; echo changed >>real/f", EITHER);
    assert_int_equal(chdir("/"), 0);
}

static unsigned next_random(unsigned *seed)
{
    *seed = *seed * 1103515245u + 12345u;
    return *seed >> 16 & 0x7fff;
}

/* Whatever happens to a few names, in any order. */
static void test_random(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"t", "a", "a/b", "a/b/x", "c/d/e/z", "a-b", "l", "q"};
    static const char *const does[] = {
        "rm -rf $p; mkdir -p $p; echo $r >$p/f",
        "rm -rf $p",
        "echo $r >>$p",
        "printf %01d $((r%10)) >$p",
        "rm -rf $p; ln -s $((r%10)) $p",
        "chmod +x $p",
        "chmod -x $p",
        "git add -f $p",
        "git add -N $p",
        "git rm -rq --cached $p",
        "mv $p $q",
        "cp -a $p $q",
        "git add -A; git commit -qm $r",
        "git status >/dev/null",
        "echo $p >.gitignore",
        "touch -d @$r $p",
        "echo \"$p text eol=crlf\" >.gitattributes",
    };
    const char *given = getenv("SEED"); /* for more rounds by hand */
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : 1;
    make_worktree(f);
    for (int i = 0; i < 15; i++) {
        cleanup_str struct str script = STR_INIT;
        for (unsigned k = 1 + next_random(&seed) % 3; k > 0; k--)
            str_addf(&script,
                     "{ r=%u; p=%s; q=%s; mkdir -p \"$(dirname $p)\"; %s; } 2>/dev/null || true\n",
                     next_random(&seed), names[next_random(&seed) % ARRAY_LEN(names)],
                     names[next_random(&seed) % ARRAY_LEN(names)],
                     does[next_random(&seed) % ARRAY_LEN(does)]);
        compare(f, script.p, EITHER);
    }
}

static void expect_strays(const struct fixture *f, const char *step, bool wanted)
{
    struct bench b = {.w = {.index = INDEX_INIT}};
    cleanup_free char *script = xasprintf("cd w; %s", step);
    free(sh(f, script));
    read_worktree(f, &b);
    if (strays_any(b.w.tree, &b.w.index) != wanted)
        fail_msg("%s", step);
    release(&b);
}

static void test_strays(void **state)
{
    struct fixture *f = *state;
    make_worktree(f);
    static const char *const none[] = {"true", "echo more >>t", "rm -r a/b", "chmod +x t"};
    for (size_t i = 0; i < ARRAY_LEN(none); i++)
        expect_strays(f, none[i], false);
    static const char *const some[] = {
        "echo i >i", /* ignored, but that is for git to say */
        "rm i; mkdir c/d/e/deep",
        "rmdir c/d/e/deep; echo x >c/d/e/y",
        "rm c/d/e/y; rm t; mkdir t",
        "rmdir t; echo 6 >t; mv c real; ln -s real c",
        "rm c; mv real c; mkdir c/.git",
        "rmdir c/.git; touch c/dd",
        "rm c/dd; touch a-",
    };
    for (size_t i = 0; i < ARRAY_LEN(some); i++)
        expect_strays(f, some[i], true);
    expect_strays(f, "rm a-", false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test_setup_teardown(test_as_git_does, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_random, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_strays, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
