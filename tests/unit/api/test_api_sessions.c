/* /sessions over real HTTP. */
#include "api_world.h"

static void test_create_and_read(void **state)
{
    (void)state;
    cleanup_free char *ann = login("ann");
    cleanup_free char *eve = login("eve");
    cleanup_free char *id = create(ann);
    cleanup_free char *location = xasprintf("Location: /sessions/%s\r\n", id);
    assert_has(&w.out, location);
    cleanup_free char *path = xasprintf("/sessions/%s", id);
    expect(call("GET", path, ann), 200, "\"state\":\"");
    assert_has(&w.out, "\"creator\":\"ann\"");
    expect(call("HEAD", path, ann), 200, NULL);
    expect(call("GET", path, eve), 404, "not_found");
    expect(call("DELETE", path, eve), 404, "not_found");
    expect(call("GET", path, NULL), 401, NULL);
    expect(call("GET", "/sessions", ann), 200, id);
    expect(call("GET", "/sessions", eve), 200, "{\"sessions\":[],\"next\":null}");
    expect(call("DELETE", path, ann), 202, id);
    expect(call("DELETE", path, ann), 202, id);
}

static void test_create_fields(void **state)
{
    (void)state;
    cleanup_free char *jwt = login("ann");
    static const struct {
        const char *body, *word;
    } bad[] = {
        {"{}", "repo_url"},
        {"{\"repo_url\":7}", "repo_url"},
        {"{\"repo_url\":null}", "repo_url"},
        {"{\"repo_url\":\"\"}", "repo_url"},
        {"{\"repo_url\":\"-oProxyCommand=x\"}", "repo_url"},
        {"{\"repo_url\":\"ext::sh -c x\"}", "repo_url"},
        {"{\"repo_url\":\"file:///etc\"}", "repo_url"},
        {"{\"repo_url\":\"/etc\"}", "repo_url"},
        {"{\"repo_url\":\"http://example.org/x\"}", "repo_url"},
        {"{\"repo_url\":\"https://127.0.0.1/x\"}", "repo_url"},
        {"{\"repo_url\":\"https://169.254.169.254/x\"}", "repo_url"},
        {"{\"repo_url\":\"https://[::1]/x\"}", "repo_url"},
        {"{\"repo_url\":\"https://u:p@192.0.2.1/x\"}", "repo_url"},
        {"{\"repo_url\":\"" REPO "\",\"mode\":\"solo\"}", "not_supported"},
        {"{\"repo_url\":\"" REPO "\",\"repo_url\":\"" REPO "\"}", "invalid_request"},
        {"{\"repo_url\":\"" REPO "\",\"mode\":[]}", "mode"},
        {"{\"repo_url\":\"" REPO "\",\"branch\":\"-x\"}", "branch"},
        {"{\"repo_url\":\"" REPO "\",\"branch\":\"a..b\"}", "branch"},
        {"{\"repo_url\":\"" REPO "\",\"branch\":7}", "branch"},
        {"{\"repo_url\":\"" REPO "\",\"environment\":\"nix\"}", "not_supported"},
        {"{\"repo_url\":\"" REPO "\",\"environment\":{}}", "environment"},
        {"{\"repo_url\":\"" REPO "\",\"allowed_users\":\"bob\"}", "allowed_users"},
        {"{\"repo_url\":\"" REPO "\",\"allowed_users\":[7]}", "allowed_users"},
        {"{\"repo_url\":\"" REPO "\",\"allowed_users\":[null]}", "allowed_users"},
        {"{\"repo_url\":\"" REPO "\",\"allowed_users\":[\"a,b\"]}", "not a login"},
        {"{\"repo_url\":\"" REPO "\",\"allowed_users\":[\"\"]}", "not a login"},
        {"{\"repo_url\":\"" REPO "\",\"public\":\"yes\"}", "public"},
        {"{\"repo_url\":\"" REPO "\",\"public\":1}", "public"},
        {"{\"repo_url\":\"" REPO "\",\"ttl_secs\":\"12h\"}", "ttl_secs"},
        {"{\"repo_url\":\"" REPO "\",\"ttl_secs\":0}", "ttl_secs"},
        {"{\"repo_url\":\"" REPO "\",\"ttl_secs\":-5}", "ttl_secs"},
        {"{\"repo_url\":\"" REPO "\",\"ttl_secs\":604801}", "ttl_secs"},
        {"{\"repo_url\":\"" REPO "\",\"ttl_secs\":1.5}", "ttl_secs"},
        {"[]", "invalid_request"},
        {"\"x\"", "invalid_request"},
        {"{\"repo_url\":\"" REPO "\"", "invalid_request"},
        {"{\"repo_url\":\"" REPO "\"} x", "invalid_request"},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        expect(post("/sessions", jwt, bad[i].body), 400, bad[i].word);
    expect(post("/sessions", NULL, "{}"), 401, "unauthenticated");
    expect(call("GET", "/sessions", jwt), 200, "{\"sessions\":[],\"next\":null}");
}

static void test_quota(void **state)
{
    (void)state;
    cleanup_free char *ann = login("ann");
    for (int i = 0; i < 3; i++) {
        cleanup_free char *id = create(ann);
    }
    expect(post("/sessions", ann, "{\"repo_url\":\"" REPO "\"}"), 403, "quota_exceeded");
    cleanup_free char *bob = login("bob");
    cleanup_free char *id = create(bob);
}

static void test_list_parameters(void **state)
{
    (void)state;
    cleanup_free char *jwt = login("ann");
    cleanup_free char *first = create(jwt);
    assert_has(&w.out, "\"branch\":null,");
    cleanup_free char *second = create(jwt);
    expect(call("GET", "/sessions?limit=1", jwt), 200, second);
    cleanup_free char *next = member("next");
    cleanup_free char *path = xasprintf("/sessions?limit=1&after=%s", next);
    expect(call("GET", path, jwt), 200, first);
    expect(call("GET", "/sessions?state=Failed", jwt), 200, "{\"sessions\":[]");
    expect(call("GET", "/sessions?state=&limit=&after=", jwt), 200, first);
    static const char *const bad[] = {"state=running",
                                      "limit=0",
                                      "limit=-1",
                                      "limit=201",
                                      "limit=x",
                                      "after=x",
                                      "after=aaaaaaaaaaaaaaaaaaaa"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        cleanup_free char *target = xasprintf("/sessions?%s", bad[i]);
        expect(call("GET", target, jwt), 400, "invalid_request");
    }
}

static void test_paths_of_nothing(void **state)
{
    (void)state;
    cleanup_free char *jwt = login("ann");
    static const struct {
        const char *method, *format;
    } verbs[] = {
        {"GET", "/sessions/%s"},          {"DELETE", "/sessions/%s"},
        {"POST", "/sessions/%s/extend"},  {"GET", "/sessions/%s/members"},
        {"POST", "/sessions/%s/refresh"}, {"POST", "/sessions/%s/kick"},
        {"GET", "/archives/%s"},
    };
    static const char *const ids[] = {"aaaaaaaaaaaaaaaaaaaa", "x",
                                      "AAAAAAAAAAAAAAAAAAAA", "..",
                                      "%2e%2e%2fetc",         "aaaaaaaaaaaaaaaaaaaaa"};
    for (size_t v = 0; v < ARRAY_LEN(verbs); v++)
        for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
            const char *at = strstr(verbs[v].format, "%s");
            cleanup_free char *target =
                xasprintf("%.*s%s%s", (int)(at - verbs[v].format), verbs[v].format, ids[i], at + 2);
            int status = strcmp(verbs[v].method, "POST") == 0
                             ? post(target, jwt, "{\"ttl_secs\":600,\"login\":\"bob\"}")
                             : call(verbs[v].method, target, jwt);
            expect(status, 404, "not_found");
        }
}

