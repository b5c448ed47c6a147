#include "../base/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/seal.h"

#define KEY_A "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define KEY_B "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"

static struct seal_ring *ring_of(const char *text)
{
    struct seal_ring *ring = NULL;
    assert_int_equal(seal_ring_parse(text, strlen(text), &ring, NULL), 0);
    return ring;
}

static void test_round_trip(void **state)
{
    (void)state;
    struct seal_ring *ring = ring_of("# keys\n" KEY_A "\n");
    cleanup_str struct str a = STR_INIT;
    cleanup_str struct str b = STR_INIT;
    cleanup_str struct str open = STR_INIT;
    assert_int_equal(seal_text(ring, "github/1", "gho_secret", &a, NULL), 0);
    assert_int_equal(seal_text(ring, "github/1", "gho_secret", &b, NULL), 0);
    assert_string_not_equal(a.p, b.p);
    assert_null(strstr(a.p, "gho_"));
    assert_int_equal(seal_open(ring, "github/1", a.p, &open, NULL), 0);
    assert_string_equal(open.p, "gho_secret");
    /* another row's */
    assert_int_equal(seal_open(ring, "github/2", a.p, &open, NULL), ERR_DENIED);
    for (size_t i = 20; i < a.len; i++) {
        cleanup_free char *bent = xstrdup(a.p);
        bent[i] = bent[i] == 'A' ? 'B' : 'A';
        assert_int_not_equal(seal_open(ring, "github/1", bent, &open, NULL), 0);
    }
    static const char *const bad[] = {"", "v1.", "v2.x.y", "v1.0123456789abcdef", "plain"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_not_equal(seal_open(ring, "github/1", bad[i], &open, NULL), 0);
    seal_ring_free(ring);
}

static void test_rotation(void **state)
{
    (void)state;
    struct seal_ring *old = ring_of(KEY_A), *both = ring_of(KEY_B "\n" KEY_A),
                     *new = ring_of(KEY_B);
    cleanup_str struct str sealed = STR_INIT;
    cleanup_str struct str open = STR_INIT;
    assert_int_equal(seal_text(old, "c", "x", &sealed, NULL), 0);
    assert_false(seal_is_old(old, sealed.p));
    assert_true(seal_is_old(both, sealed.p));
    assert_int_equal(seal_open(both, "c", sealed.p, &open, NULL), 0);
    assert_int_equal(seal_open(new, "c", sealed.p, &open, NULL), ERR_NOT_FOUND);
    seal_ring_free(old);
    seal_ring_free(both);
    seal_ring_free(new);
    struct seal_ring *none = NULL;
    assert_int_equal(seal_ring_parse("\n# x\n", 5, &none, NULL), ERR_INVALID);
    assert_int_equal(seal_ring_parse("short\n", 6, &none, NULL), ERR_INVALID);
}

static void test_file(void **state)
{
    (void)state;
    char path[64];
    snprintf(path, sizeof path, "/tmp/test-seal-%d", (int)getpid());
    struct seal_ring *ring = NULL;
    assert_int_equal(seal_ring_load(path, false, &ring, NULL), ERR_NOT_FOUND);
    assert_int_equal(seal_ring_load(path, true, &ring, NULL), 0);
    seal_ring_free(ring);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(seal_ring_load(path, true, &ring, NULL), ERR_DENIED);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_rotation),
        cmocka_unit_test(test_file),
    };
    return cmocka_run_group_tests_name("auth/seal", tests, NULL, NULL);
}
