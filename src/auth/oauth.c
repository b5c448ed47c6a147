#include "auth/oauth.h"

#include <stdlib.h>
#include <string.h>

#include "base/enc.h"
#include "base/num.h"
#include "base/url.h"
#include "http/client.h"

#define GRANT_TYPE "urn:ietf:params:oauth:grant-type:device_code"
#define USER_CODE_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-"

void oauth_tokens_release(struct oauth_tokens *t)
{
    free_secret(t->access);
    free_secret(t->refresh);
    free_secret(t->id_token);
    free(t->scope);
    memset(t, 0, sizeof *t);
}

static char *copy_opt(const char *text)
{
    return text ? xstrdup(text) : NULL;
}

void oauth_tokens_copy(const struct oauth_tokens *from, struct oauth_tokens *to)
{
    *to = (struct oauth_tokens){copy_opt(from->access), copy_opt(from->refresh),
                                copy_opt(from->id_token), copy_opt(from->scope), from->expires_in};
}

struct oauth_tokens *oauth_tokens_move(struct oauth_tokens *t)
{
    struct oauth_tokens *moved = xmemdup(t, sizeof *t);
    memset(t, 0, sizeof *t);
    return moved;
}

bool oauth_url_is_plain(const char *text)
{
    cleanup_url struct url url = {0};
    return url_parse(text, strlen(text), &url, NULL) == 0 && !url.user && !url.password &&
           (strcmp(url.scheme, "https") == 0 || strcmp(url.scheme, "http") == 0);
}

/* RFC 6749 section 2.3.1: both are form-encoded before they are joined. */
static char *basic_header(const struct oauth_client *client)
{
    cleanup_str_secret struct str pair = STR_INIT;
    cleanup_str_secret struct str header = STR_INIT;
    url_encode(&pair, client->id, strlen(client->id));
    str_addc(&pair, ':');
    url_encode(&pair, client->secret, strlen(client->secret));
    str_adds(&header, "Authorization: Basic ");
    enc_base64(&header, pair.p, pair.len);
    return str_detach(&header);
}

/* "application/json", or a type of its own that is JSON ("application/jwk-set+json"). */
static bool is_json_type(const char *type)
{
    size_t n = strcspn(type, "; \t");
    return n >= 16 && strncasecmp(type, "application/", 12) == 0 &&
           (n == 16 || type[n - 5] == '+') && strncasecmp(type + n - 4, "json", 4) == 0;
}

static int read_json(const struct http_response *res, const char *url, struct json_object **answer,
                     struct err *err)
{
    const char *type = http_response_header(res, "content-type");
    if (!type || !is_json_type(type) || http_response_json(res, answer, NULL))
        return err_set(err, ERR_UNAVAILABLE, "%.200s answered %ld without JSON", url, res->status);
    if (!json_object_is_type(*answer, json_type_object)) {
        json_object_put(*answer);
        *answer = NULL;
        return err_set(err, ERR_UNAVAILABLE, "%.200s answered something else than an object", url);
    }
    return 0;
}

static int perform(const struct http_request *given, struct http_response *res, struct err *err)
{
    struct http_request req = *given;
    cleanup_http_client struct http_client *http = NULL;
    const struct http_options options = {.user_agent = NULL};
    int rc = http_client_new(&options, &http, err);
    if (rc)
        return rc;
    req.connect_timeout_ms = OAUTH_CONNECT_MS;
    req.timeout_ms = OAUTH_TIMEOUT_MS;
    req.max_body = OAUTH_BODY_MAX;
    struct err why = ERR_INIT;
    rc = http_perform(http, &req, res, &why);
    return rc ? err_set(err, ERR_UNAVAILABLE, "%s", why.msg) : 0;
}

