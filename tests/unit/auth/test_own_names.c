#include "auth/own_names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/mem.h"

#define NS "steadystate-login"

enum answer { KNOWN = OWN_NAME_KNOWN, UNKNOWN = OWN_NAME_UNKNOWN, REFUSED };

static enum answer ask(const struct own_names *names, const char *name_space)
{
    enum own_name name;
    struct err err = ERR_INIT;
    int rc = own_names_check(names, name_space, &name, &err);
    if (rc) {
        assert_int_equal(rc, ERR_DENIED);
        assert_true(strlen(err.msg) > 10);
    }
    return rc ? REFUSED : (enum answer)name;
}

static struct own_names *open_names(char *const *urls, size_t n, const char *pem)
{
    struct own_names *names = NULL;
    struct err err = ERR_INIT;
    const struct own_names_options options = {.public_urls = urls,
                                              .n_public_urls = n,
                                              .tls_cert_pem = pem,
                                              .bind = "192.0.2.7",
                                              .external_host = "build.example.org"};
    if (own_names_new(&options, &names, &err))
        fail_msg("%s", err.msg);
    return names;
}

static void test_without_settings(void **state)
{
    (void)state;
    char host[256] = "";
    struct own_names *names = open_names(NULL, 0, NULL);
    static const char *const known[] = {
        NS,
        NS ":http://127.0.0.1:8080",
        NS ":http://127.0.0.1",
        NS ":http://127.9.9.9:1",
        NS ":http://localhost:9999",
        NS ":http://[::1]:8080",
        NS ":http://192.0.2.7:8080",
        NS ":http://build.example.org",
        NS ":https://build.example.org",
        NS ":https://build.example.org:8443",
    };
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (ask(names, known[i]) != KNOWN)
            fail_msg("%s is not known", known[i]);
    assert_int_equal(gethostname(host, sizeof host - 1), 0);
    cleanup_free char *own = xasprintf(NS ":http://%s:8080", host);
    for (char *s = own; *s; s++)
        *s = *s >= 'A' && *s <= 'Z' ? (char)(*s + 32) : *s;
    assert_int_equal(ask(names, own), KNOWN);
    assert_int_equal(ask(names, NS ":https://proxy.example.net"), UNKNOWN);
    assert_int_equal(ask(names, NS ":http://203.0.113.9:8080"), UNKNOWN);
    own_names_free(names);
}

