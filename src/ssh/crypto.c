#include "ssh/crypto.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/param_build.h>
#include <string.h>

#include "base/mem.h"

#define SK_FLAG_USER_PRESENT 0x01
#define ED25519_SIG_LEN 64

static void free_bld(OSSL_PARAM_BLD **p)
{
    OSSL_PARAM_BLD_free(*p);
}

static void free_params(OSSL_PARAM **p)
{
    OSSL_PARAM_free(*p);
}

static void free_bn(BIGNUM **p)
{
    BN_clear_free(*p);
}

static void free_pctx(EVP_PKEY_CTX **p)
{
    EVP_PKEY_CTX_free(*p);
}

static void free_mdctx(EVP_MD_CTX **p)
{
    EVP_MD_CTX_free(*p);
}

static void free_sig(ECDSA_SIG **p)
{
    ECDSA_SIG_free(*p);
}

static void free_ossl(unsigned char **p)
{
    OPENSSL_free(*p);
}

void ssh_crypto_pkey_freep(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

static BIGNUM *bn_of(struct ssh_slice s)
{
    return BN_bin2bn(s.p, (int)s.len, NULL);
}

static EVP_PKEY *pkey_from(const char *algorithm, OSSL_PARAM_BLD *bld, bool secret)
{
    cleanup(free_params) OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
    cleanup(free_pctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, algorithm, NULL);
    EVP_PKEY *key = NULL;
    int selection = secret ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY;
    if (!params || !ctx || EVP_PKEY_fromdata_init(ctx) <= 0 ||
        EVP_PKEY_fromdata(ctx, &key, selection, params) <= 0)
        return NULL;
    return key;
}

static EVP_PKEY *rsa_pkey(struct ssh_reader *r, const struct ssh_secret_parts *secret)
{
    struct ssh_slice e, n;
    if (!ssh_get_mpint(r, &e) || !ssh_get_mpint(r, &n))
        return NULL;
    cleanup(free_bld) OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    cleanup(free_bn) BIGNUM *bn_e = bn_of(e);
    cleanup(free_bn) BIGNUM *bn_n = bn_of(n);
    cleanup(free_bn) BIGNUM *bn_d = secret ? bn_of(secret->d) : NULL;
    if (!bld || !bn_e || !bn_n || !OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, bn_n) ||
        !OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, bn_e) ||
        (secret && (!bn_d || !OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_D, bn_d))))
        return NULL;
    return pkey_from("RSA", bld, secret != NULL);
}

static const char *group_of(enum ssh_key_type type)
{
    switch (type) {
    case SSH_KEY_ECDSA_P384:
        return "secp384r1";
    case SSH_KEY_ECDSA_P521:
        return "secp521r1";
    default:
        return "prime256v1";
    }
}

static EVP_PKEY *ec_pkey(enum ssh_key_type type, struct ssh_reader *r,
                         const struct ssh_secret_parts *secret)
{
    struct ssh_slice curve, point;
    if (!ssh_get_string(r, &curve) || !ssh_get_string(r, &point))
        return NULL;
    cleanup(free_bld) OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    cleanup(free_bn) BIGNUM *bn_d = secret ? bn_of(secret->d) : NULL;
    if (!bld ||
        !OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, group_of(type), 0) ||
        !OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point.p, point.len) ||
        (secret && (!bn_d || !OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_PRIV_KEY, bn_d))))
        return NULL;
    return pkey_from("EC", bld, secret != NULL);
}

static EVP_PKEY *ed25519_pkey(struct ssh_reader *r, const struct ssh_secret_parts *secret)
{
    struct ssh_slice pub;
    if (secret)
        return EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, secret->ed25519_seed.p,
                                            secret->ed25519_seed.len);
    if (!ssh_get_string(r, &pub))
        return NULL;
    return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, pub.p, pub.len);
}