static void test_extend(void **state)
{
    (void)state;
    cleanup_free char *jwt = login("ann");
    cleanup_free char *id = create(jwt);
    cleanup_free char *path = xasprintf("/sessions/%s/extend", id);
    expect(post(path, jwt, "{\"ttl_secs\":600000}"), 200, "\"expires_at\":");
    expect(post(path, jwt, "{}"), 400, "ttl_secs");
    expect(post(path, jwt, "{\"ttl_secs\":\"1\"}"), 400, "ttl_secs");
    expect(post(path, jwt, "{\"ttl_secs\":604801}"), 400, "ttl_secs");
    expect(post(path, jwt, "{\"ttl_secs\":-1}"), 400, "ttl_secs");
}

static void test_members_and_kick(void **state)
{
    (void)state;
    cleanup_free char *ann = login("ann");
    cleanup_free char *bob = login("bob");
    expect(post("/sessions", ann, "{\"repo_url\":\"" REPO "\",\"allowed_users\":[\"bob\"]}"), 202,
           NULL);
    cleanup_free char *id = member("id");
    cleanup_free char *one = xasprintf("/sessions/%s", id);
    cleanup_free char *members = xasprintf("/sessions/%s/members", id);
    cleanup_free char *kick = xasprintf("/sessions/%s/kick", id);
    cleanup_free char *refresh = xasprintf("/sessions/%s/refresh", id);
    expect(call("GET", one, bob), 200, id);
    expect(call("GET", members, ann), 200, "\"rule\":\"creator\"");
    assert_has(&w.out, "\"login\":\"bob\"");
    expect(call("GET", members, bob), 403, "forbidden");
    expect(call("DELETE", one, bob), 403, "forbidden");
    expect(post(refresh, ann, NULL), 200, "\"members\":[");
    expect(post(kick, ann, "{}"), 400, "login");
    expect(post(kick, ann, "{\"login\":\"ann\"}"), 400, "invalid_request");
    expect(post(kick, bob, "{\"login\":\"ann\"}"), 403, "forbidden");
    expect(post(kick, ann, "{\"login\":\"bob\"}"), 200, "\"members\":[");
    expect(call("GET", one, bob), 404, "not_found");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_create_and_read),  T(test_create_fields),    T(test_quota),
        T(test_list_parameters),  T(test_paths_of_nothing), T(test_extend),
        T(test_members_and_kick),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
