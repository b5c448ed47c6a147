#include "auth/jwt.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/enc.h"
#include "base/mem.h"

#define SECRET "0123456789abcdef0123456789abcdef"
#define OLD_SECRET "fedcba9876543210fedcba9876543210"
#define NOW 1700000000

static int64_t now_s = NOW;

static int64_t fake_now(void *payload)
{
    (void)payload;
    return now_s;
}

static const struct clock test_clock = {.now = fake_now};

static struct jwt_signer *make(const char *secret, const char *previous)
{
    struct jwt_options o = {secret, previous, "steadystate", 900, &test_clock};
    struct jwt_signer *s = NULL;
    assert_int_equal(jwt_signer_new(&o, &s, NULL), 0);
    return s;
}

static int setup(void **state)
{
    now_s = NOW;
    *state = make(SECRET, NULL);
    return 0;
}

static int teardown(void **state)
{
    jwt_signer_free(*state);
    return 0;
}

static int check(struct jwt_signer *s, const char *token)
{
    const struct identity *who = NULL;
    return jwt_signer_check(s, token, strlen(token), &who, NULL);
}

static void sign(const EVP_MD *md, const void *key, size_t key_len, struct str *token)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    HMAC(md, key, (int)key_len, (unsigned char *)token->p, token->len, mac, &n);
    str_addc(token, '.');
    enc_base64url(token, mac, n);
}

/* header.claims signed with HS256 and the server's secret, whatever the header says. */
static void forge(const char *header, const char *claims, struct str *token)
{
    str_clear(token);
    enc_base64url(token, header, strlen(header));
    str_addc(token, '.');
    enc_base64url(token, claims, strlen(claims));
    sign(EVP_sha256(), SECRET, strlen(SECRET), token);
}

#define HEADER "{\"typ\":\"JWT\",\"alg\":\"HS256\"}"
#define REST "\"sub\":\"anna\",\"provider\":\"sshkey\",\"uid\":\"anna\",\"jti\":\"x\""
#define TIMES "\"iat\":1700000000,\"exp\":1700000900"
#define CLAIMS "{\"iss\":\"steadystate\"," REST "," TIMES "}"

static void assert_claims(struct jwt_signer *s, const char *claims, int want)
{
    cleanup_str struct str token = STR_INIT;
    forge(HEADER, claims, &token);
    if (check(s, token.p) != want)
        fail_msg("%s", claims);
}

static void assert_header(struct jwt_signer *s, const char *header, int want)
{
    cleanup_str struct str token = STR_INIT;
    forge(header, CLAIMS, &token);
    if (check(s, token.p) != want)
        fail_msg("%s", header);
}

static void test_round_trip(void **state)
{
    struct jwt_signer *s = *state;
    cleanup_identity struct identity who = {0};
    identity_set(&who, "github", "12345", "anna");
    cleanup_str struct str token = STR_INIT;
    assert_int_equal(jwt_signer_issue(s, &who, &token, NULL), 0);
    for (int i = 0; i < 2; i++) { /* the second time from memory */
        const struct identity *got = NULL;
        assert_int_equal(jwt_signer_check(s, token.p, token.len, &got, NULL), 0);
        assert_string_equal(got->provider, "github");
        assert_string_equal(got->subject, "12345");
        assert_string_equal(got->login, "anna");
    }
    now_s = NOW + 899;
    assert_int_equal(check(s, token.p), 0);
    now_s = NOW + 900;
    assert_int_equal(check(s, token.p), ERR_UNAUTHENTICATED);
}

static void test_issuer_with_slashes(void **state)
{
    (void)state;
    now_s = NOW;
    struct jwt_options o = {SECRET, NULL, "https://id.example/steadystate?\"x\"", 900, &test_clock};
    struct jwt_signer *s = NULL;
    assert_int_equal(jwt_signer_new(&o, &s, NULL), 0);
    cleanup_identity struct identity who = {0};
    cleanup_str struct str token = STR_INIT;
    identity_set(&who, "oidc", "https://id.example/|a/b", "anna");
    assert_int_equal(jwt_signer_issue(s, &who, &token, NULL), 0);
    assert_int_equal(check(s, token.p), 0);
    jwt_signer_free(s);
}

static void test_forged_as_ours(void **state)
{
    assert_claims(*state, CLAIMS, 0);
    assert_header(*state, HEADER, 0);
    assert_header(*state, "{\"alg\":\"HS256\",\"typ\":\"JWT\"}", 0);
}

