/* Members, refresh, kick, archives; access rules; subnets. */
#include "fake_world.h"

#include "session/access.h"
#include "session/subnet.h"

static struct json_object *member(struct fake_world *w, size_t i)
{
    struct json_object *list = NULL;
    json_opt_array(w->json, "members", SIZE_MAX, &list, NULL);
    return json_object_array_get_idx(list, i);
}

static bool flag(struct json_object *obj, const char *key)
{
    bool value = false;
    json_opt_bool(obj, key, &value, NULL);
    return value;
}

static void test_members(void **state)
{
    struct fake_world *w = *state;
    const char *id = world_running(w);
    session_members(w->sessions, &ann, id, world_reply, w);
    world_ok(w, "members",
             "{\"members\":[{\"login\":\"bob\",\"provider\":\"sshkey\",\"connected\":true,"
             "\"since\":5},{\"login\":\"x\",\"provider\":\"y\",\"connected\":true}]}");
    assert_int_equal(w->code, 0);
    assert_string_equal(json_text(member(w, 0), "rule"), "creator");
    assert_false(flag(member(w, 0), "connected"));
    assert_string_equal(json_text(member(w, 1), "login"), "bob");
    assert_string_equal(json_text(member(w, 1), "rule"), "team");
    assert_true(flag(member(w, 1), "connected"));
    assert_int_equal(json_number(member(w, 1), "since"), 5);
    assert_null(member(w, 2));

    /* An agent that cannot be asked leaves the list without presence. */
    session_members(w->sessions, &ann, id, world_reply, w);
    world_refuse(w, "members", ERR_UNAVAILABLE, "not connected");
    assert_int_equal(w->code, 0);
    assert_false(flag(member(w, 1), "connected"));
}

static void test_kick_keeps_out(void **state)
{
    struct fake_world *w = *state;
    const char *id = world_running(w);
    session_kick(w->sessions, &ann, id, "bob", world_reply, w);
    /* First the keys are gone, then the connections. */
    struct fake_call *users = world_call(w, "users");
    struct json_object *list = NULL;
    json_opt_array(users->args, "users", SIZE_MAX, &list, NULL);
    assert_int_equal(json_object_array_length(list), 1);
    assert_true(users < world_call(w, "kick"));
    world_ok(w, "users", "{}");
    world_ok(w, "kick", "{}");
    world_ok(w, "members", "{\"members\":[]}");
    assert_int_equal(w->code, 0);
    assert_true(flag(member(w, 1), "kicked"));

    cleanup_str struct str text = STR_INIT;
    assert_int_equal(session_get(w->sessions, &bob, id, &text, NULL), ERR_NOT_FOUND);
    world_restart(w);
    assert_int_equal(session_get(w->sessions, &bob, id, &text, NULL), ERR_NOT_FOUND);
    /* Found again by the directory, still not told to the agent. */
    session_refresh(w->sessions, &ann, id, world_reply, w);
    world_ok(w, "members", "{}");
    world_event(w, "ready", id, "{}");
    json_opt_array(world_call(w, "users")->args, "users", SIZE_MAX, &list, NULL);
    assert_int_equal(json_object_array_length(list), 1);
}

static void test_kick_refusals(void **state)
{
    struct fake_world *w = *state;
    const char *id = world_running(w);
    session_kick(w->sessions, &ann, id, "ann", world_reply, w);
    assert_int_equal(w->code, ERR_INVALID);
    session_kick(w->sessions, &ann, id, "a b", world_reply, w);
    assert_int_equal(w->code, ERR_INVALID);
    session_kick(w->sessions, &bob, id, "ann", world_reply, w);
    assert_int_equal(w->code, ERR_DENIED);
    session_kick(w->sessions, &eve, id, "ann", world_reply, w);
    assert_int_equal(w->code, ERR_NOT_FOUND);
    /* The creator's namesake elsewhere is somebody else. */
    session_kick(w->sessions, &ann, id, "github:ann", world_reply, w);
    world_ok(w, "users", "{}");
    world_refuse(w, "kick", ERR_NOT_FOUND, "nobody");
    world_ok(w, "members", "{}");
    assert_int_equal(w->code, 0);
}

