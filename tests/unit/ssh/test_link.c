#include "ssh/link.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define ID "abcdefghij234567abcd"
#define KEY "AAAAC3NzaC1lZDI1NTE5AAAAIJLmjFCmlTOFGbtOZ1t6RZbWhyTXOaXW5UGX0J6m8gHL"
#define SSH "ssh=ssh%3A%2F%2Fsteadystate%40host.example%3A20001"
#define HOST_KEY "host_key=ssh-ed25519%20" KEY
#define GOOD "steadystate://collab/" ID "?" SSH "&" HOST_KEY

static void test_round_trip(void **state)
{
    (void)state;
    const char *hosts[] = {"host.example", "192.0.2.7", "2001:db8::1"};
    for (size_t i = 0; i < 3; i++) {
        struct magic_link link = {.mode = "pair",
                                  .session_id = ID,
                                  .user = (char[]){"steadystate"},
                                  .host = (char *)hosts[i],
                                  .port = 20001,
                                  .host_key = (char[]){"ssh-ed25519 " KEY}};
        cleanup_str struct str text = STR_INIT;
        magic_link_format(&link, &text);
        cleanup_magic_link struct magic_link got;
        struct err err = ERR_INIT;
        if (magic_link_parse(text.p, text.len, &got, &err))
            fail_msg("%s: %s", text.p, err.msg);
        assert_string_equal(got.mode, "pair");
        assert_string_equal(got.session_id, ID);
        assert_string_equal(got.user, "steadystate");
        assert_string_equal(got.host, hosts[i]);
        assert_int_equal(got.port, 20001);
        assert_string_equal(got.host_key, "ssh-ed25519 " KEY);
    }
}

static void test_exact_text(void **state)
{
    (void)state;
    cleanup_magic_link struct magic_link link;
    assert_int_equal(magic_link_parse(GOOD, strlen(GOOD), &link, NULL), 0);
    cleanup_str struct str text = STR_INIT;
    magic_link_format(&link, &text);
    assert_string_equal(text.p, GOOD);
    cleanup_str struct str url = STR_INIT;
    magic_link_ssh_url(&link, &url);
    assert_string_equal(url.p, "ssh://steadystate@host.example:20001");
}

static void assert_parses(const char *text, bool want)
{
    cleanup_magic_link struct magic_link link;
    struct err err = ERR_INIT;
    int rc = magic_link_parse(text, strlen(text), &link, &err);
    if ((rc == 0) != want)
        fail_msg("%s: %s", text, rc ? err.msg : "taken");
    if (!want)
        assert_non_null(strstr(err.msg, "magic link"));
}

static void test_unknown_parameters(void **state)
{
    (void)state;
    assert_parses(GOOD "&new=1&flag", true);
    assert_parses("steadystate://collab/" ID "?x=%zz&" HOST_KEY "&" SSH, true);
}

static void test_malformed(void **state)
{
    (void)state;
    const char *bad[] = {
        "",
        "http://collab/" ID "?" SSH "&" HOST_KEY,
        "steadystate:/collab/" ID "?" SSH "&" HOST_KEY,
        "steadystate://other/" ID "?" SSH "&" HOST_KEY,
        "steadystate://collab",
        "steadystate://collab/ABCDEFGHIJ234567abcd?" SSH "&" HOST_KEY,
        "steadystate://collab/" ID "x?" SSH "&" HOST_KEY,
        "steadystate://collab/short?" SSH "&" HOST_KEY,
        "steadystate://collab/" ID,
        "steadystate://collab/" ID "?" SSH,
        "steadystate://collab/" ID "?" HOST_KEY,
        GOOD "&" SSH,
        GOOD "&" HOST_KEY,
        GOOD "\n",
        GOOD "\xc3\xa9",
        "steadystate://collab/" ID "?ssh=http%3A%2F%2Fu%40h%3A1&" HOST_KEY,
        "steadystate://collab/" ID "?ssh=ssh%3A%2F%2Fh%3A1&" HOST_KEY,
        "steadystate://collab/" ID "?ssh=ssh%3A%2F%2Fu%40h&" HOST_KEY,
        "steadystate://collab/" ID "?ssh=ssh%3A%2F%2F-oProxyCommand%40h%3A1&" HOST_KEY,
        "steadystate://collab/" ID "?ssh=ssh%3A%2F%2Fu%40-oProxyCommand%3A1&" HOST_KEY,
        "steadystate://collab/" ID "?ssh=ssh%3A%2F%2Fu%3Apw%40h%3A1&" HOST_KEY,
        "steadystate://collab/" ID "?ssh=ssh%3A%2F%2Fu%40h%3A1%2Fpath&" HOST_KEY,
        "steadystate://collab/" ID "?ssh=ssh%3A%2F%2Fu%40h%3A99999&" HOST_KEY,
        "steadystate://collab/" ID "?ssh=ssh%3A%2F%2Fu%40h%0a%3A1&" HOST_KEY,
        "steadystate://collab/" ID "?ssh=%zz&" HOST_KEY,
        "steadystate://collab/" ID "?" SSH "&host_key=ssh-ed25519%20AAAA",
        "steadystate://collab/" ID "?" SSH "&host_key=" KEY,
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_parses(bad[i], false);
}

static void test_id_or_link(void **state)
{
    (void)state;
    char id[SESSION_ID_LEN + 1];
    assert_int_equal(magic_link_id(ID, id, NULL), 0);
    assert_string_equal(id, ID);
    assert_int_equal(magic_link_id(GOOD, id, NULL), 0);
    assert_string_equal(id, ID);
    assert_int_equal(magic_link_id("abc", id, NULL), ERR_INVALID);
    assert_int_equal(magic_link_id("steadystate://x", id, NULL), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),         cmocka_unit_test(test_exact_text),
        cmocka_unit_test(test_unknown_parameters), cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_id_or_link),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
