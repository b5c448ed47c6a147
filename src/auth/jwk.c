#include "auth/jwk.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include "base/enc.h"
#include "base/mem.h"
#include "base/str.h"

#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 16384
#define P256_BYTES 32

struct jwk {
    char *kid; /* NULL: none */
    enum jwk_alg alg;
    EVP_PKEY *key;
};

struct jwk_set {
    struct jwk *keys;
    size_t n;
};

void jwk_set_free(struct jwk_set *set)
{
    if (!set)
        return;
    for (size_t i = 0; i < set->n; i++) {
        free(set->keys[i].kid);
        EVP_PKEY_free(set->keys[i].key);
    }
    free(set->keys);
    free(set);
}

void jwk_set_freep(struct jwk_set **set)
{
    jwk_set_free(*set);
}

size_t jwk_set_size(const struct jwk_set *set)
{
    return set->n;
}

static bool decode_member(struct json_object *jwk, const char *name, size_t max, struct str *out)
{
    const char *text = NULL;
    return json_get_str(jwk, name, max * 4 / 3 + 4, &text, NULL) == 0 &&
           enc_unbase64url(text, strlen(text), out, NULL) == 0 && out->len >= 1 && out->len <= max;
}

static EVP_PKEY *key_from_params(const char *type, OSSL_PARAM_BLD *builder)
{
    EVP_PKEY *key = NULL;
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    if (!params || !ctx || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
        key = NULL;
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    return key;
}

static EVP_PKEY *rsa_key(struct json_object *jwk)
{
    cleanup_str struct str n = STR_INIT;
    cleanup_str struct str e = STR_INIT;
    if (!decode_member(jwk, "n", RSA_BITS_MAX / 8, &n) || !decode_member(jwk, "e", 8, &e))
        return NULL;
    BIGNUM *bn_n = BN_bin2bn((unsigned char *)n.p, (int)n.len, NULL);
    BIGNUM *bn_e = BN_bin2bn((unsigned char *)e.p, (int)e.len, NULL);
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    EVP_PKEY *key = NULL;
    if (bn_n && bn_e && builder && BN_num_bits(bn_n) >= RSA_BITS_MIN && BN_is_odd(bn_e) &&
        !BN_is_one(bn_e) && OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, bn_n) == 1 &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, bn_e) == 1)
        key = key_from_params("RSA", builder);
    OSSL_PARAM_BLD_free(builder);
    BN_free(bn_n);
    BN_free(bn_e);
    return key;
}

static EVP_PKEY *p256_key(struct json_object *jwk)
{
    cleanup_str struct str x = STR_INIT;
    cleanup_str struct str y = STR_INIT;
    const char *curve = NULL;
    if (json_get_str(jwk, "crv", 16, &curve, NULL) || strcmp(curve, "P-256") != 0 ||
        !decode_member(jwk, "x", P256_BYTES, &x) || !decode_member(jwk, "y", P256_BYTES, &y) ||
        x.len != P256_BYTES || y.len != P256_BYTES)
        return NULL;
    unsigned char point[1 + 2 * P256_BYTES] = {4};
    memcpy(point + 1, x.p, P256_BYTES);
    memcpy(point + 1 + P256_BYTES, y.p, P256_BYTES);
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    EVP_PKEY *key = NULL;
    if (builder &&
        OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) ==
            1 &&
        OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point) ==
            1)
        key = key_from_params("EC", builder);
    OSSL_PARAM_BLD_free(builder);
    return key;
}

/* RFC 7517 section 4.3: without the list a key may do anything. */
static bool may_verify(struct json_object *obj)
{
    struct json_object *ops = NULL;
    if (json_opt_array(obj, "key_ops", 16, &ops, NULL))
        return false;
    for (size_t i = 0; ops && i < json_object_array_length(ops); i++) {
        struct json_object *op = json_object_array_get_idx(ops, i);
        if (json_object_is_type(op, json_type_string) &&
            strcmp(json_object_get_string(op), "verify") == 0)
            return true;
    }
    return !ops;
}

