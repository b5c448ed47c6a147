/* num, enc, url, net, json, frame: the pure parsers of the base. */
#include "test.h"

#include <string.h>

#include "base/enc.h"
#include "base/frame.h"
#include "base/json.h"
#include "base/net.h"
#include "base/num.h"
#include "base/url.h"

static void test_numbers(void **state)
{
    (void)state;
    uint64_t u = 7;
    int64_t i = 0;
    int n = 0;
    assert_int_equal(num_parse_u64("18446744073709551615", 20, 0, UINT64_MAX, &u, NULL), 0);
    assert_true(u == UINT64_MAX);
    assert_int_equal(num_parse_u64("18446744073709551616", 20, 0, UINT64_MAX, &u, NULL),
                     ERR_INVALID);
    static const char *const bad[] = {"", "+1", "-1", " 1", "1 ", "0x1", "1e3", "1.0"};
    for (size_t k = 0; k < ARRAY_LEN(bad); k++)
        assert_int_equal(num_parse_int(bad[k], 0, 100, &n, NULL), ERR_INVALID);
    assert_int_equal(num_parse_i64("-9223372036854775808", INT64_MIN, INT64_MAX, &i, NULL), 0);
    assert_true(i == INT64_MIN);
    assert_int_equal(num_parse_i64("-9223372036854775809", INT64_MIN, INT64_MAX, &i, NULL),
                     ERR_INVALID);
    assert_int_equal(num_parse_duration("12h", 1000000, &i, NULL), 0);
    assert_int_equal(i, 43200);
    assert_int_equal(num_parse_duration("12w", 1000000, &i, NULL), ERR_INVALID);
    assert_int_equal(num_parse_duration("h", 1000000, &i, NULL), ERR_INVALID);
    assert_int_equal(num_parse_bytes("2g", UINT64_MAX, &u, NULL), 0);
    assert_true(u == 2147483648u);
    assert_int_equal(num_parse_bytes("18446744073709551615g", UINT64_MAX, &u, NULL), ERR_INVALID);
}

static void check_base64(const char *plain, const char *encoded)
{
    cleanup_str struct str out = STR_INIT;
    cleanup_str struct str back = STR_INIT;
    enc_base64(&out, plain, strlen(plain));
    assert_string_equal(out.p, encoded);
    assert_int_equal(enc_unbase64(encoded, strlen(encoded), &back, NULL), 0);
    assert_string_equal(back.p, plain);
}

static void test_base64(void **state)
{
    (void)state;
    /* RFC 4648 section 10 */
    check_base64("", "");
    check_base64("f", "Zg==");
    check_base64("fo", "Zm8=");
    check_base64("foo", "Zm9v");
    check_base64("foob", "Zm9vYg==");
    static const char *const bad[] = {"Zg=", "Zg", "Zh==", "Z===", "Zg==\n", "Zm9 "};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        cleanup_str struct str out = STR_INIT;
        assert_int_equal(enc_unbase64(bad[i], strlen(bad[i]), &out, NULL), ERR_INVALID);
    }
    cleanup_str struct str out = STR_INIT;
    enc_base64url(&out, "\xfb\xff", 2);
    assert_string_equal(out.p, "-_8");
    char id[SESSION_ID_LEN + 1];
    rnd_session_id(id);
    assert_true(session_id_is_valid(id));
    assert_false(session_id_is_valid("abc"));
}

