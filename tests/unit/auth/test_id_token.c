/* ID tokens and key sets: every way to spoil one, against keys made here. */
#include "../base/test.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "auth/id_token.h"
#include "base/enc.h"
#include "base/str.h"

#define NOW 1700000000
#define ISSUER "https://id.example.org"
#define CLIENT "steadystate"

struct fixture {
    EVP_PKEY *rsa, *other, *ec;
    struct jwk_set *set;
};

static void add_bn(struct json_object *jwk, const char *name, EVP_PKEY *key, const char *param,
                   int width)
{
    BIGNUM *bn = NULL;
    unsigned char bytes[512];
    assert_int_equal(EVP_PKEY_get_bn_param(key, param, &bn), 1);
    int n = width ? width : BN_num_bytes(bn);
    assert_int_equal(BN_bn2binpad(bn, bytes, n), n);
    cleanup_str struct str text = STR_INIT;
    enc_base64url(&text, bytes, (size_t)n);
    json_add_str(jwk, name, text.p);
    BN_free(bn);
}

static struct json_object *public_jwk(EVP_PKEY *key, bool rsa, const char *kid)
{
    struct json_object *jwk = json_object_new_object();
    json_add_str(jwk, "kty", rsa ? "RSA" : "EC");
    json_add_str(jwk, "kid", kid);
    json_add_str(jwk, "use", "sig");
    if (rsa) {
        add_bn(jwk, "n", key, OSSL_PKEY_PARAM_RSA_N, 0);
        add_bn(jwk, "e", key, OSSL_PKEY_PARAM_RSA_E, 0);
    } else {
        json_add_str(jwk, "crv", "P-256");
        add_bn(jwk, "x", key, OSSL_PKEY_PARAM_EC_PUB_X, 32);
        add_bn(jwk, "y", key, OSSL_PKEY_PARAM_EC_PUB_Y, 32);
    }
    return jwk;
}

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    f->rsa = EVP_RSA_gen(2048);
    f->other = EVP_RSA_gen(2048);
    f->ec = EVP_EC_gen("P-256");
    cleanup_json struct json_object *doc = json_object_new_object();
    struct json_object *keys = json_object_new_array();
    json_add(doc, "keys", keys);
    json_object_array_add(keys, public_jwk(f->rsa, true, "r1"));
    json_object_array_add(keys, public_jwk(f->ec, false, "e1"));
    struct json_object *encryption = public_jwk(f->other, true, "enc");
    json_add_str(encryption, "use", "enc");
    json_object_array_add(keys, encryption);
    json_object_array_add(keys, json_object_new_string("nonsense"));
    assert_int_equal(jwk_set_parse(doc, &f->set, NULL), 0);
    assert_int_equal(jwk_set_size(f->set), 2);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    EVP_PKEY_free(f->rsa);
    EVP_PKEY_free(f->other);
    EVP_PKEY_free(f->ec);
    jwk_set_free(f->set);
    free(f);
    return 0;
}

static void sign(EVP_PKEY *key, bool ec, const char *data, struct str *out)
{
    unsigned char sig[512];
    size_t len = sizeof sig;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key), 1);
    assert_int_equal(EVP_DigestSign(ctx, sig, &len, (const unsigned char *)data, strlen(data)), 1);
    EVP_MD_CTX_free(ctx);
    if (!ec) {
        enc_base64url(out, sig, len);
        return;
    }
    const unsigned char *p = sig;
    unsigned char raw[64];
    ECDSA_SIG *parsed = d2i_ECDSA_SIG(NULL, &p, (long)len);
    BN_bn2binpad(ECDSA_SIG_get0_r(parsed), raw, 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(parsed), raw + 32, 32);
    ECDSA_SIG_free(parsed);
    enc_base64url(out, raw, sizeof raw);
}

static char *make(EVP_PKEY *key, bool ec, const char *header, const char *payload)
{
    struct str token = STR_INIT;
    cleanup_str struct str sig = STR_INIT;
    enc_base64url(&token, header, strlen(header));
    str_addc(&token, '.');
    enc_base64url(&token, payload, strlen(payload));
    sign(key, ec, token.p, &sig);
    str_addf(&token, ".%s", sig.p);
    return str_detach(&token);
}

