#include "ssh/key.h"

#include "keytool.h"
#include "ssh/wire.h"

#include "base/enc.h"

static const struct {
    const char *type, *bits;
    enum ssh_key_type want;
} made[] = {
    {"ed25519", NULL, SSH_KEY_ED25519},   {"ecdsa", "256", SSH_KEY_ECDSA_P256},
    {"ecdsa", "384", SSH_KEY_ECDSA_P384}, {"ecdsa", "521", SSH_KEY_ECDSA_P521},
    {"rsa", "2048", SSH_KEY_RSA},
};

static void line_of(const struct str *blob, const char *type, struct str *out)
{
    str_addf(out, "%s ", type);
    enc_base64(out, blob->p, blob->len);
}

static int parse(const char *line)
{
    cleanup_ssh_key struct ssh_key key;
    return ssh_key_parse_line(line, strlen(line), &key, NULL);
}

static void test_keygen_lines(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(made); i++) {
        cleanup_free char *path = xasprintf("%s/k%zu", (char *)*state, i);
        cleanup_free char *pub = xasprintf("%s.pub", path);
        keytool_keygen(path, made[i].type, made[i].bits, "");
        cleanup_str struct str text = STR_INIT;
        keytool_read(pub, &text);
        str_truncate(&text, text.len - 1);
        struct err err = ERR_INIT;
        cleanup_ssh_key struct ssh_key key;
        assert_int_equal(ssh_key_parse_line(text.p, text.len, &key, &err), 0);
        assert_int_equal(key.type, made[i].want);
        assert_string_equal(key.comment, "a comment");
        cleanup_str struct str again = STR_INIT;
        ssh_key_format(&key, &again);
        str_adds(&again, " a comment");
        assert_string_equal(again.p, text.p);

        cleanup_str struct str print = STR_INIT;
        cleanup_str struct str listed = STR_INIT;
        ssh_key_fingerprint(&key, &print);
        char *argv[] = {(char[]){"ssh-keygen"}, (char[]){"-lf"}, pub, NULL};
        assert_int_equal(keytool_run(&listed, NULL, argv), 0);
        assert_non_null(strstr(listed.p, print.p));
    }
}

static void put_sk_ed25519(struct str *blob, const char *application)
{
    ssh_put_cstring(blob, "sk-ssh-ed25519@openssh.com");
    ssh_put_string(blob, "0123456789abcdef0123456789abcdef", 32);
    ssh_put_cstring(blob, application);
}

static void test_security_key(void **state)
{
    (void)state;
    cleanup_str struct str blob = STR_INIT;
    cleanup_str struct str line = STR_INIT;
    put_sk_ed25519(&blob, "ssh:");
    line_of(&blob, "sk-ssh-ed25519@openssh.com", &line);
    assert_int_equal(parse(line.p), 0);

    str_clear(&blob);
    str_clear(&line);
    put_sk_ed25519(&blob, "ssh:\n");
    line_of(&blob, "sk-ssh-ed25519@openssh.com", &line);
    assert_int_equal(parse(line.p), ERR_INVALID);
}

#define GOOD "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJLmjFCmlTOFGbtOZ1t6RZbWhyTXOaXW5UGX0J6m8gHL"

static void test_refused_lines(void **state)
{
    (void)state;
    assert_int_equal(parse(GOOD), 0);
    assert_int_equal(parse("  " GOOD "\t me@here  "), 0);
    assert_int_equal(parse(""), ERR_UNSUPPORTED);
    assert_int_equal(parse("restrict " GOOD), ERR_UNSUPPORTED);
    assert_int_equal(parse("command=\"x\" " GOOD), ERR_UNSUPPORTED);
    assert_int_equal(parse(GOOD "\n" GOOD), ERR_INVALID);
    assert_int_equal(parse("ssh-ed25519"), ERR_INVALID);
    assert_int_equal(parse("ssh-ed25519 !!!!"), ERR_INVALID);
    assert_int_equal(parse("ssh-dss AAAA"), ERR_UNSUPPORTED);
    assert_int_equal(parse("ssh-ed25519-cert-v01@openssh.com AAAA"), ERR_UNSUPPORTED);
    /* another type in front than inside */
    assert_int_equal(parse("ssh-rsa " GOOD), ERR_INVALID);
    assert_int_equal(
        parse("ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIJLmjFCmlTOFGbtOZ1t6RZbWhyTXOaXW5UGX0J6m8gHL"),
        ERR_INVALID);
}

