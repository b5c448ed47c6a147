#include "auth/vault.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/mem.h"

struct vault {
    struct store *store;
    struct seal_ring *ring;
    pthread_mutex_t lock; /* around look, renew, put: a refresh token works once */
};

struct vault *vault_new(struct store *store, struct seal_ring *ring)
{
    struct vault *v = xcalloc(1, sizeof *v);
    v->store = store;
    v->ring = ring;
    pthread_mutex_init(&v->lock, NULL);
    return v;
}

void vault_free(struct vault *v)
{
    if (!v)
        return;
    seal_ring_free(v->ring);
    pthread_mutex_destroy(&v->lock);
    free(v);
}

/* What a sealed text is bound to: whose it is, and which of the two. */
static char *context_of(const char *provider, const char *subject, const char *what)
{
    return xasprintf("%s/%s/%s", provider, subject, what);
}

static int seal_one(const struct vault *v, const char *provider, const char *subject,
                    const char *what, const char *plain, char **out, struct err *err)
{
    cleanup_free char *context = context_of(provider, subject, what);
    cleanup_str struct str sealed = STR_INIT;
    *out = NULL;
    if (!plain)
        return 0;
    int rc = seal_text(v->ring, context, plain, &sealed, err);
    if (rc == 0)
        *out = str_detach(&sealed);
    return rc;
}

static int open_one(const struct vault *v, const struct store_token *t, const char *what,
                    const char *sealed, struct str *out, struct err *err)
{
    cleanup_free char *context = context_of(t->provider, t->subject, what);
    return seal_open(v->ring, context, sealed, out, err);
}

int vault_put(struct vault *v, const struct identity *who, const struct oauth_tokens *tokens,
              int64_t now, struct err *err)
{
    struct store_token row = {0};
    int rc;
    if ((rc = seal_one(v, who->provider, who->subject, "access", tokens->access, &row.access,
                       err)) == 0 &&
        (rc = seal_one(v, who->provider, who->subject, "refresh", tokens->refresh, &row.refresh,
                       err)) == 0) {
        row.provider = xstrdup(who->provider);
        row.subject = xstrdup(who->subject);
        row.expires_at = tokens->expires_in ? now + tokens->expires_in : 0;
        rc = store_token_put(v->store, &row, err);
    }
    store_token_release(&row);
    return rc;
}

static int renew(struct vault *v, struct auth_provider *provider, const struct store_token *row,
                 int64_t now, struct str *token, int64_t *ends_at, struct err *err)
{
    cleanup_str_secret struct str refresh = STR_INIT;
    cleanup_oauth_tokens struct oauth_tokens fresh = {0};
    int rc = open_one(v, row, "refresh", row->refresh, &refresh, err);
    if (rc == 0)
        rc = provider->ops->renew(provider, refresh.p, &fresh, err);
    if (rc == ERR_DENIED)
        store_token_delete(v->store, row->provider, row->subject, NULL);
    if (rc)
        return rc;
    /* Some providers go on with the old refresh token. */
    if (!fresh.refresh)
        fresh.refresh = xstrdup(refresh.p);
    const struct identity who = {row->provider, row->subject, NULL};
    /* Written before it is used: an answer that is lost after this point costs nothing. */
    if ((rc = vault_put(v, &who, &fresh, now, err)))
        return rc;
    str_adds(token, fresh.access);
    *ends_at = fresh.expires_in ? now + fresh.expires_in : 0;
    return 0;
}

static int access_locked(struct vault *v, struct auth_provider *provider, const char *subject,
                         int64_t now, struct str *token, int64_t *ends_at, struct err *err)
{
    struct store_token row;
    int rc = store_token_get(v->store, provider->ops->name, subject, &row, err);
    if (rc)
        return rc;
    *ends_at = row.expires_at;
    bool ends = row.expires_at && row.expires_at - now < VAULT_MARGIN_S;
    if (ends && row.refresh && provider->ops->renew)
        rc = renew(v, provider, &row, now, token, ends_at, err);
    else if (ends && row.expires_at <= now)
        rc = err_set(err, ERR_DENIED, "the token of the login has ended");
    else
        rc = open_one(v, &row, "access", row.access, token, err);
    store_token_release(&row);
    return rc;
}

int vault_access(struct vault *v, struct auth_provider *provider, const char *subject, int64_t now,
                 struct str *token, int64_t *ends_at, struct err *err)
{
    *ends_at = 0;
    pthread_mutex_lock(&v->lock);
    int rc = access_locked(v, provider, subject, now, token, ends_at, err);
    pthread_mutex_unlock(&v->lock);
    return rc;
}

static int seal_again(const struct vault *v, const struct store_token *t, const char *what,
                      char **sealed, struct err *err)
{
    cleanup_str_secret struct str plain = STR_INIT;
    char *fresh = NULL;
    if (!*sealed || !seal_is_old(v->ring, *sealed))
        return 0;
    int rc = open_one(v, t, what, *sealed, &plain, err);
    if (rc == 0)
        rc = seal_one(v, t->provider, t->subject, what, plain.p, &fresh, err);
    if (rc)
        return rc;
    free(*sealed);
    *sealed = fresh;
    return 0;
}

static int rotate_one(struct store_token *t, void *payload, struct err *err)
{
    const struct vault *v = payload;
    int rc = seal_again(v, t, "access", &t->access, err);
    return rc ? rc : seal_again(v, t, "refresh", &t->refresh, err);
}

int vault_rotate(struct vault *v, struct err *err)
{
    return store_token_each(v->store, rotate_one, v, err);
}
