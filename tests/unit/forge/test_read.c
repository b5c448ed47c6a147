/* Pages of a forge: who may push, keys, the next page. */
#include "../base/test.h"

#include <string.h>

#include "base/enc.h"
#include "forge/forge.h"

#define ED "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJQ2Vf0Hgo3lEcVJCVmOlQFS9Wnrs3dLq0sKQJmVXlXh"

static int read_page(enum forge_kind kind, const char *text, struct forge_people *people)
{
    return forge_read_people(kind, text, strlen(text), people, NULL);
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
    return forge_read_key_list(text, strlen(text), keys, NULL);
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

static void test_user(void **state)
{
    (void)state;
    struct forge_person who = {0};
    static const char github[] = "{\"login\":\"anna\",\"id\":7,\"node_id\":\"x\",\"plan\":{}}";
    assert_int_equal(forge_read_user(FORGE_GITHUB, github, strlen(github), &who, NULL), 0);
    assert_string_equal(who.subject, "7");
    assert_string_equal(who.login, "anna");
    forge_person_release(&who);
    assert_int_equal(forge_read_user(FORGE_GITLAB, github, strlen(github), &who, NULL),
                     ERR_UNAVAILABLE);
    static const char found[] = "[{\"id\":9,\"username\":\"bob\"}]";
    assert_int_equal(forge_read_found(FORGE_GITLAB, found, strlen(found), &who, NULL), 0);
    assert_string_equal(who.subject, "9");
    forge_person_release(&who);
    assert_int_equal(forge_read_found(FORGE_GITLAB, "[]", 2, &who, NULL), ERR_NOT_FOUND);
    static const char *const bad[] = {"",
                                      "7",
                                      "[7,8]",
                                      "{}",
                                      "{\"id\":1}",
                                      "{\"id\":0,\"login\":\"a\"}",
                                      "{\"id\":1,\"login\":\"a b\"}",
                                      "{\"id\":1,\"login\":[]}"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (forge_read_user(FORGE_GITHUB, bad[i], strlen(bad[i]), &who, NULL) != ERR_UNAVAILABLE)
            fail_msg("taken: %s", bad[i]);
}

static bool next_of(const char *link, struct str *next)
{
    str_clear(next);
    return forge_read_next(link, strlen(link), next);
}

static void test_next(void **state)
{
    (void)state;
    cleanup_str struct str next = STR_INIT;
    static const char *const links[] = {
        "<https://h/?p=1>; rel=\"prev\", <https://h/3>; rel=\"next\", <https://h/9>; rel=\"last\"",
        "<https://h/3>;rel=next",
        "<https://h/3> ; title=\"a, <b>; \\\"c\" ; REL = \"last Next\"",
        "<https://h/1>; title=\"rel=\\\"next\\\"\"; rel=first , <https://h/3>; x; rel=\"next\"",
        "<https://h/1>; rel=\"last\"; rel=\"next\", <https://h/3>; rel=\"next\"",
    };
    for (size_t i = 0; i < ARRAY_LEN(links); i++)
        if (!next_of(links[i], &next) || strcmp(next.p, "https://h/3") != 0)
            fail_msg("%s: %s", links[i], next.p);
    static const char *const none[] = {"",
                                       "<https://h>; rel=\"last\"",
                                       "<https://h",
                                       "nonsense",
                                       "<https://h>; rel=\"nextish\"",
                                       "<https://h>; title=\"rel=next\"",
                                       "<https://h>; rel=\"next"};
    for (size_t i = 0; i < ARRAY_LEN(none); i++)
        if (next_of(none[i], &next))
            fail_msg("taken: %s", none[i]);
}

static void test_resolve(void **state)
{
    (void)state;
    static const struct {
        const char *base, *reference, *made;
    } rows[] = {
        {"https://h:8443/a/b?c", "https://h/d?e", "https://h/d?e"},
        {"https://h:8443/a/b?c", "/d?e", "https://h:8443/d?e"},
        {"https://h:8443/a/b?c", "?page=2", "https://h:8443/a/b?page=2"},
        {"https://h/a", "//evil.example/d", NULL},
        {"https://h/a", "/\\evil.example/d", NULL},
        {"https://h/a", "/d e", NULL},
        {"https://h/a", "d", NULL},
        {"https://h/a", "", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup_str struct str made = STR_INIT;
        int rc = forge_resolve(rows[i].base, rows[i].reference, &made, NULL);
        assert_int_equal(rc == 0, rows[i].made != NULL);
        if (rows[i].made)
            assert_string_equal(made.p, rows[i].made);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_keys), cmocka_unit_test(test_people),
        cmocka_unit_test(test_keys),      cmocka_unit_test(test_key_list),
        cmocka_unit_test(test_next),      cmocka_unit_test(test_user),
        cmocka_unit_test(test_resolve),
    };
    return cmocka_run_group_tests_name("forge/read", tests, NULL, NULL);
}
