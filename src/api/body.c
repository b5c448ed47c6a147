#include "api/body.h"

#include <string.h>

#include "base/url.h"
#include "proto/spec.h"
#include "ssh/sshsig.h"

#define CODE_TEXT_MAX 128
#define TOKEN_TEXT_MAX 4096
#define REFRESH_TEXT_MAX 256
#define WORD_TEXT_MAX 64
#define NAME_TEXT_MAX (SPEC_PROVIDER_MAX + 1 + SPEC_LOGIN_MAX)
#define TTL_MAX (400LL * 86400) /* the session layer knows the configured one */

/* A member that is missing is the sender's mistake as much as one that is wrong. */
static int need_str(struct json_object *body, const char *key, size_t max, const char **out,
                    struct err *err)
{
    struct err why = ERR_INIT;
    return json_get_str(body, key, max, out, &why) ? err_set(err, ERR_INVALID, "%s", why.msg) : 0;
}

int body_read_poll(struct json_object *body, struct body_poll *out, struct err *err)
{
    *out = (struct body_poll){0};
    int rc = need_str(body, "device_code", CODE_TEXT_MAX, &out->device_code, err);
    if (!rc)
        rc = json_opt_str(body, "login", SPEC_LOGIN_MAX, &out->login, err);
    if (!rc)
        rc = json_opt_str(body, "signature", SSHSIG_ARMOR_MAX, &out->signature, err);
    return rc;
}

int body_read_token(struct json_object *body, struct body_token *out, struct err *err)
{
    *out = (struct body_token){0};
    int rc = need_str(body, "provider", SPEC_PROVIDER_MAX, &out->provider, err);
    if (rc || (rc = need_str(body, "token", TOKEN_TEXT_MAX, &out->token, err)))
        return rc;
    /* It goes into a header of the request to the provider. */
    for (const char *p = out->token; *p; p++)
        if ((unsigned char)*p <= 0x20 || (unsigned char)*p >= 0x7f)
            return err_set(err, ERR_INVALID, "'token' has characters that no token has");
    return *out->token ? 0 : err_set(err, ERR_INVALID, "'token' is empty");
}

int body_read_refresh(struct json_object *body, const char **token, struct err *err)
{
    return need_str(body, "refresh_token", REFRESH_TEXT_MAX, token, err);
}

static int read_names(struct json_object *body, struct strv *names, bool *given, struct err *err)
{
    struct json_object *list = NULL;
    int rc = json_opt_array(body, "allowed_users", SESSION_ALLOWED_MAX, &list, err);
    if (rc || !list)
        return rc;
    *given = true;
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *item = json_object_array_get_idx(list, i);
        if (!json_object_is_type(item, json_type_string))
            return err_set(err, ERR_INVALID, "'allowed_users' must be a list of logins");
        const char *text = json_object_get_string(item);
        size_t n = (size_t)json_object_get_string_len(item);
        if (n > NAME_TEXT_MAX || strlen(text) != n)
            return err_set(err, ERR_INVALID, "'allowed_users' must be a list of logins");
        strv_push(names, text);
    }
    return 0;
}

int body_read_create(struct json_object *body, struct session_request *out, struct strv *names,
                     struct err *err)
{
    int rc;
    *out = (struct session_request){0};
    if ((rc = need_str(body, "repo_url", URL_MAX, &out->repo_url, err)) != 0 ||
        (rc = json_opt_str(body, "mode", WORD_TEXT_MAX, &out->mode, err)) != 0 ||
        (rc = json_opt_str(body, "branch", SPEC_BRANCH_MAX, &out->branch, err)) != 0 ||
        (rc = json_opt_str(body, "environment", WORD_TEXT_MAX, &out->environment, err)) != 0 ||
        (rc = json_opt_bool(body, "public", &out->is_public, err)) != 0 ||
        (rc = json_opt_bool(body, "approve", &out->approve, err)) != 0 ||
        (rc = json_opt_i64(body, "ttl_secs", 1, TTL_MAX, &out->ttl_secs, err)) != 0)
        return rc;
    rc = read_names(body, names, &out->allowed_given, err);
    out->allowed_users = names->v;
    out->n_allowed_users = names->len;
    return rc;
}

int body_read_extend(struct json_object *body, int64_t *ttl_secs, struct err *err)
{
    struct err why = ERR_INIT;
    if (json_get_i64(body, "ttl_secs", 1, TTL_MAX, ttl_secs, &why))
        return err_set(err, ERR_INVALID, "%s", why.msg);
    return 0;
}

int body_read_kick(struct json_object *body, const char **login, struct err *err)
{
    return need_str(body, "login", NAME_TEXT_MAX, login, err);
}

int body_read_role(struct json_object *body, const char **login, const char **role, struct err *err)
{
    int rc = need_str(body, "login", NAME_TEXT_MAX, login, err);
    if (!rc)
        rc = need_str(body, "role", WORD_TEXT_MAX, role, err);
    if (rc)
        return rc;
    if (strcmp(*role, "watch") != 0 && strcmp(*role, "type") != 0 && strcmp(*role, "own") != 0)
        return err_set(err, ERR_INVALID, "'role' must be watch, type or own");
    return 0;
}
