#include "auth/seal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "base/enc.h"
#include "base/fd.h"

#define NONCE_LEN 12
#define TAG_LEN 16
#define ID_LEN 16 /* hexadecimal digits of a key's id */
#define PREFIX "v1."
#define FILE_MAX 4096

struct seal_key {
    unsigned char bytes[SEAL_KEY_LEN];
    char id[ID_LEN + 1];
};

struct seal_ring {
    struct seal_key keys[SEAL_KEYS_MAX];
    size_t n;
};

void seal_ring_free(struct seal_ring *ring)
{
    if (ring)
        mem_wipe(ring, sizeof *ring);
    free(ring);
}

/* The id names a key without telling it: the start of its SHA-256. */
static void name_key(struct seal_key *key)
{
    unsigned char digest[32];
    cleanup_str struct str hex = STR_INIT;
    int ok = EVP_Digest(key->bytes, SEAL_KEY_LEN, digest, NULL, EVP_sha256(), NULL);
    BUG_ON(ok != 1);
    enc_hex(&hex, digest, ID_LEN / 2);
    memcpy(key->id, hex.p, ID_LEN + 1);
}

static int parse_key(const char *line, size_t len, struct seal_key *out, struct err *err)
{
    cleanup_str_secret struct str bytes = STR_INIT;
    while (len && line[len - 1] == '=')
        len--;
    int rc = len == (size_t)SEAL_KEY_LEN * 2 ? enc_unhex(line, len, &bytes, NULL)
                                             : enc_unbase64url(line, len, &bytes, NULL);
    if (rc || bytes.len != SEAL_KEY_LEN)
        return err_set(err, ERR_INVALID, "a token key must be 32 bytes in hexadecimal or base64");
    memcpy(out->bytes, bytes.p, SEAL_KEY_LEN);
    name_key(out);
    return 0;
}

static int parse_lines(const char *text, size_t len, struct seal_ring *ring, struct err *err)
{
    const char *end = text + len;
    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const char *stop = newline ? newline : end;
        while (text < stop && strchr(" \t\r", *text))
            text++;
        size_t n = (size_t)(stop - text);
        while (n && strchr(" \t\r", text[n - 1]))
            n--;
        if (n && text[0] != '#') {
            if (ring->n == SEAL_KEYS_MAX)
                return err_set(err, ERR_LIMIT, "more than %d token keys", SEAL_KEYS_MAX);
            int rc = parse_key(text, n, &ring->keys[ring->n], err);
            if (rc)
                return rc;
            ring->n++;
        }
        text = stop + 1;
    }
    return ring->n ? 0 : err_set(err, ERR_INVALID, "no token key");
}

int seal_ring_parse(const char *text, size_t len, struct seal_ring **out, struct err *err)
{
    struct seal_ring *ring = xcalloc(1, sizeof *ring);
    int rc = parse_lines(text, len, ring, err);
    if (rc) {
        seal_ring_free(ring);
        return rc;
    }
    *out = ring;
    return 0;
}

static int make_file(const char *path, struct err *err)
{
    unsigned char random[SEAL_KEY_LEN];
    cleanup_str_secret struct str line = STR_INIT;
    rnd_bytes(random, sizeof random);
    enc_hex(&line, random, sizeof random);
    str_addc(&line, '\n');
    mem_wipe(random, sizeof random);
    return fd_write_file(AT_FDCWD, path, line.p, line.len, 0600, err);
}

int seal_key_file_read(const char *path, bool create, struct str *text, struct err *err)
{
    struct stat st;
    if (create && lstat(path, &st) < 0) {
        int rc = make_file(path, err);
        if (rc)
            return rc;
    }
    cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_errno(err, "token key file %s", path);
    if (!S_ISREG(st.st_mode) || (st.st_mode & 077))
        return err_set(err, ERR_DENIED, "token key file %s must be readable by its owner only",
                       path);
    return fd_read_all(fd, FILE_MAX, text, err);
}

int seal_ring_load(const char *path, bool create, struct seal_ring **out, struct err *err)
{
    cleanup_str_secret struct str text = STR_INIT;
    int rc = seal_key_file_read(path, create, &text, err);
    if (rc == 0)
        rc = seal_ring_parse(text.p, text.len, out, err);
    if (rc)
        err_wrap(err, "%s", path);
    return rc;
}

