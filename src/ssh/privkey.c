#include "ssh/privkey.h"

#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/enc.h"
#include "base/mem.h"
#include "ssh/crypto.h"
#include "ssh/wire.h"

#define BEGIN "-----BEGIN OPENSSH PRIVATE KEY-----"
#define END "-----END OPENSSH PRIVATE KEY-----"
#define AUTH_MAGIC "openssh-key-v1"
#define RSA_SIG_MAX (SSH_KEY_RSA_BITS_MAX / 8)

struct ssh_privkey {
    struct ssh_key pub;
    EVP_PKEY *pkey;
};

void ssh_privkey_free(struct ssh_privkey *key)
{
    if (!key)
        return;
    ssh_key_release(&key->pub);
    EVP_PKEY_free(key->pkey);
    free(key);
}

void ssh_privkey_freep(struct ssh_privkey **key)
{
    ssh_privkey_free(*key);
}

const struct ssh_key *ssh_privkey_public(const struct ssh_privkey *key)
{
    return &key->pub;
}

static int read_armor(const char *text, size_t len, struct str *out, struct err *err)
{
    const char *begin = memmem(text, len, BEGIN, strlen(BEGIN));
    if (!begin)
        return err_set(err, ERR_UNSUPPORTED, "private key is not in OpenSSH's format");
    begin += strlen(BEGIN);
    size_t left = len - (size_t)(begin - text);
    const char *end = memmem(begin, left, END, strlen(END));
    if (!end)
        return err_set(err, ERR_INVALID, "private key file is cut off");
    cleanup_str_secret struct str body = STR_INIT;
    str_reserve(&body, left);
    for (const char *p = begin; p < end; p++)
        if (*p != '\n' && *p != '\r')
            str_addc(&body, *p);
    str_reserve(out, body.len);
    return enc_unbase64(body.p, body.len, out, err);
}

/* The outer fields: no cipher, one key. */
static int read_envelope(struct ssh_reader *r, struct ssh_slice *pub, struct ssh_slice *inner,
                         struct err *err)
{
    struct ssh_slice magic, cipher, kdf, options;
    uint32_t count;
    if (!ssh_get_bytes(r, sizeof AUTH_MAGIC, &magic) ||
        memcmp(magic.p, AUTH_MAGIC, sizeof AUTH_MAGIC) != 0 || !ssh_get_string(r, &cipher) ||
        !ssh_get_string(r, &kdf) || !ssh_get_string(r, &options) || !ssh_get_u32(r, &count))
        return err_set(err, ERR_INVALID, "malformed private key");
    if (!ssh_slice_is(cipher, "none") || !ssh_slice_is(kdf, "none"))
        return err_set(err, ERR_UNSUPPORTED, "private key is encrypted");
    if (count != 1)
        return err_set(err, ERR_UNSUPPORTED, "private key file holds several keys");
    if (!ssh_get_string(r, pub) || !ssh_get_string(r, inner) || r->left)
        return err_set(err, ERR_INVALID, "malformed private key");
    return 0;
}

/* Type-dependent fields; the public ones among them are only stepped over, because the outer blob
 * is what counts and OpenSSL checks that both halves fit. */
static bool read_secret(enum ssh_key_type type, struct ssh_reader *r,
                        struct ssh_secret_parts *parts)
{
    struct ssh_slice a, b;
    switch (type) {
    case SSH_KEY_ED25519:
        if (!ssh_get_string(r, &a) || !ssh_get_string(r, &b) || a.len != 32 || b.len != 64 ||
            memcmp(a.p, b.p + 32, 32) != 0)
            return false;
        parts->ed25519_seed = (struct ssh_slice){b.p, 32};
        return true;
    case SSH_KEY_ECDSA_P256:
    case SSH_KEY_ECDSA_P384:
    case SSH_KEY_ECDSA_P521:
        return ssh_get_string(r, &a) && ssh_get_string(r, &b) && ssh_get_mpint(r, &parts->d);
    case SSH_KEY_RSA:
        return ssh_get_mpint(r, &a) && ssh_get_mpint(r, &b) && ssh_get_mpint(r, &parts->d) &&
               ssh_get_mpint(r, &a) && ssh_get_mpint(r, &a) && ssh_get_mpint(r, &a);
    default:
        return false;
    }
}

static bool padding_is_right(struct ssh_reader *r)
{
    uint8_t want = 1, got;
    if (r->left >= 16)
        return false;
    while (ssh_get_u8(r, &got))
        if (got != want++)
            return false;
    return true;
}

