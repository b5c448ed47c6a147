/* The keeper as a whole: real server and stub over a socket pair, a provider whose agents are
 * threads here. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/frame.h"
#include "base/path.h"
#include "keeper/server.h"
#include "keeper/stub.h"
#include "keeper_spec.h"

#define AGENTS_MAX 64

struct world;

struct fake_agent {
    struct world *w;
    int fd;
    int keeper_fd; /* its other end, until the keeper has it */
    char id[SESSION_ID_LEN + 1];
    pthread_t thread;
};

struct world {
    char dir[64];
    int api_fd;
    pthread_t keeper;
    struct keeper_options options;
    int keeper_code;
    struct loop *loop;
    struct keeper_stub *stub;
    int lost;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct fake_agent agents[AGENTS_MAX];
    size_t n_agents;
    int infos; /* inside info */
    int meet;  /* info returns when so many are inside */
    int starts, removes, stops;
    int start_code;
    const char *state;   /* what agents answer to hello */
    const char *content; /* of an archive; NULL: nothing to archive */
    bool archive_breaks;
    char hello[256];

    int answers;
    int code;
    struct err err;
    struct json_object *reply;
    struct str data;
    char events[1024];
};

/* ---- agents
 * --------------------------------------------------------------------------------------------- */

static void agent_reply(struct fake_agent *a, uint32_t id, const char *json)
{
    frame_write(a->fd, 'J', id, json, strlen(json), NULL);
}

static void agent_archive(struct fake_agent *a, uint32_t id)
{
    struct world *w = a->w;
    if (!w->content) {
        agent_reply(a, id, "{\"ok\":true,\"empty\":true}");
        return;
    }
    frame_write(a->fd, 'D', id, w->content, strlen(w->content), NULL);
    if (w->archive_breaks) {
        agent_reply(a, id, "{\"ok\":false,\"error\":\"no_space\",\"detail\":\"disk full\"}");
        return;
    }
    frame_write(a->fd, 'E', id, "", 0, NULL);
    agent_reply(a, id, "{\"ok\":true}");
}

/* False: it ends. */
static bool agent_serve(struct fake_agent *a, uint32_t id, struct json_object *obj)
{
    struct world *w = a->w;
    const char *verb = "";
    json_opt_str(obj, "verb", 64, &verb, NULL);
    if (strcmp(verb, "hello") == 0) {
        char text[64];
        pthread_mutex_lock(&w->lock);
        cleanup_str struct str all = STR_INIT;
        json_print(obj, &all);
        snprintf(w->hello, sizeof w->hello, "%s", all.p);
        snprintf(text, sizeof text, "{\"ok\":true,\"state\":\"%s\"}", w->state);
        pthread_mutex_unlock(&w->lock);
        if (strcmp(w->state, "starting") != 0)
            agent_reply(a, 0, "{\"event\":\"ready\"}");
        agent_reply(a, id, text);
    } else if (strcmp(verb, "archive") == 0) {
        agent_archive(a, id);
    } else if (strcmp(verb, "members") == 0) {
        agent_reply(a, id,
                    "{\"ok\":true,\"members\":[{\"login\":\"ann\",\"provider\":\"sshkey\","
                    "\"connected\":true,\"since\":3,\"extra\":1},{\"login\":\"../x\"}]}");
    } else if (strcmp(verb, "health") == 0) {
        agent_reply(a, id,
                    "{\"ok\":true,\"state\":\"ready\",\"last_activity_at\":9,\"connected\":2}");
    } else if (strcmp(verb, "die") == 0) {
        return false;
    } else {
        agent_reply(a, id, "{\"ok\":true}");
    }
    return strcmp(verb, "shutdown") != 0;
}

static void *agent_thread(void *payload)
{
    struct fake_agent *a = payload;
    for (bool go_on = true; go_on;) {
        cleanup_json struct json_object *obj = NULL;
        uint32_t id = 0;
        go_on = frame_read_json(a->fd, &id, &obj, NULL) == 0 && agent_serve(a, id, obj);
    }
    shutdown(a->fd, SHUT_RDWR);
    return NULL;
}