static void test_url(void **state)
{
    (void)state;
    cleanup_url struct url u = {0};
    const char text[] = "HTTPS://u%40x:p@[2001:DB8::1]:8443/a/b?q=1";
    assert_int_equal(url_parse(text, strlen(text), &u, NULL), 0);
    assert_string_equal(u.scheme, "https");
    assert_string_equal(u.user, "u@x");
    assert_string_equal(u.password, "p");
    assert_string_equal(u.host, "2001:db8::1");
    assert_int_equal(u.port, 8443);
    assert_string_equal(u.path, "/a/b");
    assert_string_equal(u.query, "q=1");
    static const char *const bad[] = {"",
                                      "http",
                                      "http://",
                                      "http://a b/",
                                      "http://h:0/",
                                      "http://h:65536/",
                                      "http://h:/",
                                      "http://-h/",
                                      "http://h#x",
                                      "http://[::1",
                                      "http://u%00@h/",
                                      "ht tp://h",
                                      "://h",
                                      "http://h\n/",
                                      "1http://h/",
                                      "http://h%41/"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct url v;
        assert_int_equal(url_parse(bad[i], strlen(bad[i]), &v, NULL), ERR_INVALID);
    }
}

static void check_repo(const char *text, enum repo_kind kind, const char *url, const char *name)
{
    cleanup_repo_url struct repo_url r = {0};
    struct err err = ERR_INIT;
    if (repo_url_parse(text, strlen(text), &r, &err))
        fail_msg("%s: %s", text, err.msg);
    assert_int_equal(r.kind, kind);
    assert_string_equal(r.url, url);
    assert_string_equal(r.name, name);
}

static void test_repo_url(void **state)
{
    (void)state;
    check_repo("https://github.com/o/r.git", REPO_HTTPS, "https://github.com/o/r.git", "r");
    check_repo("https://h:8443/a/b/c/r/", REPO_HTTPS, "https://h:8443/a/b/c/r/", "r");
    check_repo("git@github.com:o/r.git", REPO_SSH, "ssh://git@github.com/o/r.git", "r");
    check_repo("ssh://h/o/r", REPO_SSH, "ssh://git@h/o/r", "r");
    check_repo("file:///srv/r.git", REPO_FILE, "/srv/r.git", "r");
    check_repo("/srv/r", REPO_FILE, "/srv/r", "r");
    static const char *const bad[] = {
        "-oProxyCommand=x",
        "--upload-pack=x",
        "ext::sh -c x",
        "ext::sh",
        "https://u:p@h/o/r",
        "https://token@h/o/r",
        "ssh://-oProxyCommand=x/o/r",
        "ssh://-u@h/o/r",
        "-u@h:o/r",
        "git@-h:o/r",
        "git@h:-r",
        "https://h/-r",
        "https://h",
        "https://h/",
        "https://h/..",
        "https://h/a/../../r",
        "https://h/.git",
        "https://h/a?b",
        "ftp://h/o/r",
        "git://h/o/r",
        "file://h/o/r",
        "relative/path",
        "https://h/o/r\n",
        "https://h/o/$(x)",
        "",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct repo_url r;
        if (repo_url_parse(bad[i], strlen(bad[i]), &r, NULL) == 0)
            fail_msg("taken: %s", bad[i]);
    }
}

static void test_addresses(void **state)
{
    (void)state;
    static const char *const closed[] = {"127.0.0.1",
                                         "10.1.2.3",
                                         "172.31.0.1",
                                         "192.168.1.1",
                                         "169.254.169.254",
                                         "100.64.0.1",
                                         "0.0.0.0",
                                         "224.0.0.1",
                                         "255.255.255.255",
                                         "198.18.0.1",
                                         "::1",
                                         "::",
                                         "fe80::1",
                                         "fd00::1",
                                         "::ffff:127.0.0.1",
                                         "64:ff9b::7f00:1",
                                         "2002:7f00:1::",
                                         "2001:db8::1",
                                         "ff02::1",
                                         "not an address"};
    for (size_t i = 0; i < ARRAY_LEN(closed); i++)
        assert_false(net_addr_is_public(closed[i]));
    assert_true(net_addr_is_public("140.82.112.3"));
    assert_true(net_addr_is_public("2606:4700::1111"));

    char entries[][32] = {"10.0.0.0/8", "git.example.org", ".corp.example", "fd00::/8"};
    char *list[ARRAY_LEN(entries)];
    for (size_t i = 0; i < ARRAY_LEN(entries); i++) {
        list[i] = entries[i];
        assert_int_equal(net_allow_check_entry(list[i], NULL), 0);
    }
    assert_true(net_allow_has(list, 4, "x", "10.200.0.1"));
    assert_true(net_allow_has(list, 4, "x", "::ffff:10.0.0.1"));
    assert_false(net_allow_has(list, 4, "x", "11.0.0.1"));
    assert_true(net_allow_has(list, 4, "GIT.example.org", "192.168.0.1"));
    assert_true(net_allow_has(list, 4, "a.corp.example", NULL));
    assert_false(net_allow_has(list, 4, "corp.example", NULL));
    assert_false(net_allow_has(list, 4, "evilcorp.example", NULL));
    assert_true(net_allow_has(list, 4, "x", "fd12::1"));
    assert_int_equal(net_allow_check_entry("10.0.0.0/33", NULL), ERR_INVALID);
    assert_int_equal(net_allow_check_entry("a b", NULL), ERR_INVALID);
}

