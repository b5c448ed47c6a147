#include "store/sqlite.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"

#define BUSY_MS 5000

void db_unlockp(struct store **store)
{
    pthread_mutex_unlock(&(*store)->lock);
}

struct store *db_lock(struct store *store)
{
    pthread_mutex_lock(&store->lock);
    return store;
}

static int code_of_sqlite(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_FULL:
        return ERR_NO_SPACE;
    case SQLITE_CONSTRAINT:
        return rc == SQLITE_CONSTRAINT_PRIMARYKEY || rc == SQLITE_CONSTRAINT_UNIQUE ? ERR_EXISTS
                                                                                    : ERR_INVALID;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_IOERR:
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
        return ERR_UNAVAILABLE;
    default:
        return ERR_FAILED;
    }
}

int db_error(struct store *store, int rc, const char *what, struct err *err)
{
    return err_set(err, code_of_sqlite(rc), "%s: %s", what, sqlite3_errmsg(store->db));
}

static sqlite3_stmt *statement(struct store *store, const char *sql, struct err *err)
{
    for (size_t i = 0; i < store->n_statements; i++)
        if (store->statements[i].sql == sql)
            return store->statements[i].st;
    BUG_ON(store->n_statements == DB_STATEMENTS_MAX);
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v3(store->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &st, NULL);
    if (rc != SQLITE_OK) {
        db_error(store, rc, "prepare", err);
        return NULL;
    }
    store->statements[store->n_statements].sql = sql;
    store->statements[store->n_statements++].st = st;
    return st;
}

static sqlite3_stmt *prepare_v(struct store *store, struct err *err, const char *sql,
                               const char *fmt, va_list ap)
{
    sqlite3_stmt *st = statement(store, sql, err);
    if (!st)
        return NULL;
    for (int i = 0; fmt[i]; i++) {
        int rc;
        if (fmt[i] == 'i') {
            rc = sqlite3_bind_int64(st, i + 1, va_arg(ap, int64_t));
        } else {
            const char *text = va_arg(ap, const char *);
            rc = text ? sqlite3_bind_text(st, i + 1, text, -1, SQLITE_STATIC)
                      : sqlite3_bind_null(st, i + 1);
        }
        if (rc != SQLITE_OK) {
            db_error(store, rc, "bind", err);
            db_done(st);
            return NULL;
        }
    }
    return st;
}

sqlite3_stmt *db_prepare(struct store *store, struct err *err, const char *sql, const char *fmt,
                         ...)
{
    va_list ap;
    va_start(ap, fmt);
    sqlite3_stmt *st = prepare_v(store, err, sql, fmt, ap);
    va_end(ap);
    return st;
}

void db_done(sqlite3_stmt *st)
{
    sqlite3_reset(st);
    sqlite3_clear_bindings(st);
}

int db_step(struct store *store, sqlite3_stmt *st, struct err *err)
{
    int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW)
        return 1;
    int code = 0;
    if (rc != SQLITE_DONE)
        code = db_error(store, sqlite3_extended_errcode(store->db), "database", err);
    db_done(st);
    return code;
}

int db_row(struct store *store, sqlite3_stmt *st, const char *absent, struct err *err)
{
    if (!st)
        return ERR_FAILED;
    int rc = db_step(store, st, err);
    if (rc < 0)
        return rc;
    return rc == 0 ? err_set(err, ERR_NOT_FOUND, "%s", absent) : 0;
}

int db_run(struct store *store, int *changes, struct err *err, const char *sql, const char *fmt,
           ...)
{
    va_list ap;
    va_start(ap, fmt);
    sqlite3_stmt *st = prepare_v(store, err, sql, fmt, ap);
    va_end(ap);
    if (!st)
        return ERR_FAILED;
    int rc = db_step(store, st, err);
    if (rc > 0) {
        db_done(st);
        rc = 0;
    }
    if (rc == 0 && changes)
        *changes = sqlite3_changes(store->db);
    return rc;
}

int db_begin(struct store *store, struct err *err)
{
    return db_run(store, NULL, err, "BEGIN IMMEDIATE", "");
}

