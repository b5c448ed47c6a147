#include "auth/forge_provider.h"

#include <stdlib.h>
#include <string.h>

#include "auth/oauth.h"
#include "base/mem.h"
#include "http/client.h"

/* What differs between the two. */
struct dialect {
    const char *name;
    const char *start_path, *token_path;
    const char *user_path; /* behind the API's URL */
    const char *login_key;
    const char *scope;
};

static const struct dialect github = {
    .name = "github",
    .start_path = "/login/device/code",
    .token_path = "/login/oauth/access_token",
    .user_path = "/user",
    .login_key = "login",
    .scope = "repo",
};

static const struct dialect gitlab = {
    .name = "gitlab",
    .start_path = "/oauth/authorize_device",
    .token_path = "/oauth/token",
    .user_path = "/api/v4/user",
    .login_key = "username",
    .scope = "read_api read_repository write_repository",
};

struct forge {
    struct auth_provider base;
    const struct dialect *dialect;
    char *client_id, *client_secret, *url, *api_url;
};

static void forge_release(struct forge *f)
{
    free(f->client_id);
    free_secret(f->client_secret);
    free(f->url);
    free(f->api_url);
    free(f);
}

static struct forge *forge_of(struct auth_provider *p)
{
    return (struct forge *)(void *)p;
}

static struct oauth_client client_of(const struct forge *f)
{
    return (struct oauth_client){f->client_id, f->client_secret, true};
}

int auth_forge_read_user(struct json_object *answer, const char *provider, const char *login_key,
                         struct identity *out, struct err *err)
{
    int64_t id = 0;
    const char *login = NULL;
    char subject[24];
    struct err why = ERR_INIT;
    if (json_get_i64(answer, "id", 1, INT64_MAX, &id, &why) ||
        json_get_str(answer, login_key, 255, &login, &why))
        return err_set(err, ERR_UNAVAILABLE, "%s does not say who this is: %s", provider, why.msg);
    cleanup_str struct str number = STR_INIT;
    str_addf(&number, "%lld", (long long)id);
    memcpy(subject, number.p, number.len + 1);
    identity_set(out, provider, subject, login);
    return identity_check(out, err);
}

static int forge_identity(struct auth_provider *p, const char *token, struct identity *out,
                          struct err *err)
{
    const struct forge *f = forge_of(p);
    cleanup_free char *url = xasprintf("%s%s", f->api_url, f->dialect->user_path);
    cleanup_json struct json_object *answer = NULL;
    int rc = oauth_get(url, token, &answer, err);
    return rc ? rc
              : auth_forge_read_user(answer, f->dialect->name, f->dialect->login_key, out, err);
}

static int forge_start(struct auth_provider *p, const struct auth_start_in *in,
                       struct auth_start_out *out, struct err *err)
{
    const struct forge *f = forge_of(p);
    const struct oauth_client client = client_of(f);
    cleanup_free char *url = xasprintf("%s%s", f->url, f->dialect->start_path);
    cleanup_str_secret struct str form = STR_INIT;
    cleanup_json struct json_object *answer = NULL;
    long status = 0;
    (void)in;
    http_form_add(&form, "scope", f->dialect->scope);
    int rc = oauth_post(url, &client, &form, &status, &answer, err);
    return rc ? rc : oauth_read_start(status, answer, out, err);
}

static int ask_for_tokens(const struct forge *f, const struct auth_poll_in *in,
                          struct auth_poll_out *out, struct oauth_tokens *tokens, struct err *err)
{
    const struct oauth_client client = client_of(f);
    cleanup_free char *url = xasprintf("%s%s", f->url, f->dialect->token_path);
    cleanup_str_secret struct str form = STR_INIT;
    cleanup_json struct json_object *answer = NULL;
    long status = 0;
    int rc = oauth_poll_form(in->state, &form, err);
    if (rc == 0)
        rc = oauth_post(url, &client, &form, &status, &answer, err);
    return rc ? rc : oauth_read_poll(status, answer, in->state, out, tokens, err);
}

static int forge_poll(struct auth_provider *p, const struct auth_poll_in *in,
                      struct auth_poll_out *out, struct err *err)
{
    cleanup_oauth_tokens struct oauth_tokens tokens = {0};
    int rc = 0;
    if (in->held) {
        oauth_tokens_copy(in->held, &tokens);
        out->status = AUTH_COMPLETE;
    } else {
        rc = ask_for_tokens(forge_of(p), in, out, &tokens, err);
    }
    if (rc || out->status != AUTH_COMPLETE)
        return rc;
    if ((rc = forge_identity(p, tokens.access, &out->who, err)))
        return oauth_unidentified(rc, &tokens, out);
    out->tokens = oauth_tokens_move(&tokens);
    return 0;
}

static int forge_renew(struct auth_provider *p, const char *refresh, struct oauth_tokens *out,
                       struct err *err)
{
    const struct forge *f = forge_of(p);
    const struct oauth_client client = client_of(f);
    cleanup_free char *url = xasprintf("%s%s", f->url, f->dialect->token_path);
    return oauth_renew(url, &client, refresh, out, err);
}

static void forge_free(struct auth_provider *p)
{
    forge_release(forge_of(p));
}

static const struct auth_provider_ops github_ops = {
    .name = "github",
    .blocking = true,
    .start = forge_start,
    .poll = forge_poll,
    .identity = forge_identity,
    .renew = forge_renew,
    .free = forge_free,
};

static const struct auth_provider_ops gitlab_ops = {
    .name = "gitlab",
    .blocking = true,
    .start = forge_start,
    .poll = forge_poll,
    .identity = forge_identity,
    .renew = forge_renew,
    .free = forge_free,
};

static char *without_slash(const char *url)
{
    size_t n = strlen(url);
    while (n && url[n - 1] == '/')
        n--;
    return xstrndup(url, n);
}

static struct forge *forge_new(const struct dialect *dialect, const struct auth_forge_options *o)
{
    struct forge *f = xcalloc(1, sizeof *f);
    f->base.ops = dialect == &github ? &github_ops : &gitlab_ops;
    f->dialect = dialect;
    f->client_id = xstrdup(o->client_id);
    f->client_secret = o->client_secret ? xstrdup(o->client_secret) : NULL;
    f->url = without_slash(o->url);
    f->api_url = without_slash(o->api_url ? o->api_url : o->url);
    return f;
}

/* The registered payload is a forge that is copied on first use, so that nothing is owned twice. */
static int make_forge(void *payload, struct auth_provider **out, struct err *err)
{
    const struct forge *model = payload;
    const struct auth_forge_options o = {model->client_id, model->client_secret, model->url,
                                         model->api_url};
    (void)err;
    *out = &forge_new(model->dialect, &o)->base;
    return 0;
}

static void free_model(void *payload)
{
    forge_release(payload);
}

void auth_github_register(struct auth_providers *r, const struct auth_forge_options *o)
{
    auth_providers_register(r, "github", make_forge, forge_new(&github, o), free_model);
}

void auth_gitlab_register(struct auth_providers *r, const struct auth_forge_options *o)
{
    auth_providers_register(r, "gitlab", make_forge, forge_new(&gitlab, o), free_model);
}
