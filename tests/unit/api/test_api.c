/* The REST API over real HTTP, on the session layer with a keeper that answers at once. */
#include "api/api.h"

#include "../http/http_client.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"

#define SECRET "0123456789abcdef0123456789abcdef"
#define REPO "https://192.0.2.1/team/app.git"
#define KEY "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define ARCHIVE_SIZE 3000000
#define JSON "Content-Type: application/json\r\n"

static struct world {
    struct loop *loop;
    struct work_pool *pool;
    struct store *store;
    struct sessions *sessions;
    struct auth_providers *providers;
    struct keeper_link link;
    struct session_directory directory;
    struct api *api;
    pthread_t thread;
    int port;
    char *allowed_host;
    bool engine_down;
    struct str out;
} w;

/* ---- a keeper ---- */

struct reply {
    char verb[16];
    int64_t offset;
    keeper_data_fn on_data;
    keeper_reply_fn on_reply;
    void *payload;
};

static const char *answer_of(const char *verb)
{
    if (strcmp(verb, "members") == 0)
        return "{\"members\":[]}";
    if (strcmp(verb, "list") == 0)
        return "{\"sessions\":[]}";
    if (strcmp(verb, "archives") == 0)
        return "{\"archives\":[{\"session_id\":\"aaaaaaaaaaaaaaaaaaaa\",\"size\":1,\"created_at\":"
               "1}]}";
    if (strcmp(verb, "info") == 0)
        return "{\"ok\":true,\"working\":true,\"provider\":\"container\",\"engine\":{\"name\":"
               "\"podman\"},"
               "\"warnings\":[],\"checks\":[{\"check\":\"engine\",\"result\":\"ok\","
               "\"detail\":\"podman\"}]}";
    return "{}";
}

static void send_piece(const struct reply *r, struct json_object *obj)
{
    static char piece[60000];
    int64_t left = ARCHIVE_SIZE - r->offset;
    int64_t n = left > SESSION_ARCHIVE_PIECE ? SESSION_ARCHIVE_PIECE : left;
    memset(piece, 'b', sizeof piece);
    while (n > 0) {
        int64_t some = n > (int64_t)sizeof piece ? (int64_t)sizeof piece : n;
        r->on_data(piece, (size_t)some, r->payload);
        n -= some;
    }
    json_add_i64(obj, "size", ARCHIVE_SIZE);
}

static void reply_now(void *payload)
{
    struct reply *r = payload;
    struct err err = ERR_INIT;
    cleanup_json struct json_object *obj = NULL;
    const char *text = answer_of(r->verb);
    assert_int_equal(json_parse(text, strlen(text), &obj, NULL), 0);
    if (strcmp(r->verb, "archive_get") == 0)
        send_piece(r, obj);
    if (w.engine_down) {
        err_set(&err, ERR_UNAVAILABLE, "the engine does not answer");
        r->on_reply(ERR_UNAVAILABLE, NULL, &err, r->payload);
    } else {
        r->on_reply(0, obj, NULL, r->payload);
    }
    free(r);
}

static void keeper_call(void *self, const char *verb, struct json_object *args,
                        keeper_data_fn on_data, keeper_reply_fn on_reply, void *payload)
{
    (void)self;
    struct reply *r = xcalloc(1, sizeof *r);
    snprintf(r->verb, sizeof r->verb, "%s", verb);
    r->on_data = on_data;
    r->on_reply = on_reply;
    r->payload = payload;
    if (args)
        json_opt_i64(args, "offset", 0, INT64_MAX, &r->offset, NULL);
    json_object_put(args);
    loop_add_timer(w.loop, 0, false, reply_now, r);
}

static void keeper_events(void *self, keeper_event_fn fn, void *payload)
{
    (void)self;
    (void)fn;
    (void)payload;
}

static void find_people(void *self, const struct session_people_query *q, session_people_fn done,
                        void *payload)
{
    (void)self;
    struct session_people people = {0};
    struct session_person *p = session_people_add(&people, q->creator->provider, q->creator->login,
                                                  q->creator->subject, "creator");
    strv_push(&p->keys, KEY);
    for (size_t i = 0; i < q->n_allowed; i++) {
        cleanup_free char *name = xstrdup(q->allowed[i]);
        char *colon = strchr(name, ':');
        *colon = '\0';
        p = session_people_add(&people, name, colon + 1, NULL, "allowed");
        strv_push(&p->keys, KEY);
    }
    done(0, &people, NULL, payload);
    session_people_release(&people);
}