int oauth_post(const char *url, const struct oauth_client *client, struct str *form, long *status,
               struct json_object **answer, struct err *err)
{
    *answer = NULL;
    cleanup_free_secret char *basic = NULL;
    const char *headers[3] = {"Accept: application/json"};
    http_form_add(form, "client_id", client->id);
    if (client->secret && client->secret_in_body)
        http_form_add(form, "client_secret", client->secret);
    else if (client->secret)
        headers[1] = basic = basic_header(client);
    const struct http_request req = {
        .method = "POST",
        .url = url,
        .headers = headers,
        .body = form->p,
        .body_len = form->len,
        .content_type = "application/x-www-form-urlencoded",
    };
    cleanup_http_response struct http_response res = HTTP_RESPONSE_INIT;
    int rc = perform(&req, &res, err);
    if (rc)
        return rc;
    *status = res.status;
    return read_json(&res, url, answer, err);
}

int oauth_get(const char *url, const char *bearer, struct json_object **answer, struct err *err)
{
    *answer = NULL;
    const char *headers[] = {"Accept: application/json", NULL};
    const struct http_request req = {.url = url, .bearer = bearer, .headers = headers};
    cleanup_http_response struct http_response res = HTTP_RESPONSE_INIT;
    int rc = perform(&req, &res, err);
    if (rc)
        return rc;
    /* "Not so fast" says nothing about the token. */
    if (res.status == 429 || (res.status == 403 && http_response_is_rate_limit(&res)))
        return err_set(err, ERR_UNAVAILABLE, "%.200s: asked too often, try again later", url);
    if (res.status == 401 || res.status == 403)
        return err_set(err, ERR_DENIED, "%.200s answered %ld", url, res.status);
    if (res.status == 404)
        return err_set(err, ERR_NOT_FOUND, "%.200s does not exist", url);
    if (res.status != 200)
        return err_set(err, ERR_UNAVAILABLE, "%.200s answered %ld", url, res.status);
    return read_json(&res, url, answer, err);
}

/* Words that no further poll will change. */
static bool is_final(const char *word)
{
    static const char *const words[] = {"incorrect_client_credentials", "invalid_client",
                                        "unauthorized_client",          "unsupported_grant_type",
                                        "device_flow_disabled",         "invalid_scope"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strcmp(word, words[i]) == 0)
            return true;
    return false;
}

/* "error" and what the provider says about it, fit for a person. */
static int provider_error(long status, struct json_object *answer, const char *word,
                          struct err *err)
{
    const char *text = NULL;
    json_opt_str(answer, "error_description", 300, &text, NULL);
    if (word && strcmp(word, "device_flow_disabled") == 0)
        text = "the device flow is switched off for this application at the provider";
    if (!word)
        return err_set(err, ERR_UNAVAILABLE, "the provider answered %ld", status);
    return err_set(err, ERR_UNAVAILABLE, "the provider refused: %.100s%s%.300s", word,
                   text ? ": " : "", text ? text : "");
}

/* A number of seconds; some providers write it as a string. Absent: *out stays. */
static int opt_seconds(struct json_object *answer, const char *key, int64_t min, int64_t max,
                       int64_t *out, struct err *err)
{
    const char *digits = NULL;
    if (json_opt_str(answer, key, 20, &digits, NULL) || !digits)
        return json_opt_i64(answer, key, min, max, out, err);
    return num_parse_i64(digits, min, max, out, NULL)
               ? err_set(err, ERR_INVALID, "'%s' must be an integer", key)
               : 0;
}

static int read_page(struct json_object *answer, struct auth_start_out *out, struct err *err)
{
    const char *user_code = NULL, *uri = NULL, *complete = NULL;
    int rc;
    if ((rc = json_get_str(answer, "user_code", 64, &user_code, err)))
        return rc;
    json_opt_str(answer, "verification_uri", AUTH_TEXT_MAX, &uri, NULL);
    if (!uri) /* drafts and some providers call it so */
        json_opt_str(answer, "verification_url", AUTH_TEXT_MAX, &uri, NULL);
    json_opt_str(answer, "verification_uri_complete", AUTH_TEXT_MAX, &complete, NULL);
    if (!uri || !oauth_url_is_plain(uri) || (complete && !oauth_url_is_plain(complete)))
        return err_set(err, ERR_INVALID, "no usable page to visit");
    /* People read it and type it: a sentence or an address has no place in it. */
    size_t n = strlen(user_code);
    if (n == 0 || n > OAUTH_USER_CODE_MAX || strspn(user_code, USER_CODE_CHARS) != n)
        return err_set(err, ERR_INVALID, "a user code that cannot be shown");
    str_adds(&out->user_code, user_code);
    str_adds(&out->verification_uri, uri);
    if (complete)
        str_adds(&out->verification_uri_complete, complete);
    return 0;
}