/* The library's own view of these is in its documentation: most are taken by it. */
static void test_times(void **state)
{
    static const char *const bad[] = {
        "\"iat\":1,\"exp\":2",                       /* ended in 1970 */
        "\"iat\":1700000000,\"exp\":1700000000",     /* ends now */
        "\"iat\":1700000000,\"exp\":\"1700000900\"", /* text */
        "\"iat\":1700000000,\"exp\":1700000900.5",   /* not an integer */
        "\"iat\":1700000000,\"exp\":1.7e9",          /* */
        "\"iat\":1700000000,\"exp\":null",           /* */
        "\"iat\":1700000000,\"exp\":true",           /* */
        "\"iat\":1700000000,\"exp\":[1700000900]",   /* */
        "\"iat\":1700000000,\"exp\":-1",             /* */
        "\"iat\":1700000000",                        /* no exp */
        "\"exp\":1700000900",                        /* no iat */
        "\"iat\":\"1700000000\",\"exp\":1700000900", /* */
        "\"iat\":1700000061,\"exp\":1700000900",     /* issued in the future */
        "\"iat\":1700000000,\"exp\":1700086401",     /* lasts too long */
        "\"iat\":1700000000,\"exp\":1700000900,\"nbf\":1800000000",
        "\"iat\":1700000000,\"exp\":1700000900,\"nbf\":\"1\"",
        "\"iat\":1700000000,\"exp\":99999999999999999999999",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        cleanup_free char *claims = xasprintf("{\"iss\":\"steadystate\"," REST ",%s}", bad[i]);
        assert_claims(*state, claims, ERR_UNAUTHENTICATED);
    }
    assert_claims(*state,
                  "{\"iss\":\"steadystate\"," REST ",\"iat\":1700000060,\"exp\":1700000900}", 0);
}

