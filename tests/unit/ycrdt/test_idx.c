#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ycrdt/internal.h"

#define CLOCKS 6000

/* Structs as a plain array: begin[i] is the handle that begins at clock i, 0 if none does. */
static uint32_t begin[CLOCKS];

static uint32_t state = 12345;
static uint32_t below(uint32_t n)
{
    state = state * 1664525 + 1013904223;
    return (state >> 8) % n;
}

static void compare(struct idx *ix, uint32_t end)
{
    uint32_t h = 0, count = 0;
    for (uint32_t clock = 0; clock < end; clock++) {
        if (begin[clock]) {
            h = begin[clock];
            count++;
        }
        assert_int_equal(idx_at(ix, idx_find(ix, clock)), h);
    }
    assert_int_equal(ix->count, count);
    struct ipos at = idx_find(ix, 0);
    for (uint32_t i = 1; i < count; i++)
        assert_true(idx_next(ix, &at));
    assert_false(idx_next(ix, &at));
    for (uint32_t i = 1; i < count; i++)
        assert_true(idx_prev(ix, &at));
    assert_false(idx_prev(ix, &at));
}

static void test_idx_against_array(void **unused)
{
    (void)unused;
    struct idx ix = {0};
    uint32_t end = 0;
    for (uint32_t h = 1; end + 10 < CLOCKS; h++) {
        uint32_t len = 1 + below(10);
        begin[end] = h;
        idx_append(&ix, end, h);
        end += len;
    }
    compare(&ix, end);
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < 3000; i++) { /* split somewhere */
            uint32_t clock = below(end);
            if (begin[clock])
                continue;
            begin[clock] = 100000 + clock;
            idx_insert_after(&ix, idx_find(&ix, clock), clock, begin[clock]);
        }
        compare(&ix, end);
        for (uint32_t i = 0; i < 9000; i++) { /* join somewhere */
            uint32_t clock = 1 + below(end - 1);
            if (!begin[clock])
                continue;
            begin[clock] = 0;
            idx_remove(&ix, idx_find(&ix, clock));
        }
        compare(&ix, end);
    }
    for (uint32_t clock = 2; clock < end; clock++) { /* move borders back by one */
        if (!begin[clock] || begin[clock - 1])
            continue;
        idx_rekey(&ix, idx_find(&ix, clock), clock - 1);
        begin[clock - 1] = begin[clock];
        begin[clock] = 0;
    }
    compare(&ix, end);
    idx_free(&ix);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_idx_against_array)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
