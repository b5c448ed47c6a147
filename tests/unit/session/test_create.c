/* POST /sessions, who may see and own, listing. */
#include "fake_world.h"

static void test_answer_is_right_at_once(void **state)
{
    struct fake_world *w = *state;
    const char *names[] = {"bob"};
    const struct session_request request = {.repo_url = REPO,
                                            .branch = "main",
                                            .ttl_secs = 3600,
                                            .allowed_users = (char *const *)(uintptr_t)names,
                                            .n_allowed_users = 1,
                                            .allowed_given = true};
    const char *id = world_create_as(w, &ann, &request);
    assert_non_null(id);
    assert_true(session_id_is_valid(id));
    assert_string_equal(json_text(w->json, "state"), "Provisioning");
    assert_string_equal(json_text(w->json, "mode"), "collab");
    assert_string_equal(json_text(w->json, "branch"), "main");
    assert_string_equal(json_text(w->json, "environment"), "noenv");
    assert_string_equal(json_text(w->json, "endpoint"), "ssh://steadystate@host.example:20000");
    assert_string_equal(json_text(w->json, "creator"), "ann");
    assert_int_equal(json_number(w->json, "expires_at"), w->now + 3600);
    const char *link = json_text(w->json, "magic_link");
    assert_true(str_starts_with(link, "steadystate://collab/"));
    assert_non_null(strstr(link, id));
    assert_true(str_starts_with(json_text(w->json, "host_public_key"), "ssh-ed25519 "));

    /* The keeper was given everything. */
    struct fake_call *start = world_call(w, "start");
    assert_non_null(start);
    struct json_object *spec = NULL;
    json_opt_object(start->args, "spec", &spec, NULL);
    struct session_spec parsed;
    struct err err = ERR_INIT;
    if (session_spec_from_json(spec, &parsed, &err) != 0)
        fail_msg("%s", err.msg);
    assert_string_equal(parsed.id, id);
    assert_int_equal(parsed.n_users, 2);
    assert_string_equal(parsed.users[1].login, "bob");
    assert_string_equal(parsed.subnet, "10.213.0.0/28");
    assert_int_equal(parsed.uid_base % 65536, 0);
    assert_non_null(strstr(parsed.host_key, "OPENSSH PRIVATE KEY"));
    session_spec_release(&parsed);
}

static void refused(struct fake_world *w, const struct session_request *request, int code,
                    const char *why)
{
    assert_null(world_create_as(w, &ann, request));
    assert_int_equal(w->code, code);
    if (!strstr(w->err.msg, why))
        fail_msg("'%s' does not say '%s'", w->err.msg, why);
}