static void test_claims(void **state)
{
    static const char *const bad[] = {
        "{\"iss\":\"other\"," REST "," TIMES "}",
        "{\"iss\":\"steadystate/\"," REST "," TIMES "}",
        "{\"iss\":[\"steadystate\"]," REST "," TIMES "}",
        "{" REST "," TIMES "}",
        "{\"iss\":\"steadystate\"," REST ",\"aud\":\"other\"," TIMES "}",
        "{\"iss\":\"steadystate\",\"provider\":\"p\",\"uid\":\"1\",\"jti\":\"x\"," TIMES "}",
        "{\"iss\":\"steadystate\",\"sub\":\"a\",\"uid\":\"1\",\"jti\":\"x\"," TIMES "}",
        "{\"iss\":\"steadystate\",\"sub\":\"a\",\"provider\":\"p\",\"jti\":\"x\"," TIMES "}",
        "{\"iss\":\"steadystate\",\"sub\":\"a\",\"provider\":\"p\",\"uid\":\"1\"," TIMES "}",
        "{\"iss\":\"steadystate\",\"sub\":\"a\",\"provider\":\"p\",\"uid\":\"1\",\"jti\":"
        "\"\"," TIMES "}",
        "{\"iss\":\"steadystate\",\"sub\":7,\"provider\":\"p\",\"uid\":\"1\",\"jti\":\"x\"," TIMES
        "}",
        "{\"iss\":\"steadystate\",\"sub\":\"a "
        "b\",\"provider\":\"p\",\"uid\":\"1\",\"jti\":\"x\"," TIMES "}",
        "{\"iss\":\"steadystate\",\"sub\":\"../"
        "a\",\"provider\":\"p\",\"uid\":\"1\",\"jti\":\"x\"," TIMES "}",
        "{\"iss\":\"steadystate\",\"sub\":\"a\",\"provider\":\"P\",\"uid\":\"1\",\"jti\":"
        "\"x\"," TIMES "}",
        "{\"iss\":\"steadystate\",\"sub\":\"a\",\"provider\":\"sshkey\",\"uid\":null,\"jti\":"
        "\"x\"," TIMES "}",
        "[]",
        "{}",
        "\"text\"",
        "{\"iss\":\"steadystate\",\"iss\":\"steadystate\"," REST "," TIMES "}",
        "{\"iss\":\"steadystate\\u0000\"," REST "," TIMES "}",
        "not json",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_claims(*state, bad[i], ERR_UNAUTHENTICATED);
    assert_claims(*state, CLAIMS, 0);
    /* where the login is the id, `uid` says nothing more */
    assert_claims(
        *state,
        "{\"iss\":\"steadystate\",\"sub\":\"a\",\"provider\":\"sshkey\",\"jti\":\"x\"," TIMES "}",
        0);
}

static void test_headers(void **state)
{
    static const char *const bad[] = {
        "{\"typ\":\"JWT\",\"alg\":\"none\"}",
        "{\"typ\":\"JWT\",\"alg\":\"None\"}",
        "{\"typ\":\"JWT\",\"alg\":\"hs256\"}",
        "{\"typ\":\"JWT\",\"alg\":\"HS384\"}",
        "{\"typ\":\"JWT\",\"alg\":\"HS512\"}",
        "{\"typ\":\"JWT\",\"alg\":\"RS256\"}",
        "{\"typ\":\"JWT\",\"alg\":\"ES256\"}",
        "{\"typ\":\"JWT\",\"alg\":\"\"}",
        "{\"typ\":\"JWT\",\"alg\":7}",
        "{\"typ\":\"JWT\"}",
        "{\"alg\":\"HS256\"}",
        "{\"typ\":\"at+jwt\",\"alg\":\"HS256\"}",
        "{\"typ\":\"jwt\",\"alg\":\"HS256\"}",
        "{\"typ\":\"JWT\",\"alg\":\"HS256\",\"crit\":[\"exp\"]}",
        "{\"typ\":\"JWT\",\"alg\":\"HS256\",\"kid\":\"1\"}",
        "{\"typ\":\"JWT\",\"alg\":\"HS256\",\"jwk\":{}}",
        "{\"typ\":\"JWT\",\"alg\":\"HS256\",\"alg\":\"HS256\"}",
        "{\"typ\":\"JWT\\u0000\",\"alg\":\"HS256\"}",
        "[]",
        "",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_header(*state, bad[i], ERR_UNAUTHENTICATED);
}

/* A good signature of another algorithm with the same key: the token must not choose. */
static void test_other_hash(void **state)
{
    static const struct {
        const char *header;
        const EVP_MD *(*md)(void);
    } others[] = {
        {"{\"typ\":\"JWT\",\"alg\":\"HS384\"}", EVP_sha384},
        {"{\"typ\":\"JWT\",\"alg\":\"HS512\"}", EVP_sha512},
    };
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        cleanup_str struct str token = STR_INIT;
        enc_base64url(&token, others[i].header, strlen(others[i].header));
        str_addc(&token, '.');
        enc_base64url(&token, CLAIMS, strlen(CLAIMS));
        sign(others[i].md(), SECRET, strlen(SECRET), &token);
        assert_int_equal(check(*state, token.p), ERR_UNAUTHENTICATED);
    }
}

static void test_unsigned(void **state)
{
    cleanup_str struct str token = STR_INIT;
    const char none[] = "{\"typ\":\"JWT\",\"alg\":\"none\"}";
    enc_base64url(&token, none, strlen(none));
    str_addc(&token, '.');
    enc_base64url(&token, CLAIMS, strlen(CLAIMS));
    assert_int_equal(check(*state, token.p), ERR_UNAUTHENTICATED);
    str_addc(&token, '.');
    assert_int_equal(check(*state, token.p), ERR_UNAUTHENTICATED);
}

static void test_wrong_keys(void **state)
{
    static const char *const keys[] = {"", "x", OLD_SECRET, SECRET "x"};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        cleanup_str struct str token = STR_INIT;
        enc_base64url(&token, HEADER, strlen(HEADER));
        str_addc(&token, '.');
        enc_base64url(&token, CLAIMS, strlen(CLAIMS));
        sign(EVP_sha256(), keys[i], strlen(keys[i]), &token);
        assert_int_equal(check(*state, token.p), ERR_UNAUTHENTICATED);
    }
}

/* RS256 with a key of the attacker's, and HS256 keyed with a public key's PEM text. */
static void test_algorithm_confusion(void **state)
{
    EVP_PKEY *pkey = EVP_RSA_gen(2048);
    BIO *bio = BIO_new(BIO_s_mem());
    assert_true(PEM_write_bio_PUBKEY(bio, pkey) == 1);
    char *pem = NULL;
    long n = BIO_get_mem_data(bio, &pem);
    cleanup_str struct str token = STR_INIT;
    enc_base64url(&token, HEADER, strlen(HEADER));
    str_addc(&token, '.');
    enc_base64url(&token, CLAIMS, strlen(CLAIMS));
    sign(EVP_sha256(), pem, (size_t)n, &token);
    assert_int_equal(check(*state, token.p), ERR_UNAUTHENTICATED);

    const char rs[] = "{\"typ\":\"JWT\",\"alg\":\"RS256\"}";
    unsigned char sig[256];
    size_t sig_len = sizeof sig;
    str_clear(&token);
    enc_base64url(&token, rs, strlen(rs));
    str_addc(&token, '.');
    enc_base64url(&token, CLAIMS, strlen(CLAIMS));
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    assert_true(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, pkey) > 0);
    assert_true(EVP_DigestSign(ctx, sig, &sig_len, (unsigned char *)token.p, token.len) > 0);
    EVP_MD_CTX_free(ctx);
    str_addc(&token, '.');
    enc_base64url(&token, sig, sig_len);
    assert_int_equal(check(*state, token.p), ERR_UNAUTHENTICATED);
    BIO_free(bio);
    EVP_PKEY_free(pkey);
}