/* ---- a provider that waits for another machine ---- */

static int slow_start(struct auth_provider *p, const struct auth_start_in *in,
                      struct auth_start_out *out, struct err *err)
{
    (void)p;
    if (in->variant && strcmp(in->variant, "down") == 0)
        return err_set(err, ERR_UNAVAILABLE, "the forge does not answer");
    str_adds(&out->user_code, "ABCD-EFGH");
    str_adds(&out->verification_uri, "https://forge.example/device");
    str_adds(&out->verification_uri_complete, "https://forge.example/device?c=ABCD-EFGH");
    out->expires_in = 900;
    out->interval = 1;
    out->state = json_object_new_object();
    json_add_str(out->state, "variant", in->variant);
    return 0;
}

static int slow_poll(struct auth_provider *p, const struct auth_poll_in *in,
                     struct auth_poll_out *out, struct err *err)
{
    const char *variant = "";
    (void)p;
    json_opt_str(in->state, "variant", 32, &variant, NULL);
    if (strcmp(variant, "denied") == 0) {
        out->status = AUTH_DENIED;
    } else if (strcmp(variant, "slow") == 0) {
        out->status = AUTH_SLOW_DOWN;
    } else if (strcmp(variant, "lies") == 0) {
        return err_set(err, ERR_FAILED, "the forge answered nonsense");
    } else {
        out->status = AUTH_COMPLETE;
        identity_set(&out->who, "slow", "4711", "ann");
    }
    return 0;
}

static int slow_identity(struct auth_provider *p, const char *token, struct identity *out,
                         struct err *err)
{
    (void)p;
    if (strcmp(token, "good") != 0)
        return err_set(err, ERR_DENIED, "bad credentials");
    identity_set(out, "slow", "4711", "ann");
    return 0;
}

static void slow_free(struct auth_provider *p)
{
    free(p);
}

static const struct auth_provider_ops slow_ops = {.name = "slow",
                                                  .blocking = true,
                                                  .start = slow_start,
                                                  .poll = slow_poll,
                                                  .identity = slow_identity,
                                                  .free = slow_free};

static int make_slow(void *payload, struct auth_provider **out, struct err *err)
{
    (void)payload;
    (void)err;
    *out = xcalloc(1, sizeof **out);
    (*out)->ops = &slow_ops;
    return 0;
}

/* ---- the world ---- */

static void *run(void *payload)
{
    loop_run(payload, NULL);
    return NULL;
}

static void stop(void *payload)
{
    loop_stop(payload);
}

static int start_sessions(void)
{
    w.allowed_host = xstrdup("192.0.2.0/24");
    w.link = (struct keeper_link){.call = keeper_call, .set_events = keeper_events};
    w.directory = (struct session_directory){.find = find_people};
    struct session_config config = {
        .server_id = "server",
        .compute_provider = "container",
        .external_host = "host.example",
        .ssh_user = "steadystate",
        .ssh_bind = "192.0.2.77",
        .port_first = 20000,
        .port_last = 20100,
        .subnets = "10.213.0.0/16",
        .image = "image",
        .allowed_hosts = &w.allowed_host,
        .n_allowed_hosts = 1,
        .default_ttl = 172800,
        .max_ttl = 604800,
        .idle_ttl = 7200,
        .max_per_user = 3,
        .tick_ms = 100,
    };
    return sessions_new(&config, w.store, &w.link, &w.directory, w.loop, &clock_real, &w.sessions,
                        NULL);
}

static int start(int token_rate, int auth_rate, int other_rate)
{
    memset(&w, 0, sizeof w);
    w.out = (struct str)STR_INIT;
    w.providers = auth_providers_new();
    auth_fake_register(w.providers);
    auth_providers_register(w.providers, "slow", make_slow, NULL, NULL);
    if (loop_new(&w.loop, NULL) || work_pool_new(w.loop, 2, &w.pool, NULL) ||
        store_open("sqlite::memory:", &w.store, NULL) || start_sessions())
        return -1;
    struct api_options o = {
        .loop = w.loop,
        .pool = w.pool,
        .store = w.store,
        .sessions = w.sessions,
        .providers = w.providers,
        .clock = &clock_real,
        .bind = "127.0.0.1",
        .jwt_secret = SECRET,
        .jwt_issuer = "steadystate",
        .jwt_ttl = 900,
        .refresh_ttl = 3600,
        .rates = {token_rate, auth_rate, other_rate},
    };
    if (api_start(&o, &w.api, NULL))
        return -1;
    w.port = api_port(w.api);
    loop_set_wake(w.loop, stop, w.loop);
    return pthread_create(&w.thread, NULL, run, w.loop);
}