static void test_refused_blobs(void **state)
{
    (void)state;
    cleanup_ssh_key struct ssh_key key;
    cleanup_str struct str blob = STR_INIT;
    ssh_put_cstring(&blob, "ssh-ed25519");
    ssh_put_string(&blob, "0123456789abcdef0123456789abcde", 31);
    assert_int_equal(ssh_key_parse_blob(blob.p, blob.len, &key, NULL), ERR_INVALID);

    str_clear(&blob);
    ssh_put_cstring(&blob, "ssh-ed25519");
    ssh_put_string(&blob, "0123456789abcdef0123456789abcdef", 32);
    assert_int_equal(ssh_key_parse_blob(blob.p, blob.len, &key, NULL), 0);
    ssh_key_release(&key);
    str_addc(&blob, 'x');
    assert_int_equal(ssh_key_parse_blob(blob.p, blob.len, &key, NULL), ERR_INVALID);
    for (size_t n = 0; n < blob.len - 1; n++)
        assert_true(ssh_key_parse_blob(blob.p, n, &key, NULL) < 0);
}

static void put_rsa(struct str *blob, size_t modulus_bytes, unsigned char exponent)
{
    cleanup_free unsigned char *n = xcalloc(1, modulus_bytes);
    memset(n, 0xff, modulus_bytes);
    str_clear(blob);
    ssh_put_cstring(blob, "ssh-rsa");
    ssh_put_mpint(blob, &exponent, 1);
    ssh_put_mpint(blob, n, modulus_bytes);
}

static void test_rsa_sizes(void **state)
{
    (void)state;
    cleanup_ssh_key struct ssh_key key;
    cleanup_str struct str blob = STR_INIT;
    put_rsa(&blob, 256, 3);
    assert_int_equal(ssh_key_parse_blob(blob.p, blob.len, &key, NULL), 0);
    ssh_key_release(&key);
    put_rsa(&blob, 128, 3);
    assert_int_equal(ssh_key_parse_blob(blob.p, blob.len, &key, NULL), ERR_INVALID);
    put_rsa(&blob, 4096, 3);
    assert_int_equal(ssh_key_parse_blob(blob.p, blob.len, &key, NULL), ERR_INVALID);
    put_rsa(&blob, 256, 1);
    assert_int_equal(ssh_key_parse_blob(blob.p, blob.len, &key, NULL), ERR_INVALID);
    put_rsa(&blob, 256, 4);
    assert_int_equal(ssh_key_parse_blob(blob.p, blob.len, &key, NULL), ERR_INVALID);
}

static void test_comments(void **state)
{
    (void)state;
    cleanup_ssh_key struct ssh_key key;
    const char bad[] = GOOD " esc\x1b[2J";
    assert_int_equal(ssh_key_parse_line(bad, sizeof bad - 1, &key, NULL), 0);
    assert_null(key.comment);
    ssh_key_release(&key);

    cleanup_str struct str line = STR_INIT;
    str_adds(&line, GOOD " ");
    for (int i = 0; i < 200; i++)
        str_adds(&line, "\xc3\xa9");
    assert_int_equal(ssh_key_parse_line(line.p, line.len, &key, NULL), 0);
    assert_true(strlen(key.comment) <= SSH_KEY_COMMENT_MAX);
    assert_true(str_is_utf8(key.comment, strlen(key.comment)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_keygen_lines, keytool_setup, keytool_teardown),
        cmocka_unit_test(test_security_key),
        cmocka_unit_test(test_refused_lines),
        cmocka_unit_test(test_refused_blobs),
        cmocka_unit_test(test_rsa_sizes),
        cmocka_unit_test(test_comments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
