#include "auth/refresh.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "auth/hash.h"

static int64_t now_s;

static int64_t fake_now(void *payload)
{
    (void)payload;
    return now_s;
}

static const struct clock test_clock = {.now = fake_now};
static struct refresh_options o;

static int setup(void **state)
{
    (void)state;
    now_s = 1700000000;
    o = (struct refresh_options){.clock = &test_clock, .ttl = 1000};
    return store_open("sqlite::memory:", &o.store, NULL);
}

static int teardown(void **state)
{
    (void)state;
    store_close(o.store);
    return 0;
}

static void issue(struct str *token)
{
    cleanup_identity struct identity who = {0};
    identity_set(&who, "github", "77", "anna");
    int64_t expires = 0;
    assert_int_equal(refresh_issue(&o, &who, token, &expires, NULL), 0);
    assert_int_equal(expires, now_s + 1000);
    assert_int_equal(token->len, REFRESH_TEXT_LEN);
}

static int rotate(const char *token, struct str *next)
{
    cleanup_identity struct identity who = {0};
    int64_t expires = 0;
    str_clear(next);
    int rc = refresh_rotate(&o, token, next, &expires, &who, NULL);
    if (rc == 0)
        assert_string_equal(who.subject, "77");
    else
        assert_int_equal(next->len, 0);
    return rc;
}

static void test_rotates(void **state)
{
    (void)state;
    cleanup_str struct str a = STR_INIT;
    cleanup_str struct str b = STR_INIT;
    cleanup_str struct str c = STR_INIT;
    issue(&a);
    assert_int_equal(rotate(a.p, &b), 0);
    assert_string_not_equal(a.p, b.p);
    assert_int_equal(rotate(b.p, &c), 0);
}

static void test_only_hashes_are_stored(void **state)
{
    (void)state;
    cleanup_str struct str a = STR_INIT;
    issue(&a);
    struct store_refresh row = {0};
    char hash[AUTH_HASH_LEN + 1];
    assert_int_equal(store_refresh_get(o.store, a.p, &row, NULL), ERR_NOT_FOUND);
    auth_hash(a.p, hash);
    assert_int_equal(store_refresh_get(o.store, hash, &row, NULL), 0);
    store_refresh_release(&row);
}

static void test_replay_ends_the_family(void **state)
{
    (void)state;
    cleanup_str struct str a = STR_INIT;
    cleanup_str struct str b = STR_INIT;
    cleanup_str struct str c = STR_INIT;
    cleanup_str struct str other = STR_INIT;
    issue(&a);
    issue(&other);
    assert_int_equal(rotate(a.p, &b), 0);
    now_s += REFRESH_GRACE_S + 1;
    assert_int_equal(rotate(a.p, &c), ERR_UNAUTHENTICATED);
    assert_int_equal(rotate(b.p, &c), ERR_UNAUTHENTICATED);
    assert_int_equal(rotate(other.p, &c), 0); /* another login lives on */
}

static void test_replay_of_a_used_pair_ends_the_family_at_once(void **state)
{
    (void)state;
    cleanup_str struct str a = STR_INIT;
    cleanup_str struct str b = STR_INIT;
    cleanup_str struct str c = STR_INIT;
    cleanup_str struct str d = STR_INIT;
    issue(&a);
    assert_int_equal(rotate(a.p, &b), 0);
    assert_int_equal(rotate(b.p, &c), 0);
    assert_int_equal(rotate(a.p, &d), ERR_UNAUTHENTICATED);
    assert_int_equal(rotate(c.p, &d), ERR_UNAUTHENTICATED);
}

static void test_lost_answer_may_be_retried(void **state)
{
    (void)state;
    cleanup_str struct str a = STR_INIT;
    cleanup_str struct str lost = STR_INIT;
    cleanup_str struct str b = STR_INIT;
    cleanup_str struct str c = STR_INIT;
    issue(&a);
    assert_int_equal(rotate(a.p, &lost), 0);
    now_s += REFRESH_GRACE_S;
    assert_int_equal(rotate(a.p, &b), 0);
    assert_int_equal(rotate(b.p, &c), 0);
}

/* Within the grace a thief can take the owner's place; the owner's next use ends both. */
static void test_unheard_successor_ends_the_family(void **state)
{
    (void)state;
    cleanup_str struct str a = STR_INIT;
    cleanup_str struct str mine = STR_INIT;
    cleanup_str struct str thief = STR_INIT;
    cleanup_str struct str c = STR_INIT;
    issue(&a);
    assert_int_equal(rotate(a.p, &mine), 0);
    assert_int_equal(rotate(a.p, &thief), 0);
    assert_int_equal(rotate(mine.p, &c), ERR_UNAUTHENTICATED);
    assert_int_equal(rotate(thief.p, &c), ERR_UNAUTHENTICATED);
}

static void test_expires(void **state)
{
    (void)state;
    cleanup_str struct str a = STR_INIT;
    cleanup_str struct str b = STR_INIT;
    issue(&a);
    now_s += 1000;
    assert_int_equal(rotate(a.p, &b), ERR_UNAUTHENTICATED);
}

static void test_revoke(void **state)
{
    (void)state;
    cleanup_str struct str a = STR_INIT;
    cleanup_str struct str b = STR_INIT;
    cleanup_str struct str c = STR_INIT;
    issue(&a);
    assert_int_equal(rotate(a.p, &b), 0);
    assert_int_equal(refresh_revoke(&o, b.p, NULL), 0);
    assert_int_equal(rotate(b.p, &c), ERR_UNAUTHENTICATED);
    assert_int_equal(refresh_revoke(&o, b.p, NULL), 0);
    assert_int_equal(refresh_revoke(&o, "unknown", NULL), 0);
}

static void test_malformed(void **state)
{
    (void)state;
    cleanup_str struct str b = STR_INIT;
    const char *bad[] = {"", "x", "../../etc/passwd", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                         "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA+"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(rotate(bad[i], &b), ERR_UNAUTHENTICATED);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_rotates),
        T(test_only_hashes_are_stored),
        T(test_replay_ends_the_family),
        T(test_replay_of_a_used_pair_ends_the_family_at_once),
        T(test_lost_answer_may_be_retried),
        T(test_unheard_successor_ends_the_family),
        T(test_expires),
        T(test_revoke),
        T(test_malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