static int setup(void **state)
{
    (void)state;
    return start(0, 0, 0);
}

static int setup_limited(void **state)
{
    (void)state;
    return start(2, 3, 4);
}

/* What the keeper still owes is answered before the loop goes. */
static int teardown(void **state)
{
    (void)state;
    loop_wake(w.loop);
    pthread_join(w.thread, NULL);
    loop_add_timer(w.loop, 50, false, stop, w.loop);
    loop_run(w.loop, NULL);
    sessions_free(w.sessions);
    work_pool_free(w.pool);
    api_free(w.api);
    auth_providers_free(w.providers);
    store_close(w.store);
    loop_free(w.loop);
    str_release(&w.out);
    free(w.allowed_host);
    return 0;
}

/* ---- asking ---- */

static int post(const char *target, const char *jwt, const char *body)
{
    cleanup_str struct str headers = STR_INIT;
    str_adds(&headers, JSON);
    if (jwt)
        str_addf(&headers, "Authorization: Bearer %s\r\n", jwt);
    return client_ask(w.port, "POST", target, headers.p, body ? body : "", &w.out);
}

static int call(const char *method, const char *target, const char *jwt)
{
    cleanup_str struct str headers = STR_INIT;
    if (jwt)
        str_addf(&headers, "Authorization: Bearer %s\r\n", jwt);
    return client_ask(w.port, method, target, headers.p, NULL, &w.out);
}

/* A string member of the last answer; owned by the caller. */
static char *member(const char *name)
{
    cleanup_json struct json_object *obj = NULL;
    const char *text = client_body(&w.out), *value = NULL;
    if (json_parse(text, strlen(text), &obj, NULL) || json_get_str(obj, name, 65536, &value, NULL))
        fail_msg("no %s in:\n%s", name, w.out.p);
    return xstrdup(value ? value : "");
}

static void expect(int status, int want, const char *word)
{
    if (status != want || (word && !strstr(w.out.p, word)))
        fail_msg("wanted %d %s, got:\n%s", want, word ? word : "", w.out.p);
}

static char *device(const char *query)
{
    cleanup_free char *target = xasprintf("/auth/device?%s", query);
    expect(post(target, NULL, NULL), 200, "\"device_code\":\"");
    return member("device_code");
}

static int poll(const char *code, const char *more)
{
    cleanup_free char *body = xasprintf("{\"device_code\":\"%s\"%s}", code, more);
    return post("/auth/poll", NULL, body);
}

static char *login(const char *name)
{
    cleanup_free char *code = device("provider=fake");
    cleanup_free char *more = xasprintf(",\"login\":\"%s\"", name);
    expect(poll(code, more), 200, "\"status\":\"complete\"");
    return member("jwt");
}

static char *create(const char *jwt)
{
    expect(post("/sessions", jwt, "{\"repo_url\":\"" REPO "\"}"), 202, "\"magic_link\":\"steady");
    return member("id");
}

/* ---- login ---- */

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

/* ---- sessions ---- */

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
        {"{\"repo_url\":\"" REPO "\",\"mode\":\"solo\"}", "mode"},
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

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_login_and_me),
        T(test_device_errors),
        T(test_poll_errors),
        T(test_pending),
        T(test_blocking_provider),
        T(test_access_token),
        T(test_refresh_and_revoke),
        T(test_create_and_read),
        T(test_create_fields),
        T(test_quota),
        T(test_list_parameters),
        T(test_paths_of_nothing),
        T(test_extend),
        T(test_members_and_kick),
        T(test_archives),
        T(test_archive_left_early),
        T(test_health),
        T(test_engine_down),
        cmocka_unit_test_setup_teardown(test_rate_limits, setup_limited, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
