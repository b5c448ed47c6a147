#include "api/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static int setup(void **state)
{
    *state = limits_new();
    return 0;
}

static int teardown(void **state)
{
    limits_free(*state);
    return 0;
}

static void test_burst_then_pace(void **state)
{
    for (int i = 0; i < 5; i++)
        assert_int_equal(limits_take(*state, 0, "192.0.2.1", 5, 1000), 0);
    assert_int_equal(limits_take(*state, 0, "192.0.2.1", 5, 1000), 13); /* one in 12 s */
    assert_true(limits_take(*state, 0, "192.0.2.1", 5, 12000) > 0);
    assert_int_equal(limits_take(*state, 0, "192.0.2.1", 5, 13001), 0);
    assert_true(limits_take(*state, 0, "192.0.2.1", 5, 13001) > 0);
}

static void test_others_are_not_touched(void **state)
{
    assert_int_equal(limits_take(*state, 0, "192.0.2.1", 1, 1000), 0);
    assert_true(limits_take(*state, 0, "192.0.2.1", 1, 1000) > 0);
    assert_int_equal(limits_take(*state, 0, "192.0.2.2", 1, 1000), 0);
    assert_int_equal(limits_take(*state, 1, "192.0.2.1", 1, 1000), 0);
}

static void test_accounts(void **state)
{
    assert_int_equal(limits_take_account(*state, 0, "github", "17", 1, 1000), 0);
    assert_true(limits_take_account(*state, 0, "github", "17", 1, 1000) > 0);
    assert_int_equal(limits_take_account(*state, 0, "gitlab", "17", 1, 1000), 0);
    assert_int_equal(limits_take_account(*state, 0, "github", "18", 1, 1000), 0);
    assert_int_equal(limits_take_account(*state, 0, "github", "17", 1, 61000), 0);
}

static void test_off(void **state)
{
    for (int i = 0; i < 1000; i++)
        assert_int_equal(limits_take(*state, 0, "192.0.2.1", 0, 1000), 0);
}

static void test_ipv6_counts_by_network(void **state)
{
    assert_int_equal(limits_take(*state, 0, "2001:db8::1", 1, 1000), 0);
    assert_true(limits_take(*state, 0, "2001:db8::ffff:2", 1, 1000) > 0);
    assert_int_equal(limits_take(*state, 0, "2001:db8:0:1::1", 1, 1000), 0);
}

/* More addresses than there is room for: memory stays as it is, the newest are still held. */
static void test_many_addresses(void **state)
{
    char address[32];
    for (int i = 0; i < 100000; i++) {
        snprintf(address, sizeof address, "10.%d.%d.%d", i >> 16, i >> 8 & 255, i & 255);
        assert_int_equal(limits_take(*state, 0, address, 1, 1000 + i), 0);
    }
    assert_true(limits_take(*state, 0, address, 1, 101000) > 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_accounts), T(test_burst_then_pace),        T(test_others_are_not_touched),
        T(test_off),      T(test_ipv6_counts_by_network), T(test_many_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