/* ---- the provider
 * ---------------------------------------------------------------------------------------- */

static int fake_info(void *self, struct provider_info *out, struct err *err)
{
    (void)err;
    struct world *w = self;
    pthread_mutex_lock(&w->lock);
    w->infos++;
    pthread_cond_broadcast(&w->changed);
    while (w->infos < w->meet)
        pthread_cond_wait(&w->changed, &w->lock);
    pthread_mutex_unlock(&w->lock);
    out->ok = true;
    snprintf(out->engine, sizeof out->engine, "fake");
    strv_push(&out->warnings, "careful");
    return 0;
}

static int new_agent(struct world *w, const char *id, struct provider_conn *out)
{
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
        return ERR_FAILED;
    pthread_mutex_lock(&w->lock);
    struct fake_agent *a = &w->agents[w->n_agents++];
    pthread_mutex_unlock(&w->lock);
    *a = (struct fake_agent){.w = w, .fd = fds[0]};
    memcpy(a->id, id, sizeof a->id);
    out->fd = fds[1];
    return pthread_create(&a->thread, NULL, agent_thread, a) == 0 ? 0 : ERR_FAILED;
}

static int fake_start(void *self, const struct session_spec *spec,
                      const struct provider_progress *progress, struct provider_conn *out,
                      struct err *err)
{
    struct world *w = self;
    progress->report(progress->payload, "network", 10, "making");
    pthread_mutex_lock(&w->lock);
    int code = w->start_code;
    w->starts++;
    pthread_mutex_unlock(&w->lock);
    return code ? err_set(err, code, "start failed") : new_agent(w, spec->id, out);
}

static int fake_attach(void *self, const char *id, struct provider_conn *out, struct err *err)
{
    (void)self;
    (void)id;
    (void)out;
    return err_set(err, ERR_NOT_FOUND, "it does not run");
}

static int fake_stop(void *self, const char *id, int grace_ms, struct err *err)
{
    (void)id;
    (void)grace_ms;
    (void)err;
    struct world *w = self;
    pthread_mutex_lock(&w->lock);
    w->stops++;
    pthread_mutex_unlock(&w->lock);
    return 0;
}

static int fake_remove(void *self, const char *id, struct err *err)
{
    (void)id;
    (void)err;
    struct world *w = self;
    pthread_mutex_lock(&w->lock);
    w->removes++;
    pthread_mutex_unlock(&w->lock);
    return 0;
}

static int fake_list(void *self, struct provider_sessions *out, struct err *err)
{
    (void)self;
    (void)err;
    const char *ids[] = {ID_A, ID_B};
    for (size_t i = 0; i < 2; i++) {
        VEC_GROW(out->v, out->len, out->cap);
        struct provider_session *s = &out->v[out->len++];
        *s = (struct provider_session){.running = i == 0};
        memcpy(s->id, ids[i], sizeof s->id);
    }
    return 0;
}

static const struct provider_ops fake_ops = {
    .name = "fake",
    .info = fake_info,
    .start = fake_start,
    .attach = fake_attach,
    .stop = fake_stop,
    .remove = fake_remove,
    .list = fake_list,
};

/* ---- the world
 * ---------------------------------------------------------------------------------------------- */

static void *keeper_thread(void *payload)
{
    struct world *w = payload;
    w->keeper_code = keeper_serve(&w->options, NULL);
    return NULL;
}

static void on_lost(void *payload, const struct err *why)
{
    (void)why;
    struct world *w = payload;
    w->lost++;
    loop_stop(w->loop);
}

static void on_event(const char *event, struct json_object *obj, void *payload)
{
    (void)event;
    struct world *w = payload;
    cleanup_str struct str text = STR_INIT;
    json_print(obj, &text);
    size_t n = strlen(w->events);
    snprintf(w->events + n, sizeof w->events - n, "%s\n", text.p);
    loop_stop(w->loop);
}