int ssh_crypto_pkey(const struct ssh_key *key, const struct ssh_secret_parts *secret,
                    EVP_PKEY **out, struct err *err)
{
    struct ssh_reader r = ssh_reader_of(key->blob.p, key->blob.len);
    struct ssh_slice name;
    EVP_PKEY *made = NULL;
    if (ssh_get_string(&r, &name)) {
        switch (key->type) {
        case SSH_KEY_RSA:
            made = rsa_pkey(&r, secret);
            break;
        case SSH_KEY_ED25519:
        case SSH_KEY_SK_ED25519:
            made = ed25519_pkey(&r, secret);
            break;
        default:
            made = ec_pkey(key->type, &r, secret);
            break;
        }
    }
    if (!made)
        return err_set(err, ERR_INVALID, "key is not a point or number of its kind");
    *out = made;
    return 0;
}

const EVP_MD *ssh_crypto_digest(enum ssh_key_type type)
{
    switch (type) {
    case SSH_KEY_ED25519:
    case SSH_KEY_SK_ED25519:
        return NULL;
    case SSH_KEY_ECDSA_P384:
        return EVP_sha384();
    case SSH_KEY_ECDSA_P521:
    case SSH_KEY_RSA:
        return EVP_sha512();
    default:
        return EVP_sha256();
    }
}

static int verify_raw(const struct ssh_key *key, const EVP_MD *md, const unsigned char *sig,
                      size_t sig_len, const void *data, size_t len, struct err *err)
{
    cleanup_pkey EVP_PKEY *pkey = NULL;
    int rc = ssh_crypto_pkey(key, NULL, &pkey, err);
    if (rc)
        return rc;
    cleanup(free_mdctx) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (!ctx || EVP_DigestVerifyInit(ctx, NULL, md, NULL, pkey) <= 0)
        return err_set(err, ERR_FAILED, "OpenSSL cannot verify with this key");
    if (EVP_DigestVerify(ctx, sig, sig_len, data, len) != 1)
        return err_set(err, ERR_DENIED, "signature does not fit");
    return 0;
}

static int verify_ecdsa(const struct ssh_key *key, struct ssh_slice blob, const void *data,
                        size_t len, struct err *err)
{
    struct ssh_reader r = ssh_reader_of(blob.p, blob.len);
    struct ssh_slice sr, ss;
    if (!ssh_get_mpint(&r, &sr) || !ssh_get_mpint(&r, &ss) || r.left || sr.len > 66 || ss.len > 66)
        return err_set(err, ERR_INVALID, "malformed ECDSA signature");
    cleanup(free_sig) ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *bn_r = bn_of(sr), *bn_s = bn_of(ss);
    if (!sig || !bn_r || !bn_s || !ECDSA_SIG_set0(sig, bn_r, bn_s)) {
        BN_free(bn_r);
        BN_free(bn_s);
        return err_set(err, ERR_FAILED, "OpenSSL cannot take the signature");
    }
    cleanup(free_ossl) unsigned char *der = NULL;
    int n = i2d_ECDSA_SIG(sig, &der);
    if (n <= 0)
        return err_set(err, ERR_FAILED, "OpenSSL cannot encode the signature");
    return verify_raw(key, ssh_crypto_digest(key->type), der, (size_t)n, data, len, err);
}

/* OpenSSH writes RSA signatures without leading zeros; OpenSSL wants the modulus' length. */
static int verify_rsa(const struct ssh_key *key, const EVP_MD *md, struct ssh_slice blob,
                      const void *data, size_t len, struct err *err)
{
    cleanup_pkey EVP_PKEY *pkey = NULL;
    int rc = ssh_crypto_pkey(key, NULL, &pkey, err);
    if (rc)
        return rc;
    size_t want = (size_t)EVP_PKEY_get_size(pkey);
    if (blob.len == 0 || blob.len > want)
        return err_set(err, ERR_INVALID, "malformed RSA signature");
    unsigned char padded[SSH_KEY_RSA_BITS_MAX / 8] = {0};
    BUG_ON(want > sizeof padded);
    memcpy(padded + (want - blob.len), blob.p, blob.len);
    return verify_raw(key, md, padded, want, data, len, err);
}

