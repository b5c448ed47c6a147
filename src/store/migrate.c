/* Numbered migrations: entry n takes the schema from version n to n + 1. Entries that have been
 * released never change. */
#include "store/sqlite.h"

static const char schema_1[] =
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;"

    "CREATE TABLE users ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  provider TEXT NOT NULL CHECK (length(provider) BETWEEN 1 AND 32),"
    "  subject TEXT NOT NULL CHECK (length(subject) BETWEEN 1 AND 512),"
    "  login TEXT NOT NULL CHECK (length(login) BETWEEN 1 AND 64),"
    "  created_at INTEGER NOT NULL,"
    "  seen_at INTEGER NOT NULL,"
    "  UNIQUE (provider, subject)) STRICT;"
    "CREATE INDEX users_login ON users (provider, login, seen_at);"

    "CREATE TABLE refresh_tokens ("
    "  hash TEXT PRIMARY KEY CHECK (length(hash) = 64),"
    "  family TEXT NOT NULL CHECK (length(family) BETWEEN 1 AND 64),"
    "  user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,"
    "  issued_at INTEGER NOT NULL,"
    "  expires_at INTEGER NOT NULL,"
    "  rotated_at INTEGER NOT NULL DEFAULT 0,"
    "  revoked_at INTEGER NOT NULL DEFAULT 0,"
    "  next_hash TEXT) STRICT, WITHOUT ROWID;"
    "CREATE INDEX refresh_family ON refresh_tokens (family);"
    "CREATE INDEX refresh_user ON refresh_tokens (user_id);"
    "CREATE INDEX refresh_expiry ON refresh_tokens (expires_at);"

    "CREATE TABLE devices ("
    "  hash TEXT PRIMARY KEY CHECK (length(hash) = 64),"
    "  provider TEXT NOT NULL,"
    "  state TEXT NOT NULL,"
    "  created_at INTEGER NOT NULL,"
    "  expires_at INTEGER NOT NULL,"
    "  poll_interval INTEGER NOT NULL,"
    "  next_poll_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE INDEX devices_expiry ON devices (expires_at);"

    "CREATE TABLE sessions ("
    "  id TEXT PRIMARY KEY CHECK (length(id) = 20),"
    "  creator_provider TEXT NOT NULL,"
    "  creator_subject TEXT NOT NULL,"
    "  creator_login TEXT NOT NULL,"
    "  state TEXT NOT NULL,"
    "  stage TEXT NOT NULL,"
    "  message TEXT NOT NULL,"
    "  reason TEXT NOT NULL,"
    "  progress INTEGER NOT NULL,"
    "  spec TEXT NOT NULL,"
    "  access TEXT NOT NULL,"
    "  compute TEXT NOT NULL,"
    "  archived INTEGER NOT NULL,"
    "  ever_ran INTEGER NOT NULL,"
    "  created_at INTEGER NOT NULL,"
    "  updated_at INTEGER NOT NULL,"
    "  expires_at INTEGER NOT NULL,"
    "  last_activity_at INTEGER NOT NULL,"
    "  ended_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE INDEX sessions_age ON sessions (created_at, id);"

    /* A slot that was ever used keeps its row; seq orders the free ones by when they became free.
     */
    "CREATE TABLE leases ("
    "  kind TEXT NOT NULL,"
    "  slot INTEGER NOT NULL,"
    "  session_id TEXT REFERENCES sessions (id) DEFERRABLE INITIALLY DEFERRED,"
    "  seq INTEGER NOT NULL,"
    "  PRIMARY KEY (kind, slot)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX leases_free ON leases (kind, seq) WHERE session_id IS NULL;"
    "CREATE INDEX leases_session ON leases (session_id);"
    "CREATE INDEX leases_seq ON leases (seq);"

    "CREATE TABLE kicks ("
    "  session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,"
    "  provider TEXT NOT NULL,"
    "  login TEXT NOT NULL,"
    "  at INTEGER NOT NULL,"
    "  PRIMARY KEY (session_id, provider, login)) STRICT, WITHOUT ROWID;";

static const char schema_2[] = "CREATE TABLE provider_tokens ("
                               "  provider TEXT NOT NULL,"
                               "  subject TEXT NOT NULL,"
                               "  access TEXT NOT NULL,"
                               "  refresh TEXT,"
                               "  expires_at INTEGER NOT NULL,"
                               "  PRIMARY KEY (provider, subject)) STRICT, WITHOUT ROWID;";

static const char *const migrations[] = {schema_1, schema_2};
_Static_assert(ARRAY_LEN(migrations) == STORE_SCHEMA_VERSION, "one entry a version");

static int read_version(struct store *store, int *version, struct err *err)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(store->db, "PRAGMA user_version", -1, &st, NULL);
    if (rc != SQLITE_OK)
        return db_error(store, rc, "database", err);
    rc = sqlite3_step(st);
    *version = sqlite3_column_int(st, 0);
    sqlite3_finalize(st);
    return rc == SQLITE_ROW ? 0 : db_error(store, rc, "database", err);
}

static int migrate_to(struct store *store, int version, struct err *err)
{
    int rc = db_begin(store, err);
    if (rc)
        return rc;
    int sq = sqlite3_exec(store->db, migrations[version - 1], NULL, NULL, NULL);
    if (sq == SQLITE_OK) {
        char *sql = sqlite3_mprintf("PRAGMA user_version = %d", version);
        sq = sqlite3_exec(store->db, sql, NULL, NULL, NULL);
        sqlite3_free(sql);
    }
    if (sq != SQLITE_OK)
        rc = db_error(store, sq, "migrate database", err);
    return db_end(store, rc, err);
}

int db_migrate(struct store *store, struct err *err)
{
    int version = 0;
    int rc = read_version(store, &version, err);
    if (rc)
        return rc;
    if (version < 0 || version > STORE_SCHEMA_VERSION)
        return err_set(err, ERR_UNSUPPORTED,
                       "the database has schema %d, this program knows up to %d", version,
                       STORE_SCHEMA_VERSION);
    while (version < STORE_SCHEMA_VERSION)
        if ((rc = migrate_to(store, ++version, err)) != 0)
            return rc;
    return 0;
}