static int setup(void **state)
{
    struct world *w = xcalloc(1, sizeof *w);
    int fds[2];
    snprintf(w->dir, sizeof w->dir, "/tmp/steadystate-keeper-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, NULL);
    w->data = (struct str)STR_INIT;
    w->state = "starting";
    w->options = (struct keeper_options){.fd = fds[1],
                                         .server_id = "server",
                                         .archive_dir = w->dir,
                                         .provider = {.ops = &fake_ops, .self = w}};
    w->api_fd = fds[0];
    assert_int_equal(loop_new(&w->loop, NULL), 0);
    assert_int_equal(keeper_stub_new(w->loop, fds[0], on_lost, w, &w->stub, NULL), 0);
    const struct keeper_link *link = keeper_stub_link(w->stub);
    link->set_events(link->self, on_event, w);
    assert_int_equal(pthread_create(&w->keeper, NULL, keeper_thread, w), 0);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    keeper_stub_free(w->stub);
    pthread_join(w->keeper, NULL);
    for (size_t i = 0; i < w->n_agents; i++) {
        shutdown(w->agents[i].fd, SHUT_RDWR);
        pthread_join(w->agents[i].thread, NULL);
        close(w->agents[i].fd);
    }
    loop_free(w->loop);
    path_remove_tree(AT_FDCWD, w->dir, NULL);
    json_object_put(w->reply);
    str_release(&w->data);
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->changed);
    free(w);
    return 0;
}

static void on_data(const char *data, size_t len, void *payload)
{
    struct world *w = payload;
    str_add(&w->data, data, len);
}

static void on_reply(int code, struct json_object *reply, const struct err *err, void *payload)
{
    struct world *w = payload;
    w->answers++;
    w->code = code;
    err_clear(&w->err);
    if (code)
        w->err = *err;
    json_object_put(w->reply);
    w->reply = json_object_get(reply);
    loop_stop(w->loop);
}

static void ask(struct world *w, const char *verb, struct json_object *args)
{
    const struct keeper_link *link = keeper_stub_link(w->stub);
    link->call(link->self, verb, args, on_data, on_reply, w);
}

static void wait_answers(struct world *w, int n)
{
    while (w->answers < n && !w->lost)
        assert_int_equal(loop_run(w->loop, NULL), 0);
}

/* Asks and waits; the code. */
static int call(struct world *w, const char *verb, struct json_object *args)
{
    int n = w->answers + 1;
    ask(w, verb, args);
    wait_answers(w, n);
    return w->code;
}

static struct json_object *id_args(const char *id)
{
    struct json_object *args = json_object_new_object();
    json_add_str(args, "session_id", id);
    return args;
}

static struct json_object *start_args(const char *id)
{
    struct json_object *args = json_object_new_object();
    json_add(args, "spec", spec_json(id));
    return args;
}

static struct json_object *stop_args(const char *id, bool archive)
{
    struct json_object *args = start_args(id);
    json_add_str(args, "session_id", id);
    json_add_bool(args, "archive", archive);
    return args;
}

static void wait_event(struct world *w, const char *text)
{
    while (!strstr(w->events, text) && !w->lost)
        assert_int_equal(loop_run(w->loop, NULL), 0);
    assert_non_null(strstr(w->events, text));
}

static const char *text_of(struct json_object *obj)
{
    static char out[1024];
    cleanup_str struct str s = STR_INIT;
    json_print(obj, &s);
    snprintf(out, sizeof out, "%s", s.p);
    return out;
}

/* ---- tests
 * ------------------------------------------------------------------------------------------------------
 */

static void test_sixteen_at_once_and_nobody_waits(void **state)
{
    struct world *w = *state;
    w->meet = 16;
    for (int i = 0; i < 15; i++)
        ask(w, "info", NULL);
    /* Fifteen hang in the engine; something quick overtakes them all. */
    assert_int_equal(call(w, "archives", NULL), 0);
    assert_int_equal(w->answers, 1);
    ask(w, "info", NULL);
    wait_answers(w, 17);
    assert_int_equal(w->code, 0);
    assert_non_null(strstr(text_of(w->reply), "\"warnings\":[\"careful\"]"));
}

