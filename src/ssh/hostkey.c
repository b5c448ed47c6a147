#include "ssh/hostkey.h"

#include <openssl/evp.h>
#include <string.h>

#include "base/enc.h"
#include "base/mem.h"
#include "ssh/wire.h"

#define PEM_WIDTH 70

static void cleanup_pkey(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

/* The file's content before base64: one key, no cipher, no key derivation. */
static void put_file(struct str *out, const struct str *pub, const struct str *secret)
{
    str_add(out, "openssh-key-v1", sizeof "openssh-key-v1"); /* with its NUL */
    ssh_put_cstring(out, "none");
    ssh_put_cstring(out, "none");
    ssh_put_cstring(out, "");
    ssh_put_u32(out, 1);
    ssh_put_string(out, pub->p, pub->len);
    ssh_put_string(out, secret->p, secret->len);
}

static void put_secret(struct str *out, const unsigned char seed[32], const unsigned char pub[32],
                       const char *comment)
{
    uint32_t check;
    rnd_bytes(&check, sizeof check);
    ssh_put_u32(out, check);
    ssh_put_u32(out, check);
    ssh_put_cstring(out, "ssh-ed25519");
    ssh_put_string(out, pub, 32);
    ssh_put_u32(out, 64);
    str_add(out, seed, 32);
    str_add(out, pub, 32);
    ssh_put_cstring(out, comment);
    for (unsigned char pad = 1; out->len % 8; pad++)
        ssh_put_u8(out, pad);
}

static void put_pem(struct str *out, const struct str *file)
{
    cleanup_str_secret struct str text = STR_INIT;
    enc_base64(&text, file->p, file->len);
    str_adds(out, "-----BEGIN OPENSSH PRIVATE KEY-----\n");
    for (size_t i = 0; i < text.len; i += PEM_WIDTH) {
        size_t n = text.len - i < PEM_WIDTH ? text.len - i : PEM_WIDTH;
        str_add(out, text.p + i, n);
        str_addc(out, '\n');
    }
    str_adds(out, "-----END OPENSSH PRIVATE KEY-----\n");
}

int hostkey_generate(const char *comment, struct str *private_text, struct str *public_text,
                     struct err *err)
{
    if (strlen(comment) > HOSTKEY_COMMENT_MAX)
        return err_set(err, ERR_INVALID, "host key: comment is too long");
    cleanup(cleanup_pkey) EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    unsigned char seed[32], pub[32];
    size_t seed_len = sizeof seed, pub_len = sizeof pub;
    if (!key || !EVP_PKEY_get_raw_private_key(key, seed, &seed_len) ||
        !EVP_PKEY_get_raw_public_key(key, pub, &pub_len))
        return err_set(err, ERR_FAILED, "host key: OpenSSL cannot make an ed25519 key");
    cleanup_str struct str blob = STR_INIT;
    ssh_put_cstring(&blob, "ssh-ed25519");
    ssh_put_string(&blob, pub, sizeof pub);
    cleanup_str_secret struct str secret = STR_INIT;
    cleanup_str_secret struct str file = STR_INIT;
    put_secret(&secret, seed, pub, comment);
    mem_wipe(seed, sizeof seed);
    put_file(&file, &blob, &secret);
    put_pem(private_text, &file);
    str_adds(public_text, "ssh-ed25519 ");
    enc_base64(public_text, blob.p, blob.len);
    return 0;
}