int oauth_read_start(long status, struct json_object *answer, struct auth_start_out *out,
                     struct err *err)
{
    const char *word = NULL, *device_code = NULL;
    int64_t expires_in = 0, interval = OAUTH_INTERVAL_DEFAULT;
    json_opt_str(answer, "error", 100, &word, NULL);
    if (word || status != 200)
        return provider_error(status, answer, word, err);
    struct err why = ERR_INIT;
    if (json_get_str(answer, "device_code", AUTH_TEXT_MAX, &device_code, &why) ||
        opt_seconds(answer, "expires_in", 1, 86400, &expires_in, &why) ||
        opt_seconds(answer, "interval", 0, OAUTH_INTERVAL_MAX, &interval, &why) ||
        read_page(answer, out, &why))
        return err_set(err, ERR_UNAVAILABLE, "the provider's answer is unusable: %s", why.msg);
    if (expires_in == 0)
        return err_set(err, ERR_UNAVAILABLE, "the provider's answer lacks 'expires_in'");
    out->expires_in = expires_in;
    out->interval = interval > 0 ? interval : 1;
    out->state = json_object_new_object();
    json_add_str(out->state, "device_code", device_code);
    json_add_i64(out->state, "interval", out->interval);
    return 0;
}

int oauth_poll_form(struct json_object *state, struct str *form, struct err *err)
{
    const char *device_code = NULL;
    int rc = json_get_str(state, "device_code", AUTH_TEXT_MAX, &device_code, err);
    if (rc)
        return rc;
    http_form_add(form, "grant_type", GRANT_TYPE);
    http_form_add(form, "device_code", device_code);
    return 0;
}

static struct json_object *state_copy(struct json_object *state)
{
    struct json_object *copy = NULL;
    int rc = json_object_deep_copy(state, &copy, NULL);
    BUG_ON(rc != 0);
    return copy;
}

static void read_pending(struct json_object *state, struct auth_poll_out *out)
{
    out->status = AUTH_PENDING;
    out->state = state_copy(state);
    json_add_bool(out->state, "seen", true);
    json_add_i64(out->state, "lag", 0);
}

/* RFC 8628 section 3.5: 5 seconds more, or what the provider names if that is longer. */
static void read_slow_down(struct json_object *answer, struct json_object *state,
                           struct auth_poll_out *out)
{
    int64_t interval = OAUTH_INTERVAL_DEFAULT, named = 0;
    json_opt_i64(state, "interval", 1, OAUTH_INTERVAL_MAX, &interval, NULL);
    opt_seconds(answer, "interval", 1, OAUTH_INTERVAL_MAX, &named, NULL);
    interval = named > interval + 5 ? named : interval + 5;
    if (interval > OAUTH_INTERVAL_MAX)
        interval = OAUTH_INTERVAL_MAX;
    out->status = AUTH_SLOW_DOWN;
    out->interval = interval;
    out->state = state_copy(state);
    json_add_i64(out->state, "interval", interval);
}

/* A code that was good a moment ago may be unknown for a moment right after the approval, while the
 * provider's own copies catch up. */
static void read_unknown_code(struct json_object *state, struct auth_poll_out *out)
{
    bool seen = false;
    int64_t lag = 0;
    json_opt_bool(state, "seen", &seen, NULL);
    json_opt_i64(state, "lag", 0, OAUTH_LAG_MAX, &lag, NULL);
    if (!seen || lag >= OAUTH_LAG_MAX) {
        out->status = AUTH_EXPIRED;
        return;
    }
    out->status = AUTH_PENDING;
    out->state = state_copy(state);
    json_add_i64(out->state, "lag", lag + 1);
}