static int verify(struct fixture *f, const char *token)
{
    const struct id_token_rules rules = {ISSUER, CLIENT, NULL, NOW};
    struct json_object *claims = NULL;
    int rc = id_token_verify(token, strlen(token), f->set, &rules, &claims, NULL);
    assert_true((rc == 0) == (claims != NULL));
    json_object_put(claims);
    return rc;
}

#define HEADER "{\"alg\":\"RS256\",\"kid\":\"r1\"}"
#define BODY(iss, aud, rest) "{\"iss\":\"" iss "\",\"aud\":" aud ",\"iat\":1699999990," rest "}"
#define GOOD BODY(ISSUER, "\"steadystate\"", "\"exp\":1700000300,\"sub\":\"u1\"")

static int verify_payload(struct fixture *f, const char *payload)
{
    cleanup_free char *token = make(f->rsa, false, HEADER, payload);
    return verify(f, token);
}

static int verify_header(struct fixture *f, const char *header)
{
    cleanup_free char *token = make(f->rsa, false, header, GOOD);
    return verify(f, token);
}

static void test_good(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(verify_payload(f, GOOD), 0);
    cleanup_free char *es = make(f->ec, true, "{\"alg\":\"ES256\",\"kid\":\"e1\"}", GOOD);
    assert_int_equal(verify(f, es), 0);
    /* no kid: the algorithm decides; jku, jwk: never looked at */
    assert_int_equal(verify_header(f, "{\"alg\":\"RS256\"}"), 0);
    assert_int_equal(verify_header(f, "{\"alg\":\"RS256\",\"kid\":\"r1\",\"jku\":\"http://x/\"}"),
                     0);
    static const char *const payloads[] = {
        BODY(ISSUER, "[\"steadystate\"]", "\"exp\":1700000300,\"sub\":\"u1\""),
        BODY(ISSUER, "[\"steadystate\",\"b\"]",
             "\"azp\":\"steadystate\",\"exp\":1700000300,\"sub\":\"u1\""),
        BODY(ISSUER, "\"steadystate\"", "\"exp\":1699999995,\"sub\":\"u1\""),
        BODY(ISSUER, "\"steadystate\"", "\"exp\":1700000300,\"sub\":\"u1\",\"nonce\":\"x\""),
    };
    for (size_t i = 0; i < ARRAY_LEN(payloads); i++)
        assert_int_equal(verify_payload(f, payloads[i]), 0);
}

static void test_bad_claims(void **state)
{
    struct fixture *f = *state;
    cleanup_str struct str long_sub = STR_INIT;
    str_adds(&long_sub, "{\"iss\":\"" ISSUER "\",\"aud\":\"steadystate\",\"iat\":1699999990,"
                        "\"exp\":1700000300,\"sub\":\"");
    for (int i = 0; i < 5000; i++)
        str_addc(&long_sub, 'x');
    str_adds(&long_sub, "\"}");
    assert_int_equal(verify_payload(f, long_sub.p), ERR_DENIED);
    static const char *const payloads[] = {
        BODY("https://evil.example", "\"steadystate\"", "\"exp\":1700000300,\"sub\":\"u1\""),
        BODY(ISSUER "/", "\"steadystate\"", "\"exp\":1700000300,\"sub\":\"u1\""),
        BODY(ISSUER, "\"other\"", "\"exp\":1700000300,\"sub\":\"u1\""),
        BODY(ISSUER, "[\"steadystate\",\"b\"]", "\"exp\":1700000300,\"sub\":\"u1\""),
        BODY(ISSUER, "[\"steadystate\",\"b\"]", "\"azp\":\"b\",\"exp\":1700000300,\"sub\":\"u1\""),
        BODY(ISSUER, "\"steadystate\"", "\"azp\":\"b\",\"exp\":1700000300,\"sub\":\"u1\""),
        BODY(ISSUER, "\"steadystate\"", "\"exp\":1699990000,\"sub\":\"u1\""),
        BODY(ISSUER, "\"steadystate\"", "\"sub\":\"u1\""),
        BODY(ISSUER, "\"steadystate\"", "\"exp\":\"1700000300\",\"sub\":\"u1\""),
        BODY(ISSUER, "\"steadystate\"", "\"exp\":1700000300,\"nbf\":1700086400,\"sub\":\"u1\""),
        BODY(ISSUER, "\"steadystate\"", "\"exp\":1700000300"),
        BODY(ISSUER, "\"steadystate\"", "\"exp\":1700000300,\"sub\":\"\""),
        BODY(ISSUER, "\"steadystate\"", "\"exp\":1700000300,\"sub\":5"),
        "{\"iss\":\"" ISSUER "\",\"aud\":\"steadystate\",\"iat\":1700086400,\"exp\":1700090000,"
        "\"sub\":\"u1\"}",
        "{\"iss\":\"" ISSUER "\",\"aud\":\"steadystate\",\"exp\":1700000300,\"sub\":\"u1\"}",
        "[]",
        "null",
    };
    for (size_t i = 0; i < ARRAY_LEN(payloads); i++)
        if (verify_payload(f, payloads[i]) != ERR_DENIED)
            fail_msg("taken: %s", payloads[i]);
}

