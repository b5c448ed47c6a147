/* The engines' form of the session policy, read back by its meaning. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/json.h"
#include "sandbox/sandbox.h"

static struct json_object *session(void)
{
    cleanup_str struct str text = STR_INIT;
    struct json_object *o = NULL;
    sandbox_policy_json(SANDBOX_SESSION, &text);
    assert_int_equal(json_parse(text.p, text.len, &o, NULL), 0);
    return o;
}

/* Rules that name the call, counted by action. */
static void count_rules(struct json_object *policy, const char *call, int *allowed, int *refused)
{
    struct json_object *rules = NULL;
    assert_int_equal(json_opt_array(policy, "syscalls", 4096, &rules, NULL), 0);
    *allowed = *refused = 0;
    for (size_t i = 0; i < json_object_array_length(rules); i++) {
        struct json_object *rule = json_object_array_get_idx(rules, i), *names = NULL;
        const char *action = NULL;
        assert_int_equal(json_opt_array(rule, "names", 4096, &names, NULL), 0);
        assert_int_equal(json_get_str(rule, "action", 64, &action, NULL), 0);
        for (size_t j = 0; j < json_object_array_length(names); j++) {
            if (strcmp(json_object_get_string(json_object_array_get_idx(names, j)), call) != 0)
                continue;
            *(strcmp(action, "SCMP_ACT_ALLOW") == 0 ? allowed : refused) += 1;
        }
    }
}

static void says_what_the_filter_does(void **state)
{
    (void)state;
    cleanup_json struct json_object *o = session();
    const char *text = NULL;
    int64_t number = 0;
    int allowed, refused;
    assert_int_equal(json_get_str(o, "defaultAction", 64, &text, NULL), 0);
    assert_string_equal(text, "SCMP_ACT_ERRNO");
    assert_int_equal(json_get_i64(o, "defaultErrnoRet", 0, 4095, &number, NULL), 0);
    assert_int_equal(number, ENOSYS);
    count_rules(o, "read", &allowed, &refused);
    assert_int_equal(allowed, 1);
    count_rules(o, "mount", &allowed, &refused);
    assert_int_equal(allowed, 0);
    count_rules(o, "clone3", &allowed, &refused);
    assert_int_equal(allowed, 0);
    assert_int_equal(refused, 1);
    count_rules(o, "socket", &allowed, &refused);
    assert_int_equal(allowed, 4);
    assert_int_equal(refused, 1);
}

static void masks_are_value_and_rest(void **state)
{
    (void)state;
    cleanup_str struct str text = STR_INIT;
    sandbox_policy_json(SANDBOX_SESSION, &text);
    /* CLONE_NEW* masked, nothing of it may be left. */
    assert_non_null(strstr(text.p, "\"names\":[\"clone\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{"
                                   "\"index\":0,\"value\":2114060288,\"valueTwo\":0,"
                                   "\"op\":\"SCMP_CMP_MASKED_EQ\"}]"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_what_the_filter_does),
        cmocka_unit_test(masks_are_value_and_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
