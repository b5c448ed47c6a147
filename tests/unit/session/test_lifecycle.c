/* A session's states, what goes wrong on the way, restart of the server, reconcile and reaper. */
#include "fake_world.h"

static void test_up_and_down(void **state)
{
    struct fake_world *w = *state;
    const char *id = world_create(w);
    world_ok(w, "start", "{}");
    assert_string_equal(world_state(w, id), "Provisioning");
    world_event(w, "stage", id, "{\"stage\":\"clone\",\"progress\":40,\"message\":\"objects\"}");
    assert_string_equal(json_text(world_info(w, id), "stage"), "clone");
    assert_int_equal(json_number(w->json, "progress"), 40);
    world_event(w, "ready", id, "{}");
    assert_string_equal(world_state(w, id), "Running");

    cleanup_str struct str text = STR_INIT;
    assert_int_equal(session_delete(w->sessions, &ann, id, &text, NULL), 0);
    assert_string_equal(world_state(w, id), "Terminating");
    bool archive = false;
    json_opt_bool(world_call(w, "stop")->args, "archive", &archive, NULL);
    assert_true(archive);
    assert_int_equal(session_delete(w->sessions, &ann, id, &text, NULL), 0);
    world_ok(w, "stop", "{\"archived\":true,\"bundle\":\"x\"}");
    assert_null(world_call(w, "stop"));
    assert_string_equal(world_state(w, id), "Terminated");
    assert_true(json_object_get_boolean(json_object_object_get(w->json, "archived")));
    assert_int_equal(session_delete(w->sessions, &ann, id, &text, NULL), 0);
    assert_int_equal(session_extend(w->sessions, &ann, id, 600, &text, NULL), ERR_CONFLICT);
}

static void fails_with(struct fake_world *w, const char *id, const char *reason)
{
    assert_string_equal(world_state(w, id), "Failed");
    assert_string_equal(json_text(w->json, "reason"), reason);
    /* Everything half-made is removed, without an archive; then the port is free again. */
    bool archive = true;
    json_opt_bool(world_call(w, "stop")->args, "archive", &archive, NULL);
    assert_false(archive);
    world_ok(w, "stop", "{\"archived\":false}");
    assert_string_equal(world_state(w, id), "Failed");
}