static void test_people_are_found_anew(void **state)
{
    struct fake_world *w = *state;
    const char *id = world_running(w);
    int before = w->directory_asked;
    world_pass(w, 299);
    assert_int_equal(w->directory_asked, before);
    world_pass(w, 1);
    assert_int_equal(w->directory_asked, before + 1);
    assert_null(world_call(w, "users")); /* nothing changed */
    w->directory_why = "down";
    world_pass(w, 300);
    assert_null(world_call(w, "users")); /* nor is anybody locked out by a directory that is down */
    cleanup_str struct str text = STR_INIT;
    assert_int_equal(session_get(w->sessions, &bob, id, &text, NULL), 0);
}

static void test_refresh_reports_a_directory_that_is_down(void **state)
{
    struct fake_world *w = *state;
    const char *id = world_running(w);
    w->directory_why = "the forge is down";
    session_refresh(w->sessions, &ann, id, world_reply, w);
    assert_int_equal(w->code, ERR_UNAVAILABLE);
    assert_string_equal(w->err.msg, "the forge is down");
}

/* Two questions at once may renew a token twice, and be answered in the other order. */
static void test_token_that_came_late(void **state)
{
    struct fake_world *w = *state;
    const char *id = world_running(w);
    w->directory_holds = true;
    session_refresh(w->sessions, &ann, id, world_reply, w);
    w->token = "second";
    w->token_serial = 2;
    session_refresh(w->sessions, &ann, id, world_reply, w);
    struct fake_call *start = world_call(w, "start");
    assert_non_null(start);
    struct json_object *token = NULL;
    assert_int_equal(json_opt_object(start->args, "token", &token, NULL), 0);
    assert_string_equal(json_text(token, "secret"), "second");
    /* A third while the agent is being told the second. */
    w->token = "third";
    w->token_serial = 3;
    session_refresh(w->sessions, &ann, id, world_reply, w);
    world_ok(w, "start", "{}");
    start = world_call(w, "start");
    assert_non_null(start);
    assert_int_equal(json_opt_object(start->args, "token", &token, NULL), 0);
    assert_string_equal(json_text(token, "secret"), "third");
    world_ok(w, "start", "{}");
    world_ok(w, "members", "{}");
    world_ok(w, "members", "{}");

    struct session_people late = {.token = session_token_new("forge.example", "git", "first"),
                                  .token_serial = 1};
    struct session_person *p = session_people_add(&late, "sshkey", "ann", "ann", "creator");
    strv_push(&p->keys, KEY);
    session_people_fn held = w->held;
    w->held = NULL;
    held(0, &late, NULL, w->held_payload);
    session_people_release(&late);
    assert_null(world_call(w, "start"));
    world_ok(w, "members", "{}");
}

static void test_question_outlives_the_session_layer(void **state)
{
    struct fake_world *w = *state;
    const char *id = world_running(w);
    w->directory_holds = true;
    session_refresh(w->sessions, &ann, id, world_reply, w);
    session_members(w->sessions, &ann, id, world_reply, w);
    int before = w->answers;
    world_restart(w);
    assert_int_equal(w->answers, before + 2);
    assert_int_equal(w->code, ERR_CANCELLED);
}

static void test_archives_of_the_owner_only(void **state)
{
    struct fake_world *w = *state;
    const char *id = world_running(w);
    cleanup_free char *list =
        xasprintf("{\"archives\":[{\"session_id\":\"%s\",\"size\":7,\"created_at\":100},"
                  "{\"session_id\":\"aaaaaaaaaaaaaaaaaaaa\",\"size\":9,\"created_at\":100}]}",
                  id);
    struct json_object *own = NULL;
    session_archives(w->sessions, &ann, world_reply, w);
    world_ok(w, "archives", list);
    json_opt_array(w->json, "archives", SIZE_MAX, &own, NULL);
    assert_int_equal(json_object_array_length(own), 1);
    struct json_object *entry = json_object_array_get_idx(own, 0);
    assert_string_equal(json_text(entry, "repo_url"), REPO);
    assert_int_equal(json_number(entry, "expires_at"), 100 + SESSION_FORGET_AFTER);
    session_archives(w->sessions, &bob, world_reply, w);
    world_ok(w, "archives", list);
    json_opt_array(w->json, "archives", SIZE_MAX, &own, NULL);
    assert_int_equal(json_object_array_length(own), 0);
}