static void test_bad_headers(void **state)
{
    struct fixture *f = *state;
    static const char *const headers[] = {"{\"alg\":\"none\"}",
                                          "{\"alg\":\"None\"}",
                                          "{\"alg\":\"HS256\",\"kid\":\"r1\"}",
                                          "{\"alg\":\"RS512\"}",
                                          "{\"alg\":\"rs256\"}",
                                          "{\"kid\":\"r1\"}",
                                          "{\"alg\":\"RS256\",\"kid\":\"r1\",\"crit\":[\"x\"]}",
                                          "{\"alg\":5}",
                                          "[]"};
    for (size_t i = 0; i < ARRAY_LEN(headers); i++)
        if (verify_header(f, headers[i]) != ERR_DENIED)
            fail_msg("taken: %s", headers[i]);
    assert_int_equal(verify_header(f, "{\"alg\":\"RS256\",\"kid\":\"gone\"}"), ERR_NOT_FOUND);
    /* a key that is published for another use */
    cleanup_free char *enc = make(f->other, false, "{\"alg\":\"RS256\",\"kid\":\"enc\"}", GOOD);
    assert_int_equal(verify(f, enc), ERR_NOT_FOUND);
}

/* A set of one key without a name, and tokens that name it all the same. */
static void test_key_without_name(void **state)
{
    struct fixture *f = *state;
    cleanup_json struct json_object *doc = NULL;
    struct jwk_set *named = f->set;
    struct json_object *key = public_jwk(f->rsa, true, "r1");
    struct json_object *keys = json_object_new_array();
    json_object_object_del(key, "kid");
    json_object_array_add(keys, key);
    doc = json_object_new_object();
    json_add(doc, "keys", keys);
    assert_int_equal(jwk_set_parse(doc, &f->set, NULL), 0);
    assert_int_equal(verify_header(f, "{\"alg\":\"RS256\",\"kid\":\"r1\"}"), 0);
    assert_int_equal(verify_header(f, "{\"alg\":\"RS256\"}"), 0);
    /* by another key: perhaps one that is new */
    cleanup_free char *other = make(f->other, false, HEADER, GOOD);
    assert_int_equal(verify(f, other), ERR_NOT_FOUND);
    jwk_set_free(f->set);
    f->set = named;
}

/* Which key a token without a name means is not known: perhaps one that is new. */
static void test_token_without_name(void **state)
{
    struct fixture *f = *state;
    cleanup_free char *old = make(f->rsa, false, "{\"alg\":\"RS256\"}", GOOD);
    cleanup_free char *new = make(f->other, false, "{\"alg\":\"RS256\"}", GOOD);
    assert_int_equal(verify(f, old), 0);
    assert_int_equal(verify(f, new), ERR_NOT_FOUND);
}

