#include "ssh/hostkey.h"

#include "keytool.h"

#include <sys/stat.h>

#include "ssh/privkey.h"

static void make_key(const char *path, struct str *pub)
{
    cleanup_str_secret struct str text = STR_INIT;
    struct err err = ERR_INIT;
    assert_int_equal(hostkey_generate("steadystate", &text, pub, &err), 0);
    keytool_write(path, text.p);
}

static void test_keygen_reads_it(void **state)
{
    cleanup_free char *path = xasprintf("%s/host_key", (char *)*state);
    cleanup_str struct str pub = STR_INIT;
    make_key(path, &pub);
    cleanup_str struct str out = STR_INIT;
    char *argv[] = {(char[]){"ssh-keygen"}, (char[]){"-y"}, (char[]){"-f"}, path, NULL};
    assert_int_equal(keytool_run(&out, NULL, argv), 0);
    assert_int_equal(strncmp(out.p, pub.p, pub.len), 0);
    assert_string_equal(out.p + pub.len, " steadystate\n");
}

static void test_sshd_accepts_it(void **state)
{
    cleanup_free char *path = xasprintf("%s/host_key", (char *)*state);
    cleanup_free char *conf = xasprintf("%s/sshd_config", (char *)*state);
    cleanup_str struct str pub = STR_INIT;
    make_key(path, &pub);
    keytool_write(conf, "# empty\n");
    /* Started as root, sshd wants this directory even to look at a key. */
    bool made = mkdir("/run/sshd", 0755) == 0;
    char *argv[] = {(char[]){"/usr/sbin/sshd"},
                    (char[]){"-t"},
                    (char[]){"-f"},
                    conf,
                    (char[]){"-h"},
                    path,
                    NULL};
    int status = keytool_run(NULL, NULL, argv);
    if (made)
        rmdir("/run/sshd");
    assert_int_equal(status, 0);
}

static void test_every_key_is_another(void **state)
{
    (void)state;
    cleanup_str struct str a = STR_INIT;
    cleanup_str struct str b = STR_INIT;
    cleanup_str_secret struct str secret = STR_INIT;
    assert_int_equal(hostkey_generate("", &secret, &a, NULL), 0);
    assert_int_equal(hostkey_generate("", &secret, &b, NULL), 0);
    assert_string_not_equal(a.p, b.p);
}

static void test_we_read_it_too(void **state)
{
    (void)state;
    cleanup_str_secret struct str text = STR_INIT;
    cleanup_str struct str pub = STR_INIT;
    cleanup_ssh_privkey struct ssh_privkey *key = NULL;
    struct err err = ERR_INIT;
    assert_int_equal(hostkey_generate("c", &text, &pub, &err), 0);
    assert_int_equal(ssh_privkey_parse(text.p, text.len, &key, &err), 0);
    cleanup_str struct str line = STR_INIT;
    ssh_key_format(ssh_privkey_public(key), &line);
    assert_string_equal(line.p, pub.p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_keygen_reads_it, keytool_setup, keytool_teardown),
        cmocka_unit_test_setup_teardown(test_sshd_accepts_it, keytool_setup, keytool_teardown),
        cmocka_unit_test(test_every_key_is_another),
        cmocka_unit_test(test_we_read_it_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
