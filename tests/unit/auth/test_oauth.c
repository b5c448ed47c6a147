/* Answers of the device flow in the dialects of GitHub, GitLab and OpenID providers. */
#include "../base/test.h"

#include <string.h>

#include "auth/oauth.h"

static struct json_object *parse(const char *text)
{
    struct json_object *obj = NULL;
    if (json_parse(text, strlen(text), &obj, NULL))
        fail_msg("test data: %s", text);
    return obj;
}

static int start(long status, const char *text, struct auth_start_out *out, struct err *err)
{
    cleanup_json struct json_object *answer = parse(text);
    auth_start_out_init(out);
    return oauth_read_start(status, answer, out, err);
}

static void test_start(void **state)
{
    (void)state;
    struct auth_start_out out;
    assert_int_equal(start(200,
                           "{\"device_code\":\"3584d83530557fdd1f46af8289938c8ef79f9dc5\","
                           "\"user_code\":\"WDJB-MJHT\",\"verification_uri\":"
                           "\"https://github.com/login/device\",\"expires_in\":900,\"interval\":5}",
                           &out, NULL),
                     0);
    assert_string_equal(out.user_code.p, "WDJB-MJHT");
    assert_int_equal(out.interval, 5);
    assert_int_equal(out.expires_in, 900);
    auth_start_out_release(&out);
    /* no interval: 5 (RFC 8628 section 3.2) */
    assert_int_equal(start(200,
                           "{\"device_code\":\"x\",\"user_code\":\"A\",\"verification_uri\":"
                           "\"https://h/d\",\"expires_in\":60}",
                           &out, NULL),
                     0);
    assert_int_equal(out.interval, 5);
    auth_start_out_release(&out);
    /* numbers as strings */
    assert_int_equal(start(200,
                           "{\"device_code\":\"x\",\"user_code\":\"A\",\"verification_uri\":"
                           "\"https://h/d\",\"expires_in\":\"60\",\"interval\":\"7\"}",
                           &out, NULL),
                     0);
    assert_int_equal(out.expires_in, 60);
    assert_int_equal(out.interval, 7);
    auth_start_out_release(&out);
    static const char *const bad[] = {
        "{}",
        "{\"device_code\":\"x\",\"user_code\":\"A\",\"verification_uri\":\"https://h/\","
        "\"expires_in\":\"\"}",
        "{\"device_code\":\"x\",\"user_code\":\"A\",\"verification_uri\":\"https://h/\","
        "\"expires_in\":\"60 \"}",
        "{\"device_code\":\"x\",\"user_code\":\"A\",\"verification_uri\":\"https://h/\","
        "\"expires_in\":\"-60\"}",
        "{\"device_code\":\"x\",\"user_code\":\"A\",\"verification_uri\":\"https://h/\"}",
        "{\"device_code\":\"x\",\"user_code\":\"A\",\"verification_uri\":\"https://h/\","
        "\"expires_in\":60,\"interval\":\"1e9\"}",
        "{\"error\":\"unauthorized_client\"}",
        "{\"device_code\":\"x\",\"user_code\":\"A\",\"verification_uri\":\"javascript:x\","
        "\"expires_in\":60}",
        "{\"device_code\":\"x\",\"user_code\":\"A\",\"verification_uri\":\"https://u:p@h/\","
        "\"expires_in\":60}",
        "{\"device_code\":\"x\",\"user_code\":\"\\u001b[2J\",\"verification_uri\":\"https://h/\","
        "\"expires_in\":60}",
        "{\"device_code\":\"x\",\"user_code\":\"A\",\"verification_uri\":\"https://h/\","
        "\"expires_in\":-1}",
        "{\"device_code\":5,\"user_code\":\"A\",\"verification_uri\":\"https://h/\","
        "\"expires_in\":60}",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (start(200, bad[i], &out, NULL) != ERR_UNAVAILABLE)
            fail_msg("taken: %s", bad[i]);
        auth_start_out_release(&out);
    }
    struct err err = ERR_INIT;
    assert_int_equal(start(404, "{\"error\":\"Not Found\"}", &out, &err), ERR_UNAVAILABLE);
    assert_string_equal(err.msg, "the provider refused: Not Found");
    auth_start_out_release(&out);
}

