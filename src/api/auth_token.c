/* POST /auth/token, /auth/refresh, /auth/revoke and GET /auth/me. */
#include <stdlib.h>
#include <string.h>

#include "api/body.h"
#include "api/internal.h"
#include "base/log.h"
#include "base/mem.h"

static void add_tokens(struct json_object *obj, struct api *api, const struct str *jwt,
                       const struct str *refresh, int64_t refresh_expires)
{
    json_add_str(obj, "jwt", jwt->p);
    json_add_str(obj, "refresh_token", refresh->p);
    json_add_i64(obj, "expires_in", jwt_signer_ttl(api->jwt));
    json_add_i64(obj, "refresh_expires_at", refresh_expires);
}

void api_reply_login(struct api *api, struct http_request *req, const struct identity *who,
                     const struct oauth_tokens *tokens)
{
    cleanup_str_secret struct str jwt = STR_INIT;
    cleanup_str_secret struct str refresh = STR_INIT;
    int64_t expires = 0;
    struct err err = ERR_INIT;
    int rc = 0;
    if (tokens && api->options.vault)
        rc = vault_put(api->options.vault, who, tokens, clock_now(api->options.clock), &err);
    if (!rc)
        rc = jwt_signer_issue(api->jwt, who, &jwt, &err);
    if (!rc)
        rc = refresh_issue(&api->refresh, who, &refresh, &expires, &err);
    if (rc) {
        http_reply_err(req, &err);
        return;
    }
    log_fields(LOG_LEVEL_INFO, "logged in", "user", who->login, "provider", who->provider, "from",
               http_client_address(req), NULL);
    sessions_login(api->options.sessions);
    struct json_object *obj = json_object_new_object();
    json_add_str(obj, "status", "complete");
    json_add_str(obj, "login", who->login);
    json_add_str(obj, "provider", who->provider);
    add_tokens(obj, api, &jwt, &refresh, expires);
    http_reply_json(req, 200, obj);
}

/* ---- a forge's token ---- */

struct asking {
    struct api *api;
    struct api_ticket *ticket;
    struct auth_provider *provider;
    char *token;
    struct identity who;
    int code;
    struct err err;
};

static void asking_free(struct asking *a)
{
    identity_release(&a->who);
    free_secret(a->token);
    free(a);
}

static void run_identity(void *payload)
{
    struct asking *a = payload;
    a->code = a->provider->ops->identity(a->provider, a->token, &a->who, &a->err);
}

static void answer_identity(struct http_request *req, struct asking *a)
{
    const struct oauth_tokens tokens = {.access = a->token};
    if (!a->code)
        api_reply_login(a->api, req, &a->who, &tokens);
    else if (a->code == ERR_DENIED || a->code == ERR_UNAUTHENTICATED)
        http_reply_problem(req, 401, "unauthenticated", "the provider does not know this token");
    else if (a->code == ERR_UNAVAILABLE || a->code == ERR_TIMEOUT)
        http_reply_problem(req, 502, "provider_unavailable", a->err.msg);
    else
        http_reply_err(req, &a->err);
}

static void identified(void *payload)
{
    struct asking *a = payload;
    struct http_request *req = api_ticket_take(a->ticket);
    if (req)
        answer_identity(req, a);
    asking_free(a);
}

static void ask(struct api *api, struct http_request *req, struct auth_provider *provider,
                const char *token)
{
    struct asking *a = xcalloc(1, sizeof *a);
    a->api = api;
    a->provider = provider;
    a->token = xstrdup(token);
    if (provider->ops->blocking) {
        a->ticket = api_defer(api, req);
        work_submit_lane(api->options.pool, provider, API_LOGINS_EACH, run_identity, identified, a);
        return;
    }
    run_identity(a);
    answer_identity(req, a);
    asking_free(a);
}

void api_auth_token(struct http_request *req, void *payload)
{
    struct api *api = payload;
    struct json_object *body = http_body_json(req, false);
    if (!body)
        return;
    struct body_token sent;
    struct auth_provider *provider = NULL;
    struct err err = ERR_INIT;
    if (body_read_token(body, &sent, &err))
        http_reply_err(req, &err);
    else if (auth_providers_get(api->options.providers, sent.provider, &provider, &err))
        http_reply_problem(req, 400, "not_supported", err.msg);
    else if (!provider->ops->identity)
        http_reply_problemf(req, 400, "not_supported", "provider %s takes no access tokens",
                            sent.provider);
    else
        ask(api, req, provider, sent.token);
}

/* ---- refresh tokens ---- */

/* NULL when the answer has been given. */
static const char *sent_token(struct http_request *req)
{
    struct json_object *body = http_body_json(req, false);
    const char *token = NULL;
    struct err err = ERR_INIT;
    if (body && body_read_refresh(body, &token, &err)) {
        http_reply_err(req, &err);
        return NULL;
    }
    return body ? token : NULL;
}

void api_auth_refresh(struct http_request *req, void *payload)
{
    struct api *api = payload;
    const char *token = sent_token(req);
    if (!token)
        return;
    cleanup_str_secret struct str jwt = STR_INIT;
    cleanup_str_secret struct str next = STR_INIT;
    cleanup_identity struct identity who = {0};
    int64_t expires = 0;
    struct err err = ERR_INIT;
    int rc = refresh_rotate(&api->refresh, token, &next, &expires, &who, &err);
    if (!rc)
        rc = jwt_signer_issue(api->jwt, &who, &jwt, &err);
    if (rc) {
        http_reply_err(req, &err);
        return;
    }
    struct json_object *obj = json_object_new_object();
    add_tokens(obj, api, &jwt, &next, expires);
    http_reply_json(req, 200, obj);
}

void api_auth_revoke(struct http_request *req, void *payload)
{
    struct api *api = payload;
    const char *token = sent_token(req);
    if (!token)
        return;
    struct err err = ERR_INIT;
    if (refresh_revoke(&api->refresh, token, &err)) {
        http_reply_err(req, &err);
        return;
    }
    struct json_object *obj = json_object_new_object();
    json_add_bool(obj, "revoked", true);
    http_reply_json(req, 200, obj);
}

void api_auth_me(struct http_request *req, void *payload)
{
    const struct api *api = payload;
    struct session_caller who = api_caller(req);
    struct json_object *obj = json_object_new_object();
    json_add_str(obj, "login", who.login);
    json_add_str(obj, "provider", who.provider);
    if (strcmp(who.provider, "github") == 0)
        json_add_str(obj, "forge_url", api->options.github_url);
    else if (strcmp(who.provider, "gitlab") == 0)
        json_add_str(obj, "forge_url", api->options.gitlab_url);
    http_reply_json(req, 200, obj);
}