static void test_malformed(void **state)
{
    (void)state;
    struct own_names *names = open_names(NULL, 0, NULL);
    static const char *const bad[] = {
        "",
        "file",
        "git",
        NS "x",
        NS " ",
        NS ":",
        NS ":127.0.0.1",
        NS ":127.0.0.1:8080",
        NS ":ftp://127.0.0.1",
        NS ":http://127.0.0.1:80",
        NS ":https://127.0.0.1:443",
        NS ":http://127.0.0.1/",
        NS ":http://127.0.0.1?x=1",
        NS ":http://user@127.0.0.1",
        NS ":http://127.0.0.1:0",
        NS ":HTTP://127.0.0.1",
        NS ":http://LOCALHOST",
        NS ":http://[0:0:0:0:0:0:0:1]",
        NS ":http://[::1",
        NS ":http://127.0.0.1 ",
        NS ":http://127.0.0.1\nsteadystate",
        NS "::http://127.0.0.1",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (ask(names, bad[i]) != REFUSED)
            fail_msg("'%s' was taken", bad[i]);
    own_names_free(names);
}

static void test_configured(void **state)
{
    (void)state;
    char *urls[] = {(char[]){"https://Build.example.org"}, (char[]){"http://127.0.0.1:8080"},
                    (char[]){"https://[2001:DB8:0::7]:443"}};
    struct own_names *names = open_names(urls, 3, NULL);
    assert_int_equal(ask(names, NS ":https://build.example.org"), KNOWN);
    assert_int_equal(ask(names, NS ":http://127.0.0.1:8080"), KNOWN);
    assert_int_equal(ask(names, NS ":https://[2001:db8::7]"), KNOWN);
    static const char *const refused[] = {
        NS,
        NS ":http://build.example.org",
        NS ":https://build.example.org:8443",
        NS ":http://127.0.0.1:8081",
        NS ":http://localhost:8080",
        NS ":http://192.0.2.7:8080",
        NS ":https://evil.example",
        NS ":https://build.example.org.evil.example",
        NS ":https://xbuild.example.org",
    };
    for (size_t i = 0; i < ARRAY_LEN(refused); i++)
        if (ask(names, refused[i]) != REFUSED)
            fail_msg("%s was taken", refused[i]);
    enum own_name name;
    struct err err = ERR_INIT;
    own_names_check(names, NS ":https://evil.example", &name, &err);
    assert_non_null(strstr(err.msg, "STEADYSTATE_PUBLIC_URL"));
    assert_non_null(strstr(err.msg, "https://evil.example"));
    own_names_free(names);
}

/* A self-signed certificate with these subjectAltNames, as PEM. */
static char *make_certificate(const char *names)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    X509 *cert = X509_new();
    assert_non_null(key);
    assert_non_null(cert);
    X509_set_version(cert, 2);
    X509_gmtime_adj(X509_getm_notBefore(cert), 0);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_set_pubkey(cert, key);
    X509_EXTENSION *alt = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
    assert_non_null(alt);
    X509_add_ext(cert, alt, -1);
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    BIO *bio = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_X509(bio, cert), 1);
    char *text = NULL;
    long n = BIO_get_mem_data(bio, &text);
    char *pem = xstrndup(text, (size_t)n);
    BIO_free(bio);
    X509_EXTENSION_free(alt);
    X509_free(cert);
    EVP_PKEY_free(key);
    return pem;
}

static void test_certificate(void **state)
{
    (void)state;
    cleanup_free char *pem =
        make_certificate("DNS:one.example.org,DNS:*.two.example.org,IP:198.51.100.4");
    struct own_names *names = open_names(NULL, 0, pem);
    assert_int_equal(ask(names, NS), KNOWN);
    assert_int_equal(ask(names, NS ":https://one.example.org"), KNOWN);
    assert_int_equal(ask(names, NS ":https://one.example.org:8443"), KNOWN);
    assert_int_equal(ask(names, NS ":https://a.two.example.org"), KNOWN);
    assert_int_equal(ask(names, NS ":https://198.51.100.4"), KNOWN);
    assert_int_equal(ask(names, NS ":https://127.0.0.1:8443"), KNOWN);
    assert_int_equal(ask(names, NS ":https://evil.example"), REFUSED);
    assert_int_equal(ask(names, NS ":http://one.example.org"), REFUSED);
    assert_int_equal(ask(names, NS ":https://a.b.two.example.org"), REFUSED);
    own_names_free(names);

    char *urls[] = {(char[]){"https://named.example.org"}};
    names = open_names(urls, 1, pem);
    assert_int_equal(ask(names, NS ":https://named.example.org"), KNOWN);
    assert_int_equal(ask(names, NS ":https://one.example.org"), REFUSED);
    own_names_free(names);
}

static void test_bad_options(void **state)
{
    (void)state;
    struct own_names *names = NULL;
    char *urls[] = {(char[]){"ftp://x.example"}};
    const struct own_names_options bad_url = {
        .public_urls = urls, .n_public_urls = 1, .bind = "127.0.0.1", .external_host = "127.0.0.1"};
    assert_int_equal(own_names_new(&bad_url, &names, NULL), ERR_INVALID);
    const struct own_names_options bad_cert = {
        .tls_cert_pem = "no certificate", .bind = "127.0.0.1", .external_host = "127.0.0.1"};
    assert_int_equal(own_names_new(&bad_cert, &names, NULL), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_settings), cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_configured),       cmocka_unit_test(test_certificate),
        cmocka_unit_test(test_bad_options),
    };
    return cmocka_run_group_tests_name("auth/own_names", tests, NULL, NULL);
}
