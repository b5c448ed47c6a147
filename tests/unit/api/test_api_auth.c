/* /auth/ over real HTTP. */
#include "api_world.h"

static void test_login_and_me(void **state)
{
    (void)state;
    cleanup_free char *jwt = login("ann");
    assert_has(&w.out, "\"login\":\"ann\",\"provider\":\"fake\"");
    assert_has(&w.out, "\"expires_in\":900");
    expect(call("GET", "/auth/me", jwt), 200, "{\"login\":\"ann\",\"provider\":\"fake\"}");
    expect(call("GET", "/auth/me", NULL), 401, "WWW-Authenticate: Bearer");
    expect(call("GET", "/auth/me", "x.y.z"), 401, "\"error\":\"unauthenticated\"");
    expect(client_ask(w.port, "GET", "/auth/me", "Authorization: Basic eDp5\r\n", NULL, &w.out),
           401, "unauthenticated");
}

static void test_device_errors(void **state)
{
    (void)state;
    expect(post("/auth/device", NULL, NULL), 400, "'provider' is missing");
    expect(post("/auth/device?provider=", NULL, NULL), 400, "invalid_request");
    expect(post("/auth/device?provider=github", NULL, NULL), 400, "not_supported");
    expect(post("/auth/device?provider=fake&login=a%20b", NULL, NULL), 400, "invalid_request");
    expect(post("/auth/device?provider=fake&variant=x", NULL, NULL), 400, "invalid_request");
    expect(call("GET", "/auth/device?provider=fake", NULL), 405, "Allow: POST, OPTIONS");
}

static void test_poll_errors(void **state)
{
    (void)state;
    expect(post("/auth/poll", NULL, ""), 400, "invalid_request");
    expect(post("/auth/poll", NULL, "{"), 400, "invalid_request");
    expect(post("/auth/poll", NULL, "{}"), 400, "device_code");
    expect(post("/auth/poll", NULL, "{\"device_code\":7}"), 400, "device_code");
    expect(poll("nope", ""), 400, "invalid_device_code");
    cleanup_free char *code = device("provider=fake");
    expect(poll(code, ",\"login\":7"), 400, "login");
    expect(poll(code, ",\"signature\":[]"), 400, "signature");
    expect(poll(code, ",\"login\":\"a b\""), 400, "access_denied");
    expect(poll(code, ""), 400, "invalid_device_code");
}

static void test_pending(void **state)
{
    (void)state;
    cleanup_free char *code = device("provider=fake&variant=1");
    expect(poll(code, ""), 200, "{\"status\":\"pending\",\"interval\":1}");
    expect(poll(code, ""), 200, "{\"status\":\"pending\",\"interval\":1}");
}

static void test_blocking_provider(void **state)
{
    (void)state;
    cleanup_free char *code = device("provider=slow");
    assert_has(&w.out,
               "\"verification_uri_complete\":\"https://forge.example/device?c=ABCD-EFGH\"");
    expect(poll(code, ""), 200, "\"status\":\"complete\"");
    cleanup_free char *denied = device("provider=slow&variant=denied");
    expect(poll(denied, ""), 400, "access_denied");
    cleanup_free char *slow = device("provider=slow&variant=slow");
    expect(poll(slow, ""), 200, "{\"status\":\"slow_down\",\"interval\":6}");
    cleanup_free char *lies = device("provider=slow&variant=lies");
    expect(poll(lies, ""), 200, "{\"status\":\"pending\",\"interval\":1}");
    expect(post("/auth/device?provider=slow&variant=down", NULL, NULL), 502,
           "provider_unavailable");
}

static void test_access_token(void **state)
{
    (void)state;
    expect(post("/auth/token", NULL, "{\"provider\":\"slow\",\"token\":\"good\"}"), 200,
           "\"status\":\"complete\"");
    expect(post("/auth/token", NULL, "{\"provider\":\"slow\",\"token\":\"bad\"}"), 401,
           "unauthenticated");
    expect(post("/auth/token", NULL, "{\"provider\":\"fake\",\"token\":\"x\"}"), 400,
           "not_supported");
    expect(post("/auth/token", NULL, "{\"provider\":\"gitlab\",\"token\":\"x\"}"), 400,
           "not_supported");
    expect(post("/auth/token", NULL, "{\"token\":\"x\"}"), 400, "provider");
    expect(post("/auth/token", NULL, "{\"provider\":\"slow\"}"), 400, "token");
}

static void test_refresh_and_revoke(void **state)
{
    (void)state;
    cleanup_free char *jwt = login("ann");
    cleanup_free char *first = member("refresh_token");
    cleanup_free char *body = xasprintf("{\"refresh_token\":\"%s\"}", first);
    expect(post("/auth/refresh", NULL, body), 200, "\"refresh_expires_at\":");
    cleanup_free char *second = member("refresh_token");
    cleanup_free char *next = xasprintf("{\"refresh_token\":\"%s\"}", second);
    cleanup_free char *fresh = member("jwt");
    expect(call("GET", "/auth/me", fresh), 200, "ann");
    expect(post("/auth/refresh", NULL, next), 200, "jwt");
    expect(post("/auth/refresh", NULL, body), 401, "unauthenticated"); /* replayed */
    expect(post("/auth/refresh", NULL, next), 401, "unauthenticated");
    expect(post("/auth/revoke", NULL, next), 200, "{\"revoked\":true}");
    expect(post("/auth/revoke", NULL, "{\"refresh_token\":\"unknown\"}"), 200, "true");
    expect(post("/auth/revoke", NULL, "{}"), 400, "refresh_token");
    expect(post("/auth/refresh", NULL, "{\"refresh_token\":null}"), 400, "refresh_token");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_login_and_me),       T(test_device_errors),
        T(test_poll_errors),        T(test_pending),
        T(test_blocking_provider),  T(test_access_token),
        T(test_refresh_and_revoke),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
