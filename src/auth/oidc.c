#include "auth/oidc.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "auth/id_token.h"
#include "auth/jwk.h"
#include "auth/oauth.h"
#include "base/enc.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/client.h"
#include "proto/spec.h"

struct endpoints {
    char *device, *token, *keys, *userinfo; /* userinfo may be NULL */
    bool secret_in_body;                    /* the provider takes no HTTP Basic */
};

struct oidc {
    struct auth_provider base;
    char *issuer, *client_id, *client_secret, *scopes, *login_claim;

    pthread_mutex_t lock; /* guards what follows: several logins run at once */
    struct endpoints endpoints;
    int64_t endpoints_until;
    struct jwk_set *keys;
    int64_t keys_until;
    int64_t keys_retried; /* last fetch because of an unknown key */
};

static struct oidc *oidc_of(struct auth_provider *p)
{
    return (struct oidc *)(void *)p;
}

static void endpoints_release(struct endpoints *e)
{
    free(e->device);
    free(e->token);
    free(e->keys);
    free(e->userinfo);
    memset(e, 0, sizeof *e);
}
#define cleanup_endpoints cleanup(endpoints_release)

static void oidc_release(struct oidc *o)
{
    free(o->issuer);
    free(o->client_id);
    free_secret(o->client_secret);
    free(o->scopes);
    free(o->login_claim);
    endpoints_release(&o->endpoints);
    jwk_set_free(o->keys);
    pthread_mutex_destroy(&o->lock);
    free(o);
}

void auth_oidc_subject(const char *issuer, const char *sub, char out[65])
{
    cleanup_str struct str text = STR_INIT;
    cleanup_str struct str hex = STR_INIT;
    unsigned char digest[32];
    str_addf(&text, "%s\n%s", issuer, sub);
    int ok = EVP_Digest(text.p, text.len, digest, NULL, EVP_sha256(), NULL);
    BUG_ON(ok != 1);
    enc_hex(&hex, digest, sizeof digest);
    memcpy(out, hex.p, 65);
}

/* An endpoint of the discovery document: plain, and not less protected than the issuer itself. */
static int read_endpoint(struct json_object *doc, const char *key, const char *issuer,
                         bool optional, char **out, struct err *err)
{
    const char *url = NULL;
    if (json_opt_str(doc, key, AUTH_TEXT_MAX, &url, NULL) || (!url && !optional))
        return err_set(err, ERR_UNAVAILABLE, "the OpenID provider's discovery lacks '%s'", key);
    if (!url)
        return 0;
    bool downgrade = str_starts_with(issuer, "https://") && !str_starts_with(url, "https://");
    if (!oauth_url_is_plain(url) || downgrade)
        return err_set(err, ERR_UNAVAILABLE, "the OpenID provider's '%s' is not usable", key);
    *out = xstrdup(url);
    return 0;
}

/* OpenID Connect Discovery 1.0 section 3: without the list it is client_secret_basic. */
static bool wants_secret_in_body(struct json_object *doc)
{
    struct json_object *methods = NULL;
    bool basic = false, post = false;
    if (json_opt_array(doc, "token_endpoint_auth_methods_supported", 64, &methods, NULL) ||
        !methods)
        return false;
    for (size_t i = 0; i < json_object_array_length(methods); i++) {
        struct json_object *item = json_object_array_get_idx(methods, i);
        const char *name =
            json_object_is_type(item, json_type_string) ? json_object_get_string(item) : "";
        basic |= strcmp(name, "client_secret_basic") == 0;
        post |= strcmp(name, "client_secret_post") == 0;
    }
    return post && !basic;
}

static int fetch_endpoints(const struct oidc *o, struct endpoints *out, struct err *err)
{
    bool slash = str_ends_with(o->issuer, "/");
    cleanup_free char *url =
        xasprintf("%s%s.well-known/openid-configuration", o->issuer, slash ? "" : "/");
    cleanup_json struct json_object *doc = NULL;
    const char *issuer = NULL;
    struct err why = ERR_INIT;
    int rc = oauth_get(url, NULL, &doc, &why);
    if (rc)
        return err_set(err, ERR_UNAVAILABLE, "OpenID discovery: %s", why.msg);
    if (json_get_str(doc, "issuer", AUTH_TEXT_MAX, &issuer, NULL) || strcmp(issuer, o->issuer) != 0)
        return err_set(err, ERR_UNAVAILABLE,
                       "OpenID discovery names another issuer than OIDC_ISSUER");
    if ((rc = read_endpoint(doc, "device_authorization_endpoint", issuer, false, &out->device,
                            err)) ||
        (rc = read_endpoint(doc, "token_endpoint", issuer, false, &out->token, err)) ||
        (rc = read_endpoint(doc, "jwks_uri", issuer, false, &out->keys, err)) ||
        (rc = read_endpoint(doc, "userinfo_endpoint", issuer, true, &out->userinfo, err)))
        return rc;
    out->secret_in_body = wants_secret_in_body(doc);
    return 0;
}