int db_end(struct store *store, int code, struct err *err)
{
    if (code == 0)
        code = db_run(store, NULL, err, "COMMIT", "");
    if (code != 0 && !sqlite3_get_autocommit(store->db))
        db_run(store, NULL, NULL, "ROLLBACK", "");
    return code;
}

char *db_text(sqlite3_stmt *st, int column)
{
    const char *text = (const char *)sqlite3_column_text(st, column);
    return xstrdup(text ? text : "");
}

void db_text_into(sqlite3_stmt *st, int column, char *out, size_t size)
{
    const char *text = (const char *)sqlite3_column_text(st, column);
    size_t n = text ? strnlen(text, size - 1) : 0;
    if (n)
        memcpy(out, text, n);
    out[n] = '\0';
}

/* SQLite makes the file with the umask's mode; what is in it is secret. */
static int make_private(const char *path, struct err *err)
{
    cleanup_close int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_errno(err, "open %s", path);
    if (fchmod(fd, 0600) != 0)
        return err_errno(err, "chmod %s", path);
    return 0;
}

static int pragma(struct store *store, const char *sql, struct err *err)
{
    int rc = sqlite3_exec(store->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : db_error(store, rc, sql, err);
}

static int configure(struct store *store, struct err *err)
{
    static const char *const settings[] = {
        "PRAGMA journal_mode=WAL",   "PRAGMA synchronous=FULL",   "PRAGMA foreign_keys=ON",
        "PRAGMA temp_store=MEMORY",  "PRAGMA trusted_schema=OFF", "PRAGMA cache_size=-512",
        "PRAGMA secure_delete=FAST",
    };
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        int rc = pragma(store, settings[i], err);
        if (rc)
            return rc;
    }
    return 0;
}

int store_open(const char *url, struct store **out, struct err *err)
{
    static const char scheme[] = "sqlite:";
    *out = NULL;
    if (!str_starts_with(url, scheme))
        return err_set(err, ERR_UNSUPPORTED, "database: only sqlite:<path> is supported");
    const char *path = url + sizeof scheme - 1;
    int rc;
    if (strcmp(path, ":memory:") != 0 && (rc = make_private(path, err)) != 0)
        return rc;

    struct store *store = xcalloc(1, sizeof *store);
    pthread_mutex_init(&store->lock, NULL);
    /* Our lock serialises; file names are taken as they are, never as URIs. */
    rc = sqlite3_open_v2(path, &store->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc != SQLITE_OK) {
        rc = db_error(store, rc, path, err);
        goto rollback;
    }
    sqlite3_extended_result_codes(store->db, 1);
    sqlite3_busy_timeout(store->db, BUSY_MS);
    if ((rc = configure(store, err)) != 0 || (rc = db_migrate(store, err)) != 0)
        goto rollback;
    *out = store;
    return 0;
rollback:
    store_close(store);
    return rc;
}

void store_close(struct store *store)
{
    if (!store)
        return;
    for (size_t i = 0; i < store->n_statements; i++)
        sqlite3_finalize(store->statements[i].st);
    sqlite3_close(store->db);
    pthread_mutex_destroy(&store->lock);
    free(store);
}

int store_check(struct store *store, struct err *err)
{
    DB_SCOPE(store);
    sqlite3_stmt *st = db_prepare(store, err, "SELECT count(*) FROM meta", "");
    if (!st)
        return ERR_UNAVAILABLE;
    int rc = db_step(store, st, err);
    if (rc <= 0)
        return rc < 0 ? rc : ERR_UNAVAILABLE;
    db_done(st);
    return 0;
}

int store_meta_once(struct store *store, const char *key, const char *value, char **out,
                    struct err *err)
{
    DB_SCOPE(store);
    *out = NULL;
    int rc = db_run(store, NULL, err,
                    "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO NOTHING",
                    "ss", key, value);
    if (rc)
        return rc;
    sqlite3_stmt *st = db_prepare(store, err, "SELECT value FROM meta WHERE key = ?1", "s", key);
    if (!st)
        return ERR_FAILED;
    rc = db_step(store, st, err);
    if (rc <= 0)
        return rc < 0 ? rc : err_set(err, ERR_FAILED, "database lost what it was given");
    *out = db_text(st, 0);
    db_done(st);
    return 0;
}
