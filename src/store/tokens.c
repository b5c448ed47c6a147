/* Provider tokens, sealed by the caller: this file never sees one in clear. */
#include "store/sqlite.h"

#include <stdlib.h>

void store_token_release(struct store_token *t)
{
    free(t->provider);
    free(t->subject);
    free(t->access);
    free(t->refresh);
    *t = (struct store_token){0};
}

static char *text_or_null(sqlite3_stmt *st, int column)
{
    return sqlite3_column_type(st, column) == SQLITE_NULL ? NULL : db_text(st, column);
}

static void read_token(sqlite3_stmt *st, struct store_token *out)
{
    *out = (struct store_token){
        .provider = db_text(st, 0),
        .subject = db_text(st, 1),
        .access = db_text(st, 2),
        .refresh = text_or_null(st, 3),
        .expires_at = sqlite3_column_int64(st, 4),
    };
}

int store_token_put(struct store *store, const struct store_token *t, struct err *err)
{
    DB_SCOPE(store);
    return db_run(store, NULL, err,
                  "INSERT INTO provider_tokens (provider, subject, access, refresh, expires_at)"
                  " VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (provider, subject) DO UPDATE SET"
                  " access = excluded.access, refresh = excluded.refresh,"
                  " expires_at = excluded.expires_at",
                  "ssssi", t->provider, t->subject, t->access, t->refresh, t->expires_at);
}

int store_token_get(struct store *store, const char *provider, const char *subject,
                    struct store_token *out, struct err *err)
{
    DB_SCOPE(store);
    *out = (struct store_token){0};
    sqlite3_stmt *st = db_prepare(store, err,
                                  "SELECT provider, subject, access, refresh, expires_at"
                                  " FROM provider_tokens WHERE provider = ?1 AND subject = ?2",
                                  "ss", provider, subject);
    int rc = db_row(store, st, "no token is kept", err);
    if (rc)
        return rc;
    read_token(st, out);
    db_done(st);
    return 0;
}

int store_token_delete(struct store *store, const char *provider, const char *subject,
                       struct err *err)
{
    DB_SCOPE(store);
    return db_run(store, NULL, err,
                  "DELETE FROM provider_tokens WHERE provider = ?1 AND subject = ?2", "ss",
                  provider, subject);
}

int store_token_each(struct store *store,
                     int (*fn)(struct store_token *token, void *payload, struct err *err),
                     void *payload, struct err *err)
{
    DB_SCOPE(store);
    int rc = db_begin(store, err);
    if (rc)
        return rc;
    /* The rows first: a statement that is stepped while rows change may see them twice. */
    struct store_token *list = NULL;
    size_t n = 0, cap = 0;
    sqlite3_stmt *st = db_prepare(store, err,
                                  "SELECT provider, subject, access, refresh, expires_at"
                                  " FROM provider_tokens",
                                  "");
    rc = st ? 0 : ERR_FAILED;
    int row = 0;
    while (rc == 0 && (row = db_step(store, st, err)) == 1) {
        VEC_GROW(list, n, cap);
        read_token(st, &list[n++]);
    }
    if (rc == 0 && row < 0)
        rc = row;
    for (size_t i = 0; i < n; i++) {
        if (rc == 0)
            rc = fn(&list[i], payload, err);
        if (rc == 0)
            rc = db_run(store, NULL, err,
                        "UPDATE provider_tokens SET access = ?3, refresh = ?4"
                        " WHERE provider = ?1 AND subject = ?2",
                        "ssss", list[i].provider, list[i].subject, list[i].access, list[i].refresh);
        store_token_release(&list[i]);
    }
    free(list);
    return db_end(store, rc, err);
}