static int encrypt(const struct seal_key *key, const char *context, const char *plain, size_t len,
                   struct str *out)
{
    unsigned char nonce[NONCE_LEN], tag[TAG_LEN];
    int n = 0, tail = 0;
    rnd_bytes(nonce, sizeof nonce);
    str_add(out, nonce, sizeof nonce);
    unsigned char *body = (unsigned char *)str_reserve(out, len + TAG_LEN);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    bool ok = ctx && EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key->bytes, nonce) == 1 &&
              EVP_EncryptUpdate(ctx, NULL, &n, (const unsigned char *)context,
                                (int)strlen(context)) == 1 &&
              EVP_EncryptUpdate(ctx, body, &n, (const unsigned char *)plain, (int)len) == 1 &&
              EVP_EncryptFinal_ex(ctx, body + n, &tail) == 1 &&
              EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_LEN, tag) == 1;
    EVP_CIPHER_CTX_free(ctx);
    if (!ok)
        return ERR_FAILED;
    str_grew(out, (size_t)n);
    str_grew(out, (size_t)tail);
    str_add(out, tag, TAG_LEN);
    return 0;
}

int seal_text(const struct seal_ring *ring, const char *context, const char *plain, struct str *out,
              struct err *err)
{
    cleanup_str struct str bytes = STR_INIT;
    size_t len = strlen(plain);
    if (len > SEAL_TEXT_MAX)
        return err_set(err, ERR_LIMIT, "a secret of %zu bytes", len);
    if (encrypt(&ring->keys[0], context, plain, len, &bytes))
        return err_set(err, ERR_FAILED, "encryption failed");
    str_addf(out, PREFIX "%s.", ring->keys[0].id);
    enc_base64url(out, bytes.p, bytes.len);
    return 0;
}

static const struct seal_key *find_key(const struct seal_ring *ring, const char *sealed)
{
    size_t prefix = strlen(PREFIX);
    if (!str_starts_with(sealed, PREFIX) || strlen(sealed) < prefix + ID_LEN + 1 ||
        sealed[prefix + ID_LEN] != '.')
        return NULL;
    for (size_t i = 0; i < ring->n; i++)
        if (memcmp(sealed + prefix, ring->keys[i].id, ID_LEN) == 0)
            return &ring->keys[i];
    return NULL;
}

bool seal_is_old(const struct seal_ring *ring, const char *sealed)
{
    return find_key(ring, sealed) != &ring->keys[0];
}

static bool decrypt(const struct seal_key *key, const char *context, struct str *bytes,
                    struct str *out)
{
    if (bytes->len < NONCE_LEN + TAG_LEN)
        return false;
    unsigned char *p = (unsigned char *)bytes->p;
    size_t len = bytes->len - NONCE_LEN - TAG_LEN;
    unsigned char *plain = (unsigned char *)str_reserve(out, len + 1);
    int n = 0, tail = 0;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    bool ok = ctx && EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key->bytes, p) == 1 &&
              EVP_DecryptUpdate(ctx, NULL, &n, (const unsigned char *)context,
                                (int)strlen(context)) == 1 &&
              EVP_DecryptUpdate(ctx, plain, &n, p + NONCE_LEN, (int)len) == 1 &&
              EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_LEN, p + NONCE_LEN + len) == 1 &&
              EVP_DecryptFinal_ex(ctx, plain + n, &tail) == 1;
    EVP_CIPHER_CTX_free(ctx);
    if (ok)
        str_grew(out, len);
    else
        mem_wipe(plain, len);
    return ok;
}

int seal_open(const struct seal_ring *ring, const char *context, const char *sealed,
              struct str *out, struct err *err)
{
    const struct seal_key *key = find_key(ring, sealed);
    if (!key)
        return err_set(err, ERR_NOT_FOUND, "sealed under a key that is not there");
    const char *body = sealed + strlen(PREFIX) + ID_LEN + 1;
    cleanup_str struct str bytes = STR_INIT;
    if (enc_unbase64url(body, strlen(body), &bytes, NULL) || !decrypt(key, context, &bytes, out))
        return err_set(err, ERR_DENIED, "a sealed text was changed");
    return 0;
}
