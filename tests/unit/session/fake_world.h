/*
 * What the session layer stands on, for its tests: a clock that only moves when told, a keeper
 * whose calls are written down and answered by the test, a directory that answers at once or when
 * told, a store in memory.
 */
#ifndef TESTS_FAKE_WORLD_H
#define TESTS_FAKE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_people.h"

#define FAKE_CALLS_MAX 512
#define REPO                                                                             \
    "https://192.0.2.1/team/app.git" /* allowed by the configuration, no resolver needed \
                                      */
#define HELPER static __attribute__((unused))

struct fake_call {
    char verb[32];
    struct json_object *args;
    keeper_data_fn on_data;
    keeper_reply_fn on_reply;
    void *payload;
    bool answered;
};

struct fake_world {
    struct loop *loop;
    struct store *store;
    struct sessions *sessions;
    struct clock clock;
    int64_t now; /* seconds; monotonic time goes with it */
    struct keeper_link link;
    keeper_event_fn on_event;
    void *event_payload;
    struct fake_call calls[FAKE_CALLS_MAX];
    size_t n_calls;
    struct session_directory directory;
    const char *directory_why; /* set: it cannot answer */
    bool directory_holds;      /* keeps the next question */
    session_people_fn held;
    void *held_payload;
    const char *token; /* what the directory hands out for the repository; NULL: nothing */
    uint64_t token_serial;
    int directory_asked;
    struct session_config config;
    char *allowed_host;

    /* last answer of an api verb */
    int answers;
    int code;
    struct err err;
    struct json_object *json;
    char id[SESSION_ID_LEN + 1];
};

static const struct session_caller ann = {"sshkey", "ann", "ann"};
static const struct session_caller bob = {"sshkey", "bob", "bob"};
static const struct session_caller eve = {"github", "ann", "ann"}; /* the same name elsewhere */

/* ---- the fakes
 * ------------------------------------------------------------------------------------- */

HELPER int64_t fake_now(void *payload)
{
    return ((struct fake_world *)payload)->now;
}

HELPER int64_t fake_mono(void *payload)
{
    return ((struct fake_world *)payload)->now * 1000;
}

HELPER void fake_keeper_call(void *self, const char *verb, struct json_object *args,
                             keeper_data_fn on_data, keeper_reply_fn on_reply, void *payload)
{
    struct fake_world *w = self;
    assert_true(w->n_calls < FAKE_CALLS_MAX);
    struct fake_call *c = &w->calls[w->n_calls++];
    *c = (struct fake_call){
        .args = args, .on_data = on_data, .on_reply = on_reply, .payload = payload};
    snprintf(c->verb, sizeof c->verb, "%s", verb);
}

HELPER void fake_set_events(void *self, keeper_event_fn fn, void *payload)
{
    struct fake_world *w = self;
    w->on_event = fn;
    w->event_payload = payload;
}

/* The creator, and each allowed name; bob too when nothing was given (the team). */
HELPER void fake_find(void *self, const struct session_people_query *q, session_people_fn done,
                      void *payload)
{
    struct fake_world *w = self;
    w->directory_asked++;
    if (w->directory_holds) {
        w->directory_holds = false;
        w->held = done;
        w->held_payload = payload;
        return;
    }
    if (w->directory_why) {
        struct err err = ERR_INIT;
        err_set(&err, ERR_UNAVAILABLE, "%s", w->directory_why);
        done(ERR_UNAVAILABLE, NULL, &err, payload);
        return;
    }
    struct session_people people = {0};
    fake_people(&people, q);
    if (!q->allowed_given)
        fake_person(&people, "sshkey", "bob", "bob", "team");
    if (w->token)
        people.token = session_token_new("forge.example", "git", w->token);
    people.token_serial = w->token_serial;
    done(0, &people, NULL, payload);
    session_people_release(&people);
}

/* ---- the world
 * ------------------------------------------------------------------------------------------ */

HELPER void world_start(struct fake_world *w)
{
    struct err err = ERR_INIT;
    if (sessions_new(&w->config, w->store, &w->link, &w->directory, w->loop, &w->clock,
                     &w->sessions, &err) != 0)
        fail_msg("%s", err.msg);
}

HELPER struct fake_world *world_new(void)
{
    struct fake_world *w = xcalloc(1, sizeof *w);
    w->now = 1000000;
    w->clock = (struct clock){.now = fake_now, .mono_ms = fake_mono, .payload = w};
    w->link =
        (struct keeper_link){.call = fake_keeper_call, .set_events = fake_set_events, .self = w};
    w->directory = (struct session_directory){.find = fake_find, .self = w};
    w->allowed_host = xstrdup("192.0.2.0/24");
    w->config = (struct session_config){
        .server_id = "server",
        .compute_provider = "container",
        .external_host = "host.example",
        .ssh_user = "steadystate",
        .ssh_bind = "192.0.2.77", /* nobody's: no port of this machine is asked about */
        .port_first = 20000,
        .port_last = 20001,
        .subnets = "10.213.0.0/24",
        .image = "image",
        .allowed_hosts = &w->allowed_host,
        .n_allowed_hosts = 1,
        .default_ttl = 172800,
        .max_ttl = 604800,
        .idle_ttl = 7200,
        .max_per_user = 3,
        .tick_ms = 3600000,
    };
    assert_int_equal(loop_new(&w->loop, NULL), 0);
    assert_int_equal(store_open("sqlite::memory:", &w->store, NULL), 0);
    world_start(w);
    return w;
}

