#include "ssh/sshsig.h"

#include "keytool.h"
#include "ssh/crypto.h"
#include "ssh/privkey.h"
#include "ssh/sign.h"
#include "ssh/wire.h"

#define NS SSHSIG_LOGIN_NAMESPACE
#define MSG "the challenge"

static const struct {
    const char *type, *bits;
} made[] = {
    {"ed25519", NULL}, {"ecdsa", "256"}, {"ecdsa", "384"}, {"ecdsa", "521"}, {"rsa", "2048"},
};

static int verify(const struct str *armored, const char *ns, const char *msg)
{
    cleanup_sshsig struct sshsig sig;
    int rc = sshsig_parse_armor(armored->p, armored->len, &sig, NULL);
    return rc ? rc : sshsig_verify(&sig, ns, msg, strlen(msg), NULL);
}

static void keygen_sign(char *path, struct str *out)
{
    char *argv[] = {(char[]){"ssh-keygen"},
                    (char[]){"-Y"},
                    (char[]){"sign"},
                    (char[]){"-f"},
                    path,
                    (char[]){"-n"},
                    (char[]){NS},
                    NULL};
    assert_int_equal(keytool_run(out, MSG, argv), 0);
}

static void test_what_ssh_keygen_signs(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(made); i++) {
        cleanup_free char *path = xasprintf("%s/k%zu", (char *)*state, i);
        keytool_keygen(path, made[i].type, made[i].bits, "");
        cleanup_str struct str sig = STR_INIT;
        keygen_sign(path, &sig);
        assert_int_equal(verify(&sig, NS, MSG), 0);
        assert_int_equal(verify(&sig, NS, MSG "!"), ERR_DENIED);
        assert_int_equal(verify(&sig, "file", MSG), ERR_DENIED);
    }
}

static void allow_everybody(const char *dir, const struct ssh_key *key, char **path)
{
    cleanup_str struct str line = STR_INIT;
    str_adds(&line, "somebody ");
    ssh_key_format(key, &line);
    str_addc(&line, '\n');
    *path = xasprintf("%s/allowed", dir);
    keytool_write(*path, line.p);
}

static void test_ssh_keygen_takes_what_we_sign(void **state)
{
    const char *dir = *state;
    for (size_t i = 0; i < ARRAY_LEN(made); i++) {
        cleanup_free char *path = xasprintf("%s/k%zu", dir, i);
        cleanup_free char *sig_path = xasprintf("%s/k%zu.sig", dir, i);
        cleanup_free char *allowed = NULL;
        keytool_keygen(path, made[i].type, made[i].bits, "");
        cleanup_str struct str sig = STR_INIT;
        cleanup_ssh_key struct ssh_key signer;
        ssh_key_init(&signer);
        struct err err = ERR_INIT;
        if (ssh_sign_file(path, NULL, environ, NS, MSG, strlen(MSG), &sig, &signer, &err))
            fail_msg("%s", err.msg);
        assert_int_equal(verify(&sig, NS, MSG), 0);
        keytool_write(sig_path, sig.p);
        allow_everybody(dir, &signer, &allowed);
        char *argv[] = {(char[]){"ssh-keygen"}, (char[]){"-Y"}, (char[]){"verify"},
                        (char[]){"-f"},         allowed,        (char[]){"-I"},
                        (char[]){"somebody"},   (char[]){"-n"}, (char[]){NS},
                        (char[]){"-s"},         sig_path,       NULL};
        assert_int_equal(keytool_run(NULL, MSG, argv), 0);
    }
}

/* An encrypted key is left to ssh-keygen, which has no terminal here and asks SSH_ASKPASS. */
static void test_encrypted_key_goes_to_ssh_keygen(void **state)
{
    const char *dir = *state;
    cleanup_free char *path = xasprintf("%s/enc", dir);
    cleanup_free char *askpass = xasprintf("%s/askpass", dir);
    keytool_keygen(path, "ed25519", NULL, "secret");
    assert_int_equal(fd_write_file(AT_FDCWD, askpass, "#!/bin/sh\necho secret\n", 22, 0700, NULL),
                     0);
    cleanup_free char *ask = xasprintf("SSH_ASKPASS=%s", askpass);
    cleanup_free char *search = xasprintf("PATH=%s", getenv("PATH"));
    char *envp[] = {ask, search, (char[]){"SSH_ASKPASS_REQUIRE=force"}, NULL};
    cleanup_str struct str sig = STR_INIT;
    cleanup_ssh_key struct ssh_key signer;
    ssh_key_init(&signer);
    struct err err = ERR_INIT;
    if (ssh_sign_file(path, NULL, envp, NS, MSG, strlen(MSG), &sig, &signer, &err))
        fail_msg("%s", err.msg);
    assert_int_equal(verify(&sig, NS, MSG), 0);
    assert_int_equal(signer.type, SSH_KEY_ED25519);
}