/* False for a key that is of no use here. */
static bool read_key(struct json_object *obj, struct jwk *out)
{
    const char *kty = NULL, *use = NULL, *alg = NULL, *kid = NULL;
    if (json_get_str(obj, "kty", 16, &kty, NULL) || json_opt_str(obj, "use", 16, &use, NULL) ||
        json_opt_str(obj, "alg", 32, &alg, NULL) ||
        json_opt_str(obj, "kid", JWK_KID_MAX, &kid, NULL))
        return false;
    if ((use && strcmp(use, "sig") != 0) || !may_verify(obj))
        return false;
    bool rsa = strcmp(kty, "RSA") == 0, ec = strcmp(kty, "EC") == 0;
    if ((!rsa && !ec) || (alg && strcmp(alg, rsa ? "RS256" : "ES256") != 0))
        return false;
    out->alg = rsa ? JWK_RS256 : JWK_ES256;
    out->key = rsa ? rsa_key(obj) : p256_key(obj);
    if (!out->key)
        return false;
    out->kid = kid ? xstrdup(kid) : NULL;
    return true;
}

int jwk_set_parse(struct json_object *document, struct jwk_set **out, struct err *err)
{
    struct json_object *keys = NULL;
    int rc = json_opt_array(document, "keys", JWK_KEYS_MAX, &keys, err);
    if (rc)
        return rc;
    if (!keys)
        return err_set(err, ERR_INVALID, "a key set without 'keys'");
    struct jwk_set *set = xcalloc(1, sizeof *set);
    size_t n = json_object_array_length(keys);
    set->keys = xcalloc(n, sizeof *set->keys);
    for (size_t i = 0; i < n; i++)
        if (read_key(json_object_array_get_idx(keys, i), &set->keys[set->n]))
            set->n++;
    *out = set;
    return 0;
}

/* JOSE writes r and s side by side, OpenSSL wants them in DER (RFC 7518 section 3.4). */
static bool ecdsa_to_der(const unsigned char *raw, size_t len, unsigned char **der, int *der_len)
{
    if (len != (size_t)2 * P256_BYTES)
        return false;
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(raw, P256_BYTES, NULL),
           *s = BN_bin2bn(raw + P256_BYTES, P256_BYTES, NULL);
    *der = NULL;
    *der_len = -1;
    if (sig && r && s && ECDSA_SIG_set0(sig, r, s) == 1) {
        r = s = NULL;
        *der_len = i2d_ECDSA_SIG(sig, der);
    }
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(sig);
    return *der_len > 0;
}

static bool verify_one(const struct jwk *jwk, const void *data, size_t len, const void *signature,
                       size_t signature_len)
{
    unsigned char *der = NULL;
    int der_len = 0;
    if (jwk->alg == JWK_ES256) {
        if (!ecdsa_to_der(signature, signature_len, &der, &der_len))
            return false;
        signature = der;
        signature_len = (size_t)der_len;
    }
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = ctx && EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, jwk->key) == 1 &&
                EVP_DigestVerify(ctx, signature, signature_len, data, len) == 1;
    EVP_MD_CTX_free(ctx);
    OPENSSL_free(der);
    return good;
}

int jwk_set_verify(const struct jwk_set *set, enum jwk_alg alg, const char *kid, const void *data,
                   size_t len, const void *signature, size_t signature_len, struct err *err)
{
    bool found = false;
    for (size_t i = 0; i < set->n; i++) {
        const struct jwk *jwk = &set->keys[i];
        /* A provider that names the key in its tokens and not in its set means the only one. */
        bool named = !kid || (jwk->kid && strcmp(kid, jwk->kid) == 0);
        if (jwk->alg != alg || (!named && jwk->kid))
            continue;
        found |= kid && named;
        if (verify_one(jwk, data, len, signature, signature_len))
            return 0;
    }
    if (!found)
        return err_set(err, ERR_NOT_FOUND, "the provider has no such key");
    return err_set(err, ERR_DENIED, "the signature is not the provider's");
}
