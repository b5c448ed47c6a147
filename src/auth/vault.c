#include "auth/vault.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct vault {
    struct store *store;
    struct seal_ring *ring;
    pthread_mutex_t
        lock; /* guards what follows, and changes of rows; not held while a forge is asked */
    pthread_cond_t renewed;
    struct strv renewing; /* "provider/subject": a refresh token works once */
    uint64_t serial;      /* calls that were answered */
};

struct vault *vault_new(struct store *store, struct seal_ring *ring)
{
    struct vault *v = xcalloc(1, sizeof *v);
    v->store = store;
    v->ring = ring;
    v->renewing = (struct strv)STRV_INIT;
    pthread_mutex_init(&v->lock, NULL);
    pthread_cond_init(&v->renewed, NULL);
    return v;
}

void vault_free(struct vault *v)
{
    if (!v)
        return;
    seal_ring_free(v->ring);
    strv_release(&v->renewing);
    pthread_cond_destroy(&v->renewed);
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

static int put_locked(struct vault *v, const struct identity *who,
                      const struct oauth_tokens *tokens, int64_t now, struct err *err)
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

int vault_put(struct vault *v, const struct identity *who, const struct oauth_tokens *tokens,
              int64_t now, struct err *err)
{
    pthread_mutex_lock(&v->lock);
    int rc = put_locked(v, who, tokens, now, err);
    pthread_mutex_unlock(&v->lock);
    return rc;
}

/* Whether a new login has put other tokens into the row while the forge was asked. */
static bool is_replaced(struct vault *v, const struct store_token *row)
{
    struct store_token there;
    if (store_token_get(v->store, row->provider, row->subject, &there, NULL))
        return false;
    bool same = there.refresh && strcmp(there.refresh, row->refresh) == 0;
    store_token_release(&there);
    return !same;
}

/* Writes what a renewal brought, before it is used: an answer that is lost later costs nothing. */
static int keep_renewed(struct vault *v, const struct store_token *row, int code,
                        const struct oauth_tokens *fresh, int64_t now, struct err *err)
{
    const struct identity who = {row->provider, row->subject, NULL};
    if (is_replaced(v, row))
        return code;
    if (code == ERR_DENIED)
        store_token_delete(v->store, row->provider, row->subject, NULL);
    return code ? code : put_locked(v, &who, fresh, now, err);
}

/* Called and left with the lock held. */
static int renew(struct vault *v, struct auth_provider *provider, const struct store_token *row,
                 int64_t now, struct str *token, int64_t *ends_at, struct err *err)
{
    cleanup_str_secret struct str refresh = STR_INIT;
    cleanup_oauth_tokens struct oauth_tokens fresh = {0};
    int rc = open_one(v, row, "refresh", row->refresh, &refresh, err);
    if (rc)
        return rc;
    pthread_mutex_unlock(&v->lock);
    rc = provider->ops->renew(provider, refresh.p, &fresh, err);
    /* Some providers go on with the old refresh token. */
    if (rc == 0 && !fresh.refresh)
        fresh.refresh = xstrdup(refresh.p);
    pthread_mutex_lock(&v->lock);
    if ((rc = keep_renewed(v, row, rc, &fresh, now, err)))
        return rc;
    str_adds(token, fresh.access);
    *ends_at = fresh.expires_in ? now + fresh.expires_in : 0;
    return 0;
}

/* Alone among the renewals of this person: the row is read when it is its turn. */
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
                 struct str *token, struct vault_access *out, struct err *err)
{
    cleanup_free char *key = context_of(provider->ops->name, subject, "");
    *out = (struct vault_access){0};
    pthread_mutex_lock(&v->lock);
    while (strv_has(&v->renewing, key))
        pthread_cond_wait(&v->renewed, &v->lock);
    strv_push(&v->renewing, key);
    int rc = access_locked(v, provider, subject, now, token, &out->ends_at, err);
    out->serial = ++v->serial;
    strv_drop(&v->renewing, key);
    pthread_cond_broadcast(&v->renewed);
    pthread_mutex_unlock(&v->lock);
    return rc;
}

int vault_seal(const struct vault *v, const char *context, const char *plain, struct str *out,
               struct err *err)
{
    return seal_text(v->ring, context, plain, out, err);
}

int vault_open(const struct vault *v, const char *context, const char *sealed, struct str *out,
               struct err *err)
{
    return seal_open(v->ring, context, sealed, out, err);
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