static void test_check_host(void **state)
{
    (void)state;
    struct net_addrs addrs;
    char entry[] = "127.0.0.0/8";
    char *list[] = {entry};
    assert_int_equal(net_check_host("127.0.0.1", NULL, 0, &addrs, NULL), ERR_DENIED);
    assert_int_equal(net_check_host("127.0.0.1", list, 1, &addrs, NULL), 0);
    assert_string_equal(addrs.text[0], "127.0.0.1");
}

static void test_json(void **state)
{
    (void)state;
    const char text[] =
        "{\"s\":\"x\",\"n\":5,\"b\":true,\"z\":null,\"a\":[1],\"nul\":\"a\\u0000b\"} \n";
    cleanup_json struct json_object *obj = NULL;
    struct err err = ERR_INIT;
    assert_int_equal(json_parse(text, strlen(text), &obj, NULL), 0);
    const char *s = NULL;
    int64_t n = 0;
    assert_int_equal(json_get_str(obj, "s", 1, &s, NULL), 0);
    assert_string_equal(s, "x");
    assert_int_equal(json_get_str(obj, "s", 0, &s, NULL), ERR_INVALID);
    assert_int_equal(json_get_str(obj, "none", 9, &s, NULL), ERR_NOT_FOUND);
    assert_int_equal(json_get_str(obj, "z", 9, &s, NULL), ERR_NOT_FOUND);
    assert_int_equal(json_get_str(obj, "n", 9, &s, &err), ERR_INVALID);
    assert_string_equal(err.msg, "'n' must be a string");
    assert_int_equal(json_get_str(obj, "nul", 9, &s, NULL), ERR_INVALID);
    assert_int_equal(json_get_i64(obj, "n", 0, 4, &n, NULL), ERR_INVALID);
    assert_int_equal(json_get_i64(obj, "n", 0, 5, &n, NULL), 0);
    static const char *const bad[] = {"",         "{",    "{}x",  "{'a':1}",     "nul",      "null",
                                      "{\"a\":}", "[1,]", "\xff", "{\"a\":1}{}", "{\"a\" 1}"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct json_object *o;
        if (json_parse(bad[i], strlen(bad[i]), &o, NULL) == 0)
            fail_msg("taken: %s", bad[i]);
    }
    cleanup_str struct str deep = STR_INIT;
    for (int i = 0; i < 100000; i++)
        str_addc(&deep, '[');
    struct json_object *o;
    assert_int_equal(json_parse(deep.p, deep.len, &o, NULL), ERR_LIMIT);
}

