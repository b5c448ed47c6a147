/* Slots of a range, handed out so that the one given back longest ago comes first and those never
 * used before come first of all. */
#include "store/sqlite.h"

static int query_slot(struct store *store, sqlite3_stmt *st, int64_t *slot, struct err *err)
{
    if (!st)
        return ERR_FAILED;
    int rc = db_step(store, st, err);
    if (rc < 0)
        return rc;
    if (rc == 0)
        return ERR_NOT_FOUND;
    bool found = sqlite3_column_type(st, 0) != SQLITE_NULL;
    *slot = sqlite3_column_int64(st, 0);
    db_done(st);
    return found ? 0 : ERR_NOT_FOUND;
}

int lease_find(struct store *store, const char *kind, int64_t first, int64_t last, int64_t *slot,
               struct err *err)
{
    /* The lowest slot without a row is the first, or the successor of one that has a row. */
    int rc = query_slot(
        store,
        db_prepare(store, err,
                   "SELECT min(s) FROM (SELECT ?2 AS s UNION ALL SELECT slot + 1 FROM leases"
                   " WHERE kind = ?1 AND slot >= ?2 AND slot < ?3) WHERE NOT EXISTS"
                   " (SELECT 1 FROM leases WHERE kind = ?1 AND slot = s)",
                   "sii", kind, first, last),
        slot, err);
    if (rc != ERR_NOT_FOUND)
        return rc;
    rc = query_slot(store,
                    db_prepare(store, err,
                               "SELECT slot FROM leases WHERE kind = ?1 AND session_id IS NULL"
                               " AND slot BETWEEN ?2 AND ?3 ORDER BY seq, slot LIMIT 1",
                               "sii", kind, first, last),
                    slot, err);
    if (rc == ERR_NOT_FOUND)
        return err_set(err, ERR_LIMIT, "no free %s is left",
                       kind[0] == 'p'   ? "SSH port"
                       : kind[0] == 's' ? "session subnet"
                                        : "range of user ids");
    return rc;
}

int lease_of(struct store *store, const char *kind, const char *session_id, int64_t *slot,
             struct err *err)
{
    int rc = query_slot(store,
                        db_prepare(store, err,
                                   "SELECT slot FROM leases WHERE kind = ?1 AND session_id = ?2",
                                   "ss", kind, session_id),
                        slot, err);
    if (rc == ERR_NOT_FOUND)
        return err_set(err, rc, "the session has no %s", kind);
    return rc;
}

int lease_take(struct store *store, const char *kind, int64_t slot, const char *session_id,
               struct err *err)
{
    return db_run(store, NULL, err,
                  "INSERT INTO leases (kind, slot, session_id, seq) VALUES (?1, ?2, ?3, 0)"
                  " ON CONFLICT (kind, slot) DO UPDATE SET session_id = excluded.session_id",
                  "sis", kind, slot, session_id);
}

int lease_postpone(struct store *store, const char *kind, int64_t slot, struct err *err)
{
    return db_run(store, NULL, err,
                  "INSERT INTO leases (kind, slot, session_id, seq)"
                  " VALUES (?1, ?2, NULL, (SELECT ifnull(max(seq), 0) + 1 FROM leases))"
                  " ON CONFLICT (kind, slot) DO UPDATE SET seq = excluded.seq",
                  "si", kind, slot);
}

int lease_release(struct store *store, const char *kind, const char *session_id, struct err *err)
{
    return db_run(store, NULL, err,
                  "UPDATE leases SET session_id = NULL,"
                  " seq = (SELECT ifnull(max(seq), 0) + 1 FROM leases)"
                  " WHERE kind = ?1 AND session_id = ?2",
                  "ss", kind, session_id);
}