static void test_malformed(void **state)
{
    cleanup_str struct str good = STR_INIT;
    forge(HEADER, CLAIMS, &good);
    assert_int_equal(check(*state, good.p), 0);
    static const char *const bad[] = {"",     ".",    "..",   "...",     "a.b",
                                      "a.b.", ".b.c", "a..c", "a b.c.d", "\xff.b.c"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(check(*state, bad[i]), ERR_UNAUTHENTICATED);
    cleanup_str struct str t = STR_INIT;
    str_addf(&t, "%s.x", good.p); /* four parts */
    assert_int_equal(check(*state, t.p), ERR_UNAUTHENTICATED);
    str_clear(&t);
    str_addf(&t, "%s=", good.p); /* padding */
    assert_int_equal(check(*state, t.p), ERR_UNAUTHENTICATED);
    str_clear(&t);
    str_addf(&t, " %s", good.p);
    assert_int_equal(check(*state, t.p), ERR_UNAUTHENTICATED);
    for (size_t i = 0; i < good.len - 1; i++) { /* one character changed */
        if (good.p[i] == '.')
            continue;
        str_clear(&t);
        str_adds(&t, good.p);
        t.p[i] = t.p[i] == 'A' ? 'B' : 'A';
        assert_int_equal(check(*state, t.p), ERR_UNAUTHENTICATED);
    }
    str_clear(&t);
    while (t.len <= JWT_TEXT_MAX)
        str_adds(&t, "aaaaaaaa.");
    assert_int_equal(check(*state, t.p), ERR_UNAUTHENTICATED);
}

static void test_keys_that_are_refused(void **state)
{
    (void)state;
    struct jwt_signer *s = NULL;
    struct jwt_options o = {"", NULL, "steadystate", 900, &test_clock};
    assert_int_equal(jwt_signer_new(&o, &s, NULL), ERR_INVALID);
    o.secret = "0123456789abcdef0123456789abcde";
    assert_int_equal(jwt_signer_new(&o, &s, NULL), ERR_INVALID);
    o.secret = SECRET;
    o.previous = "short";
    assert_int_equal(jwt_signer_new(&o, &s, NULL), ERR_INVALID);
    o.previous = NULL;
    o.ttl = 0;
    assert_int_equal(jwt_signer_new(&o, &s, NULL), ERR_INVALID);
}

static void test_previous_secret(void **state)
{
    (void)state;
    now_s = NOW;
    struct jwt_signer *old = make(OLD_SECRET, NULL);
    struct jwt_signer *new = make(SECRET, OLD_SECRET);
    cleanup_identity struct identity who = {0};
    identity_set(&who, "sshkey", "anna", "anna");
    cleanup_str struct str from_old = STR_INIT;
    cleanup_str struct str from_new = STR_INIT;
    assert_int_equal(jwt_signer_issue(old, &who, &from_old, NULL), 0);
    assert_int_equal(jwt_signer_issue(new, &who, &from_new, NULL), 0);
    assert_int_equal(check(new, from_old.p), 0);
    assert_int_equal(check(new, from_new.p), 0);
    assert_int_equal(check(old, from_new.p), ERR_UNAUTHENTICATED);
    now_s = NOW + 900;
    assert_int_equal(check(new, from_old.p), ERR_UNAUTHENTICATED);
    jwt_signer_free(old);
    jwt_signer_free(new);
}

static void test_unsafe_names_are_not_signed(void **state)
{
    cleanup_identity struct identity who = {0};
    cleanup_str struct str token = STR_INIT;
    identity_set(&who, "sshkey", "a b", "anna");
    assert_int_equal(jwt_signer_issue(*state, &who, &token, NULL), ERR_INVALID);
    identity_set(&who, "sshkey", "1", "an\nna");
    assert_int_equal(jwt_signer_issue(*state, &who, &token, NULL), ERR_INVALID);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_round_trip),
        cmocka_unit_test(test_issuer_with_slashes),
        T(test_forged_as_ours),
        T(test_times),
        T(test_claims),
        T(test_headers),
        T(test_other_hash),
        T(test_unsigned),
        T(test_wrong_keys),
        T(test_algorithm_confusion),
        T(test_malformed),
        cmocka_unit_test(test_keys_that_are_refused),
        cmocka_unit_test(test_previous_secret),
        T(test_unsafe_names_are_not_signed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