static void test_start_members_health(void **state)
{
    struct world *w = *state;
    assert_int_equal(call(w, "health", id_args(ID_A)), 0);
    assert_string_equal(text_of(w->reply), "{\"state\":\"gone\",\"ok\":true}");
    assert_int_equal(call(w, "members", id_args(ID_A)), ERR_UNAVAILABLE);
    assert_int_equal(call(w, "start", start_args(ID_A)), 0);
    wait_event(w, "\"stage\":\"network\"");
    assert_int_equal(call(w, "members", id_args(ID_A)), 0);
    assert_string_equal(
        text_of(w->reply),
        "{\"members\":[{\"login\":\"ann\",\"provider\":\"sshkey\",\"connected\":true,"
        "\"since\":3}],\"ok\":true}");
    assert_int_equal(call(w, "health", id_args(ID_A)), 0);
    assert_non_null(strstr(text_of(w->reply), "\"connected\":2"));
    assert_int_equal(call(w, "list", NULL), 0);
    assert_non_null(strstr(text_of(w->reply), "\"connected\":true"));
    assert_non_null(strstr(text_of(w->reply), "\"connected\":false"));
}

static void test_start_again_says_hello_only(void **state)
{
    struct world *w = *state;
    assert_int_equal(call(w, "start", start_args(ID_A)), 0);
    w->state = "ready";
    assert_int_equal(call(w, "start", start_args(ID_A)), 0);
    assert_int_equal(w->starts, 1);
    wait_event(w, "\"event\":\"ready\"");
}

static void test_start_failure(void **state)
{
    struct world *w = *state;
    w->start_code = ERR_EXISTS;
    assert_int_equal(call(w, "start", start_args(ID_A)), ERR_EXISTS);
    assert_string_equal(w->err.msg, "start failed");
    struct json_object *bad = start_args(ID_A);
    json_add_str(json_object_object_get(bad, "spec"), "server_id", "other");
    assert_int_equal(call(w, "start", bad), ERR_INVALID);
    assert_int_equal(w->starts, 1);
}

static void test_token_reaches_the_agent(void **state)
{
    struct world *w = *state;
    struct json_object *args = start_args(ID_A);
    struct json_object *token = json_object_new_object();
    json_add_str(token, "host", "forge.example");
    json_add_str(token, "username", "u");
    json_add_str(token, "secret", "tops3cret");
    json_add(args, "token", token);
    assert_int_equal(call(w, "start", args), 0);
    assert_non_null(strstr(w->hello, "tops3cret"));
}

static void test_stop_archives_first(void **state)
{
    struct world *w = *state;
    w->state = "ready";
    w->content = "bundle of work";
    assert_int_equal(call(w, "start", start_args(ID_A)), 0);
    assert_int_equal(call(w, "stop", stop_args(ID_A, true)), 0);
    assert_non_null(strstr(text_of(w->reply), "\"archived\":true"));
    assert_int_equal(w->removes, 1);
    assert_int_equal(call(w, "archives", NULL), 0);
    assert_non_null(strstr(text_of(w->reply), ID_A));
    struct json_object *args = id_args(ID_A);
    json_add_i64(args, "offset", 10);
    assert_int_equal(call(w, "archive_get", args), 0);
    assert_string_equal(w->data.p, "work");
    assert_null(strstr(w->events, "gone")); /* the end was asked for */
}

static void test_nothing_to_archive(void **state)
{
    struct world *w = *state;
    w->state = "ready";
    assert_int_equal(call(w, "start", start_args(ID_A)), 0);
    assert_int_equal(call(w, "stop", stop_args(ID_A, true)), 0);
    assert_non_null(strstr(text_of(w->reply), "\"archived\":false"));
    assert_int_equal(call(w, "archives", NULL), 0);
    assert_string_equal(text_of(w->reply), "{\"archives\":[],\"ok\":true}");
}

