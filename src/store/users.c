#include "store/sqlite.h"

#include <stdlib.h>

void store_user_release(struct store_user *u)
{
    free(u->provider);
    free(u->subject);
    free(u->login);
    *u = (struct store_user){0};
}

static void read_user(sqlite3_stmt *st, struct store_user *out)
{
    *out = (struct store_user){
        .id = sqlite3_column_int64(st, 0),
        .provider = db_text(st, 1),
        .subject = db_text(st, 2),
        .login = db_text(st, 3),
        .created_at = sqlite3_column_int64(st, 4),
        .seen_at = sqlite3_column_int64(st, 5),
    };
}

/* Runs a statement of one user row; takes the statement. */
static int one_user(struct store *store, sqlite3_stmt *st, struct store_user *out, struct err *err)
{
    if (out)
        *out = (struct store_user){0};
    int rc = db_row(store, st, "no such user", err);
    if (rc)
        return rc;
    if (out)
        read_user(st, out);
    db_done(st);
    return 0;
}

int store_user_upsert(struct store *store, const char *provider, const char *subject,
                      const char *login, int64_t now, struct store_user *out, struct err *err)
{
    DB_SCOPE(store);
    struct store_user user;
    int rc = one_user(store,
                      db_prepare(store, err,
                                 "INSERT INTO users (provider, subject, login, created_at, seen_at)"
                                 " VALUES (?1, ?2, ?3, ?4, ?4)"
                                 " ON CONFLICT (provider, subject)"
                                 " DO UPDATE SET login = excluded.login, seen_at = excluded.seen_at"
                                 " RETURNING id, provider, subject, login, created_at, seen_at",
                                 "sssi", provider, subject, login, now),
                      &user, err);
    if (rc)
        return rc;
    if (out)
        *out = user;
    else
        store_user_release(&user);
    return 0;
}

int store_user_get(struct store *store, int64_t id, struct store_user *out, struct err *err)
{
    DB_SCOPE(store);
    return one_user(store,
                    db_prepare(store, err,
                               "SELECT id, provider, subject, login, created_at, seen_at"
                               " FROM users WHERE id = ?1",
                               "i", id),
                    out, err);
}

int store_user_by_login(struct store *store, const char *provider, const char *login,
                        struct store_user *out, struct err *err)
{
    DB_SCOPE(store);
    return one_user(store,
                    db_prepare(store, err,
                               "SELECT id, provider, subject, login, created_at, seen_at"
                               " FROM users WHERE provider = ?1 AND login = ?2"
                               " ORDER BY seen_at DESC, id DESC LIMIT 1",
                               "ss", provider, login),
                    out, err);
}

int store_user_each_logged_in(struct store *store, int64_t now, int64_t max,
                              int (*each)(const struct store_user *u, void *payload,
                                          struct err *err),
                              void *payload, struct err *err)
{
    DB_SCOPE(store);
    sqlite3_stmt *st =
        db_prepare(store, err,
                   "SELECT id, provider, subject, login, created_at, seen_at FROM users"
                   " WHERE EXISTS (SELECT 1 FROM refresh_tokens WHERE user_id = users.id"
                   " AND revoked_at = 0 AND expires_at > ?1) ORDER BY id LIMIT ?2",
                   "ii", now, max);
    if (!st)
        return ERR_FAILED;
    int rc;
    while ((rc = db_step(store, st, err)) > 0) {
        struct store_user user;
        read_user(st, &user);
        rc = each(&user, payload, err);
        store_user_release(&user);
        if (rc) {
            db_done(st);
            return rc;
        }
    }
    return rc;
}