static void test_bad_signatures(void **state)
{
    struct fixture *f = *state;
    cleanup_free char *other = make(f->other, false, HEADER, GOOD);
    assert_int_equal(verify(f, other), ERR_DENIED);
    cleanup_free char *good = make(f->rsa, false, HEADER, GOOD);
    size_t n = strlen(good);
    cleanup_free char *cut = xstrndup(good, (size_t)(strrchr(good, '.') - good) + 1);
    assert_int_equal(verify(f, cut), ERR_DENIED);
    cleanup_free char *four = xasprintf("%s.x", good);
    assert_int_equal(verify(f, four), ERR_DENIED);
    cleanup_free char *padded = xasprintf("%s=", good);
    assert_int_equal(verify(f, padded), ERR_DENIED);
    for (size_t i = 0; i < n; i += 17) {
        cleanup_free char *bent = xstrdup(good);
        bent[i] = bent[i] == 'A' ? 'B' : 'A';
        if (verify(f, bent) == 0)
            fail_msg("taken with byte %zu changed", i);
    }
    assert_int_equal(verify(f, ""), ERR_DENIED);
    assert_int_equal(verify(f, "a.b.c"), ERR_DENIED);
}

/* What providers say beside the key. */
static void test_sets_of_others(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *name, *value;
        size_t n;
    } rows[] = {
        {"key_ops", "[\"verify\"]", 1},  {"key_ops", "[\"sign\",\"verify\"]", 1},
        {"key_ops", "[\"encrypt\"]", 0}, {"key_ops", "[]", 0},
        {"key_ops", "\"verify\"", 0},    {"key_ops", "[7]", 0},
        {"x5c", "[\"MIIB\"]", 1},        {"x5t#S256", "\"x\"", 1},
        {"alg", "\"PS256\"", 0},         {"alg", "\"RS256\"", 1},
        {"ext", "\"yes\"", 1},           {"use", "\"enc\"", 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct json_object *value = NULL;
        struct jwk_set *set = NULL;
        cleanup_json struct json_object *doc = json_object_new_object();
        struct json_object *keys = json_object_new_array();
        struct json_object *key = public_jwk(f->rsa, true, "k");
        if (json_parse(rows[i].value, strlen(rows[i].value), &value, NULL))
            fail_msg("test data: %s", rows[i].value);
        json_add(key, rows[i].name, value);
        json_object_array_add(keys, key);
        json_add(doc, "keys", keys);
        assert_int_equal(jwk_set_parse(doc, &set, NULL), 0);
        if (jwk_set_size(set) != rows[i].n)
            fail_msg("%s %s", rows[i].name, rows[i].value);
        jwk_set_free(set);
    }
}

static void test_bad_sets(void **state)
{
    (void)state;
    static const char *const sets[] = {"{}", "{\"keys\":{}}", "{\"keys\":5}"};
    for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
        cleanup_json struct json_object *doc = NULL;
        struct jwk_set *set = NULL;
        assert_int_equal(json_parse(sets[i], strlen(sets[i]), &doc, NULL), 0);
        assert_int_equal(jwk_set_parse(doc, &set, NULL), ERR_INVALID);
    }
    /* a weak RSA key is no key */
    EVP_PKEY *weak = EVP_RSA_gen(1024);
    cleanup_json struct json_object *doc = json_object_new_object();
    struct json_object *keys = json_object_new_array();
    json_add(doc, "keys", keys);
    json_object_array_add(keys, public_jwk(weak, true, "w"));
    cleanup_jwk_set struct jwk_set *set = NULL;
    assert_int_equal(jwk_set_parse(doc, &set, NULL), 0);
    assert_int_equal(jwk_set_size(set), 0);
    EVP_PKEY_free(weak);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad_claims),
        cmocka_unit_test(test_bad_headers),
        cmocka_unit_test(test_token_without_name),
        cmocka_unit_test(test_sets_of_others),
        cmocka_unit_test(test_bad_signatures),
        cmocka_unit_test(test_key_without_name),
        cmocka_unit_test(test_bad_sets),
    };
    return cmocka_run_group_tests_name("auth/id_token", tests, setup, teardown);
}