/* The outcome of one answer, and the state it leaves. */
static int poll(long status, const char *text, struct json_object **state, enum auth_status *out,
                int64_t *interval)
{
    cleanup_json struct json_object *answer = parse(text);
    cleanup_oauth_tokens struct oauth_tokens tokens = {0};
    struct auth_poll_out result;
    auth_poll_out_init(&result);
    int rc = oauth_read_poll(status, answer, *state, &result, &tokens, NULL);
    *out = result.status;
    *interval = result.interval;
    if (rc == 0 && result.state) {
        json_object_put(*state);
        *state = json_object_get(result.state);
    }
    if (rc == 0 && result.status == AUTH_COMPLETE)
        assert_non_null(tokens.access);
    auth_poll_out_release(&result);
    return rc;
}

static void test_poll_words(void **state)
{
    (void)state;
    cleanup_json struct json_object *s = parse("{\"device_code\":\"x\",\"interval\":5}");
    enum auth_status status;
    int64_t interval;
    /* GitHub says its errors with status 200 */
    assert_int_equal(poll(200, "{\"error\":\"authorization_pending\"}", &s, &status, &interval), 0);
    assert_int_equal(status, AUTH_PENDING);
    assert_int_equal(poll(200, "{\"error\":\"slow_down\",\"interval\":12}", &s, &status, &interval),
                     0);
    assert_int_equal(status, AUTH_SLOW_DOWN);
    assert_int_equal(interval, 12);
    /* GitLab names no interval: 5 more than before */
    assert_int_equal(poll(400, "{\"error\":\"slow_down\"}", &s, &status, &interval), 0);
    assert_int_equal(interval, 17);
    assert_int_equal(poll(400, "{\"error\":\"expired_token\"}", &s, &status, &interval), 0);
    assert_int_equal(status, AUTH_EXPIRED);
    assert_int_equal(poll(200, "{\"error\":\"token_expired\"}", &s, &status, &interval), 0);
    assert_int_equal(status, AUTH_EXPIRED);
    assert_int_equal(poll(400, "{\"error\":\"access_denied\"}", &s, &status, &interval), 0);
    assert_int_equal(status, AUTH_DENIED);
    assert_int_equal(poll(200, "{\"access_token\":\"t\",\"token_type\":\"Bearer\",\"scope\":\"\"}",
                          &s, &status, &interval),
                     0);
    assert_int_equal(status, AUTH_COMPLETE);
}

static void test_poll_lag(void **state)
{
    (void)state;
    cleanup_json struct json_object *s = parse("{\"device_code\":\"x\",\"interval\":5}");
    enum auth_status status;
    int64_t interval;
    const char unknown[] = "{\"error\":\"incorrect_device_code\"}";
    /* never seen as good: unknown means gone */
    assert_int_equal(poll(200, unknown, &s, &status, &interval), 0);
    assert_int_equal(status, AUTH_EXPIRED);
    assert_int_equal(poll(200, "{\"error\":\"authorization_pending\"}", &s, &status, &interval), 0);
    for (int i = 0; i < OAUTH_LAG_MAX; i++) {
        assert_int_equal(poll(200, unknown, &s, &status, &interval), 0);
        assert_int_equal(status, AUTH_PENDING);
    }
    assert_int_equal(poll(200, unknown, &s, &status, &interval), 0);
    assert_int_equal(status, AUTH_EXPIRED);
}

static void test_poll_lies(void **state)
{
    (void)state;
    cleanup_json struct json_object *s = parse("{\"device_code\":\"x\",\"interval\":5}");
    enum auth_status status;
    int64_t interval;
    static const char *const bad[] = {
        "{}",
        "{\"access_token\":\"\"}",
        "{\"access_token\":5}",
        "{\"access_token\":\"t\",\"token_type\":\"mac\"}",
        "{\"error\":\"device_flow_disabled\"}",
        "{\"error\":\"incorrect_client_credentials\"}",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (poll(200, bad[i], &s, &status, &interval) != ERR_UNAVAILABLE)
            fail_msg("taken: %s", bad[i]);
    assert_int_equal(poll(500, "{\"access_token\":\"t\"}", &s, &status, &interval),
                     ERR_UNAVAILABLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start),
        cmocka_unit_test(test_poll_words),
        cmocka_unit_test(test_poll_lag),
        cmocka_unit_test(test_poll_lies),
    };
    return cmocka_run_group_tests_name("auth/oauth", tests, NULL, NULL);
}
