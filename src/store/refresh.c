#include <stdlib.h>
#include <string.h>

#include "store/sqlite.h"

void store_refresh_release(struct store_refresh *r)
{
    free(r->family);
    *r = (struct store_refresh){0};
}

static int insert(struct store *store, const struct store_refresh *r, struct err *err)
{
    return db_run(store, NULL, err,
                  "INSERT INTO refresh_tokens (hash, family, user_id, issued_at, expires_at)"
                  " VALUES (?1, ?2, ?3, ?4, ?5)",
                  "ssiii", r->hash, r->family, r->user_id, r->issued_at, r->expires_at);
}

int store_refresh_insert(struct store *store, const struct store_refresh *r, struct err *err)
{
    DB_SCOPE(store);
    return insert(store, r, err);
}

static int get(struct store *store, const char *hash, struct store_refresh *out, struct err *err)
{
    *out = (struct store_refresh){0};
    sqlite3_stmt *st = db_prepare(store, err,
                                  "SELECT hash, family, user_id, issued_at, expires_at, rotated_at,"
                                  " revoked_at FROM refresh_tokens WHERE hash = ?1",
                                  "s", hash);
    int rc = db_row(store, st, "no such refresh token", err);
    if (rc)
        return rc;
    db_text_into(st, 0, out->hash, sizeof out->hash);
    out->family = db_text(st, 1);
    out->user_id = sqlite3_column_int64(st, 2);
    out->issued_at = sqlite3_column_int64(st, 3);
    out->expires_at = sqlite3_column_int64(st, 4);
    out->rotated_at = sqlite3_column_int64(st, 5);
    out->revoked_at = sqlite3_column_int64(st, 6);
    db_done(st);
    return 0;
}

int store_refresh_get(struct store *store, const char *hash, struct store_refresh *out,
                      struct err *err)
{
    DB_SCOPE(store);
    return get(store, hash, out, err);
}

/* A second rotation of one token: allowed when it is quick and nobody has used what the first one
 * gave. */
static int rotate_again(struct store *store, const char *old_hash, int64_t now, struct err *err)
{
    int changed = 0;
    int rc = db_run(store, &changed, err,
                    "UPDATE refresh_tokens SET revoked_at = ?2 WHERE rotated_at = 0 AND"
                    " revoked_at = 0 AND hash ="
                    " (SELECT next_hash FROM refresh_tokens WHERE hash = ?1)",
                    "si", old_hash, now);
    if (rc == 0 && changed != 1)
        rc = err_set(err, ERR_CONFLICT, "refresh token was used before");
    return rc;
}

static int rotate(struct store *store, const char *old_hash, const struct store_refresh *next,
                  int64_t now, int64_t grace_s, struct err *err)
{
    struct store_refresh old;
    int rc = get(store, old_hash, &old, err);
    if (rc)
        return rc;
    bool same = old.user_id == next->user_id && strcmp(old.family, next->family) == 0;
    free(old.family);
    if (!same)
        return err_set(err, ERR_INVALID, "refresh token of another family");
    if (old.revoked_at)
        return err_set(err, ERR_DENIED, "refresh token was revoked");
    if (old.expires_at <= now)
        return err_set(err, ERR_NOT_FOUND, "refresh token has expired");
    if (old.rotated_at && now - old.rotated_at > grace_s)
        return err_set(err, ERR_CONFLICT, "refresh token was used before");
    if (old.rotated_at && (rc = rotate_again(store, old_hash, now, err)) != 0)
        return rc;
    if ((rc = insert(store, next, err)) != 0)
        return rc;
    /* The first rotation's time stands, so that repeats cannot stretch the grace. */
    return db_run(store, NULL, err,
                  "UPDATE refresh_tokens SET next_hash = ?2,"
                  " rotated_at = CASE rotated_at WHEN 0 THEN ?3 ELSE rotated_at END"
                  " WHERE hash = ?1",
                  "ssi", old_hash, next->hash, now);
}

int store_refresh_rotate(struct store *store, const char *old_hash,
                         const struct store_refresh *next, int64_t now, int64_t grace_s,
                         struct err *err)
{
    DB_SCOPE(store);
    int rc = db_begin(store, err);
    if (rc)
        return rc;
    return db_end(store, rotate(store, old_hash, next, now, grace_s, err), err);
}

int store_refresh_revoke_family(struct store *store, const char *family, int64_t now,
                                struct err *err)
{
    DB_SCOPE(store);
    return db_run(store, NULL, err,
                  "UPDATE refresh_tokens SET revoked_at = ?2 WHERE family = ?1 AND revoked_at = 0",
                  "si", family, now);
}

int store_refresh_revoke_user(struct store *store, int64_t user_id, int64_t now, struct err *err)
{
    DB_SCOPE(store);
    return db_run(store, NULL, err,
                  "UPDATE refresh_tokens SET revoked_at = ?2 WHERE user_id = ?1 AND revoked_at = 0",
                  "ii", user_id, now);
}

int store_refresh_expire(struct store *store, int64_t before, struct err *err)
{
    DB_SCOPE(store);
    return db_run(store, NULL, err, "DELETE FROM refresh_tokens WHERE expires_at < ?1", "i",
                  before);
}