static void test_failed_archive_keeps_the_session(void **state)
{
    struct world *w = *state;
    w->state = "ready";
    w->content = "half";
    w->archive_breaks = true;
    assert_int_equal(call(w, "start", start_args(ID_A)), 0);
    assert_int_equal(call(w, "stop", stop_args(ID_A, true)), ERR_NO_SPACE);
    assert_string_equal(w->err.msg, "disk full");
    assert_int_equal(w->removes, 0);
    assert_int_equal(call(w, "archives", NULL), 0);
    assert_string_equal(text_of(w->reply), "{\"archives\":[],\"ok\":true}");
    assert_int_equal(call(w, "members", id_args(ID_A)), 0); /* still connected */
}

static void test_ended_session_is_started_to_be_archived(void **state)
{
    struct world *w = *state;
    w->state = "ready";
    w->content = "bundle";
    assert_int_equal(call(w, "stop", stop_args(ID_A, true)), 0);
    assert_int_equal(w->starts, 1);
    assert_non_null(strstr(text_of(w->reply), "\"archived\":true"));
}

static void test_stop_waits_for_start(void **state)
{
    struct world *w = *state;
    ask(w, "start", start_args(ID_A));
    ask(w, "stop", stop_args(ID_A, false));
    ask(w, "start", start_args(ID_B));
    wait_answers(w, 3);
    assert_int_equal(w->starts, 2);
    assert_int_equal(w->removes, 1);
    assert_int_equal(call(w, "health", id_args(ID_A)), 0);
    assert_non_null(strstr(text_of(w->reply), "gone"));
    assert_int_equal(call(w, "health", id_args(ID_B)), 0);
    assert_non_null(strstr(text_of(w->reply), "ready"));
}

static void test_gone_is_an_event(void **state)
{
    struct world *w = *state;
    assert_int_equal(call(w, "start", start_args(ID_A)), 0);
    shutdown(w->agents[0].fd, SHUT_RDWR);
    wait_event(w, "\"event\":\"gone\",\"session_id\":\"" ID_A "\"");
    assert_int_equal(call(w, "start", start_args(ID_A)), 0);
    assert_int_equal(w->starts, 2);
}

static void test_many_sessions_at_once(void **state)
{
    struct world *w = *state;
    char id[SESSION_ID_LEN + 1] = ID_A;
    w->state = "ready";
    w->content = "x";
    for (int i = 0; i < 24; i++) {
        id[0] = (char)('a' + i);
        ask(w, "start", start_args(id));
        ask(w, "members", id_args(id));
        ask(w, "stop", stop_args(id, true));
    }
    wait_answers(w, 72);
    assert_int_equal(w->removes, 24);
    assert_int_equal(call(w, "archives", NULL), 0);
    assert_int_equal(json_object_array_length(json_object_object_get(w->reply, "archives")), 24);
}

static void test_unknown_verb_is_fatal(void **state)
{
    struct world *w = *state;
    ask(w, "exec", NULL);
    while (!w->lost)
        assert_int_equal(loop_run(w->loop, NULL), 0);
    assert_int_equal(w->code, ERR_CANCELLED);
    assert_int_equal(call(w, "info", NULL), ERR_CANCELLED);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_sixteen_at_once_and_nobody_waits),
        T(test_start_members_health),
        T(test_start_again_says_hello_only),
        T(test_start_failure),
        T(test_token_reaches_the_agent),
        T(test_stop_archives_first),
        T(test_nothing_to_archive),
        T(test_failed_archive_keeps_the_session),
        T(test_ended_session_is_started_to_be_archived),
        T(test_stop_waits_for_start),
        T(test_gone_is_an_event),
        T(test_many_sessions_at_once),
        T(test_unknown_verb_is_fatal),
    };
    return cmocka_run_group_tests_name("keeper/server", tests, NULL, NULL);
}