static char *copy_opt(const char *text)
{
    return text ? xstrdup(text) : NULL;
}

/* A copy of the endpoints, fetched when they are old. */
static int get_endpoints(struct oidc *o, int64_t now, struct endpoints *out, struct err *err)
{
    int rc = 0;
    memset(out, 0, sizeof *out);
    pthread_mutex_lock(&o->lock);
    if (now >= o->endpoints_until) {
        struct endpoints fresh = {0};
        rc = fetch_endpoints(o, &fresh, err);
        if (rc == 0) {
            endpoints_release(&o->endpoints);
            o->endpoints = fresh;
            o->endpoints_until = now + OIDC_DISCOVERY_LIFE_S;
        } else {
            endpoints_release(&fresh);
        }
    }
    if (rc == 0)
        *out = (struct endpoints){xstrdup(o->endpoints.device), xstrdup(o->endpoints.token),
                                  xstrdup(o->endpoints.keys), copy_opt(o->endpoints.userinfo),
                                  o->endpoints.secret_in_body};
    pthread_mutex_unlock(&o->lock);
    return rc;
}

/* With the lock held. */
static int fetch_keys(struct oidc *o, const char *url, int64_t now, struct err *err)
{
    cleanup_json struct json_object *doc = NULL;
    struct jwk_set *keys = NULL;
    struct err why = ERR_INIT;
    if (oauth_get(url, NULL, &doc, &why) || jwk_set_parse(doc, &keys, &why))
        return err_set(err, ERR_UNAVAILABLE, "the OpenID provider's keys: %s", why.msg);
    jwk_set_free(o->keys);
    o->keys = keys;
    o->keys_until = now + OIDC_KEYS_LIFE_S;
    return 0;
}

/* Verifies with the cached keys; an unknown key is looked for once more, at most once a minute. */
static int verify_locked(struct oidc *o, const char *token, const char *keys_url, int64_t now,
                         struct json_object **claims, struct err *err)
{
    const struct id_token_rules rules = {o->issuer, o->client_id, NULL, now};
    if ((!o->keys || now >= o->keys_until)) {
        int rc = fetch_keys(o, keys_url, now, err);
        if (rc)
            return rc;
    }
    struct err why = ERR_INIT;
    int rc = id_token_verify(token, strlen(token), o->keys, &rules, claims, &why);
    if (rc == ERR_NOT_FOUND && now - o->keys_retried >= OIDC_KEYS_PAUSE_S) {
        o->keys_retried = now;
        if ((rc = fetch_keys(o, keys_url, now, err)))
            return rc;
        err_clear(&why);
        rc = id_token_verify(token, strlen(token), o->keys, &rules, claims, &why);
    }
    return rc ? err_set(err, ERR_DENIED, "%s", why.msg) : 0;
}

/* The login's claim from the token, or else from userinfo, which must speak of the same subject. */
static int find_login(struct oidc *o, struct json_object *claims, const struct endpoints *e,
                      const char *access, struct str *login, struct err *err)
{
    const char *value = NULL, *sub = NULL, *other = NULL;
    json_opt_str(claims, o->login_claim, 255, &value, NULL);
    cleanup_json struct json_object *info = NULL;
    if ((!value || !*value) && e->userinfo) {
        int rc = oauth_get(e->userinfo, access, &info, err);
        if (rc)
            return rc;
        if (json_get_str(info, "sub", ID_TOKEN_SUB_MAX, &other, NULL) ||
            json_get_str(claims, "sub", ID_TOKEN_SUB_MAX, &sub, NULL) || strcmp(sub, other) != 0)
            return err_set(err, ERR_DENIED, "the OpenID provider's userinfo is somebody else's");
        json_opt_str(info, o->login_claim, 255, &value, NULL);
    }
    if (!value || !spec_login_is_valid(value))
        return err_set(err, ERR_DENIED, "the claim '%s' is missing or not usable as a name",
                       o->login_claim);
    str_adds(login, value);
    return 0;
}