static int check_algorithm(const struct ssh_key *key, struct ssh_slice alg, const EVP_MD **md,
                           struct err *err)
{
    *md = ssh_crypto_digest(key->type);
    if (key->type != SSH_KEY_RSA) {
        if (ssh_slice_is(alg, ssh_key_type_name(key->type)))
            return 0;
    } else if (ssh_slice_is(alg, "rsa-sha2-512")) {
        return 0;
    } else if (ssh_slice_is(alg, "rsa-sha2-256")) {
        *md = EVP_sha256();
        return 0;
    }
    return err_set(err, ERR_INVALID, "signature algorithm does not fit the key or is not allowed");
}

static int sk_application(const struct ssh_key *key, struct ssh_slice *app)
{
    struct ssh_reader r = ssh_reader_of(key->blob.p, key->blob.len);
    struct ssh_slice skip;
    /* type, then the curve's name for ecdsa, then the public key */
    int before = key->type == SSH_KEY_SK_ED25519 ? 2 : 3;
    for (int i = 0; i < before; i++) {
        if (!ssh_get_string(&r, &skip))
            return ERR_INVALID;
    }
    return ssh_get_string(&r, app) ? 0 : ERR_INVALID;
}

/* What a security key really signs: H(application) | flags | counter | H(data). */
static int sk_message(const struct ssh_key *key, struct ssh_reader *rest, const void *data,
                      size_t len, struct str *out, struct err *err)
{
    struct ssh_slice app;
    uint8_t flags;
    uint32_t counter;
    if (sk_application(key, &app) || !ssh_get_u8(rest, &flags) || !ssh_get_u32(rest, &counter))
        return err_set(err, ERR_INVALID, "malformed security key signature");
    if (!(flags & SK_FLAG_USER_PRESENT))
        return err_set(err, ERR_DENIED, "signature was made without the user's presence");
    unsigned char digest[32];
    BUG_ON(!EVP_Digest(app.p, app.len, digest, NULL, EVP_sha256(), NULL));
    str_add(out, digest, sizeof digest);
    ssh_put_u8(out, flags);
    ssh_put_u32(out, counter);
    BUG_ON(!EVP_Digest(data, len, digest, NULL, EVP_sha256(), NULL));
    str_add(out, digest, sizeof digest);
    return 0;
}

int ssh_crypto_verify(const struct ssh_key *key, const void *signature, size_t sig_len,
                      const void *data, size_t len, struct err *err)
{
    struct ssh_reader r = ssh_reader_of(signature, sig_len);
    struct ssh_slice alg, blob;
    if (!ssh_get_string(&r, &alg) || !ssh_get_string(&r, &blob))
        return err_set(err, ERR_INVALID, "malformed signature");
    const EVP_MD *md;
    int rc = check_algorithm(key, alg, &md, err);
    if (rc)
        return rc;
    cleanup_str struct str sk = STR_INIT;
    if (key->type == SSH_KEY_SK_ED25519 || key->type == SSH_KEY_SK_ECDSA) {
        rc = sk_message(key, &r, data, len, &sk, err);
        if (rc)
            return rc;
        data = sk.p;
        len = sk.len;
    }
    if (r.left)
        return err_set(err, ERR_INVALID, "bytes behind the end of the signature");
    switch (key->type) {
    case SSH_KEY_RSA:
        return verify_rsa(key, md, blob, data, len, err);
    case SSH_KEY_ED25519:
    case SSH_KEY_SK_ED25519:
        if (blob.len != ED25519_SIG_LEN)
            return err_set(err, ERR_INVALID, "malformed ed25519 signature");
        return verify_raw(key, NULL, blob.p, blob.len, data, len, err);
    default:
        return verify_ecdsa(key, blob, data, len, err);
    }
}
