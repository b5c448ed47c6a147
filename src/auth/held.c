#include "auth/held.h"

#include <string.h>

#include "base/mem.h"

static char *context_of(const char *hash)
{
    return xasprintf("device/%s/held", hash);
}

int held_seal(const struct vault *vault, const char *hash, const struct oauth_tokens *tokens,
              int64_t now, struct str *out, struct err *err)
{
    cleanup_free char *context = context_of(hash);
    cleanup_json struct json_object *obj = json_object_new_object();
    cleanup_str_secret struct str text = STR_INIT;
    json_add_str(obj, "access", tokens->access);
    json_add_str(obj, "refresh", tokens->refresh);
    json_add_str(obj, "id_token", tokens->id_token);
    json_add_str(obj, "scope", tokens->scope);
    json_add_i64(obj, "ends_at", tokens->expires_in ? now + tokens->expires_in : 0);
    json_print(obj, &text);
    return vault_seal(vault, context, text.p, out, err);
}

static char *copy_opt(const char *text)
{
    return text ? xstrdup(text) : NULL;
}

static int read_tokens(struct json_object *obj, int64_t now, struct oauth_tokens *out,
                       struct err *err)
{
    const char *access = NULL, *refresh = NULL, *id_token = NULL, *scope = NULL;
    int64_t ends_at = 0;
    int rc;
    if ((rc = json_get_str(obj, "access", OAUTH_TOKEN_MAX, &access, err)) ||
        (rc = json_opt_str(obj, "refresh", OAUTH_TOKEN_MAX, &refresh, err)) ||
        (rc = json_opt_str(obj, "id_token", OAUTH_TOKEN_MAX, &id_token, err)) ||
        (rc = json_opt_str(obj, "scope", AUTH_TEXT_MAX, &scope, err)) ||
        (rc = json_opt_i64(obj, "ends_at", 0, INT64_MAX, &ends_at, err)))
        return rc;
    out->access = xstrdup(access);
    out->refresh = copy_opt(refresh);
    out->id_token = copy_opt(id_token);
    out->scope = copy_opt(scope);
    /* 0 would mean that it does not end. */
    out->expires_in = ends_at ? (ends_at > now ? ends_at - now : 1) : 0;
    return 0;
}

int held_open(const struct vault *vault, const char *hash, const char *sealed, int64_t now,
              struct oauth_tokens **out, struct err *err)
{
    cleanup_free char *context = context_of(hash);
    cleanup_str_secret struct str text = STR_INIT;
    cleanup_json struct json_object *obj = NULL;
    cleanup_oauth_tokens struct oauth_tokens tokens = {0};
    int rc;
    *out = NULL;
    if ((rc = vault_open(vault, context, sealed, &text, err)) ||
        (rc = json_parse(text.p, text.len, &obj, err)) ||
        (rc = read_tokens(obj, now, &tokens, err)))
        return rc;
    *out = oauth_tokens_move(&tokens);
    return 0;
}
