#include <stdlib.h>

#include "store/sqlite.h"

void store_device_release(struct store_device *d)
{
    free(d->provider);
    free(d->state);
    *d = (struct store_device){0};
}

static int expire(struct store *store, int64_t before, struct err *err)
{
    return db_run(store, NULL, err, "DELETE FROM devices WHERE expires_at < ?1", "i", before);
}

static int insert(struct store *store, const struct store_device *d, int64_t now, struct err *err)
{
    int rc = expire(store, now, err);
    if (rc)
        return rc;
    int changed = 0;
    rc = db_run(store, &changed, err,
                "INSERT INTO devices (hash, provider, state, created_at, expires_at,"
                " poll_interval, next_poll_at) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7"
                " WHERE (SELECT count(*) FROM devices) < ?8",
                "sssiiiii", d->hash, d->provider, d->state, d->created_at, d->expires_at,
                d->interval, d->next_poll_at, (int64_t)STORE_DEVICES_MAX);
    if (rc == 0 && changed != 1)
        rc = err_set(err, ERR_LIMIT, "too many logins are under way");
    return rc;
}

int store_device_insert(struct store *store, const struct store_device *d, int64_t now,
                        struct err *err)
{
    DB_SCOPE(store);
    int rc = db_begin(store, err);
    if (rc)
        return rc;
    return db_end(store, insert(store, d, now, err), err);
}

int store_device_get(struct store *store, const char *hash, struct store_device *out,
                     struct err *err)
{
    DB_SCOPE(store);
    *out = (struct store_device){0};
    sqlite3_stmt *st = db_prepare(store, err,
                                  "SELECT hash, provider, state, created_at, expires_at,"
                                  " poll_interval, next_poll_at FROM devices WHERE hash = ?1",
                                  "s", hash);
    int rc = db_row(store, st, "no such device", err);
    if (rc)
        return rc;
    db_text_into(st, 0, out->hash, sizeof out->hash);
    out->provider = db_text(st, 1);
    out->state = db_text(st, 2);
    out->created_at = sqlite3_column_int64(st, 3);
    out->expires_at = sqlite3_column_int64(st, 4);
    out->interval = sqlite3_column_int64(st, 5);
    out->next_poll_at = sqlite3_column_int64(st, 6);
    db_done(st);
    return 0;
}

static int must_change(int rc, int changed, struct err *err)
{
    if (rc == 0 && changed != 1)
        return err_set(err, ERR_NOT_FOUND, "no such device");
    return rc;
}

int store_device_update(struct store *store, const struct store_device *d, struct err *err)
{
    DB_SCOPE(store);
    int changed = 0;
    int rc = db_run(store, &changed, err,
                    "UPDATE devices SET state = ?2, expires_at = ?3, poll_interval = ?4,"
                    " next_poll_at = ?5 WHERE hash = ?1",
                    "ssiii", d->hash, d->state, d->expires_at, d->interval, d->next_poll_at);
    return must_change(rc, changed, err);
}

int store_device_consume(struct store *store, const char *hash, struct err *err)
{
    DB_SCOPE(store);
    int changed = 0;
    int rc = db_run(store, &changed, err, "DELETE FROM devices WHERE hash = ?1", "s", hash);
    return must_change(rc, changed, err);
}

int store_device_expire(struct store *store, int64_t before, struct err *err)
{
    DB_SCOPE(store);
    return expire(store, before, err);
}