static void test_bad_requests(void **state)
{
    struct fake_world *w = *state;
    const struct {
        struct session_request request;
        int code;
        const char *why;
    } cases[] = {
        {{.repo_url = NULL}, ERR_INVALID, "repo_url"},
        {{.repo_url = ""}, ERR_INVALID, "repo_url"},
        {{.repo_url = "-oProxyCommand=x"}, ERR_INVALID, "repo_url"},
        {{.repo_url = "ext::sh -c x"}, ERR_INVALID, "repo_url"},
        {{.repo_url = "file:///etc"}, ERR_INVALID, "local repositories"},
        {{.repo_url = "/etc"}, ERR_INVALID, "local repositories"},
        {{.repo_url = "http://example.org/a.git"}, ERR_INVALID, "plain http"},
        {{.repo_url = "https://127.0.0.1/a.git"}, ERR_INVALID, "repo_url"},
        {{.repo_url = "https://10.1.2.3/a.git"}, ERR_INVALID, "repo_url"},
        {{.repo_url = "https://[::1]/a.git"}, ERR_INVALID, "repo_url"},
        {{.repo_url = "https://169.254.169.254/a.git"}, ERR_INVALID, "repo_url"},
        {{.repo_url = REPO, .approve = true}, ERR_INVALID, "approve"},
        {{.repo_url = REPO, .mode = "x"}, ERR_UNSUPPORTED, "mode"},
        {{.repo_url = REPO, .environment = "nix"}, ERR_UNSUPPORTED, "noenv"},
        {{.repo_url = REPO, .branch = "-x"}, ERR_INVALID, "branch"},
        {{.repo_url = REPO, .branch = "a..b"}, ERR_INVALID, "branch"},
        {{.repo_url = REPO, .ttl_secs = -1}, ERR_INVALID, "ttl_secs"},
        {{.repo_url = REPO, .ttl_secs = 604801}, ERR_INVALID, "ttl_secs"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        refused(w, &cases[i].request, cases[i].code, cases[i].why);
    const char *bad[] = {"ok", "../x"};
    const struct session_request names = {.repo_url = REPO,
                                          .allowed_users = (char *const *)(uintptr_t)bad,
                                          .n_allowed_users = 2,
                                          .allowed_given = true};
    refused(w, &names, ERR_INVALID, "'../x' is not a login");
    assert_null(world_call(w, "start"));
    size_t counts[5];
    sessions_count(w->sessions, counts);
    assert_int_equal(counts[SESSION_PROVISIONING], 0);
}

static void test_http_only_for_allowed_hosts(void **state)
{
    struct fake_world *w = *state;
    const struct session_request request = {.repo_url = "http://192.0.2.9/a.git"};
    assert_non_null(world_create_as(w, &ann, &request));
}

static void test_cap_per_user(void **state)
{
    struct fake_world *w = *state;
    w->config.port_last = 20010;
    world_restart(w);
    for (int i = 0; i < 3; i++)
        world_create(w);
    const struct session_request request = {.repo_url = REPO};
    refused(w, &request, ERR_LIMIT, "3 sessions");
    /* Somebody of the same login at another provider has a cap of their own. */
    assert_non_null(world_create_as(w, &eve, &request));
    assert_non_null(world_create_as(w, &bob, &request));
}

static void test_no_port_left(void **state)
{
    struct fake_world *w = *state;
    world_create(w);
    world_create(w);
    const struct session_request request = {.repo_url = REPO};
    assert_null(world_create_as(w, &bob, &request));
    assert_int_equal(w->code, ERR_LIMIT);
}

static void test_strangers_see_nothing(void **state)
{
    struct fake_world *w = *state;
    const char *none[] = {"none"};
    const struct session_request request = {.repo_url = REPO,
                                            .allowed_users = (char *const *)(uintptr_t)none,
                                            .n_allowed_users = 1,
                                            .allowed_given = true};
    const char *id = world_create_as(w, &ann, &request);
    cleanup_str struct str text = STR_INIT;
    assert_int_equal(session_get(w->sessions, &ann, id, &text, NULL), 0);
    assert_int_equal(session_get(w->sessions, &bob, id, &text, NULL), ERR_NOT_FOUND);
    assert_int_equal(session_get(w->sessions, &eve, id, &text, NULL), ERR_NOT_FOUND);
    assert_int_equal(session_delete(w->sessions, &eve, id, &text, NULL), ERR_NOT_FOUND);
    assert_int_equal(session_get(w->sessions, &ann, "no-id", &text, NULL), ERR_NOT_FOUND);
    session_members(w->sessions, &bob, id, world_reply, w);
    assert_int_equal(w->code, ERR_NOT_FOUND);
}

static void test_team_may_join_but_not_own(void **state)
{
    struct fake_world *w = *state;
    const char *id = world_create(w);
    cleanup_str struct str text = STR_INIT;
    assert_int_equal(session_get(w->sessions, &bob, id, &text, NULL), 0);
    assert_int_equal(session_delete(w->sessions, &bob, id, &text, NULL), ERR_DENIED);
    assert_int_equal(session_extend(w->sessions, &bob, id, 3600, &text, NULL), ERR_DENIED);
    session_members(w->sessions, &bob, id, world_reply, w);
    assert_int_equal(w->code, ERR_DENIED);
}

static struct json_object *list(struct fake_world *w, const struct session_caller *who,
                                const char *state, const char *after, int limit)
{
    cleanup_str struct str text = STR_INIT;
    struct json_object *obj = NULL;
    assert_int_equal(session_list(w->sessions, who, state, after, limit, &text, NULL), 0);
    assert_int_equal(json_parse(text.p, text.len, &obj, NULL), 0);
    json_object_put(w->json);
    return w->json = obj;
}

static size_t list_len(struct json_object *obj)
{
    struct json_object *array = NULL;
    json_opt_array(obj, "sessions", SIZE_MAX, &array, NULL);
    return json_object_array_length(array);
}

static void test_list_pages_newest_first(void **state)
{
    struct fake_world *w = *state;
    w->config.max_per_user = 0;
    w->config.port_last = 20050;
    world_restart(w);
    char ids[7][SESSION_ID_LEN + 1];
    for (int i = 0; i < 7; i++)
        memcpy(ids[i], world_create(w), sizeof ids[i]);
    struct json_object *page = list(w, &ann, NULL, NULL, 3);
    assert_int_equal(list_len(page), 3);
    assert_string_equal(json_text(page, "next"), ids[4]);
    page = list(w, &ann, NULL, ids[4], 3);
    assert_string_equal(json_text(page, "next"), ids[1]);
    page = list(w, &ann, NULL, ids[1], 3);
    assert_int_equal(list_len(page), 1);
    assert_null(json_text(page, "next"));
    assert_int_equal(list_len(list(w, &ann, "Running", NULL, 0)), 0);
    assert_int_equal(list_len(list(w, &ann, "Provisioning", NULL, 0)), 7);
    assert_int_equal(list_len(list(w, &eve, NULL, NULL, 0)), 0);

    cleanup_str struct str text = STR_INIT;
    assert_int_equal(session_list(w->sessions, &ann, "Bad", NULL, 0, &text, NULL), ERR_INVALID);
    assert_int_equal(session_list(w->sessions, &ann, NULL, "x", 0, &text, NULL), ERR_INVALID);
    assert_int_equal(session_list(w->sessions, &ann, NULL, NULL, 201, &text, NULL), ERR_INVALID);
    assert_int_equal(session_list(w->sessions, &ann, NULL, NULL, -1, &text, NULL), ERR_INVALID);
}

static void test_public_is_for_everyone_logged_in(void **state)
{
    struct fake_world *w = *state;
    const struct session_request request = {.repo_url = REPO, .is_public = true};
    const char *id = world_create_as(w, &ann, &request);
    cleanup_str struct str text = STR_INIT;
    assert_int_equal(session_get(w->sessions, &eve, id, &text, NULL), 0);
    assert_int_equal(session_delete(w->sessions, &eve, id, &text, NULL), ERR_DENIED);
}

static void test_directory_that_is_down_opens_nothing(void **state)
{
    struct fake_world *w = *state;
    w->directory_why = "the forge is down";
    const char *id = world_create(w);
    assert_string_equal(world_state(w, id), "Failed");
    assert_string_equal(json_text(w->json, "message"), "the forge is down");
    assert_null(world_call(w, "start"));
}

static void test_stopping_answers_what_is_open(void **state)
{
    struct fake_world *w = *state;
    const struct session_request request = {.repo_url = REPO};
    session_create(w->sessions, &ann, &request, world_reply, w);
    world_restart(w);
    assert_int_equal(w->answers, 1);
    assert_int_equal(w->code, ERR_CANCELLED);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup_world, teardown_world)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_answer_is_right_at_once),
        T(test_bad_requests),
        T(test_http_only_for_allowed_hosts),
        T(test_cap_per_user),
        T(test_no_port_left),
        T(test_strangers_see_nothing),
        T(test_team_may_join_but_not_own),
        T(test_list_pages_newest_first),
        T(test_public_is_for_everyone_logged_in),
        T(test_directory_that_is_down_opens_nothing),
        T(test_stopping_answers_what_is_open),
    };
    return cmocka_run_group_tests_name("session/create", tests, NULL, NULL);
}
