#include "keeper/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "keeper_spec.h"

static int parse(struct json_object *obj, struct keeper_request *out, bool *unknown,
                 struct err *err)
{
    int rc = keeper_request_parse(obj, "server", out, unknown, err);
    json_object_put(obj);
    return rc;
}

static struct json_object *text(const char *json)
{
    struct json_object *obj = NULL;
    assert_int_equal(json_parse(json, strlen(json), &obj, NULL), 0);
    return obj;
}

static struct json_object *with_spec(const char *verb, struct json_object *spec)
{
    struct json_object *obj = json_object_new_object();
    json_add_str(obj, "verb", verb);
    json_add(obj, "spec", spec);
    return obj;
}

static void test_every_verb_has_a_name(void **state)
{
    (void)state;
    for (int i = 0; i < KEEPER_VERBS; i++)
        assert_non_null(keeper_verb_name((enum keeper_verb)i));
}

static void test_start(void **state)
{
    (void)state;
    cleanup_keeper_request struct keeper_request r = {0};
    bool unknown = true;
    struct json_object *obj = with_spec("start", spec_json(ID_A));
    json_add_bool(obj, "resume", true);
    json_add(obj, "token",
             text("{\"host\":\"forge.example\",\"username\":\"u\",\"secret\":\"s\",\"more\":1}"));
    assert_int_equal(parse(obj, &r, &unknown, NULL), 0);
    assert_false(unknown);
    assert_int_equal(r.verb, KEEPER_START);
    assert_string_equal(r.session_id, ID_A);
    assert_true(r.resume);
    assert_int_equal(json_object_object_length(r.token), 3);
}

static void refuse(struct json_object *obj, int code)
{
    struct keeper_request r;
    struct err err = ERR_INIT;
    bool unknown = true;
    assert_int_equal(parse(obj, &r, &unknown, &err), code);
    assert_false(unknown);
    assert_true(err.msg[0] != '\0');
}

static void test_specs_are_checked_again(void **state)
{
    (void)state;
    struct json_object *spec = spec_json(ID_A);
    json_add_str(spec, "server_id", "another");
    refuse(with_spec("start", spec), ERR_INVALID);
    spec = spec_json(ID_A);
    json_object_object_del(spec, "host_key");
    refuse(with_spec("start", spec), ERR_INVALID);
    spec = spec_json(ID_A);
    json_add_str(spec, "id", "../../etc/passwd");
    refuse(with_spec("start", spec), ERR_INVALID);
    spec = spec_json(ID_A);
    json_add_str(spec, "repo_url", "--upload-pack=x");
    refuse(with_spec("start", spec), ERR_INVALID);
    spec = spec_json(ID_A);
    json_add_i64(spec, "ssh_port", 70000);
    refuse(with_spec("start", spec), ERR_INVALID);
    refuse(text("{\"verb\":\"start\"}"), ERR_INVALID);
    refuse(text("{\"verb\":\"start\",\"spec\":5}"), ERR_INVALID);
    /* stop names a session twice: they must be one. */
    struct json_object *stop = with_spec("stop", spec_json(ID_A));
    json_add_str(stop, "session_id", ID_B);
    refuse(stop, ERR_INVALID);
}

