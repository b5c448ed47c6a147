#include "http/route.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct http_route routes[] = {
    {HTTP_GET, "/health", HTTP_PUBLIC, 0, 0, NULL},
    {HTTP_GET, "/sessions", HTTP_LOGIN, 0, 0, NULL},
    {HTTP_POST, "/sessions", HTTP_LOGIN, 0, 0, NULL},
    {HTTP_GET, "/sessions/{id}", HTTP_LOGIN, 0, 0, NULL},
    {HTTP_DELETE, "/sessions/{id}", HTTP_LOGIN, 0, 0, NULL},
    {HTTP_POST, "/sessions/{id}/kick", HTTP_LOGIN, 0, 0, NULL},
};
#define N (sizeof routes / sizeof *routes)

static long find(const char *method, const char *path, struct route_match *m)
{
    route_find(routes, N, http_method_parse(method), path, m);
    return m->route ? m->route - routes : -1;
}

static void test_finds(void **state)
{
    (void)state;
    struct route_match m;
    assert_int_equal(find("GET", "/health", &m), 0);
    assert_int_equal(find("HEAD", "/health", &m), 0);
    assert_int_equal(find("POST", "/sessions", &m), 2);
    assert_int_equal(find("DELETE", "/sessions/abc", &m), 4);
    assert_int_equal(m.n_params, 1);
    assert_string_equal(m.params[0].value, "abc");
    assert_int_equal(find("POST", "/sessions/abc/kick", &m), 5);
    assert_string_equal(m.params[0].value, "abc");
}

static void test_none(void **state)
{
    (void)state;
    struct route_match m;
    const char *paths[] = {"",         "/",          "/nope",           "/health/",
                           "//health", "/sessions/", "/sessions//kick", "/sessions/a/kick/b",
                           "health"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        assert_int_equal(find("GET", paths[i], &m), -1);
        assert_int_equal(m.allowed, 0);
    }
    char longer[200] = "/sessions/";
    memset(longer + 10, 'a', ROUTE_PARAM_LEN_MAX + 1);
    assert_int_equal(find("GET", longer, &m), -1);
}

static void test_allowed(void **state)
{
    (void)state;
    struct route_match m;
    cleanup_str struct str allow = STR_INIT;
    assert_int_equal(find("PATCH", "/sessions/abc", &m), -1);
    route_allow(m.allowed, &allow);
    assert_string_equal(allow.p, "GET, HEAD, DELETE, OPTIONS");
    str_clear(&allow);
    assert_int_equal(find("GET", "/sessions/abc/kick", &m), -1);
    route_allow(m.allowed, &allow);
    assert_string_equal(allow.p, "POST, OPTIONS");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
