#include "agent/accounts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "proto/spec.h"

static const char passwd[] = "root:x:0:0::/:/bin/sh\ndaemon:x:1:1::/:/x\nsteadystate:*:0:0::/:/w\n";

static const struct account *give(struct accounts *a, const char *provider, const char *login)
{
    const struct account *account = NULL;
    bool made;
    assert_int_equal(accounts_give(a, provider, login, &account, &made, NULL), 0);
    return account;
}

static void usual_logins_keep_their_name_and_uids_count_up(void **state)
{
    (void)state;
    struct accounts a;
    accounts_init(&a);
    accounts_take_system_names(&a, passwd, strlen(passwd));
    assert_string_equal(give(&a, "github", "ann")->name, "ann");
    assert_string_equal(give(&a, "github", "Bob.B")->name, "Bob.B");
    assert_int_equal(give(&a, "github", "ann")->uid, SPEC_FIRST_USER_UID);
    assert_int_equal(give(&a, "github", "Bob.B")->uid, SPEC_FIRST_USER_UID + 1);
    assert_int_equal(a.len, 2);
    accounts_release(&a);
}

static void odd_logins_get_a_name_of_their_own(void **state)
{
    (void)state;
    static const struct {
        const char *provider, *login, *name;
    } cases[] = {
        {"github", "root", "root-2"},
        {"gitlab", "root", "root-3"},
        {"github", "steadystate", "steadystate-2"},
        {"github", "eve", "eve"},
        {"gitlab", "eve", "eve-gitlab"},
        {"sshkey", "eve", "eve-sshkey"},
        {"oidc", "ann@example.org", "ann_example.org"},
        {"oidc", "ann_example.org", "ann_example.org-oidc"},
        {"github", "1st", "u1st"},
        {"github", "a+b", "a_b"},
        {"github", "end.", "end"},
        {"github", "_", "_"},
        {"github", "@", "_-2"},
        {"github", "abcdefghijklmnopqrstuvwxyz0123456789", "abcdefghijklmnopqrstuvwxyz"},
        {"github", "abcdefghijklmnopqrstuvwxyz9876543210", "abcdefghijklmnopqrstuvwxyz-2"},
    };
    struct accounts a;
    accounts_init(&a);
    accounts_take_system_names(&a, passwd, strlen(passwd));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct account *account = give(&a, cases[i].provider, cases[i].login);
        assert_string_equal(account->name, cases[i].name);
        assert_true(account_name_is_valid(account->name));
        assert_int_equal(account->uid, SPEC_FIRST_USER_UID + i);
    }
    accounts_release(&a);
}

static void malformed_people_get_none(void **state)
{
    (void)state;
    static const char *const logins[] = {"", "-x", ".x", "a b", "a:b", "a\nb", "a/b", "\xc3\xa4"};
    struct accounts a;
    const struct account *account;
    bool made;
    accounts_init(&a);
    for (size_t i = 0; i < ARRAY_LEN(logins); i++)
        assert_int_equal(accounts_give(&a, "github", logins[i], &account, &made, NULL),
                         ERR_INVALID);
    assert_int_equal(accounts_give(&a, "Git Hub", "ann", &account, &made, NULL), ERR_INVALID);
    assert_int_equal(a.len, 0);
    accounts_release(&a);
}

static void the_file_gives_the_same_table_back(void **state)
{
    (void)state;
    struct accounts a, b;
    cleanup_str struct str text = STR_INIT;
    accounts_init(&a);
    accounts_init(&b);
    give(&a, "github", "ann");
    give(&a, "gitlab", "ann");
    give(&a, "oidc", "x@y");
    accounts_print(&a, &text);
    assert_int_equal(accounts_parse(&b, text.p, text.len, NULL), 0);
    assert_int_equal(b.len, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(a.v[i].name, b.v[i].name);
        assert_int_equal(a.v[i].uid, b.v[i].uid);
        assert_ptr_equal(accounts_find(&b, a.v[i].provider, a.v[i].login), &b.v[i]);
        assert_ptr_equal(accounts_find_uid(&b, a.v[i].uid), &b.v[i]);
    }
    assert_string_equal(give(&b, "github", "bob")->name, "bob");
    assert_int_equal(give(&b, "github", "bob")->uid, SPEC_FIRST_USER_UID + 3);
    accounts_release(&a);
    accounts_release(&b);
}

static void a_broken_file_is_refused(void **state)
{
    (void)state;
#define ONE "{\"login\":\"ann\",\"provider\":\"github\",\"account\":\"ann\",\"uid\":10001}"
    static const char *const texts[] = {
        "",
        "[]",
        "{}",
        "{\"accounts\":7}",
        "{\"accounts\":[7]}",
        "{\"accounts\":[{}]}",
        "{\"accounts\":[" ONE "," ONE "]}",
        "{\"accounts\":[{\"login\":\"ann\",\"provider\":\"github\",\"account\":\"ann\",\"uid\":0}]"
        "}",
        "{\"accounts\":[{\"login\":\"ann\",\"provider\":\"github\",\"account\":\"../"
        "x\",\"uid\":10001}]}",
        "{\"accounts\":[" ONE
        ",{\"login\":\"b\",\"provider\":\"g\",\"account\":\"b\",\"uid\":10001}]}",
        "{\"accounts\":[" ONE
        ",{\"login\":\"b\",\"provider\":\"g\",\"account\":\"ann\",\"uid\":10002}]}",
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct accounts a;
        accounts_init(&a);
        assert_int_equal(accounts_parse(&a, texts[i], strlen(texts[i]), NULL), ERR_INVALID);
        accounts_release(&a);
    }
}

static void lines_for_the_c_library(void **state)
{
    (void)state;
    struct accounts a;
    cleanup_str struct str out = STR_INIT;
    accounts_init(&a);
    give(&a, "oidc", "ann@x");
    accounts_passwd(&a, "/session/home", &out);
    assert_string_equal(out.p, "ann_x:x:10001:10001:ann@x:/session/home/ann_x:/bin/bash\n");
    str_clear(&out);
    accounts_group(&a, &out);
    assert_string_equal(out.p, "ann_x:x:10001:\n");
    str_clear(&out);
    accounts_shadow(&a, &out);
    assert_string_equal(out.p, "ann_x:*:19000:0:99999:7:::\n");
    accounts_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(usual_logins_keep_their_name_and_uids_count_up),
        cmocka_unit_test(odd_logins_get_a_name_of_their_own),
        cmocka_unit_test(malformed_people_get_none),
        cmocka_unit_test(the_file_gives_the_same_table_back),
        cmocka_unit_test(a_broken_file_is_refused),
        cmocka_unit_test(lines_for_the_c_library),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
