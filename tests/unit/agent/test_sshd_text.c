#include "agent/sshd_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/proc.h"

#define KEY "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE2eGPs5h2oLrbVdKfLbnQ5Yb9CzOQ5pUxeR5X9hZ7mP"
#define KEY2 "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB8Ht8Z3j6yDPBBOwJUQSKyWQfn2N4R4ZLCZ0WQQ1MBB"

static void a_container_line(void **state)
{
    (void)state;
    cleanup_str struct str out = STR_INIT;
    assert_int_equal(
        sshd_key_line("/usr/libexec/w", NULL, "github", "ann@x.y", KEY, true, &out, NULL), 0);
    assert_string_equal(out.p, "restrict,pty,port-forwarding,command=\"/usr/libexec/w github "
                               "ann@x.y\" " KEY "\n");
}

static void odd_paths_are_quoted_twice(void **state)
{
    (void)state;
    cleanup_str struct str out = STR_INIT;
    assert_int_equal(
        sshd_key_line("/a b/w", "/it's \"here\"", "sshkey", "bob", KEY, true, &out, NULL), 0);
    assert_string_equal(out.p, "restrict,pty,port-forwarding,command=\"'/a b/w' --session-root "
                               "'/it'\\''s \\\"here\\\"' sshkey bob\" " KEY "\n");
}

static void nothing_comes_in_with_a_key_or_a_name(void **state)
{
    (void)state;
    static const char *const keys[] = {
        "",
        "x",
        "command=\"x\" " KEY,
        KEY "\n" KEY,
        KEY "\nroot",
        "ssh-dss AAAA",
        "ssh-ed25519 AAAA",
        "no-pty " KEY,
    };
    static const char *const logins[] = {"", "-x", "a b", "a\"b", "a\nb", "a'b", "$(x)", "a\\b"};
    cleanup_str struct str out = STR_INIT;
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        assert_true(sshd_key_line("/w", NULL, "p", "ann", keys[i], true, &out, NULL) < 0);
    for (size_t i = 0; i < ARRAY_LEN(logins); i++)
        assert_int_equal(sshd_key_line("/w", NULL, "p", logins[i], KEY, true, &out, NULL),
                         ERR_INVALID);
    assert_int_equal(sshd_key_line("/w\n", NULL, "p", "ann", KEY, true, &out, NULL), ERR_INVALID);
    assert_int_equal(sshd_key_line("/w", "/r\n", "p", "ann", KEY, true, &out, NULL), ERR_INVALID);
    assert_int_equal(out.len, 0);
    /* a comment is left out */
    assert_int_equal(sshd_key_line("/w", NULL, "p", "ann", KEY " me@home", true, &out, NULL), 0);
    assert_null(strstr(out.p, "home"));
}

static void add_user(struct session_spec *spec, const char *login, const char *key)
{
    struct spec_user *u = session_spec_add_user(spec, login, "github");
    strv_push(&u->keys, key);
}

static bool everybody(const struct spec_user *user, void *payload)
{
    (void)user;
    (void)payload;
    return true;
}

static bool only_bob(const struct spec_user *user, void *payload)
{
    return strcmp(user->login, payload) == 0;
}

static void a_forward_is_for_whom_it_is_allowed(void **state)
{
    (void)state;
    struct session_spec spec;
    char bob[] = "bob";
    cleanup_str struct str out = STR_INIT;
    session_spec_init(&spec);
    add_user(&spec, "ann", KEY);
    add_user(&spec, "bob", KEY2);
    sshd_authorized_keys("/w", NULL, spec.users, spec.n_users, only_bob, bob, &out);
    assert_string_equal(out.p, "restrict,pty,command=\"/w github ann\" " KEY "\n"
                               "restrict,pty,port-forwarding,command=\"/w github bob\" " KEY2 "\n");
    session_spec_release(&spec);
}

static void a_key_of_two_people_opens_nothing(void **state)
{
    (void)state;
    struct session_spec spec;
    cleanup_str struct str out = STR_INIT;
    session_spec_init(&spec);
    add_user(&spec, "ann", KEY);
    add_user(&spec, "bob", KEY2);
    add_user(&spec, "eve", KEY);
    add_user(&spec, "joe", "not a key");
    sshd_authorized_keys("/w", NULL, spec.users, spec.n_users, everybody, NULL, &out);
    assert_string_equal(out.p, "restrict,pty,port-forwarding,command=\"/w github bob\" " KEY2 "\n");
    session_spec_release(&spec);
}

static const struct sshd_settings usual = {
    .user = "steadystate",
    .port = 2222,
    .host_key = "/session/ssh/host_key",
    .authorized_keys = "/session/ssh/authorized_keys",
    .sftp_server = "/usr/lib/openssh/sftp-server",
    .root_login = true,
};

static void has_line(const struct str *text, const char *line)
{
    cleanup_free char *framed = xasprintf("\n%s\n", line);
    if (!strstr(text->p, framed))
        fail_msg("no line '%s'", line);
}