static void test_start_failures_have_a_reason(void **state)
{
    struct fake_world *w = *state;
    const struct {
        int code;
        const char *reason;
    } cases[] = {
        {ERR_NOT_FOUND, "image_missing"}, {ERR_UNAVAILABLE, "engine_unreachable"},
        {ERR_NO_SPACE, "no_space"},       {ERR_UNSUPPORTED, "protection_missing"},
        {ERR_FAILED, "internal"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *id = world_create(w);
        world_refuse(w, "start", cases[i].code, "why");
        fails_with(w, id, cases[i].reason);
        assert_string_equal(json_text(w->json, "message"), "why");
    }
}

static const char *spec_text(struct fake_world *w, const char *member)
{
    return json_text(json_object_object_get(world_call(w, "start")->args, "spec"), member);
}

static int64_t spec_port(struct fake_world *w)
{
    return json_number(json_object_object_get(world_call(w, "start")->args, "spec"), "ssh_port");
}

static void test_taken_port_is_passed_over(void **state)
{
    struct fake_world *w = *state;
    const char *id = world_create(w);
    assert_int_equal(spec_port(w), 20000);
    cleanup_free char *subnet = xstrdup(spec_text(w, "subnet"));
    world_refuse(w, "start", ERR_EXISTS, "port 20000 is taken");
    assert_int_equal(spec_port(w), 20001);
    assert_string_equal(spec_text(w, "subnet"), subnet);
    assert_string_equal(world_state(w, id), "Provisioning");
    assert_non_null(strstr(json_text(w->json, "magic_link"), "20001"));
    world_ok(w, "start", "{}");
    world_event(w, "ready", id, "{}");
    assert_string_equal(world_state(w, id), "Running");
    /* The link is right after a restart too. */
    world_restart(w);
    assert_non_null(strstr(json_text(world_info(w, id), "magic_link"), "20001"));
    assert_non_null(strstr(json_text(w->json, "endpoint"), "20001"));
}

static void test_taken_subnet_is_passed_over(void **state)
{
    struct fake_world *w = *state;
    const char *id = world_create(w);
    assert_string_equal(spec_text(w, "subnet"), "10.213.0.0/28");
    world_refuse(w, "start", ERR_CONFLICT, "subnet is used");
    assert_string_equal(spec_text(w, "subnet"), "10.213.0.16/28");
    assert_int_equal(spec_port(w), 20000);
    world_refuse(w, "start", ERR_CONFLICT, "subnet is used");
    assert_string_equal(spec_text(w, "subnet"), "10.213.0.32/28");
    world_ok(w, "start", "{}");
    world_event(w, "ready", id, "{}");
    assert_string_equal(world_state(w, id), "Running");
    /* The next session gets none that was refused. */
    world_create(w);
    assert_string_equal(spec_text(w, "subnet"), "10.213.0.48/28");
}

static void test_everything_taken_fails_in_the_end(void **state)
{
    struct fake_world *w = *state;
    static const struct {
        int code;
        const char *reason;
    } cases[] = {{ERR_EXISTS, "port_taken"}, {ERR_CONFLICT, "subnet_taken"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *id = world_create(w);
        int tries = 0;
        for (; world_call(w, "start"); tries++)
            world_refuse(w, "start", cases[i].code, "taken");
        assert_in_range(tries, 2, 20);
        fails_with(w, id, cases[i].reason);
        assert_string_equal(json_text(w->json, "message"), "taken");
    }
}

static void test_port_that_the_agent_finds_taken(void **state)
{
    struct fake_world *w = *state;
    const char *id = world_create(w);
    world_ok(w, "start", "{}");
    world_event(w, "failed", id, "{\"reason\":\"port_taken\",\"message\":\"in use\"}");
    world_event(w, "gone", id, "{\"message\":\"closed\"}");
    assert_string_equal(world_state(w, id), "Provisioning");
    assert_null(world_call(w, "start"));
    world_ok(w, "stop", "{\"archived\":false}");
    assert_int_equal(spec_port(w), 20001);
    world_ok(w, "start", "{}");
    world_event(w, "ready", id, "{}");
    assert_string_equal(world_state(w, id), "Running");
}

static void test_agent_failure_has_its_reason(void **state)
{
    struct fake_world *w = *state;
    const char *id = world_create(w);
    world_ok(w, "start", "{}");
    world_event(w, "failed", id,
                "{\"reason\":\"repository_not_found\",\"message\":\"no such repository\"}");
    fails_with(w, id, "repository_not_found");
    assert_string_equal(json_text(w->json, "message"), "no such repository");
}

static void test_agent_that_dies_while_provisioning(void **state)
{
    struct fake_world *w = *state;
    const char *id = world_create(w);
    world_ok(w, "start", "{}");
    world_event(w, "gone", id, "{\"message\":\"closed\"}");
    fails_with(w, id, "internal");
}

static void test_delete_while_provisioning(void **state)
{
    struct fake_world *w = *state;
    const char *id = world_create(w);
    cleanup_str struct str text = STR_INIT;
    assert_int_equal(session_delete(w->sessions, &ann, id, &text, NULL), 0);
    world_refuse(w, "start", ERR_UNAVAILABLE, "slow engine");
    assert_string_equal(world_state(w, id), "Terminating");
    world_event(w, "ready", id, "{}");
    assert_string_equal(world_state(w, id), "Terminating");
    world_ok(w, "stop", "{}");
    assert_string_equal(world_state(w, id), "Terminated");
}

static void test_archive_that_fails_keeps_everything(void **state)
{
    struct fake_world *w = *state;
    const char *id = world_running(w);
    cleanup_str struct str text = STR_INIT;
    session_delete(w->sessions, &ann, id, &text, NULL);
    world_refuse(w, "stop", ERR_NO_SPACE, "no space for the archive");
    assert_string_equal(world_state(w, id), "Terminating");
    assert_string_equal(json_text(w->json, "message"), "no space for the archive");
    assert_null(world_call(w, "stop"));
    world_pass(w, 5);
    world_refuse(w, "stop", ERR_NO_SPACE, "still no space");
    world_pass(w, 1); /* backing off */
    assert_null(world_call(w, "stop"));
    world_pass(w, 5);
    world_ok(w, "stop", "{\"archived\":true}");
    assert_string_equal(world_state(w, id), "Terminated");
}

static void test_gone_is_resumed_at_once_then_with_backoff(void **state)
{
    struct fake_world *w = *state;
    const char *id = world_running(w);
    world_event(w, "gone", id, "{\"message\":\"ended\"}");
    bool resume = false;
    json_opt_bool(world_call(w, "start")->args, "resume", &resume, NULL);
    assert_true(resume);
    world_refuse(w, "start", ERR_UNAVAILABLE, "engine is away");
    assert_string_equal(world_state(w, id), "Running");
    assert_string_equal(json_text(w->json, "stage"), "resuming");
    int tries = 0;
    for (int i = 0; i < 60; i++) {
        world_pass(w, 1);
        if (!world_call(w, "start"))
            continue;
        tries++;
        world_refuse(w, "start", ERR_UNAVAILABLE, "engine is away");
    }
    assert_in_range(tries, 4, 7);
    world_pass(w, 300);
    world_ok(w, "start", "{}");
    world_event(w, "ready", id, "{}");
    assert_string_equal(json_text(world_info(w, id), "stage"), "ready");
    assert_non_null(world_call(w, "users")); /* it may have missed a change */
}

static void test_one_that_keeps_dying_waits_longer(void **state)
{
    struct fake_world *w = *state;
    const char *id = world_running(w);
    for (int i = 0; i < 4; i++) {
        world_event(w, "gone", id, "{}");
        if (i > 0) {
            assert_null(world_call(w, "start"));
            world_pass(w, 1 << i);
        }
        world_ok(w, "start", "{}");
        world_event(w, "ready", id, "{}");
    }
    /* It has been well for a minute: the next time it is started at once. */
    world_pass(w, 60);
    world_event(w, "gone", id, "{}");
    assert_non_null(world_call(w, "start"));
}

static void test_restart_finds_everything_again(void **state)
{
    struct fake_world *w = *state;
    w->config.port_last = 20009;
    w->config.max_per_user = 0;
    world_restart(w);
    char running[21], half[21], ending[21], failed[21];
    memcpy(running, world_running(w), 21);
    memcpy(ending, world_running(w), 21);
    memcpy(half, world_create(w), 21);
    cleanup_str struct str text = STR_INIT;
    session_delete(w->sessions, &ann, ending, &text, NULL);
    w->directory_why = "down";
    memcpy(failed, world_create(w), 21);
    w->directory_why = NULL;
    cleanup_free char *link = xstrdup(json_text(world_info(w, running), "magic_link"));

    world_restart(w);
    assert_string_equal(world_state(w, running), "Running");
    assert_string_equal(json_text(w->json, "magic_link"), link);
    assert_string_equal(world_state(w, half), "Provisioning");
    /* What was half done is taken up: one start, two stops (one of them cleans a failed one up). */
    assert_string_equal(
        json_text(json_object_object_get(world_call(w, "start")->args, "spec"), "id"), half);
    world_ok(w, "stop", "{}");
    world_ok(w, "stop", "{}");
    assert_null(world_call(w, "stop"));
    assert_string_equal(world_state(w, ending), "Terminated");
    assert_string_equal(world_state(w, failed), "Failed");

    /* Running, but the new keeper has no channel yet. */
    cleanup_free char *list = xasprintf(
        "{\"sessions\":[{\"session_id\":\"%s\",\"running\":true,\"connected\":false}]}", running);
    world_ok(w, "start", "{}");
    world_ok(w, "list", list);
    struct fake_call *start = world_call(w, "start");
    assert_non_null(start);
    assert_string_equal(json_text(json_object_object_get(start->args, "spec"), "id"), running);
    /* People are still who they were. */
    assert_int_equal(session_get(w->sessions, &bob, running, &text, NULL), 0);
}

static void test_reconcile_removes_what_nobody_knows(void **state)
{
    struct fake_world *w = *state;
    const char *id = world_running(w);
    cleanup_free char *list =
        xasprintf("{\"sessions\":[{\"session_id\":\"%s\",\"running\":true,\"connected\":true},"
                  "{\"session_id\":\"aaaaaaaaaaaaaaaaaaaa\",\"running\":false,\"connected\":false},"
                  "{\"session_id\":\"../../etc\"}]}",
                  id);
    world_ok(w, "list", list);
    assert_string_equal(json_text(world_call(w, "remove")->args, "session_id"),
                        "aaaaaaaaaaaaaaaaaaaa");
    world_ok(w, "remove", "{}");
    assert_null(world_call(w, "remove"));
    assert_null(world_call(w, "start"));
}

static void test_reconcile_resumes_what_is_missing(void **state)
{
    struct fake_world *w = *state;
    const char *id = world_running(w);
    world_ok(w, "list", "{\"sessions\":[]}");
    assert_non_null(world_call(w, "start"));
    (void)id;
}

static void test_time_is_over(void **state)
{
    struct fake_world *w = *state;
    const char *id = world_running(w);
    world_event(w, "activity", id,
                "{\"at\":99999999999}"); /* a clock that runs ahead counts as now */
    w->config.idle_ttl = 0;
    world_restart(w);
    world_pass(w, 172799);
    assert_string_equal(world_state(w, id), "Running");
    world_pass(w, 1);
    assert_string_equal(world_state(w, id), "Terminating");
    assert_string_equal(json_text(w->json, "message"), "its time was over");
}

static void test_extend(void **state)
{
    struct fake_world *w = *state;
    const char *id = world_running(w);
    cleanup_str struct str text = STR_INIT;
    int64_t before = json_number(world_info(w, id), "expires_at");
    assert_int_equal(session_extend(w->sessions, &ann, id, 600, &text, NULL), 0);
    assert_int_equal(json_number(world_info(w, id), "expires_at"), before);
    assert_int_equal(session_extend(w->sessions, &ann, id, 604800, &text, NULL), 0);
    assert_int_equal(json_number(world_info(w, id), "expires_at"), w->now + 604800);
    /* The session is told, once for each; that it cannot be told is no failure of the extension. */
    assert_int_equal(json_number(world_call(w, "expires")->args, "expires_at"), before);
    world_ok(w, "expires", "{}");
    assert_int_equal(json_number(world_call(w, "expires")->args, "expires_at"), w->now + 604800);
    world_refuse(w, "expires", ERR_UNAVAILABLE, "not connected");
    assert_int_equal(session_extend(w->sessions, &ann, id, 604801, &text, NULL), ERR_INVALID);
    assert_int_equal(session_extend(w->sessions, &ann, id, 0, &text, NULL), ERR_INVALID);
    world_restart(w);
    assert_int_equal(json_number(world_info(w, id), "expires_at"), w->now + 604800);
}

static void test_idle_asks_before_it_ends(void **state)
{
    struct fake_world *w = *state;
    const char *id = world_running(w);
    world_pass(w, 7200);
    assert_null(world_call(w, "health"));
    world_pass(w, 1);
    world_ok(w, "health", "{\"state\":\"ready\",\"last_activity_at\":0,\"connected\":1}");
    assert_string_equal(world_state(w, id), "Running");
    world_pass(w, 7201);
    cleanup_free char *used =
        xasprintf("{\"last_activity_at\":%lld,\"connected\":0}", (long long)w->now - 10);
    world_ok(w, "health", used);
    assert_string_equal(world_state(w, id), "Running");
    world_pass(w, 7201);
    world_ok(w, "health", "{\"connected\":0}");
    assert_string_equal(world_state(w, id), "Terminating");
    assert_string_equal(json_text(w->json, "message"), "nobody used it");
}

static void test_activity_survives_a_restart(void **state)
{
    struct fake_world *w = *state;
    const char *id = world_running(w);
    world_pass(w, 3600);
    world_event(w, "presence", id,
                "{\"login\":\"bob\",\"provider\":\"sshkey\",\"connected\":true}");
    assert_int_equal(json_number(world_info(w, id), "last_activity_at"), w->now);
    world_restart(w);
    assert_int_equal(json_number(world_info(w, id), "last_activity_at"), w->now);
}

static void test_old_sessions_are_forgotten(void **state)
{
    struct fake_world *w = *state;
    char id[21];
    memcpy(id, world_running(w), 21);
    cleanup_str struct str text = STR_INIT;
    session_delete(w->sessions, &ann, id, &text, NULL);
    world_ok(w, "stop", "{\"archived\":true}");
    world_pass(w, SESSION_FORGET_AFTER - 10);
    assert_string_equal(world_state(w, id), "Terminated");
    world_pass(w, 3700);
    assert_int_equal(session_get(w->sessions, &ann, id, &text, NULL), ERR_NOT_FOUND);
    world_restart(w);
    assert_int_equal(session_get(w->sessions, &ann, id, &text, NULL), ERR_NOT_FOUND);
}

static void test_health(void **state)
{
    struct fake_world *w = *state;
    cleanup_json struct json_object *obj = json_object_new_object();
    struct err err = ERR_INIT;
    assert_int_equal(sessions_health(w->sessions, obj, &err), ERR_UNAVAILABLE);
    world_ok(w, "info", "{\"working\":true,\"engine\":{\"name\":\"podman\"},\"warnings\":[]}");
    assert_int_equal(sessions_health(w->sessions, obj, NULL), 0);
    assert_string_equal(json_text(json_object_object_get(obj, "engine"), "name"), "podman");
    world_pass(w, 20);
    world_ok(w, "info", "{\"working\":false,\"detail\":\"no image\"}");
    err_clear(&err);
    assert_int_equal(sessions_health(w->sessions, obj, &err), ERR_UNAVAILABLE);
    assert_string_equal(err.msg, "no image");
}

static void test_keeper_lost_changes_nothing(void **state)
{
    struct fake_world *w = *state;
    char id[21];
    memcpy(id, world_create(w), 21);
    world_drop_calls(w); /* the keeper died in the middle of start */
    assert_string_equal(world_state(w, id), "Provisioning");
    world_restart(w);
    assert_non_null(world_call(w, "start"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup_world, teardown_world)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_up_and_down),
        T(test_start_failures_have_a_reason),
        T(test_taken_port_is_passed_over),
        T(test_taken_subnet_is_passed_over),
        T(test_everything_taken_fails_in_the_end),
        T(test_port_that_the_agent_finds_taken),
        T(test_agent_failure_has_its_reason),
        T(test_agent_that_dies_while_provisioning),
        T(test_delete_while_provisioning),
        T(test_archive_that_fails_keeps_everything),
        T(test_gone_is_resumed_at_once_then_with_backoff),
        T(test_one_that_keeps_dying_waits_longer),
        T(test_restart_finds_everything_again),
        T(test_reconcile_removes_what_nobody_knows),
        T(test_reconcile_resumes_what_is_missing),
        T(test_time_is_over),
        T(test_extend),
        T(test_idle_asks_before_it_ends),
        T(test_activity_survives_a_restart),
        T(test_old_sessions_are_forgotten),
        T(test_health),
        T(test_keeper_lost_changes_nothing),
    };
    return cmocka_run_group_tests_name("session/lifecycle", tests, NULL, NULL);
}