static int identify(struct oidc *o, const struct oauth_tokens *tokens, const struct endpoints *e,
                    int64_t now, struct identity *out, struct err *err)
{
    cleanup_json struct json_object *claims = NULL;
    cleanup_str struct str login = STR_INIT;
    const char *sub = NULL;
    char subject[65];
    if (!tokens->id_token)
        return err_set(err, ERR_DENIED, "the OpenID provider gave no ID token (scope openid?)");
    pthread_mutex_lock(&o->lock);
    int rc = verify_locked(o, tokens->id_token, e->keys, now, &claims, err);
    pthread_mutex_unlock(&o->lock);
    if (rc || (rc = find_login(o, claims, e, tokens->access, &login, err)) ||
        (rc = json_get_str(claims, "sub", ID_TOKEN_SUB_MAX, &sub, err)))
        return rc;
    auth_oidc_subject(o->issuer, sub, subject);
    identity_set(out, "oidc", subject, login.p);
    return identity_check(out, err);
}

static int oidc_start(struct auth_provider *p, const struct auth_start_in *in,
                      struct auth_start_out *out, struct err *err)
{
    struct oidc *o = oidc_of(p);
    cleanup_endpoints struct endpoints e = {0};
    cleanup_str_secret struct str form = STR_INIT;
    cleanup_json struct json_object *answer = NULL;
    long status = 0;
    int rc = get_endpoints(o, in->now, &e, err);
    if (rc)
        return rc;
    const struct oauth_client client = {o->client_id, o->client_secret, e.secret_in_body};
    http_form_add(&form, "scope", o->scopes);
    rc = oauth_post(e.device, &client, &form, &status, &answer, err);
    return rc ? rc : oauth_read_start(status, answer, out, err);
}

static int ask_for_tokens(const struct oidc *o, const struct endpoints *e,
                          const struct auth_poll_in *in, struct auth_poll_out *out,
                          struct oauth_tokens *tokens, struct err *err)
{
    const struct oauth_client client = {o->client_id, o->client_secret, e->secret_in_body};
    cleanup_str_secret struct str form = STR_INIT;
    cleanup_json struct json_object *answer = NULL;
    long status = 0;
    int rc = oauth_poll_form(in->state, &form, err);
    if (rc == 0)
        rc = oauth_post(e->token, &client, &form, &status, &answer, err);
    return rc ? rc : oauth_read_poll(status, answer, in->state, out, tokens, err);
}

static int oidc_poll(struct auth_provider *p, const struct auth_poll_in *in,
                     struct auth_poll_out *out, struct err *err)
{
    struct oidc *o = oidc_of(p);
    cleanup_endpoints struct endpoints e = {0};
    cleanup_oauth_tokens struct oauth_tokens tokens = {0};
    int rc = get_endpoints(o, in->now, &e, err);
    if (rc == 0 && in->held) {
        oauth_tokens_copy(in->held, &tokens);
        out->status = AUTH_COMPLETE;
    } else if (rc == 0) {
        rc = ask_for_tokens(o, &e, in, out, &tokens, err);
    }
    if (rc || out->status != AUTH_COMPLETE)
        return rc;
    rc = identify(o, &tokens, &e, in->now, &out->who, err);
    if (rc == ERR_DENIED) {
        /* The code is used up: an answer that is not believed ends the login. */
        log_warn("OpenID login refused: %s", err ? err->msg : "");
        out->status = AUTH_DENIED;
        return 0;
    }
    return rc ? oauth_unidentified(rc, &tokens, out) : 0;
}

static void oidc_free(struct auth_provider *p)
{
    oidc_release(oidc_of(p));
}

static const struct auth_provider_ops oidc_ops = {
    .name = "oidc",
    .blocking = true,
    .start = oidc_start,
    .poll = oidc_poll,
    .free = oidc_free,
};

static struct oidc *oidc_new(const struct auth_oidc_options *options)
{
    struct oidc *o = xcalloc(1, sizeof *o);
    o->base.ops = &oidc_ops;
    o->issuer = xstrdup(options->issuer);
    o->client_id = xstrdup(options->client_id);
    o->client_secret = copy_opt(options->client_secret);
    o->scopes = xstrdup(options->scopes);
    o->login_claim = xstrdup(options->login_claim);
    pthread_mutex_init(&o->lock, NULL);
    return o;
}

static int make_oidc(void *payload, struct auth_provider **out, struct err *err)
{
    const struct oidc *model = payload;
    const struct auth_oidc_options options = {model->issuer, model->client_id, model->client_secret,
                                              model->scopes, model->login_claim};
    (void)err;
    *out = &oidc_new(&options)->base;
    return 0;
}

static void free_model(void *payload)
{
    oidc_release(payload);
}

void auth_oidc_register(struct auth_providers *r, const struct auth_oidc_options *options)
{
    auth_providers_register(r, "oidc", make_oidc, oidc_new(options), free_model);
}