static void test_altered_bytes(void **state)
{
    cleanup_free char *path = xasprintf("%s/k", (char *)*state);
    keytool_keygen(path, "ecdsa", "256", "");
    cleanup_str struct str armored = STR_INIT;
    keygen_sign(path, &armored);
    cleanup_sshsig struct sshsig sig;
    assert_int_equal(sshsig_parse_armor(armored.p, armored.len, &sig, NULL), 0);
    for (size_t i = 0; i < sig.signature.len; i++) {
        sig.signature.p[i] ^= 1;
        assert_true(sshsig_verify(&sig, NS, MSG, strlen(MSG), NULL) < 0);
        sig.signature.p[i] ^= 1;
    }
    assert_int_equal(sshsig_verify(&sig, NS, MSG, strlen(MSG), NULL), 0);
    str_addc(&sig.signature, 0);
    assert_int_equal(sshsig_verify(&sig, NS, MSG, strlen(MSG), NULL), ERR_INVALID);
}

static void test_sha1_rsa_is_refused(void **state)
{
    cleanup_free char *path = xasprintf("%s/k", (char *)*state);
    keytool_keygen(path, "rsa", "2048", "");
    cleanup_str struct str armored = STR_INIT;
    keygen_sign(path, &armored);
    cleanup_sshsig struct sshsig sig;
    assert_int_equal(sshsig_parse_armor(armored.p, armored.len, &sig, NULL), 0);
    struct ssh_reader r = ssh_reader_of(sig.signature.p, sig.signature.len);
    struct ssh_slice alg, raw;
    assert_true(ssh_get_string(&r, &alg) && ssh_get_string(&r, &raw));
    cleanup_str struct str other = STR_INIT;
    ssh_put_cstring(&other, "ssh-rsa");
    ssh_put_string(&other, raw.p, raw.len);
    assert_int_equal(ssh_crypto_verify(&sig.key, other.p, other.len, MSG, strlen(MSG), NULL),
                     ERR_INVALID);
}

/* A security key made in software: ed25519 over H(application) | flags | counter | H(data). */
static void sk_signature(EVP_PKEY *pkey, uint8_t flags, const struct str *tbs, struct str *out)
{
    unsigned char digest[32], raw[64];
    size_t raw_len = sizeof raw;
    cleanup_str struct str data = STR_INIT;
    EVP_Digest("ssh:", 4, digest, NULL, EVP_sha256(), NULL);
    str_add(&data, digest, 32);
    ssh_put_u8(&data, flags);
    ssh_put_u32(&data, 7);
    EVP_Digest(tbs->p, tbs->len, digest, NULL, EVP_sha256(), NULL);
    str_add(&data, digest, 32);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    assert_true(EVP_DigestSignInit(ctx, NULL, NULL, NULL, pkey) > 0);
    assert_true(EVP_DigestSign(ctx, raw, &raw_len, (unsigned char *)data.p, data.len) > 0);
    EVP_MD_CTX_free(ctx);
    ssh_put_cstring(out, "sk-ssh-ed25519@openssh.com");
    ssh_put_string(out, raw, raw_len);
    ssh_put_u8(out, flags);
    ssh_put_u32(out, 7);
}

static void test_security_key_needs_presence(void **state)
{
    (void)state;
    cleanup_pkey EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    unsigned char pub[32];
    size_t pub_len = sizeof pub;
    assert_true(EVP_PKEY_get_raw_public_key(pkey, pub, &pub_len));
    cleanup_str struct str blob = STR_INIT;
    ssh_put_cstring(&blob, "sk-ssh-ed25519@openssh.com");
    ssh_put_string(&blob, pub, sizeof pub);
    ssh_put_cstring(&blob, "ssh:");
    cleanup_ssh_key struct ssh_key key;
    assert_int_equal(ssh_key_parse_blob(blob.p, blob.len, &key, NULL), 0);

    cleanup_str struct str tbs = STR_INIT;
    assert_int_equal(sshsig_tbs(NS, "sha512", MSG, strlen(MSG), &tbs, NULL), 0);
    for (uint8_t flags = 0; flags < 2; flags++) {
        cleanup_str struct str wire = STR_INIT;
        cleanup_str struct str armored = STR_INIT;
        sk_signature(pkey, flags, &tbs, &wire);
        sshsig_armor(&key, NS, "sha512", wire.p, wire.len, &armored);
        assert_int_equal(verify(&armored, NS, MSG), flags ? 0 : ERR_DENIED);
    }
}

static void test_malformed(void **state)
{
    (void)state;
    cleanup_sshsig struct sshsig sig;
    const char *bad[] = {
        "",
        "SSHSIG",
        "-----BEGIN SSH SIGNATURE-----\n-----END SSH SIGNATURE-----\n",
        "-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----\n",
        "-----BEGIN SSH SIGNATURE-----\n%%%%\n-----END SSH SIGNATURE-----\n",
        "-----BEGIN SSH SIGNATURE----------END SSH SIGNATURE",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_true(sshsig_parse_armor(bad[i], strlen(bad[i]), &sig, NULL) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_ssh_keygen_signs, keytool_setup,
                                        keytool_teardown),
        cmocka_unit_test_setup_teardown(test_ssh_keygen_takes_what_we_sign, keytool_setup,
                                        keytool_teardown),
        cmocka_unit_test_setup_teardown(test_encrypted_key_goes_to_ssh_keygen, keytool_setup,
                                        keytool_teardown),
        cmocka_unit_test_setup_teardown(test_altered_bytes, keytool_setup, keytool_teardown),
        cmocka_unit_test_setup_teardown(test_sha1_rsa_is_refused, keytool_setup, keytool_teardown),
        cmocka_unit_test(test_security_key_needs_presence),
        cmocka_unit_test(test_malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
