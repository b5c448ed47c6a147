#include "auth/refresh.h"

#include <string.h>

#include "auth/hash.h"
#include "base/enc.h"
#include "base/log.h"
#include "base/mem.h"

#define TOKEN_BYTES 32
#define FAMILY_BYTES 16

static int refuse(struct err *err)
{
    return err_set(err, ERR_UNAUTHENTICATED, "refresh token is not valid: log in again");
}

static bool looks_right(const char *token)
{
    if (strlen(token) != REFRESH_TEXT_LEN)
        return false;
    cleanup_str_secret struct str raw = STR_INIT;
    return enc_unbase64url(token, REFRESH_TEXT_LEN, &raw, NULL) == 0;
}

/* Writes a new token; fills what is stored of it. */
static void make(const struct refresh_options *o, struct str *token, struct store_refresh *row)
{
    unsigned char raw[TOKEN_BYTES];
    size_t from = token->len;
    rnd_bytes(raw, sizeof raw);
    enc_base64url(token, raw, sizeof raw);
    mem_wipe(raw, sizeof raw);
    auth_hash(token->p + from, row->hash);
    row->issued_at = clock_now(o->clock);
    row->expires_at = row->issued_at + o->ttl;
}

int refresh_issue(const struct refresh_options *o, const struct identity *who, struct str *token,
                  int64_t *expires_at, struct err *err)
{
    struct store_user user = {0};
    int rc = store_user_upsert(o->store, who->provider, who->subject, who->login,
                               clock_now(o->clock), &user, err);
    if (rc)
        return rc;
    unsigned char raw[FAMILY_BYTES];
    cleanup_str struct str family = STR_INIT;
    rnd_bytes(raw, sizeof raw);
    enc_hex(&family, raw, sizeof raw);
    size_t from = token->len;
    struct store_refresh row = {.family = family.p, .user_id = user.id};
    store_user_release(&user);
    make(o, token, &row);
    *expires_at = row.expires_at;
    rc = store_refresh_insert(o->store, &row, err);
    if (rc)
        str_truncate(token, from);
    return rc;
}

/* Somebody uses what was replaced or revoked: either the owner or a thief, and nobody can tell. */
static int end_family(const struct refresh_options *o, const struct store_refresh *old,
                      struct err *err)
{
    log_fields(LOG_LEVEL_WARN, "refresh token replayed, its family is revoked", "family",
               old->family, NULL);
    err_clear(err);
    int rc = store_refresh_revoke_family(o->store, old->family, clock_now(o->clock), err);
    return rc ? rc : refuse(err);
}

static int owner_of(const struct refresh_options *o, int64_t user_id, struct identity *who,
                    struct err *err)
{
    struct store_user user = {0};
    int rc = store_user_get(o->store, user_id, &user, err);
    if (rc)
        return rc;
    identity_set(who, user.provider, user.subject, user.login);
    store_user_release(&user);
    return 0;
}

static int rotate(const struct refresh_options *o, const struct store_refresh *old,
                  struct str *next, int64_t *expires_at, struct err *err)
{
    struct store_refresh row = {.family = old->family, .user_id = old->user_id};
    size_t from = next->len;
    make(o, next, &row);
    *expires_at = row.expires_at;
    int rc = store_refresh_rotate(o->store, old->hash, &row, row.issued_at, REFRESH_GRACE_S, err);
    if (rc)
        str_truncate(next, from);
    if (rc == ERR_CONFLICT || rc == ERR_DENIED)
        return end_family(o, old, err);
    if (rc == ERR_NOT_FOUND) {
        err_clear(err);
        return refuse(err);
    }
    return rc;
}

int refresh_rotate(const struct refresh_options *o, const char *token, struct str *next,
                   int64_t *expires_at, struct identity *who, struct err *err)
{
    struct store_refresh old = {0};
    char hash[AUTH_HASH_LEN + 1];
    if (!looks_right(token))
        return refuse(err);
    auth_hash(token, hash);
    int rc = store_refresh_get(o->store, hash, &old, err);
    if (rc == ERR_NOT_FOUND) {
        err_clear(err);
        return refuse(err);
    }
    if (!rc)
        rc = rotate(o, &old, next, expires_at, err);
    if (!rc)
        rc = owner_of(o, old.user_id, who, err);
    store_refresh_release(&old);
    return rc;
}

int refresh_revoke(const struct refresh_options *o, const char *token, struct err *err)
{
    struct store_refresh old = {0};
    char hash[AUTH_HASH_LEN + 1];
    if (!looks_right(token))
        return 0;
    auth_hash(token, hash);
    int rc = store_refresh_get(o->store, hash, &old, err);
    if (rc == ERR_NOT_FOUND) {
        err_clear(err);
        return 0;
    }
    if (!rc)
        rc = store_refresh_revoke_family(o->store, old.family, clock_now(o->clock), err);
    store_refresh_release(&old);
    return rc;
}
