#include "ssh/sshsig.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/enc.h"
#include "base/mem.h"
#include "ssh/crypto.h"
#include "ssh/wire.h"

#define MAGIC "SSHSIG"
#define MAGIC_LEN 6
#define VERSION 1
#define BEGIN "-----BEGIN SSH SIGNATURE-----"
#define END "-----END SSH SIGNATURE-----"
#define ARMOR_WIDTH 70

void sshsig_init(struct sshsig *sig)
{
    memset(sig, 0, sizeof *sig);
    ssh_key_init(&sig->key);
    sig->signature = (struct str)STR_INIT;
}

void sshsig_release(struct sshsig *sig)
{
    ssh_key_release(&sig->key);
    free(sig->name_space);
    free(sig->hash);
    str_release(&sig->signature);
    sshsig_init(sig);
}

static const EVP_MD *hash_of(const char *name)
{
    if (strcmp(name, "sha256") == 0)
        return EVP_sha256();
    if (strcmp(name, "sha512") == 0)
        return EVP_sha512();
    return NULL;
}

static char *text_of(struct ssh_slice s)
{
    if (s.len > SSHSIG_NAMESPACE_MAX || memchr(s.p, 0, s.len))
        return NULL;
    return xstrndup((const char *)s.p, s.len);
}

static int parse_fields(struct ssh_reader *r, struct sshsig *out, struct err *err)
{
    struct ssh_slice magic, key, name, reserved, hash, signature;
    uint32_t version;
    if (!ssh_get_bytes(r, MAGIC_LEN, &magic) || memcmp(magic.p, MAGIC, MAGIC_LEN) != 0)
        return err_set(err, ERR_INVALID, "not an SSH signature");
    if (!ssh_get_u32(r, &version) || version != VERSION)
        return err_set(err, ERR_UNSUPPORTED, "SSH signature of an unknown version");
    if (!ssh_get_string(r, &key) || !ssh_get_string(r, &name) || !ssh_get_string(r, &reserved) ||
        !ssh_get_string(r, &hash) || !ssh_get_string(r, &signature) || r->left)
        return err_set(err, ERR_INVALID, "malformed SSH signature");
    int rc = ssh_key_parse_blob(key.p, key.len, &out->key, err);
    if (rc) {
        err_wrap(err, "SSH signature");
        return rc;
    }
    out->name_space = text_of(name);
    out->hash = text_of(hash);
    if (!out->name_space || !*out->name_space || !out->hash || !hash_of(out->hash))
        return err_set(err, ERR_INVALID, "SSH signature: malformed namespace or hash");
    if (reserved.len)
        return err_set(err, ERR_INVALID, "SSH signature: reserved field is in use");
    str_add(&out->signature, signature.p, signature.len);
    return 0;
}

int sshsig_parse_blob(const void *blob, size_t len, struct sshsig *out, struct err *err)
{
    sshsig_init(out);
    if (len > SSHSIG_ARMOR_MAX)
        return err_set(err, ERR_LIMIT, "SSH signature is longer than %d bytes", SSHSIG_ARMOR_MAX);
    struct ssh_reader r = ssh_reader_of(blob, len);
    int rc = parse_fields(&r, out, err);
    if (rc)
        sshsig_release(out);
    return rc;
}

static bool is_white(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The base64 text between the two lines, white space taken out. */
static int armor_body(const char *text, size_t len, struct str *out, struct err *err)
{
    while (len && is_white(text[len - 1]))
        len--;
    size_t begin = strlen(BEGIN), end = strlen(END);
    if (len < begin + end || memcmp(text, BEGIN, begin) != 0 ||
        memcmp(text + len - end, END, end) != 0)
        return err_set(err, ERR_INVALID, "not an armored SSH signature");
    for (const char *p = text + begin; p < text + len - end; p++)
        if (!is_white(*p))
            str_addc(out, *p);
    return 0;
}

int sshsig_parse_armor(const char *text, size_t len, struct sshsig *out, struct err *err)
{
    sshsig_init(out);
    if (len > SSHSIG_ARMOR_MAX)
        return err_set(err, ERR_LIMIT, "SSH signature is longer than %d bytes", SSHSIG_ARMOR_MAX);
    if (len >= MAGIC_LEN && memcmp(text, MAGIC, MAGIC_LEN) == 0)
        return sshsig_parse_blob(text, len, out, err);
    cleanup_str struct str body = STR_INIT;
    cleanup_str struct str blob = STR_INIT;
    int rc = armor_body(text, len, &body, err);
    if (rc)
        return rc;
    rc = enc_unbase64(body.p, body.len, &blob, err);
    if (rc) {
        err_wrap(err, "SSH signature");
        return rc;
    }
    return sshsig_parse_blob(blob.p, blob.len, out, err);
}

int sshsig_tbs(const char *name_space, const char *hash, const void *msg, size_t msg_len,
               struct str *out, struct err *err)
{
    const EVP_MD *md = hash_of(hash);
    if (!md)
        return err_set(err, ERR_UNSUPPORTED, "SSH signature: hash %s is not allowed", hash);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    if (!EVP_Digest(msg, msg_len, digest, &n, md, NULL))
        return err_set(err, ERR_FAILED, "OpenSSL cannot hash");
    str_add(out, MAGIC, MAGIC_LEN);
    ssh_put_cstring(out, name_space);
    ssh_put_cstring(out, "");
    ssh_put_cstring(out, hash);
    ssh_put_string(out, digest, n);
    return 0;
}

void sshsig_armor(const struct ssh_key *key, const char *name_space, const char *hash,
                  const void *signature, size_t len, struct str *out)
{
    cleanup_str struct str blob = STR_INIT;
    str_add(&blob, MAGIC, MAGIC_LEN);
    ssh_put_u32(&blob, VERSION);
    ssh_put_string(&blob, key->blob.p, key->blob.len);
    ssh_put_cstring(&blob, name_space);
    ssh_put_cstring(&blob, "");
    ssh_put_cstring(&blob, hash);
    ssh_put_string(&blob, signature, len);
    cleanup_str struct str text = STR_INIT;
    enc_base64(&text, blob.p, blob.len);
    str_adds(out, BEGIN "\n");
    for (size_t i = 0; i < text.len; i += ARMOR_WIDTH) {
        str_add(out, text.p + i, text.len - i < ARMOR_WIDTH ? text.len - i : ARMOR_WIDTH);
        str_addc(out, '\n');
    }
    str_adds(out, END "\n");
}

int sshsig_verify(const struct sshsig *sig, const char *name_space, const void *msg, size_t msg_len,
                  struct err *err)
{
    if (strcmp(sig->name_space, name_space) != 0)
        return err_set(err, ERR_DENIED, "signature was made for another purpose");
    cleanup_str struct str tbs = STR_INIT;
    int rc = sshsig_tbs(name_space, sig->hash, msg, msg_len, &tbs, err);
    if (rc)
        return rc;
    return ssh_crypto_verify(&sig->key, sig->signature.p, sig->signature.len, tbs.p, tbs.len, err);
}