/* Calls that nobody answered are answered as the stub does when its keeper is gone. */
HELPER void world_drop_calls(struct fake_world *w)
{
    struct err err = ERR_INIT;
    err_set(&err, ERR_CANCELLED, "the keeper is gone");
    for (size_t i = 0; i < w->n_calls; i++) {
        struct fake_call *c = &w->calls[i];
        if (!c->answered)
            c->on_reply(ERR_CANCELLED, NULL, &err, c->payload);
        json_object_put(c->args);
    }
    w->n_calls = 0;
}

HELPER void world_free(struct fake_world *w)
{
    sessions_free(w->sessions);
    world_drop_calls(w);
    if (w->held) {
        struct err err = ERR_INIT;
        err_set(&err, ERR_CANCELLED, "late");
        w->held(ERR_CANCELLED, NULL, &err, w->held_payload);
    }
    store_close(w->store);
    loop_free(w->loop);
    json_object_put(w->json);
    free(w->allowed_host);
    free(w);
}

/* The server stops and comes back. */
HELPER void world_restart(struct fake_world *w)
{
    sessions_free(w->sessions);
    world_drop_calls(w);
    world_start(w);
}

/* ---- the keeper's side
 * -------------------------------------------------------------------------------------- */

/* The oldest unanswered call of a verb; NULL: none. */
HELPER struct fake_call *world_call(struct fake_world *w, const char *verb)
{
    for (size_t i = 0; i < w->n_calls; i++)
        if (!w->calls[i].answered && strcmp(w->calls[i].verb, verb) == 0)
            return &w->calls[i];
    return NULL;
}

HELPER void world_answer(struct fake_call *call, const char *json)
{
    cleanup_json struct json_object *obj = NULL;
    assert_int_equal(json_parse(json, strlen(json), &obj, NULL), 0);
    call->answered = true;
    call->on_reply(0, obj, NULL, call->payload);
}

HELPER void world_refuse(struct fake_world *w, const char *verb, int code, const char *why)
{
    struct err err = ERR_INIT;
    err_set(&err, code, "%s", why);
    struct fake_call *call = world_call(w, verb);
    assert_non_null(call);
    call->answered = true;
    call->on_reply(code, NULL, &err, call->payload);
}

HELPER void world_ok(struct fake_world *w, const char *verb, const char *json)
{
    struct fake_call *call = world_call(w, verb);
    if (!call)
        fail_msg("the keeper was not asked to %s", verb);
    else
        world_answer(call, json);
}

HELPER void world_event(struct fake_world *w, const char *event, const char *id, const char *json)
{
    cleanup_json struct json_object *obj = NULL;
    assert_int_equal(json_parse(json, strlen(json), &obj, NULL), 0);
    json_add_str(obj, "session_id", id);
    w->on_event(event, obj, w->event_payload);
}

HELPER void world_pass(struct fake_world *w, int64_t seconds)
{
    w->now += seconds;
    sessions_tick(w->sessions);
}

/* ---- the api's side
 * --------------------------------------------------------------------------------------------- */

HELPER void world_reply(int code, const char *json, size_t len, const struct err *err,
                        void *payload)
{
    struct fake_world *w = payload;
    json_object_put(w->json);
    w->json = NULL;
    w->answers++;
    w->code = code;
    err_clear(&w->err);
    if (code)
        w->err = *err;
    else
        assert_int_equal(json_parse(json, len, &w->json, NULL), 0);
    loop_stop(w->loop);
}

HELPER const char *json_text(struct json_object *obj, const char *member)
{
    const char *text = NULL;
    json_opt_str(obj, member, 65536, &text, NULL);
    return text;
}

HELPER int64_t json_number(struct json_object *obj, const char *member)
{
    int64_t n = INT64_MIN;
    json_opt_i64(obj, member, INT64_MIN, INT64_MAX, &n, NULL);
    return n;
}

/* Creates; the id, or NULL with w->code and w->err. */
HELPER const char *world_create_as(struct fake_world *w, const struct session_caller *who,
                                   const struct session_request *request)
{
    int before = w->answers;
    session_create(w->sessions, who, request, world_reply, w);
    if (w->answers == before)
        assert_int_equal(loop_run(w->loop, NULL), 0);
    assert_int_equal(w->answers, before + 1);
    if (w->code)
        return NULL;
    snprintf(w->id, sizeof w->id, "%s", json_text(w->json, "id"));
    return w->id;
}

HELPER const char *world_create(struct fake_world *w)
{
    const struct session_request request = {.repo_url = REPO};
    const char *id = world_create_as(w, &ann, &request);
    if (!id)
        fail_msg("not created: %s", w->err.msg);
    return id;
}

/* ... and takes it to Running. */
HELPER const char *world_running(struct fake_world *w)
{
    const char *id = world_create(w);
    world_ok(w, "start", "{}");
    world_event(w, "ready", id, "{}");
    return id;
}

/* The SessionInfo as ann sees it, until the next call. */
HELPER struct json_object *world_info(struct fake_world *w, const char *id)
{
    cleanup_str struct str text = STR_INIT;
    json_object_put(w->json);
    w->json = NULL;
    assert_int_equal(session_get(w->sessions, &ann, id, &text, NULL), 0);
    assert_int_equal(json_parse(text.p, text.len, &w->json, NULL), 0);
    return w->json;
}

HELPER const char *world_state(struct fake_world *w, const char *id)
{
    return json_text(world_info(w, id), "state");
}

HELPER int setup_world(void **state)
{
    *state = world_new();
    return 0;
}

HELPER int teardown_world(void **state)
{
    world_free(*state);
    return 0;
}

#endif
