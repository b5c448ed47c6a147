#include "auth/jwt.h"

#include <jwt.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/enc.h"
#include "base/json.h"
#include "base/mem.h"
#include "proto/spec.h"

#define HASH_LEN 32
#define JTI_BYTES 16
#define CLAIM_MAX 512

struct slot {
    unsigned char hash[HASH_LEN];
    int64_t exp; /* 0: empty */
    struct identity who;
};

struct jwt_signer {
    char *secret, *previous, *issuer;
    int64_t ttl;
    const struct clock *clock;
    EVP_MD *sha256;
    EVP_MD_CTX *ctx;
    struct slot *slots;
};

static int refuse(struct err *err, const char *why)
{
    return err_set(err, ERR_UNAUTHENTICATED, "%s", why);
}

static int check_secret(const char *secret, const char *which, struct err *err)
{
    size_t n = strlen(secret);
    if (n < JWT_SECRET_MIN || n > JWT_SECRET_MAX)
        return err_set(err, ERR_INVALID, "%s must be %d to %d bytes", which, JWT_SECRET_MIN,
                       JWT_SECRET_MAX);
    return 0;
}

int jwt_signer_new(const struct jwt_options *options, struct jwt_signer **out, struct err *err)
{
    int rc = check_secret(options->secret, "JWT_SECRET", err);
    if (!rc && options->previous)
        rc = check_secret(options->previous, "JWT_SECRET_PREVIOUS", err);
    if (rc)
        return rc;
    if (options->ttl <= 0 || options->ttl > JWT_TTL_MAX_S)
        return err_set(err, ERR_INVALID, "tokens last 1 to %d seconds", JWT_TTL_MAX_S);
    struct jwt_signer *s = xcalloc(1, sizeof *s);
    s->secret = xstrdup(options->secret);
    s->previous = options->previous ? xstrdup(options->previous) : NULL;
    s->issuer = xstrdup(options->issuer);
    s->ttl = options->ttl;
    s->clock = options->clock;
    s->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    s->ctx = EVP_MD_CTX_new();
    BUG_ON(!s->sha256 || !s->ctx);
    s->slots = xcalloc(JWT_CACHE_SLOTS, sizeof *s->slots);
    *out = s;
    return 0;
}

void jwt_signer_free(struct jwt_signer *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < JWT_CACHE_SLOTS; i++)
        identity_release(&s->slots[i].who);
    free(s->slots);
    EVP_MD_CTX_free(s->ctx);
    EVP_MD_free(s->sha256);
    free_secret(s->secret);
    free_secret(s->previous);
    free(s->issuer);
    free(s);
}

int64_t jwt_signer_ttl(const struct jwt_signer *s)
{
    return s->ttl;
}

/* ---- issuing ---- */

static int add_claims(struct jwt_signer *s, jwt_t *jwt, const struct identity *who)
{
    unsigned char raw[JTI_BYTES];
    cleanup_str struct str jti = STR_INIT;
    rnd_bytes(raw, sizeof raw);
    enc_base64url(&jti, raw, sizeof raw);
    int64_t now = clock_now(s->clock);
    return jwt_add_grant(jwt, "iss", s->issuer) || jwt_add_grant(jwt, "sub", who->login) ||
           jwt_add_grant(jwt, "provider", who->provider) ||
           jwt_add_grant(jwt, "uid", who->subject) || jwt_add_grant_int(jwt, "iat", now) ||
           jwt_add_grant_int(jwt, "exp", now + s->ttl) || jwt_add_grant(jwt, "jti", jti.p);
}

int jwt_signer_issue(struct jwt_signer *s, const struct identity *who, struct str *out,
                     struct err *err)
{
    int rc = identity_check(who, err);
    if (rc)
        return rc;
    jwt_t *jwt = NULL;
    char *text = NULL;
    if (jwt_new(&jwt) == 0 && add_claims(s, jwt, who) == 0 &&
        jwt_set_alg(jwt, JWT_ALG_HS256, (const unsigned char *)s->secret, (int)strlen(s->secret)) ==
            0)
        text = jwt_encode_str(jwt);
    jwt_free(jwt);
    if (!text)
        return err_set(err, ERR_FAILED, "cannot sign a token");
    str_adds(out, text);
    free(text);
    return 0;
}

/* ---- checking ---- */

/* Three parts of base64url, so that nothing else ever reaches the library. */
static bool looks_like_jwt(const char *token, size_t len)
{
    size_t dots = 0, run = 0;
    if (len > JWT_TEXT_MAX)
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = token[i];
        bool word = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                    c == '-' || c == '_';
        if (c == '.' && run) {
            dots++;
            run = 0;
        } else if (word) {
            run++;
        } else {
            return false;
        }
    }
    return dots == 2 && run;
}

/* One part as an object. What we write is compact JSON without doubled members; text that does not
 * come out the same when it is written again is somebody else's. */
static int read_part(const char *p, size_t len, struct json_object **out)
{
    cleanup_str struct str text = STR_INIT;
    cleanup_str struct str again = STR_INIT;
    cleanup_json struct json_object *obj = NULL;
    if (enc_unbase64url(p, len, &text, NULL) || json_parse(text.p, text.len, &obj, NULL) ||
        !json_object_is_type(obj, json_type_object))
        return ERR_INVALID;
    json_print(obj, &again);
    if (again.len != text.len || memcmp(again.p, text.p, text.len) != 0)
        return ERR_INVALID;
    *out = steal(&obj);
    return 0;
}

