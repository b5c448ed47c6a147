/* Which files of an index are not as it says, seen by several threads. */
#include "sync/scan.h"

#include "../git/git_fixture.h"

#define DIRS 20
#define EACH 200

struct bench {
    struct index index;
    int tree;
    time_t written; /* later than every file */
    bool *changed;
};

static void write_at(int dir, const char *path, const char *text)
{
    cleanup_close int fd = openat(dir, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(fd_write_full(fd, text, strlen(text), NULL), 0);
}

static void age(int dir, const char *path)
{
    const struct timespec times[2] = {{.tv_sec = 1000, .tv_nsec = 5},
                                      {.tv_sec = 1000, .tv_nsec = 5}};
    assert_int_equal(utimensat(dir, path, times, AT_SYMLINK_NOFOLLOW), 0);
}

static void make(const struct fixture *f, struct bench *b)
{
    *b = (struct bench){.index = INDEX_INIT, .written = 2000};
    b->tree = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int d = 0; d < DIRS; d++) {
        cleanup_free char *dir = xasprintf("d%02d", d);
        assert_int_equal(mkdirat(b->tree, dir, 0755), 0);
        for (int i = 0; i < EACH; i++) {
            struct stat st;
            cleanup_free char *path = xasprintf("%s/f%03d", dir, i);
            write_at(b->tree, path, "text\n");
            age(b->tree, path);
            assert_int_equal(fstatat(b->tree, path, &st, AT_SYMLINK_NOFOLLOW), 0);
            struct index_entry *e = index_add(&b->index, path, strlen(path));
            e->mode = 0100644;
            index_set_stat(e, &st);
        }
    }
    b->changed = xcalloc(b->index.len, sizeof *b->changed);
}

static void drop(struct bench *b)
{
    index_release(&b->index);
    close(b->tree);
    free(b->changed);
}

static size_t scan(struct bench *b, int threads)
{
    size_t n = 0;
    scan_changed(b->tree, &b->index, b->written, threads, b->changed);
    for (size_t i = 0; i < b->index.len; i++)
        n += b->changed[i];
    return n;
}

static void test_nothing(void **state)
{
    struct bench b;
    make(*state, &b);
    for (int threads = 0; threads <= 9; threads += 3)
        assert_int_equal(scan(&b, threads), 0);
    b.written = 1000; /* as old as the files: none can be believed */
    assert_int_equal(scan(&b, 4), DIRS * EACH);
    drop(&b);
}

static void test_each_change(void **state)
{
    struct bench b;
    make(*state, &b);
    struct index_entry *v = b.index.v;
    write_at(b.tree, v[0].path, "TEXT\n"); /* same size, same times as far as one can set them */
    age(b.tree, v[0].path);
    unlinkat(b.tree, v[700].path, 0);
    unlinkat(b.tree, v[701].path, 0);
    assert_int_equal(symlinkat("f000", b.tree, v[701].path), 0);
    assert_int_equal(fchmodat(b.tree, v[1500].path, 0755, 0), 0);
    unlinkat(b.tree, v[2600].path, 0);
    assert_int_equal(mkdirat(b.tree, v[2600].path, 0755), 0);
    v[3000].size = 0; /* as git marks what it does not trust */
    v[3001].flags = INDEX_ASSUME_VALID;
    v[3002].xflags = INDEX_INTENT_TO_ADD;
    static const size_t wanted[] = {0, 700, 701, 1500, 2600, 3000, 3001, 3002};
    assert_int_equal(scan(&b, 4), ARRAY_LEN(wanted));
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
        assert_true(b.changed[wanted[i]]);
    drop(&b);
}

static void test_directories(void **state)
{
    struct bench b;
    make(*state, &b);
    assert_int_equal(renameat(b.tree, "d03", b.tree, "other"), 0);
    assert_int_equal(symlinkat("other", b.tree, "d03"), 0); /* the same files, by a link */
    assert_int_equal(renameat(b.tree, "d19", b.tree, "gone"), 0);
    assert_int_equal(scan(&b, 4), 2 * EACH);
    assert_true(b.changed[3 * EACH] && b.changed[19 * EACH]);
    drop(&b);
}

/* Indexes of programs that only count seconds. */
static void test_seconds(void **state)
{
    struct bench b;
    make(*state, &b);
    for (size_t i = 0; i < b.index.len; i++)
        b.index.v[i].mtime_ns = b.index.v[i].ctime_ns = 0;
    assert_int_equal(scan(&b, 2), 0);
    b.index.v[7].ctime_s++;
    assert_int_equal(scan(&b, 2), 1);
    drop(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nothing, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_each_change, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_directories, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_seconds, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