struct piece {
    int code;
    char data[32];
    uint64_t size;
};

static void on_piece(int code, const char *data, size_t len, uint64_t size, const struct err *err,
                     void *payload)
{
    (void)err;
    struct piece *p = payload;
    p->code = code;
    p->size = size;
    if (code == 0)
        snprintf(p->data, sizeof p->data, "%.*s", (int)len, data);
}

static void test_archive_is_read_in_pieces(void **state)
{
    struct fake_world *w = *state;
    const char *id = world_running(w);
    struct piece p = {0};
    session_archive_read(w->sessions, &bob, id, 0, on_piece, &p);
    assert_int_equal(p.code, ERR_DENIED);
    session_archive_read(w->sessions, &ann, id, 4, on_piece, &p);
    struct fake_call *call = world_call(w, "archive_get");
    assert_int_equal(json_number(call->args, "offset"), 4);
    call->on_data("abc", 3, call->payload);
    call->on_data("def", 3, call->payload);
    world_answer(call, "{\"size\":10}");
    assert_int_equal(p.code, 0);
    assert_string_equal(p.data, "abcdef");
    assert_int_equal(p.size, 10);
}

static void test_taken_over_login_is_a_stranger(void **state)
{
    (void)state;
    struct access a = {0};
    session_people_add(&a.people, "github", "ann", "17", "collaborator");
    session_people_add(&a.people, "github", "bob", NULL, "allowed");
    const struct session_caller same = {"github", "17", "anna"};
    const struct session_caller other = {"github", "18", "ann"};
    const struct session_caller by_login = {"github", "19", "bob"};
    assert_true(access_may_join(&a, &same));
    assert_false(access_may_join(&a, &other));
    assert_true(access_may_join(&a, &by_login));
    access_release(&a);
}

/* One name for a person as long as the session lives, and never somebody else's. */
static void test_names_stay(void **state)
{
    (void)state;
    struct access a = {0};
    struct session_people first = {0}, later = {0};
    strv_push(&a.allowed, "github:Ann");
    session_people_add(&first, "github", "ann", "17", "allowed");
    session_people_add(&first, "github", "bob", "5", "collaborator");
    access_set_people(&a, &first);
    session_people_add(&later, "github", "anna", "17", "allowed");
    session_people_add(&later, "github", "ann", "18", "collaborator");
    assert_true(access_set_people(&a, &later));
    assert_string_equal(a.allowed_ids.v[0], "17");
    assert_string_equal(a.people.v[0].login, "ann");
    assert_string_equal(a.people.v[0].now, "anna");
    assert_string_equal(a.people.v[1].login, "ann-18");
    assert_string_equal(access_session_login(&a, "github", "anna"), "ann");
    assert_string_equal(access_session_login(&a, "github", "ann"), "ann");
    assert_string_equal(access_session_login(&a, "github", "zoe"), "zoe");

    const struct session_caller renamed = {"github", "17", "anna"};
    const struct session_caller stranger = {"github", "18", "ann"};
    const struct session_caller gone = {"github", "5", "bob"};
    assert_true(access_may_join(&a, &renamed) && access_may_join(&a, &stranger));
    assert_false(access_may_join(&a, &gone));
    access_kick(&a, "github", "ann");
    assert_false(access_may_join(&a, &renamed));
    assert_true(access_may_join(&a, &stranger));

    /* A name that was given stays given, also when nobody of it is left. */
    struct access b = {0};
    cleanup_json struct json_object *obj = access_to_json(&a);
    assert_int_equal(access_from_json(obj, &b, NULL), 0);
    session_people_release(&later);
    session_people_add(&later, "github", "bob", "6", "collaborator");
    access_set_people(&b, &later);
    assert_string_equal(b.people.v[0].login, "bob-6");
    session_people_release(&first);
    session_people_release(&later);
    access_release(&a);
    access_release(&b);
}