int oauth_unidentified(int rc, struct oauth_tokens *tokens, struct auth_poll_out *out)
{
    if (rc == ERR_UNAVAILABLE)
        out->tokens = oauth_tokens_move(tokens);
    out->status = rc == ERR_UNAVAILABLE ? AUTH_PENDING : AUTH_FAILED;
    return rc;
}

static int read_error(long status, struct json_object *answer, const char *word,
                      struct json_object *state, struct auth_poll_out *out, struct err *err)
{
    if (strcmp(word, "authorization_pending") == 0)
        read_pending(state, out);
    else if (strcmp(word, "slow_down") == 0)
        read_slow_down(answer, state, out);
    else if (strcmp(word, "expired_token") == 0 || strcmp(word, "token_expired") == 0)
        out->status = AUTH_EXPIRED;
    else if (strcmp(word, "access_denied") == 0)
        out->status = AUTH_DENIED;
    else if (strcmp(word, "incorrect_device_code") == 0 || strcmp(word, "invalid_grant") == 0)
        read_unknown_code(state, out);
    else if (is_final(word))
        return out->status = AUTH_FAILED, provider_error(status, answer, word, err);
    else
        return provider_error(status, answer, word, err);
    return 0;
}

static int read_tokens(long status, struct json_object *answer, struct oauth_tokens *tokens,
                       struct err *err)
{
    const char *access = NULL, *type = NULL, *refresh = NULL, *id_token = NULL, *scope = NULL;
    struct err why = ERR_INIT;
    if (status != 200)
        return provider_error(status, answer, NULL, err);
    if (json_get_str(answer, "access_token", OAUTH_TOKEN_MAX, &access, &why) ||
        json_opt_str(answer, "token_type", 32, &type, &why) ||
        json_opt_str(answer, "refresh_token", OAUTH_TOKEN_MAX, &refresh, &why) ||
        json_opt_str(answer, "id_token", OAUTH_TOKEN_MAX, &id_token, &why) ||
        json_opt_str(answer, "scope", AUTH_TEXT_MAX, &scope, &why) ||
        opt_seconds(answer, "expires_in", 0, INT32_MAX, &tokens->expires_in, &why))
        return err_set(err, ERR_UNAVAILABLE, "the provider's answer is unusable: %s", why.msg);
    if (!*access || (type && strcasecmp(type, "bearer") != 0))
        return err_set(err, ERR_UNAVAILABLE, "the provider gave no bearer token");
    tokens->access = xstrdup(access);
    tokens->refresh = copy_opt(refresh);
    tokens->id_token = copy_opt(id_token);
    tokens->scope = copy_opt(scope);
    return 0;
}

int oauth_renew(const char *url, const struct oauth_client *client, const char *refresh,
                struct oauth_tokens *out, struct err *err)
{
    cleanup_str_secret struct str form = STR_INIT;
    cleanup_json struct json_object *answer = NULL;
    const char *word = NULL;
    long status = 0;
    memset(out, 0, sizeof *out);
    http_form_add(&form, "grant_type", "refresh_token");
    http_form_add(&form, "refresh_token", refresh);
    int rc = oauth_post(url, client, &form, &status, &answer, err);
    if (rc)
        return rc;
    json_opt_str(answer, "error", 100, &word, NULL);
    if (word && (strcmp(word, "invalid_grant") == 0 || strcmp(word, "bad_refresh_token") == 0))
        return err_set(err, ERR_DENIED, "the provider's login has ended");
    return word ? provider_error(status, answer, word, err) : read_tokens(status, answer, out, err);
}

int oauth_read_poll(long status, struct json_object *answer, struct json_object *state,
                    struct auth_poll_out *out, struct oauth_tokens *tokens, struct err *err)
{
    const char *word = NULL;
    memset(tokens, 0, sizeof *tokens);
    json_opt_str(answer, "error", 100, &word, NULL);
    if (word)
        return read_error(status, answer, word, state, out, err);
    int rc = read_tokens(status, answer, tokens, err);
    if (rc == 0)
        out->status = AUTH_COMPLETE;
    return rc;
}
