#include "agent/roles.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

static void whoever_comes_may_type(void **state)
{
    (void)state;
    struct roles r = {0};
    assert_int_equal(roles_role(&r, "p", "ann"), ROLE_TYPE);
    assert_false(roles_approved(&r, "p", "ann"));
    assert_null(roles_owner(&r));
    roles_release(&r);
}

static void there_is_one_owner(void **state)
{
    (void)state;
    struct roles r = {0};
    roles_set(&r, "p", "ann", ROLE_OWN);
    roles_set(&r, "q", "ann", ROLE_OWN); /* somebody else of the same login */
    assert_int_equal(roles_role(&r, "p", "ann"), ROLE_TYPE);
    assert_string_equal(roles_owner(&r)->provider, "q");
    roles_set(&r, "q", "ann", ROLE_WATCH);
    assert_null(roles_owner(&r));
    roles_release(&r);
}

static void who_typed_is_unsettled_until_a_commit(void **state)
{
    (void)state;
    struct roles r = {0};
    roles_typed(&r, "p", "ann");
    roles_typed(&r, "p", "bob");
    uint64_t clock = r.clock;
    roles_typed(&r, "p", "bob");
    roles_settle(&r, clock);
    assert_false(role_entry_is_unsettled(roles_find(&r, "p", "ann")));
    assert_true(role_entry_is_unsettled(roles_find(&r, "p", "bob")));
    roles_settle(&r, r.clock);
    assert_false(role_entry_is_unsettled(roles_find(&r, "p", "bob")));
    roles_release(&r);
}

static void it_is_read_as_it_was_written(void **state)
{
    (void)state;
    struct roles r = {0}, again = {0};
    cleanup_str struct str text = STR_INIT;
    roles_set(&r, "p", "ann", ROLE_OWN);
    roles_set(&r, "p", "bob", ROLE_WATCH);
    roles_of(&r, "p", "bob")->approved = true;
    roles_typed(&r, "p", "ann");
    roles_print(&r, &text);
    assert_int_equal(roles_parse(&again, text.p, text.len, NULL), 0);
    assert_string_equal(roles_owner(&again)->login, "ann");
    assert_int_equal(roles_role(&again, "p", "bob"), ROLE_WATCH);
    assert_true(roles_approved(&again, "p", "bob"));
    assert_true(role_entry_is_unsettled(roles_find(&again, "p", "ann")));
    assert_false(role_entry_is_unsettled(roles_find(&again, "p", "bob")));
    roles_release(&r);
    roles_release(&again);
}

static void malformed_text_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "{}",
        "[]",
        "{\"people\":[{}]}",
        "{\"people\":[{\"login\":\"a\",\"provider\":\"p\"}]}",
        "{\"people\":[{\"login\":\"a\",\"provider\":\"p\",\"role\":\"king\"}]}",
        "{\"people\":[{\"login\":\"-a\",\"provider\":\"p\",\"role\":\"own\"}]}"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct roles r = {0};
        assert_int_equal(roles_parse(&r, bad[i], strlen(bad[i]), NULL), ERR_INVALID);
        roles_release(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whoever_comes_may_type),
        cmocka_unit_test(there_is_one_owner),
        cmocka_unit_test(who_typed_is_unsettled_until_a_commit),
        cmocka_unit_test(it_is_read_as_it_was_written),
        cmocka_unit_test(malformed_text_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
