#include "auth/id_token.h"

#include <stdbool.h>
#include <string.h>

#include "base/enc.h"
#include "base/mem.h"
#include "base/str.h"

/* header.payload.signature */
struct parts {
    const char *p[3];
    size_t n[3];
};

static bool split(const char *token, size_t len, struct parts *out)
{
    const char *end = token + len;
    for (int i = 0; i < 3; i++) {
        const char *dot = memchr(token, '.', (size_t)(end - token));
        if (!dot != (i == 2))
            return false;
        out->p[i] = token;
        out->n[i] = (size_t)((dot ? dot : end) - token);
        if (out->n[i] == 0)
            return false;
        token = dot ? dot + 1 : end;
    }
    return true;
}

static int decode_json(const char *p, size_t n, struct json_object **out, struct err *err)
{
    cleanup_str struct str text = STR_INIT;
    if (enc_unbase64url(p, n, &text, NULL) || json_parse(text.p, text.len, out, NULL))
        return err_set(err, ERR_DENIED, "ID token that is not JSON");
    if (!json_object_is_type(*out, json_type_object)) {
        json_object_put(*out);
        *out = NULL;
        return err_set(err, ERR_DENIED, "ID token that is not an object");
    }
    return 0;
}

static int read_header(const struct parts *parts, enum jwk_alg *alg, struct str *kid, bool *has_kid,
                       struct err *err)
{
    cleanup_json struct json_object *header = NULL;
    const char *name = NULL, *id = NULL;
    int rc = decode_json(parts->p[0], parts->n[0], &header, err);
    if (rc)
        return rc;
    if (json_object_object_get_ex(header, "crit", NULL))
        return err_set(err, ERR_DENIED, "ID token with critical extensions");
    if (json_get_str(header, "alg", 16, &name, NULL) ||
        json_opt_str(header, "kid", JWK_KID_MAX, &id, NULL))
        return err_set(err, ERR_DENIED, "ID token with a malformed header");
    if (strcmp(name, "RS256") == 0)
        *alg = JWK_RS256;
    else if (strcmp(name, "ES256") == 0)
        *alg = JWK_ES256;
    else
        return err_set(err, ERR_DENIED, "ID token with algorithm '%.16s'", name);
    *has_kid = id != NULL;
    if (id)
        str_adds(kid, id);
    return 0;
}

/* OpenID Connect Core 3.1.3.7, 3 to 5. */
static bool audience_fits(struct json_object *claims, const char *client_id)
{
    struct json_object *aud = NULL;
    const char *azp = NULL;
    if (!json_object_object_get_ex(claims, "aud", &aud) ||
        json_opt_str(claims, "azp", 1024, &azp, NULL))
        return false;
    if (azp && strcmp(azp, client_id) != 0)
        return false;
    if (json_object_is_type(aud, json_type_string))
        return strcmp(json_object_get_string(aud), client_id) == 0;
    if (!json_object_is_type(aud, json_type_array))
        return false;
    size_t n = json_object_array_length(aud);
    bool found = false;
    for (size_t i = 0; i < n; i++) {
        struct json_object *item = json_object_array_get_idx(aud, i);
        if (!json_object_is_type(item, json_type_string))
            return false;
        found |= strcmp(json_object_get_string(item), client_id) == 0;
    }
    return found && (n == 1 || azp);
}

static int check_times(struct json_object *claims, int64_t now, struct err *err)
{
    int64_t exp = 0, iat = 0, nbf = INT64_MIN;
    if (json_get_i64(claims, "exp", 0, INT64_MAX, &exp, NULL) ||
        json_get_i64(claims, "iat", 0, INT64_MAX, &iat, NULL) ||
        json_opt_i64(claims, "nbf", 0, INT64_MAX, &nbf, NULL))
        return err_set(err, ERR_DENIED, "ID token without usable times");
    if (exp < now - ID_TOKEN_LEEWAY)
        return err_set(err, ERR_DENIED, "ID token that has expired");
    if (iat > now + ID_TOKEN_LEEWAY || nbf > now + ID_TOKEN_LEEWAY)
        return err_set(err, ERR_DENIED, "ID token from the future");
    return 0;
}

static int check_claims(struct json_object *claims, const struct id_token_rules *rules,
                        struct err *err)
{
    const char *iss = NULL, *sub = NULL, *nonce = NULL;
    if (json_get_str(claims, "iss", 2048, &iss, NULL) || strcmp(iss, rules->issuer) != 0)
        return err_set(err, ERR_DENIED, "ID token of another issuer");
    if (!audience_fits(claims, rules->client_id))
        return err_set(err, ERR_DENIED, "ID token for somebody else");
    if (json_get_str(claims, "sub", ID_TOKEN_SUB_MAX, &sub, NULL) || !*sub)
        return err_set(err, ERR_DENIED, "ID token without a usable subject");
    if (rules->nonce && (json_get_str(claims, "nonce", 1024, &nonce, NULL) ||
                         !str_equal_secret(nonce, rules->nonce)))
        return err_set(err, ERR_DENIED, "ID token of another login");
    return check_times(claims, rules->now, err);
}

int id_token_verify(const char *token, size_t len, const struct jwk_set *keys,
                    const struct id_token_rules *rules, struct json_object **claims,
                    struct err *err)
{
    struct parts parts;
    enum jwk_alg alg = JWK_RS256;
    bool has_kid = false;
    cleanup_str struct str kid = STR_INIT;
    cleanup_str struct str signature = STR_INIT;
    cleanup_json struct json_object *payload = NULL;
    *claims = NULL;
    if (len > ID_TOKEN_MAX || !split(token, len, &parts))
        return err_set(err, ERR_DENIED, "ID token that is not one");
    int rc = read_header(&parts, &alg, &kid, &has_kid, err);
    if (rc)
        return rc;
    if (enc_unbase64url(parts.p[2], parts.n[2], &signature, NULL))
        return err_set(err, ERR_DENIED, "ID token with a malformed signature");
    size_t signed_len = (size_t)(parts.p[1] + parts.n[1] - token);
    rc = jwk_set_verify(keys, alg, has_kid ? kid.p : NULL, token, signed_len, signature.p,
                        signature.len, err);
    if (rc || (rc = decode_json(parts.p[1], parts.n[1], &payload, err)) ||
        (rc = check_claims(payload, rules, err)))
        return rc;
    *claims = steal(&payload);
    return 0;
}
