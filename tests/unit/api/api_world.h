/* The REST API over real HTTP, on the session layer with a keeper that answers at once; for the
 * tests of tests/unit/api. */
#ifndef TESTS_API_WORLD_H
#define TESTS_API_WORLD_H

#include "api/api.h"

#include "../http/http_client.h"
#include "../session/fake_people.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"

#define SECRET "0123456789abcdef0123456789abcdef"
#define REPO "https://192.0.2.1/team/app.git"
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

static inline void send_piece(const struct reply *r, struct json_object *obj)
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

static inline void reply_now(void *payload)
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

static inline void keeper_call(void *self, const char *verb, struct json_object *args,
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

static inline void keeper_events(void *self, keeper_event_fn fn, void *payload)
{
    (void)self;
    (void)fn;
    (void)payload;
}

static inline void find_people(void *self, const struct session_people_query *q,
                               session_people_fn done, void *payload)
{
    (void)self;
    struct session_people people = {0};
    fake_people(&people, q);
    done(0, &people, NULL, payload);
    session_people_release(&people);
}

/* ---- a provider that waits for another machine ---- */

static inline int slow_start(struct auth_provider *p, const struct auth_start_in *in,
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

static inline int slow_poll(struct auth_provider *p, const struct auth_poll_in *in,
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

static inline int slow_identity(struct auth_provider *p, const char *token, struct identity *out,
                                struct err *err)
{
    (void)p;
    if (strcmp(token, "good") != 0)
        return err_set(err, ERR_DENIED, "bad credentials");
    identity_set(out, "slow", "4711", "ann");
    return 0;
}

static inline void slow_free(struct auth_provider *p)
{
    free(p);
}

static const struct auth_provider_ops slow_ops = {.name = "slow",
                                                  .blocking = true,
                                                  .start = slow_start,
                                                  .poll = slow_poll,
                                                  .identity = slow_identity,
                                                  .free = slow_free};

static inline int make_slow(void *payload, struct auth_provider **out, struct err *err)
{
    (void)payload;
    (void)err;
    *out = xcalloc(1, sizeof **out);
    (*out)->ops = &slow_ops;
    return 0;
}

/* ---- the world ---- */

static inline void *run(void *payload)
{
    loop_run(payload, NULL);
    return NULL;
}

static inline void stop(void *payload)
{
    loop_stop(payload);
}

static inline int start_sessions(void)
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

static inline int start(int token_rate, int auth_rate, int other_rate)
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

static inline int setup(void **state)
{
    (void)state;
    return start(0, 0, 0);
}

static inline int setup_limited(void **state)
{
    (void)state;
    return start(2, 3, 4);
}

/* What the keeper still owes is answered before the loop goes. */
static inline int teardown(void **state)
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

static inline int post(const char *target, const char *jwt, const char *body)
{
    cleanup_str struct str headers = STR_INIT;
    str_adds(&headers, JSON);
    if (jwt)
        str_addf(&headers, "Authorization: Bearer %s\r\n", jwt);
    return client_ask(w.port, "POST", target, headers.p, body ? body : "", &w.out);
}

static inline int call(const char *method, const char *target, const char *jwt)
{
    cleanup_str struct str headers = STR_INIT;
    if (jwt)
        str_addf(&headers, "Authorization: Bearer %s\r\n", jwt);
    return client_ask(w.port, method, target, headers.p, NULL, &w.out);
}

/* A string member of the last answer; owned by the caller. */
static inline char *member(const char *name)
{
    cleanup_json struct json_object *obj = NULL;
    const char *text = client_body(&w.out), *value = NULL;
    if (json_parse(text, strlen(text), &obj, NULL) || json_get_str(obj, name, 65536, &value, NULL))
        fail_msg("no %s in:\n%s", name, w.out.p);
    return xstrdup(value ? value : "");
}

static inline void expect(int status, int want, const char *word)
{
    if (status != want || (word && !strstr(w.out.p, word)))
        fail_msg("wanted %d %s, got:\n%s", want, word ? word : "", w.out.p);
}

static inline char *device(const char *query)
{
    cleanup_free char *target = xasprintf("/auth/device?%s", query);
    expect(post(target, NULL, NULL), 200, "\"device_code\":\"");
    return member("device_code");
}

static inline int poll(const char *code, const char *more)
{
    cleanup_free char *body = xasprintf("{\"device_code\":\"%s\"%s}", code, more);
    return post("/auth/poll", NULL, body);
}

static inline char *login(const char *name)
{
    cleanup_free char *code = device("provider=fake");
    cleanup_free char *more = xasprintf(",\"login\":\"%s\"", name);
    expect(poll(code, more), 200, "\"status\":\"complete\"");
    return member("jwt");
}

static inline char *create(const char *jwt)
{
    expect(post("/sessions", jwt, "{\"repo_url\":\"" REPO "\"}"), 202, "\"magic_link\":\"steady");
    return member("id");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
