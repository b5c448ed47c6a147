#include "agent/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/secrets.h"
#include "base/mem.h"

static int parse(char kind, uint32_t id, const char *text, const char **verb,
                 struct json_object **obj)
{
    struct frame frame = {.kind = kind, .id = id, .payload = text, .len = strlen(text)};
    return request_parse(&frame, obj, verb, NULL);
}

static void a_request_is_an_object_with_a_verb_and_an_id(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "{",
                                      "[]",
                                      "7",
                                      "{}",
                                      "{\"verb\":7}",
                                      "{\"verb\":null}",
                                      "{\"verb\":\"abcdefghijklmnopqrstuvwxyzabcdefghijklmnop\"}"};
    const char *verb = NULL;
    cleanup_json struct json_object *obj = NULL;
    struct json_object *none;
    assert_int_equal(parse('J', 1, "{\"verb\":\"head\"}", &verb, &obj), 0);
    assert_string_equal(verb, "head");
    assert_int_equal(parse('J', 0, "{\"verb\":\"head\"}", &verb, &none), ERR_INVALID);
    assert_int_equal(parse('D', 1, "{\"verb\":\"head\"}", &verb, &none), ERR_INVALID);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_true(parse('J', 1, bad[i], &verb, &none) < 0);
        assert_null(none);
    }
}

static struct json_object *object(const char *text)
{
    struct json_object *o = NULL;
    assert_int_equal(json_parse(text, strlen(text), &o, NULL), 0);
    return o;
}

#define A "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\""
#define B "\"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\""
#define IDS "{\"parent\":" A ",\"commit\":" B

static void push_keeps_what_is_known_and_nothing_else(void **state)
{
    (void)state;
    cleanup_json struct json_object *o =
        object(IDS ",\"changes\":[{\"file\":\"a b\",\"lines\":\"1:2\",\"evil\":1}],"
                   "\"overlaps\":[{\"file\":\"x\",\"lines\":\"3:4\",\"with\":[\"bob\"],"
                   "\"kind\":\"edit\"}]}");
    cleanup_push_request struct push_request r;
    cleanup_str struct str text = STR_INIT;
    assert_int_equal(push_request_parse(o, &r, NULL), 0);
    json_print(r.changes, &text);
    assert_string_equal(text.p, "[{\"file\":\"a b\",\"lines\":\"1:2\"}]");
    str_clear(&text);
    json_print(r.overlaps, &text);
    assert_string_equal(text.p, "[{\"file\":\"x\",\"lines\":\"3:4\",\"with\":[\"bob\"],"
                                "\"kind\":\"edit\"}]");
}

static void push_refuses_what_cannot_be(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "{}",
        "{\"parent\":" A "}",
        "{\"parent\":\"x\",\"commit\":" B "}",
        IDS ",\"changes\":7}",
        IDS ",\"changes\":[7]}",
        IDS ",\"changes\":[{}]}",
        IDS ",\"changes\":[{\"file\":\"../x\"}]}",
        IDS ",\"changes\":[{\"file\":\"/x\"}]}",
        IDS ",\"changes\":[{\"file\":\".git/config\"}]}",
        IDS ",\"changes\":[{\"file\":7}]}",
        IDS ",\"overlaps\":[{\"file\":\"x\",\"with\":[7]}]}",
        IDS ",\"overlaps\":[{\"file\":\"x\",\"with\":[\"a b\"]}]}",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        cleanup_json struct json_object *o = object(bad[i]);
        struct push_request r;
        assert_int_equal(push_request_parse(o, &r, NULL), ERR_INVALID);
        assert_null(r.changes);
    }
}

static void a_secret_comes_whole_or_not_at_all(void **state)
{
    (void)state;
    struct secrets s = SECRETS_INIT;
    cleanup_json struct json_object *good = object(
        "{\"token\":{\"host\":\"h\",\"username\":\"u\",\"secret\":\"t\"},\"deploy_key\":\"k\","
        "\"known_hosts\":\"kh\"}");
    assert_int_equal(secrets_from_json(&s, good, NULL), 0);
    assert_string_equal(s.host, "h");
    assert_string_equal(s.token, "t");
    assert_string_equal(s.deploy_key, "k");
    /* the text that came in is gone */
    cleanup_str struct str text = STR_INIT;
    json_print(good, &text);
    assert_null(strstr(text.p, "\"t\""));
    static const char *const bad[] = {"{\"token\":7}", "{\"token\":{}}",
                                      "{\"token\":{\"host\":\"h\"}}", "{\"deploy_key\":7}"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        cleanup_json struct json_object *o = object(bad[i]);
        assert_true(secrets_from_json(&s, o, NULL) < 0);
        assert_string_equal(s.token, "t");
    }
    cleanup_json struct json_object *none = object("{}");
    /* what a later hello leaves out stays */
    assert_int_equal(secrets_from_json(&s, none, NULL), 0);
    assert_string_equal(s.token, "t");
    secrets_wipe(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_an_object_with_a_verb_and_an_id),
        cmocka_unit_test(push_keeps_what_is_known_and_nothing_else),
        cmocka_unit_test(push_refuses_what_cannot_be),
        cmocka_unit_test(a_secret_comes_whole_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
