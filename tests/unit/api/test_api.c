/* The REST API over real HTTP: archives, health, limits. */
#include "api_world.h"

static void test_archives(void **state)
{
    (void)state;
    cleanup_free char *jwt = login("ann");
    cleanup_free char *id = create(jwt);
    expect(call("GET", "/archives", jwt), 200, "{\"archives\":[]}");
    cleanup_free char *path = xasprintf("/archives/%s", id);
    expect(call("GET", path, jwt), 200, "Content-Type: application/octet-stream");
    cleanup_free char *length = xasprintf("Content-Length: %d\r\n", ARCHIVE_SIZE);
    assert_has(&w.out, length);
    assert_int_equal(strlen(client_body(&w.out)), ARCHIVE_SIZE);
    expect(call("HEAD", path, jwt), 200, length);
    cleanup_free char *eve = login("eve");
    expect(call("GET", path, eve), 404, "not_found");
}

/* The client goes away in the middle; nothing may be left (the leak checker looks). */
static void test_archive_left_early(void **state)
{
    (void)state;
    cleanup_free char *jwt = login("ann");
    cleanup_free char *id = create(jwt);
    cleanup_free char *text = xasprintf(
        "GET /archives/%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", id, jwt);
    int fd = client_dial(w.port);
    char some[1000];
    assert_int_equal(fd_write_full(fd, text, strlen(text), NULL), 0);
    assert_int_equal(fd_read_full(fd, some, sizeof some, NULL), 0);
    close(fd);
    expect(call("GET", "/auth/me", jwt), 200, "ann");
}

static void test_health(void **state)
{
    (void)state;
    int status = 0;
    for (int i = 0; i < 200 && status != 200; i++) {
        status = call("GET", "/health", NULL);
        usleep(10000);
    }
    expect(status, 200, "\"status\":\"ok\",\"version\":\"" STEADYSTATE_VERSION "\"");
    assert_has(&w.out, "\"database\":\"ok\"");
    assert_has(&w.out, "podman");
    expect(call("GET", "/health/checks", NULL), 200, "\"check\":\"engine\",\"result\":\"ok\"");
    assert_has(&w.out, "\"check\":\"ports\"");
    assert_has(&w.out, "\"external_host\"");
}

static void test_engine_down(void **state)
{
    (void)state;
    cleanup_free char *jwt = login("ann");
    w.engine_down = true;
    expect(call("GET", "/archives", jwt), 503, "engine_unavailable");
}

/* ---- limits ---- */

static void test_rate_limits(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++)
        expect(post("/auth/token", NULL, "{}"), 400, NULL);
    expect(post("/auth/token", NULL, "{}"), 429, "rate_limited");
    assert_has(&w.out, "Retry-After: ");
    for (int i = 0; i < 3; i++)
        expect(post("/auth/poll", NULL, "{}"), 400, NULL);
    expect(post("/auth/device?provider=fake", NULL, NULL), 429, "rate_limited");
    for (int i = 0; i < 4; i++)
        expect(call("GET", "/sessions", NULL), 401, NULL);
    expect(call("GET", "/sessions", NULL), 429, "rate_limited");
    expect(call("GET", "/nope", NULL), 404, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_archives),
        T(test_archive_left_early),
        T(test_health),
        T(test_engine_down),
        cmocka_unit_test_setup_teardown(test_rate_limits, setup_limited, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