/* Both halves belong together when what one signs the other verifies. */
static int check_pair(const struct ssh_privkey *key, struct err *err)
{
    static const char probe[] = "steadystate key check";
    cleanup_str struct str sig = STR_INIT;
    int rc = ssh_privkey_sign(key, probe, sizeof probe, &sig, err);
    if (rc)
        return rc;
    if (ssh_crypto_verify(&key->pub, sig.p, sig.len, probe, sizeof probe, NULL))
        return err_set(err, ERR_INVALID, "private key does not fit its public half");
    return 0;
}

static int read_inner(struct ssh_slice inner, struct ssh_privkey *key, struct err *err)
{
    struct ssh_reader r = ssh_reader_of(inner.p, inner.len);
    struct ssh_slice type, comment;
    struct ssh_secret_parts parts = {0};
    uint32_t check1, check2;
    if (!ssh_get_u32(&r, &check1) || !ssh_get_u32(&r, &check2) || check1 != check2 ||
        !ssh_get_string(&r, &type) || !ssh_slice_is(type, ssh_key_type_name(key->pub.type)))
        return err_set(err, ERR_INVALID, "malformed private key");
    if (key->pub.type == SSH_KEY_SK_ED25519 || key->pub.type == SSH_KEY_SK_ECDSA)
        return err_set(err, ERR_UNSUPPORTED, "the key lives in a security key");
    if (!read_secret(key->pub.type, &r, &parts) || !ssh_get_string(&r, &comment) ||
        !padding_is_right(&r))
        return err_set(err, ERR_INVALID, "malformed private key");
    int rc = ssh_crypto_pkey(&key->pub, &parts, &key->pkey, err);
    return rc ? rc : check_pair(key, err);
}

int ssh_privkey_parse(const char *text, size_t len, struct ssh_privkey **out, struct err *err)
{
    if (len > SSH_PRIVKEY_FILE_MAX)
        return err_set(err, ERR_LIMIT, "private key file is longer than %d bytes",
                       SSH_PRIVKEY_FILE_MAX);
    cleanup_str_secret struct str blob = STR_INIT;
    int rc = read_armor(text, len, &blob, err);
    if (rc)
        return rc;
    struct ssh_reader r = ssh_reader_of(blob.p, blob.len);
    struct ssh_slice pub, inner;
    rc = read_envelope(&r, &pub, &inner, err);
    if (rc)
        return rc;
    cleanup_ssh_privkey struct ssh_privkey *key = xcalloc(1, sizeof *key);
    rc = ssh_key_parse_blob(pub.p, pub.len, &key->pub, err);
    if (!rc)
        rc = read_inner(inner, key, err);
    if (rc)
        return rc;
    *out = steal(&key);
    return 0;
}

static int put_ecdsa(const unsigned char *der, size_t len, struct str *out, struct err *err)
{
    const unsigned char *p = der;
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &p, (long)len);
    if (!sig)
        return err_set(err, ERR_FAILED, "OpenSSL made a malformed signature");
    unsigned char n[2][66];
    int n_r = BN_bn2bin(ECDSA_SIG_get0_r(sig), n[0]);
    int n_s = BN_bn2bin(ECDSA_SIG_get0_s(sig), n[1]);
    ECDSA_SIG_free(sig);
    cleanup_str struct str inner = STR_INIT;
    ssh_put_mpint(&inner, n[0], (size_t)n_r);
    ssh_put_mpint(&inner, n[1], (size_t)n_s);
    ssh_put_string(out, inner.p, inner.len);
    return 0;
}

int ssh_privkey_sign(const struct ssh_privkey *key, const void *data, size_t len, struct str *out,
                     struct err *err)
{
    unsigned char sig[RSA_SIG_MAX];
    size_t sig_len = sizeof sig;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok =
        ctx &&
        EVP_DigestSignInit(ctx, NULL, ssh_crypto_digest(key->pub.type), NULL, key->pkey) > 0 &&
        EVP_DigestSign(ctx, sig, &sig_len, data, len) > 0;
    EVP_MD_CTX_free(ctx);
    if (!ok)
        return err_set(err, ERR_FAILED, "OpenSSL cannot sign with this key");
    enum ssh_key_type type = key->pub.type;
    ssh_put_cstring(out, type == SSH_KEY_RSA ? "rsa-sha2-512" : ssh_key_type_name(type));
    if (type == SSH_KEY_RSA || type == SSH_KEY_ED25519) {
        ssh_put_string(out, sig, sig_len);
        return 0;
    }
    return put_ecdsa(sig, sig_len, out, err);
}