static void the_configuration_says_what_it_must(void **state)
{
    (void)state;
    cleanup_str struct str out = STR_INIT;
    assert_int_equal(sshd_config_text(&usual, &out, NULL), 0);
    assert_true(str_starts_with(out.p, "Port 2222\n"));
    static const char *const lines[] = {"PermitRootLogin forced-commands-only",
                                        "AllowUsers steadystate",
                                        "UsePAM no",
                                        "StrictModes yes",
                                        "AllowTcpForwarding local",
                                        "AllowStreamLocalForwarding no",
                                        "AllowAgentForwarding no",
                                        "PermitListen none",
                                        "PermitTunnel no",
                                        "X11Forwarding no",
                                        "PermitOpen localhost:* 127.0.0.1:* [::1]:*",
                                        "PermitUserEnvironment no",
                                        "PasswordAuthentication no",
                                        "AcceptEnv LANG LC_* COLORTERM GIT_PROTOCOL",
                                        "Subsystem sftp /usr/lib/openssh/sftp-server"};
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        has_line(&out, lines[i]);
    assert_null(strstr(out.p, "ListenAddress"));
    str_clear(&out);
    struct sshd_settings local = usual;
    local.bind = "::1";
    local.root_login = false;
    local.below_sticky = true;
    assert_int_equal(sshd_config_text(&local, &out, NULL), 0);
    has_line(&out, "ListenAddress [::1]:2222");
    has_line(&out, "PermitRootLogin no");
    has_line(&out, "StrictModes no");
}

static void what_sshd_config_cannot_say_is_refused(void **state)
{
    (void)state;
    cleanup_str struct str out = STR_INIT;
    static const char *const paths[] = {"",    "/a b", "/a\"b", "/a\nPermitRootLogin yes",
                                        "/%h", "/a#b"};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        struct sshd_settings s = usual;
        s.host_key = paths[i];
        assert_int_equal(sshd_config_text(&s, &out, NULL), ERR_INVALID);
        s = usual;
        s.authorized_keys = paths[i];
        assert_int_equal(sshd_config_text(&s, &out, NULL), ERR_INVALID);
        s = usual;
        s.user = paths[i];
        assert_int_equal(sshd_config_text(&s, &out, NULL), ERR_INVALID);
    }
    assert_int_equal(out.len, 0);
}

/* sshd itself reads the text: `sshd -t`. */
static void sshd_takes_it(void **state)
{
    (void)state;
    if (access("/usr/sbin/sshd", X_OK) != 0 || access("/usr/bin/ssh-keygen", X_OK) != 0)
        skip();
    char dir[] = "/tmp/sshd-text-XXXXXX";
    assert_non_null(mkdtemp(dir));
    cleanup_free char *key = xasprintf("%s/key", dir);
    cleanup_free char *public_key = xasprintf("%s/key.pub", dir);
    cleanup_free char *config = xasprintf("%s/config", dir);
    cleanup_strv struct strv make = STRV_INIT;
    cleanup_strv struct strv test = STRV_INIT;
    cleanup_str struct str text = STR_INIT;
    struct proc_spec spec = PROC_SPEC_INIT;
    cleanup_proc_result struct proc_result made = {.out = STR_INIT, .errs = STR_INIT};
    cleanup_proc_result struct proc_result tested = {.out = STR_INIT, .errs = STR_INIT};
    strv_pushl(&make, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key, NULL);
    spec.file = "/usr/bin/ssh-keygen";
    spec.argv = make.v;
    assert_int_equal(proc_run(&spec, NULL, 0, 4096, 20000, &made, NULL), 0);
    struct sshd_settings settings = usual;
    settings.host_key = key;
    settings.bind = "127.0.0.1";
    assert_int_equal(sshd_config_text(&settings, &text, NULL), 0);
    assert_int_equal(fd_write_file(-100, config, text.p, text.len, 0600, NULL), 0);
    strv_pushl(&test, "/usr/sbin/sshd", "-t", "-f", config, NULL);
    spec.file = "/usr/sbin/sshd";
    spec.argv = test.v;
    assert_int_equal(proc_run(&spec, NULL, 0, 4096, 20000, &tested, NULL), 0);
    unlink(key);
    unlink(public_key);
    unlink(config);
    rmdir(dir);
    /* A machine without the separation directory says so and nothing else. */
    if (tested.status != 0 && !strstr(tested.errs.p, "privilege separation directory"))
        fail_msg("sshd -t: %s", tested.errs.p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_container_line),
        cmocka_unit_test(odd_paths_are_quoted_twice),
        cmocka_unit_test(nothing_comes_in_with_a_key_or_a_name),
        cmocka_unit_test(a_key_of_two_people_opens_nothing),
        cmocka_unit_test(a_forward_is_for_whom_it_is_allowed),
        cmocka_unit_test(the_configuration_says_what_it_must),
        cmocka_unit_test(what_sshd_config_cannot_say_is_refused),
        cmocka_unit_test(sshd_takes_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
