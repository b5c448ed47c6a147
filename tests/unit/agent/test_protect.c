#include "agent/protect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/procfs.h"
#include "base/mem.h"

static void limits_of_both_cgroup_versions(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int rc;
        uint64_t value;
    } cases[] = {
        {"max\n", 0, UINT64_MAX},
        {"-1\n", 0, UINT64_MAX},
        {"1073741824\n", 0, 1073741824},
        {"9223372036854771712\n", 0, UINT64_MAX},
        {"0", 0, 0},
        {"", ERR_INVALID, 0},
        {"x", ERR_INVALID, 0},
        {"1 2", ERR_INVALID, 0},
        {"-2", ERR_INVALID, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint64_t v = 0;
        assert_int_equal(protect_parse_limit(cases[i].text, strlen(cases[i].text), &v, NULL),
                         cases[i].rc);
        if (cases[i].rc == 0)
            assert_int_equal(v, cases[i].value);
    }
}

static void processors(void **state)
{
    (void)state;
    uint64_t milli = 0;
    assert_int_equal(protect_parse_cpu_max("200000 100000\n", 14, &milli, NULL), 0);
    assert_int_equal(milli, 2000);
    assert_int_equal(protect_parse_cpu_max("max 100000\n", 11, &milli, NULL), 0);
    assert_true(milli == UINT64_MAX);
    assert_int_equal(protect_parse_cpu_max("200000", 6, &milli, NULL), ERR_INVALID);
    assert_int_equal(protect_parse_cpu_max("200000 0", 8, &milli, NULL), ERR_INVALID);
    assert_int_equal(protect_cpu_milli(50000, 100000), 500);
    assert_true(protect_cpu_milli(-1, 100000) == UINT64_MAX);
}

static bool is_private(const char *text)
{
    return protect_uid_map_is_private(text, strlen(text));
}

static void user_namespaces(void **state)
{
    (void)state;
    assert_false(is_private("         0          0 4294967295\n"));
    assert_true(is_private("         0  700000000      65536\n"));
    assert_true(is_private("      1000       1000          1\n"));
    assert_true(is_private("         5         70         10\n         0          9          1\n"));
    assert_false(is_private(""));
}

static void process_stat(void **state)
{
    (void)state;
    struct proc_stat st;
    static const char tmux[] = "71 (a) S 9 (x)) S 42 71 71 34817 71 4194560 0 0\n";
    assert_int_equal(proc_stat_parse(tmux, strlen(tmux), &st, NULL), 0);
    assert_string_equal(st.comm, "a) S 9 (x)");
    assert_int_equal(st.ppid, 42);
    assert_int_equal(st.state, 'S');
    assert_int_equal(st.tty, 1); /* 136:1 */
    static const char high[] = "71 (sshd) S 1 71 71 35072 71 0\n";
    assert_int_equal(proc_stat_parse(high, strlen(high), &st, NULL), 0);
    assert_int_equal(st.tty, 256); /* 137:0 */
    static const char none[] = "71 (sshd) S 1 71 71 0 -1 0\n";
    assert_int_equal(proc_stat_parse(none, strlen(none), &st, NULL), 0);
    assert_int_equal(st.tty, -1);
    static const char console[] = "71 (getty) S 1 71 71 1025 -1 0\n";
    assert_int_equal(proc_stat_parse(console, strlen(console), &st, NULL), 0);
    assert_int_equal(st.tty, -1);
    static const char *const bad[] = {"",
                                      "71",
                                      "71 (x",
                                      "71 (x)",
                                      "71 (x) S",
                                      "71 x) S 1 1 1 0",
                                      "71 (x) S a 1 1 0",
                                      "71 (x) Sx 1 1 1 0"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_true(proc_stat_parse(bad[i], strlen(bad[i]), &st, NULL) < 0);
    assert_int_equal(proc_stat_read(1, &st, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_of_both_cgroup_versions),
        cmocka_unit_test(processors),
        cmocka_unit_test(user_namespaces),
        cmocka_unit_test(process_stat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
