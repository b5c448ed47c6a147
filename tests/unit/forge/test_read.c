/* Pages of a forge: who may push, keys, the next page. */
#include "../base/test.h"

#include <string.h>

#include "base/enc.h"
#include "forge/forge.h"

#define ED "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJQ2Vf0Hgo3lEcVJCVmOlQFS9Wnrs3dLq0sKQJmVXlXh"

static int read_page(enum forge_kind kind, const char *text, struct forge_people *people)
{
    cleanup_json struct json_object *page = NULL;
    assert_int_equal(json_parse(text, strlen(text), &page, NULL), 0);
    return forge_read_people(kind, page, people, NULL);
}

static void test_people(void **state)
{
    (void)state;
    cleanup_forge_people struct forge_people people = {0};
    assert_int_equal(
        read_page(FORGE_GITHUB,
                  "[{\"id\":1,\"login\":\"a\",\"permissions\":{\"push\":true,\"admin\":true}},"
                  "{\"id\":2,\"login\":\"reader\",\"permissions\":{\"pull\":true,\"push\":false}},"
                  "{\"id\":3,\"login\":\"c\",\"permissions\":{\"push\":true}}]",
                  &people),
        0);
    assert_int_equal(people.len, 2);
    assert_string_equal(people.v[1].login, "c");
    assert_string_equal(people.v[1].subject, "3");
    assert_int_equal(read_page(FORGE_GITLAB,
                               "[{\"id\":4,\"username\":\"d\",\"access_level\":30},"
                               "{\"id\":5,\"username\":\"e\",\"access_level\":20}]",
                               &people),
                     0);
    assert_int_equal(people.len, 3);
    assert_string_equal(people.v[2].login, "d");
    /* Blocked, or not let in yet: in the list all the same. */
    assert_int_equal(
        read_page(FORGE_GITLAB,
                  "[{\"id\":6,\"username\":\"f\",\"access_level\":50,\"state\":\"blocked\"},"
                  "{\"id\":7,\"username\":\"g\",\"access_level\":40,"
                  "\"membership_state\":\"awaiting\"}]",
                  &people),
        0);
    assert_int_equal(people.len, 3);
    static const char *const bad[] = {
        "{}",
        "[5]",
        "[{\"id\":\"1\",\"login\":\"a\",\"permissions\":{\"push\":true}}]",
        "[{\"id\":1,\"login\":\"../a\",\"permissions\":{\"push\":true}}]",
        "[{\"id\":1,\"login\":\"a\\n\",\"permissions\":{\"push\":true}}]",
        "[{\"id\":1,\"login\":\"a\",\"permissions\":{\"push\":\"yes\"}}]"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (read_page(FORGE_GITHUB, bad[i], &people) != ERR_UNAVAILABLE)
            fail_msg("taken: %s", bad[i]);
}

static void test_keys(void **state)
{
    (void)state;
    cleanup_strv struct strv keys = STRV_INIT;
    const char text[] =
        ED "\n" ED " Display Name\ncommand=\"evil\" " ED "\nssh-dss AAAA\n\nrubbish\n";
    forge_read_keys(text, strlen(text), &keys);
    assert_int_equal(keys.len, 1);
    assert_string_equal(keys.v[0], ED);
}

/* Somebody with more keys than are looked at, of which each is another one. */
static void test_many_keys(void **state)
{
    (void)state;
    cleanup_strv struct strv keys = STRV_INIT;
    cleanup_str struct str page = STR_INIT;
    for (int i = 0; i < FORGE_KEYS_MAX + 20; i++) {
        cleanup_str struct str blob = STR_INIT;
        unsigned char raw[32] = {(unsigned char)i, 1};
        str_add(&blob, "\0\0\0\x0bssh-ed25519\0\0\0\x20", 19);
        str_add(&blob, raw, sizeof raw);
        str_adds(&page, "ssh-ed25519 ");
        enc_base64(&page, blob.p, blob.len);
        str_adds(&page, " a comment\n");
    }
    forge_read_keys(page.p, page.len, &keys);
    assert_int_equal(keys.len, FORGE_KEYS_MAX);
}

static int read_list(const char *text, struct strv *keys)
{
    cleanup_json struct json_object *list = NULL;
    assert_int_equal(json_parse(text, strlen(text), &list, NULL), 0);
    return forge_read_key_list(list, keys, NULL);
}

static void test_key_list(void **state)
{
    (void)state;
    cleanup_strv struct strv keys = STRV_INIT;
    assert_int_equal(read_list("[{\"id\":1,\"key\":\"" ED " Ann (host)\"},{\"key\":\"" ED "\"},"
                               "{\"key\":\"command=\\\"x\\\" " ED "\"}]",
                               &keys),
                     0);
    assert_int_equal(keys.len, 1);
    assert_string_equal(keys.v[0], ED);
    assert_int_equal(read_list("{\"message\":\"no\"}", &keys), ERR_UNAVAILABLE);
    assert_int_equal(read_list("[{\"id\":1}]", &keys), ERR_UNAVAILABLE);
    assert_int_equal(read_list("[7]", &keys), ERR_UNAVAILABLE);
}

static void test_next(void **state)
{
    (void)state;
    cleanup_str struct str next = STR_INIT;
    assert_true(forge_read_next("<https://h/a?page=1>; rel=\"prev\", <https://h/a?page=3>; "
                                "rel=\"next\", <https://h/a?page=9>; rel=\"last\"",
                                &next));
    assert_string_equal(next.p, "https://h/a?page=3");
    static const char *const none[] = {"", "<https://h>; rel=\"last\"", "<https://h", "nonsense"};
    for (size_t i = 0; i < ARRAY_LEN(none); i++)
        assert_false(forge_read_next(none[i], &next));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_keys), cmocka_unit_test(test_people),
        cmocka_unit_test(test_keys),      cmocka_unit_test(test_key_list),
        cmocka_unit_test(test_next),
    };
    return cmocka_run_group_tests_name("forge/read", tests, NULL, NULL);
}
