#include "store/sqlite.h"

int store_kick_add(struct store *store, const char *session_id, const char *provider,
                   const char *login, int64_t now, struct err *err)
{
    DB_SCOPE(store);
    return db_run(store, NULL, err,
                  "INSERT INTO kicks (session_id, provider, login, at) VALUES (?1, ?2, ?3, ?4)"
                  " ON CONFLICT (session_id, provider, login) DO NOTHING",
                  "sssi", session_id, provider, login, now);
}

int store_kick_each(struct store *store, const char *session_id,
                    int (*each)(const char *provider, const char *login, void *payload,
                                struct err *err),
                    void *payload, struct err *err)
{
    DB_SCOPE(store);
    sqlite3_stmt *st = db_prepare(store, err,
                                  "SELECT provider, login FROM kicks WHERE session_id = ?1"
                                  " ORDER BY provider, login",
                                  "s", session_id);
    if (!st)
        return ERR_FAILED;
    int rc;
    while ((rc = db_step(store, st, err)) > 0) {
        rc = each((const char *)sqlite3_column_text(st, 0),
                  (const char *)sqlite3_column_text(st, 1), payload, err);
        if (rc) {
            db_done(st);
            return rc;
        }
    }
    return rc;
}
