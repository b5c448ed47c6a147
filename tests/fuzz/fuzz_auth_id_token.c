/* ID tokens as an identity provider may send them: header and payload, parted by a NUL, signed with
 * the key that the set names (RFC 7515 appendix A.3), so that what stands behind the signature is
 * reached; and the same bytes as a token that nobody signed. */
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include "auth/id_token.h"
#include "base/enc.h"

#define X "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
#define Y "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
#define D "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"
#define SET                                                                                        \
    "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"a\",\"x\":\"" X "\",\"y\":\"" Y "\"}]" \
    "}"

static struct jwk_set *read_set(void)
{
    struct jwk_set *set = NULL;
    cleanup_json struct json_object *doc = NULL;
    if (json_parse(SET, strlen(SET), &doc, NULL) || jwk_set_parse(doc, &set, NULL))
        __builtin_trap();
    return set;
}

static EVP_PKEY *read_key(void)
{
    cleanup_str struct str point = STR_INIT;
    cleanup_str struct str secret = STR_INIT;
    EVP_PKEY *key = NULL;
    str_addc(&point, 4);
    enc_unbase64url(X, strlen(X), &point, NULL);
    enc_unbase64url(Y, strlen(Y), &point, NULL);
    enc_unbase64url(D, strlen(D), &secret, NULL);
    BIGNUM *d = BN_bin2bn((unsigned char *)secret.p, (int)secret.len, NULL);
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0);
    OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point.p, point.len);
    OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_PRIV_KEY, d);
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    if (EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params) != 1)
        __builtin_trap();
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(builder);
    BN_free(d);
    return key;
}

static void add_signature(struct str *token, EVP_PKEY *key)
{
    unsigned char der[128], raw[64] = {0};
    size_t len = sizeof der;
    const unsigned char *p = der;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) != 1 ||
        EVP_DigestSign(ctx, der, &len, (unsigned char *)token->p, token->len) != 1)
        __builtin_trap();
    EVP_MD_CTX_free(ctx);
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &p, (long)len);
    BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + 32, 32);
    ECDSA_SIG_free(sig);
    str_addc(token, '.');
    enc_base64url(token, raw, sizeof raw);
}

static int verify(const struct jwk_set *set, const char *token, size_t len)
{
    const struct id_token_rules rules = {"https://id.example.org", "c", NULL, 1700000000};
    cleanup_json struct json_object *claims = NULL;
    return id_token_verify(token, len, set, &rules, &claims, NULL);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    static struct jwk_set *set; /* kept: making them costs more than using them */
    static EVP_PKEY *key;
    if (!set) {
        set = read_set();
        key = read_key();
    }
    if (verify(set, (const char *)data, size) == 0)
        __builtin_trap();
    const unsigned char *nul = memchr(data, 0, size);
    if (nul) {
        cleanup_str struct str token = STR_INIT;
        enc_base64url(&token, data, (size_t)(nul - data));
        str_addc(&token, '.');
        enc_base64url(&token, nul + 1, size - (size_t)(nul + 1 - data));
        add_signature(&token, key);
        verify(set, token.p, token.len);
    }
    return 0;
}