static void test_origins(void **state)
{
    (void)state;
    static const struct {
        const char *url, *origin; /* NULL: none */
    } cases[] = {
        {"http://127.0.0.1:8080", "http://127.0.0.1:8080"},
        {"http://127.0.0.1:80/a?b", "http://127.0.0.1"},
        {"https://Host.Example:443/", "https://host.example"},
        {"https://host.example:80", "https://host.example:80"},
        {"http://host.example:443", "http://host.example:443"},
        {"http://[0:0::1]:8080/", "http://[::1]:8080"},
        {"https://[2001:DB8::A]", "https://[2001:db8::a]"},
        {"https://user@host.example", "https://host.example"},
        {"ssh://host.example", NULL},
        {"file:///x", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        cleanup_url struct url u = {0};
        cleanup_str struct str origin = STR_INIT;
        assert_int_equal(url_parse(cases[i].url, strlen(cases[i].url), &u, NULL), 0);
        assert_int_equal(url_add_origin(&origin, &u, NULL), cases[i].origin ? 0 : ERR_INVALID);
        if (cases[i].origin)
            assert_string_equal(origin.p, cases[i].origin);
    }
}

static void check_exact(const char *text, bool good)
{
    cleanup_json struct json_object *obj = NULL;
    struct err err = ERR_INIT;
    assert_int_equal(json_parse(text, strlen(text), &obj, &err), 0);
    int rc = json_check_exact(text, strlen(text), obj, &err);
    if ((rc == 0) != good)
        fail_msg("%s: %d %s", text, rc, err.msg);
}

static void test_json_exact(void **state)
{
    (void)state;
    check_exact("{}", true);
    check_exact("[{\"a\":1},{\"a\":2,\"b\":{\"a\":null}}]", true);
    check_exact("{\"a:\":\":\\\":\",\"b\":\"\\\\\"}", true);
    check_exact("{\"a\":1,\"a\":1}", false);
    check_exact("{\"a\":1,\"\\u0061\":1}", false);
    check_exact("[1,{\"b\":{\"a\":[],\"a\":1}}]", false);
    check_exact("[\"\\u00e9 \\uD83D\\ude00 \\ud7ff\\ue000\"]", true);
    check_exact("[\"\\ud83d\"]", false);
    check_exact("[\"\\ud83dx\"]", false);
    check_exact("[\"\\ud83d\\n\"]", false);
    check_exact("[\"\\ud83d\\ud83d\"]", false);
    check_exact("[\"\\ude00\\ud83d\"]", false);
    check_exact("{\"\\udfff\":1}", false);
}

static void test_frames(void **state)
{
    (void)state;
    cleanup_str struct str buf = STR_INIT;
    struct frame f;
    frame_encode(&buf, 'D', 7, "abc", 3);
    for (size_t n = 0; n < buf.len; n++)
        assert_int_equal(frame_decode(buf.p, n, &f, NULL), 0);
    assert_int_equal(frame_decode(buf.p, buf.len, &f, NULL), (long)buf.len);
    assert_int_equal(f.kind, 'D');
    assert_int_equal(f.id, 7);
    assert_memory_equal(f.payload, "abc", 3);
    assert_int_equal(frame_decode("\xff\xff\xff\xffJ", 5, &f, NULL), ERR_INVALID);
    assert_int_equal(frame_decode("\0\0\0\x05X", 5, &f, NULL), ERR_INVALID);
    assert_int_equal(frame_decode("\0\0\0\x04J", 5, &f, NULL), ERR_INVALID);

    struct err err = ERR_INIT, back = ERR_INIT;
    err_set(&err, ERR_CONFLICT, "the branch moved");
    cleanup_json struct json_object *reply = frame_error_reply(&err);
    assert_int_equal(frame_reply_check(reply, &back), ERR_CONFLICT);
    assert_string_equal(back.msg, "the branch moved");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),   cmocka_unit_test(test_base64),
        cmocka_unit_test(test_url),       cmocka_unit_test(test_repo_url),
        cmocka_unit_test(test_addresses), cmocka_unit_test(test_check_host),
        cmocka_unit_test(test_json),      cmocka_unit_test(test_frames),
        cmocka_unit_test(test_origins),   cmocka_unit_test(test_json_exact),
    };
    return cmocka_run_group_tests_name("base/parse", tests, NULL, NULL);
}