static void test_access_round_trip(void **state)
{
    (void)state;
    struct access a = {.is_public = true, .allowed_given = true};
    struct access b = {0};
    strv_push(&a.allowed, "sshkey:bob");
    struct session_people found = {0};
    struct session_person *p = session_people_add(&found, "sshkey", "bob", "bob", "allowed");
    p->email = xstrdup("bob@example.org");
    strv_push(&p->keys, KEY);
    assert_true(access_set_people(&a, &found));
    assert_string_equal(a.allowed_ids.v[0], "bob");
    cleanup_json struct json_object *obj = access_to_json(&a);
    assert_int_equal(access_from_json(obj, &b, NULL), 0);
    assert_true(b.is_public && b.allowed_given);
    assert_string_equal(b.allowed.v[0], "sshkey:bob");
    assert_string_equal(b.allowed_ids.v[0], "bob");
    assert_false(access_set_people(&b, &found)); /* nothing differs */
    strv_push(&p->keys, KEY "x");
    assert_true(access_set_people(&b, &found));
    session_people_release(&found);
    access_release(&a);
    access_release(&b);
}

static void test_allowed_names(void **state)
{
    (void)state;
    char *none[] = {(char[]){"none"}};
    char *some[] = {(char[]){"bob"}, (char[]){"github:ann"}, (char[]){"bob"}, (char[]){"none"}};
    char *comma[] = {(char[]){"a,b"}};
    cleanup_strv struct strv out = STRV_INIT;
    assert_int_equal(access_names(none, 1, "sshkey", &out, NULL), 0);
    assert_int_equal(out.len, 0);
    assert_int_equal(access_names(some, 4, "sshkey", &out, NULL), 0);
    assert_int_equal(out.len, 3);
    assert_string_equal(out.v[1], "github:ann");
    assert_int_equal(access_names(comma, 1, "sshkey", &out, NULL), ERR_INVALID);
}

static void test_subnets(void **state)
{
    (void)state;
    struct subnet_range r;
    char text[SUBNET_TEXT];
    assert_int_equal(subnet_parse("10.213.0.0/16", &r, NULL), 0);
    assert_int_equal(r.count, 4096);
    subnet_format(&r, 0, text);
    assert_string_equal(text, "10.213.0.0/28");
    subnet_format(&r, 4095, text);
    assert_string_equal(text, "10.213.255.240/28");
    assert_int_equal(subnet_parse("10.0.0.16/28", &r, NULL), 0);
    assert_int_equal(r.count, 1);
    const char *bad[] = {"10.213.0.0", "10.213.0.0/29", "10.213.0.1/16",  "10.213.0.0/7",
                         "x/16",       "fd00::/8",      "10.213.0.0/ 16", "10.213.0/16"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(subnet_parse(bad[i], &r, NULL), ERR_INVALID);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup_world, teardown_world)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_members),
        T(test_kick_keeps_out),
        T(test_kick_refusals),
        T(test_people_are_found_anew),
        T(test_refresh_reports_a_directory_that_is_down),
        T(test_token_that_came_late),
        T(test_question_outlives_the_session_layer),
        T(test_archives_of_the_owner_only),
        T(test_archive_is_read_in_pieces),
        cmocka_unit_test(test_taken_over_login_is_a_stranger),
        cmocka_unit_test(test_names_stay),
        cmocka_unit_test(test_access_round_trip),
        cmocka_unit_test(test_allowed_names),
        cmocka_unit_test(test_subnets),
    };
    return cmocka_run_group_tests_name("session/people", tests, NULL, NULL);
}
