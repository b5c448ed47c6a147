#include "sync/submodules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

#define LINE(flags, path) "1 .M S" flags " 160000 160000 160000 0123 0123 " path "\0"

static void test_status(void **state)
{
    (void)state;
    static const char text[] = LINE("C..", "moved") LINE(".M.", "edited here") LINE("..U", "new")
        LINE("CMU", "all") "1 .M N... 100644 100644 100644 0123 0123 file\0"
                           "? stray\0"
                           "1 .M S.M.\0";
    cleanup_strv struct strv paths = STRV_INIT;
    submodules_parse_status(text, sizeof text - 1, &paths);
    assert_int_equal(paths.len, 3);
    assert_string_equal(paths.v[0], "edited here");
    assert_string_equal(paths.v[1], "new");
    assert_string_equal(paths.v[2], "all");
    submodules_parse_status("1 .M S.M.", 9, &paths);
    assert_int_equal(paths.len, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_status)};
    return cmocka_run_group_tests_name("sync/submodules", tests, NULL, NULL);
}
