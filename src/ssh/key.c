#include "ssh/key.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/enc.h"
#include "ssh/wire.h"

static const struct key_kind {
    const char *name;
    const char *curve; /* ECDSA: the name inside the blob */
    size_t point;      /* length of an uncompressed point */
} kinds[] = {
    [SSH_KEY_ED25519] = {"ssh-ed25519", NULL, 0},
    [SSH_KEY_ECDSA_P256] = {"ecdsa-sha2-nistp256", "nistp256", 65},
    [SSH_KEY_ECDSA_P384] = {"ecdsa-sha2-nistp384", "nistp384", 97},
    [SSH_KEY_ECDSA_P521] = {"ecdsa-sha2-nistp521", "nistp521", 133},
    [SSH_KEY_RSA] = {"ssh-rsa", NULL, 0},
    [SSH_KEY_SK_ED25519] = {"sk-ssh-ed25519@openssh.com", NULL, 0},
    [SSH_KEY_SK_ECDSA] = {"sk-ecdsa-sha2-nistp256@openssh.com", "nistp256", 65},
};

void ssh_key_init(struct ssh_key *key)
{
    *key = (struct ssh_key){.type = SSH_KEY_ED25519, .blob = STR_INIT, .comment = NULL};
}

void ssh_key_release(struct ssh_key *key)
{
    str_release(&key->blob);
    free(key->comment);
    ssh_key_init(key);
}

const char *ssh_key_type_name(enum ssh_key_type type)
{
    return kinds[type].name;
}

int ssh_key_type_parse(const char *name, size_t len, enum ssh_key_type *out, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (strlen(kinds[i].name) == len && memcmp(kinds[i].name, name, len) == 0) {
            *out = (enum ssh_key_type)i;
            return 0;
        }
    }
    return err_set(err, ERR_UNSUPPORTED, "key type is not one of those allowed");
}

static size_t bit_length(struct ssh_slice n)
{
    size_t bits = n.len * 8;
    for (unsigned char top = n.p[0]; !(top & 0x80) && bits; top = (unsigned char)(top << 1))
        bits--;
    return bits;
}

static const char *check_rsa(struct ssh_reader *r)
{
    struct ssh_slice e, n;
    if (!ssh_get_mpint(r, &e) || !ssh_get_mpint(r, &n))
        return "malformed RSA key";
    if (e.len > 8 || !(e.p[e.len - 1] & 1) || (e.len == 1 && e.p[0] < 3))
        return "RSA exponent is not acceptable";
    size_t bits = bit_length(n);
    if (bits < SSH_KEY_RSA_BITS_MIN)
        return "RSA key is shorter than 2048 bits";
    if (bits > SSH_KEY_RSA_BITS_MAX)
        return "RSA key is longer than 16384 bits";
    return n.p[n.len - 1] & 1 ? NULL : "RSA modulus is even";
}

static const char *check_ecdsa(struct ssh_reader *r, const struct key_kind *kind)
{
    struct ssh_slice curve, point;
    if (!ssh_get_string(r, &curve) || !ssh_slice_is(curve, kind->curve))
        return "curve does not fit the key type";
    if (!ssh_get_string(r, &point) || point.len != kind->point || point.p[0] != 4)
        return "malformed point";
    return NULL;
}

static const char *check_ed25519(struct ssh_reader *r)
{
    struct ssh_slice pub;
    return ssh_get_string(r, &pub) && pub.len == 32 ? NULL : "malformed ed25519 key";
}

/* The application string is hashed into each signature; "ssh:" and "ssh:name" are usual. */
static const char *check_application(struct ssh_reader *r)
{
    struct ssh_slice app;
    if (!ssh_get_string(r, &app) || app.len == 0 || app.len > 255)
        return "malformed application";
    for (size_t i = 0; i < app.len; i++)
        if (app.p[i] < 0x20 || app.p[i] > 0x7e)
            return "malformed application";
    return NULL;
}

static const char *check_fields(enum ssh_key_type type, struct ssh_reader *r)
{
    const char *wrong = NULL;
    switch (type) {
    case SSH_KEY_RSA:
        wrong = check_rsa(r);
        break;
    case SSH_KEY_ED25519:
    case SSH_KEY_SK_ED25519:
        wrong = check_ed25519(r);
        break;
    default:
        wrong = check_ecdsa(r, &kinds[type]);
        break;
    }
    if (!wrong && (type == SSH_KEY_SK_ED25519 || type == SSH_KEY_SK_ECDSA))
        wrong = check_application(r);
    if (!wrong && r->left)
        wrong = "bytes behind the end of the key";
    return wrong;
}