static bool header_is_ours(struct json_object *header)
{
    const char *typ = "", *alg = "";
    return json_object_object_length(header) == 2 &&
           json_get_str(header, "typ", 8, &typ, NULL) == 0 &&
           json_get_str(header, "alg", 8, &alg, NULL) == 0 && strcmp(typ, "JWT") == 0 &&
           strcmp(alg, "HS256") == 0;
}

static int check_times(const struct jwt_signer *s, struct json_object *claims, int64_t *exp,
                       struct err *err)
{
    int64_t iat = 0, nbf = 0, now = clock_now(s->clock);
    if (json_get_i64(claims, "iat", 1, INT64_MAX, &iat, NULL) ||
        json_get_i64(claims, "exp", 1, INT64_MAX, exp, NULL) ||
        json_opt_i64(claims, "nbf", 0, INT64_MAX, &nbf, NULL))
        return refuse(err, "token has no proper times");
    if (*exp <= now)
        return refuse(err, "token has expired");
    if (iat > now + JWT_LEEWAY_S || nbf > now + JWT_LEEWAY_S)
        return refuse(err, "token is not valid yet");
    if (*exp <= iat || *exp - iat > JWT_TTL_MAX_S)
        return refuse(err, "token lasts too long");
    return 0;
}

/* These have no other id, so a token for them says everything without `uid`. */
static bool login_is_id(const char *provider)
{
    return strcmp(provider, "sshkey") == 0 || strcmp(provider, "fake") == 0;
}

static int check_claims(const struct jwt_signer *s, struct json_object *claims,
                        struct identity *who, int64_t *exp, struct err *err)
{
    const char *iss, *sub, *provider, *uid, *jti;
    if (json_get_str(claims, "iss", CLAIM_MAX, &iss, NULL) || strcmp(iss, s->issuer) != 0)
        return refuse(err, "token is from another issuer");
    if (json_get_str(claims, "sub", SPEC_LOGIN_MAX, &sub, NULL) ||
        json_get_str(claims, "provider", SPEC_PROVIDER_MAX, &provider, NULL) ||
        json_get_str(claims, "jti", 64, &jti, NULL) || !*jti)
        return refuse(err, "token lacks a claim");
    if (json_get_str(claims, "uid", IDENTITY_SUBJECT_MAX, &uid, NULL)) {
        if (!login_is_id(provider) || json_object_object_get_ex(claims, "uid", NULL))
            return refuse(err, "token lacks a claim");
        uid = sub;
    }
    if (json_object_object_get_ex(claims, "aud", NULL))
        return refuse(err, "token is for somebody else");
    int rc = check_times(s, claims, exp, err);
    if (rc)
        return rc;
    identity_set(who, provider, uid, sub);
    if (identity_check(who, NULL)) {
        identity_release(who);
        return refuse(err, "token has a malformed claim");
    }
    return 0;
}

/* libjwt verifies with whatever algorithm the token names, and not at all without a key: hence the
 * fixed key length before and the look at the algorithm after. */
static bool signature_fits(const char *token, const char *secret)
{
    jwt_t *jwt = NULL;
    size_t n = strlen(secret);
    BUG_ON(n < JWT_SECRET_MIN);
    bool fits = jwt_decode(&jwt, token, (const unsigned char *)secret, (int)n) == 0 &&
                jwt_get_alg(jwt) == JWT_ALG_HS256;
    jwt_free(jwt);
    return fits;
}

static int verify(struct jwt_signer *s, const char *token, struct identity *who, int64_t *exp,
                  struct err *err)
{
    cleanup_json struct json_object *header = NULL;
    cleanup_json struct json_object *claims = NULL;
    const char *body = strchr(token, '.') + 1;
    if (read_part(token, (size_t)(body - 1 - token), &header) || !header_is_ours(header) ||
        read_part(body, strcspn(body, "."), &claims))
        return refuse(err, "token is malformed");
    if (!signature_fits(token, s->secret) && !(s->previous && signature_fits(token, s->previous)))
        return refuse(err, "token is not one of ours");
    return check_claims(s, claims, who, exp, err);
}

static struct slot *slot_of(struct jwt_signer *s, const char *token, size_t len,
                            unsigned char hash[HASH_LEN])
{
    BUG_ON(EVP_DigestInit_ex(s->ctx, s->sha256, NULL) != 1 ||
           EVP_DigestUpdate(s->ctx, token, len) != 1 ||
           EVP_DigestFinal_ex(s->ctx, hash, NULL) != 1);
    return &s->slots[(hash[0] | hash[1] << 8) % JWT_CACHE_SLOTS];
}

int jwt_signer_check(struct jwt_signer *s, const char *token, size_t len,
                     const struct identity **who, struct err *err)
{
    unsigned char hash[HASH_LEN];
    if (!looks_like_jwt(token, len))
        return refuse(err, "token is malformed");
    struct slot *slot = slot_of(s, token, len, hash);
    if (slot->exp && memcmp(slot->hash, hash, HASH_LEN) == 0) {
        if (slot->exp <= clock_now(s->clock))
            return refuse(err, "token has expired");
        *who = &slot->who;
        return 0;
    }
    cleanup_free_secret char *text = xstrndup(token, len);
    cleanup_identity struct identity found = {0};
    int64_t exp = 0;
    int rc = verify(s, text, &found, &exp, err);
    if (rc)
        return rc;
    identity_release(&slot->who);
    slot->who = found;
    found = (struct identity){0};
    slot->exp = exp;
    memcpy(slot->hash, hash, HASH_LEN);
    *who = &slot->who;
    return 0;
}