static void test_members_are_checked(void **state)
{
    (void)state;
    const char *bad[] = {
        "{\"verb\":\"remove\"}",
        "{\"verb\":\"remove\",\"session_id\":\"short\"}",
        "{\"verb\":\"remove\",\"session_id\":\"AAAAAAAAAAAAAAAAAAAA\"}",
        "{\"verb\":\"remove\",\"session_id\":7}",
        "{\"verb\":\"users\",\"session_id\":\"" ID_A "\"}",
        "{\"verb\":\"users\",\"session_id\":\"" ID_A "\",\"users\":[{\"login\":\"-x\","
        "\"provider\":\"p\"}]}",
        "{\"verb\":\"users\",\"session_id\":\"" ID_A "\",\"users\":[{\"login\":\"x\",\"provider\":"
        "\"p\",\"keys\":[\"command=\\\"x\\\" ssh-rsa A\"]}]}",
        "{\"verb\":\"kick\",\"session_id\":\"" ID_A "\",\"login\":\"../x\",\"provider\":\"p\"}",
        "{\"verb\":\"kick\",\"session_id\":\"" ID_A "\",\"login\":\"x\"}",
        "{\"verb\":\"expires\",\"session_id\":\"" ID_A "\"}",
        "{\"verb\":\"expires\",\"session_id\":\"" ID_A "\",\"expires_at\":-1}",
        "{\"verb\":\"expires\",\"expires_at\":1}",
        "{\"verb\":\"role\",\"session_id\":\"" ID_A "\",\"login\":\"x\",\"provider\":\"p\"}",
        "{\"verb\":\"role\",\"session_id\":\"" ID_A "\",\"login\":\"x\",\"provider\":\"p\","
        "\"role\":\"king\"}",
        "{\"verb\":\"role\",\"session_id\":\"" ID_A "\",\"login\":\"x\",\"role\":\"type\"}",
        "{\"verb\":\"archive_get\",\"session_id\":\"" ID_A "\",\"offset\":-1}",
        "{\"verb\":\"archive_get\",\"session_id\":\"" ID_A "\",\"length\":99999999}",
        "{\"verb\":\"archive_get\",\"session_id\":\"" ID_A "\",\"length\":0}",
        "{\"verb\":\"archive_expire\"}",
        "{\"verb\":\"archive_expire\",\"before\":\"x\"}",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        refuse(text(bad[i]), ERR_INVALID);
}

static void test_unknown_verbs(void **state)
{
    (void)state;
    const char *bad[] = {"{}", "{\"verb\":\"exec\"}", "{\"verb\":5}", "{\"verb\":\"START\"}"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct keeper_request r;
        bool unknown = false;
        assert_int_not_equal(parse(text(bad[i]), &r, &unknown, NULL), 0);
        assert_true(unknown);
    }
}

static const char *filtered(const char *event, const char *json)
{
    static char out[512];
    struct json_object *obj = text(json);
    struct json_object *clean = keeper_event_filter(ID_A, event, obj);
    json_object_put(obj);
    if (!clean)
        return NULL;
    cleanup_str struct str s = STR_INIT;
    json_print(clean, &s);
    snprintf(out, sizeof out, "%s", s.p);
    json_object_put(clean);
    return out;
}

#define HEAD(event) "{\"event\":\"" event "\",\"session_id\":\"" ID_A "\""

static void test_events_of_agents_are_written_anew(void **state)
{
    (void)state;
    assert_string_equal(filtered("ready", "{\"session_id\":\"" ID_B "\",\"x\":1}"),
                        HEAD("ready") "}");
    assert_string_equal(
        filtered("stage", "{\"stage\":\"clone\",\"progress\":5,\"message\":\"a\\u001b[2Jb\"}"),
        HEAD("stage") ",\"stage\":\"clone\",\"progress\":5,\"message\":\"a\\\\x1b[2Jb\"}");
    assert_null(filtered("stage", "{\"stage\":\"Bad Word\"}"));
    assert_null(filtered("stage", "{\"stage\":\"clone\",\"progress\":500}"));
    assert_null(filtered("failed", "{\"message\":\"no reason\"}"));
    assert_string_equal(filtered("failed", "{\"reason\":\"no_space\"}"),
                        HEAD("failed") ",\"reason\":\"no_space\"}");
    assert_null(filtered("presence", "{\"login\":\"../x\",\"provider\":\"p\"}"));
    assert_string_equal(
        filtered("presence", "{\"login\":\"x\",\"provider\":\"p\",\"connected\":true}"),
        HEAD("presence") ",\"login\":\"x\",\"provider\":\"p\",\"connected\":true}");
    assert_string_equal(filtered("kicked", "{\"login\":\"x\",\"provider\":\"p\",\"y\":1}"),
                        HEAD("kicked") ",\"login\":\"x\",\"provider\":\"p\"}");
    assert_null(filtered("kicked", "{\"login\":\"x\"}"));
    assert_null(filtered("activity", "{}"));
    assert_null(filtered("gone", "{}"));
    assert_null(filtered("anything", "{}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_verb_has_a_name),
        cmocka_unit_test(test_start),
        cmocka_unit_test(test_specs_are_checked_again),
        cmocka_unit_test(test_members_are_checked),
        cmocka_unit_test(test_unknown_verbs),
        cmocka_unit_test(test_events_of_agents_are_written_anew),
    };
    return cmocka_run_group_tests_name("keeper/request", tests, NULL, NULL);
}