int ssh_key_parse_blob(const void *blob, size_t len, struct ssh_key *out, struct err *err)
{
    ssh_key_init(out);
    if (len > SSH_KEY_BLOB_MAX)
        return err_set(err, ERR_LIMIT, "key is longer than %d bytes", SSH_KEY_BLOB_MAX);
    struct ssh_reader r = ssh_reader_of(blob, len);
    struct ssh_slice name;
    if (!ssh_get_string(&r, &name))
        return err_set(err, ERR_INVALID, "malformed key");
    enum ssh_key_type type;
    int rc = ssh_key_type_parse((const char *)name.p, name.len, &type, err);
    if (rc)
        return rc;
    const char *wrong = check_fields(type, &r);
    if (wrong)
        return err_set(err, ERR_INVALID, "%s", wrong);
    out->type = type;
    str_add(&out->blob, blob, len);
    return 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct ssh_slice next_word(const char **p, const char *end)
{
    while (*p < end && is_blank(**p))
        (*p)++;
    const char *start = *p;
    while (*p < end && !is_blank(**p))
        (*p)++;
    return (struct ssh_slice){(const unsigned char *)start, (size_t)(*p - start)};
}

static char *comment_of(const char *p, const char *end)
{
    while (p < end && is_blank(*p))
        p++;
    while (end > p && is_blank(end[-1]))
        end--;
    size_t n = (size_t)(end - p);
    if (n == 0 || !str_is_utf8(p, n))
        return NULL;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)p[i];
        bool c1_control = c == 0xc2 && i + 1 < n && (unsigned char)p[i + 1] < 0xa0;
        if (c < 0x20 || c == 0x7f || c1_control)
            return NULL;
    }
    if (n > SSH_KEY_COMMENT_MAX) {
        n = SSH_KEY_COMMENT_MAX;
        while (n && ((unsigned char)p[n] & 0xc0) == 0x80)
            n--;
    }
    return xstrndup(p, n);
}

int ssh_key_parse_line(const char *line, size_t len, struct ssh_key *out, struct err *err)
{
    ssh_key_init(out);
    if (len > SSH_KEY_LINE_LEN_MAX)
        return err_set(err, ERR_LIMIT, "key line is longer than %d bytes", SSH_KEY_LINE_LEN_MAX);
    if (memchr(line, '\n', len) || memchr(line, '\r', len) || memchr(line, '\0', len))
        return err_set(err, ERR_INVALID, "key line has a control byte");
    const char *p = line, *end = line + len;
    struct ssh_slice name = next_word(&p, end);
    struct ssh_slice data = next_word(&p, end);
    enum ssh_key_type type;
    if (ssh_key_type_parse((const char *)name.p, name.len, &type, NULL))
        return err_set(err, ERR_UNSUPPORTED,
                       "key line does not begin with an allowed key type (options are refused)");
    cleanup_str struct str blob = STR_INIT;
    int rc = enc_unbase64((const char *)data.p, data.len, &blob, err);
    if (rc) {
        err_wrap(err, "key");
        return rc;
    }
    rc = ssh_key_parse_blob(blob.p, blob.len, out, err);
    if (rc)
        return rc;
    if (out->type != type) {
        ssh_key_release(out);
        return err_set(err, ERR_INVALID, "key is of another type than its line says");
    }
    out->comment = comment_of(p, end);
    return 0;
}

void ssh_key_format(const struct ssh_key *key, struct str *out)
{
    str_adds(out, kinds[key->type].name);
    str_addc(out, ' ');
    enc_base64(out, key->blob.p, key->blob.len);
}

void ssh_key_fingerprint(const struct ssh_key *key, struct str *out)
{
    unsigned char digest[32];
    BUG_ON(!EVP_Digest(key->blob.p, key->blob.len, digest, NULL, EVP_sha256(), NULL));
    str_adds(out, "SHA256:");
    enc_base64(out, digest, sizeof digest);
    while (out->len && out->p[out->len - 1] == '=')
        str_truncate(out, out->len - 1);
}

bool ssh_key_equal(const struct ssh_key *a, const struct ssh_key *b)
{
    return a->blob.len == b->blob.len && memcmp(a->blob.p, b->blob.p, a->blob.len) == 0;
}

void ssh_key_copy(const struct ssh_key *from, struct ssh_key *to)
{
    ssh_key_init(to);
    to->type = from->type;
    str_add(&to->blob, from->blob.p, from->blob.len);
    to->comment = from->comment ? xstrdup(from->comment) : NULL;
}
