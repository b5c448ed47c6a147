/*
 * Inside of the store: the connection, its prepared statements, transactions. Only the files of
 * this folder include it; callers hold the lock of the store (struct db_lock).
 */
#ifndef STORE_SQLITE_H
#define STORE_SQLITE_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "store/store.h"

#define DB_STATEMENTS_MAX 64

struct store {
    sqlite3 *db;
    pthread_mutex_t lock;
    size_t n_statements;
    struct {
        const char *sql; /* a literal: compared by address */
        sqlite3_stmt *st;
    } statements[DB_STATEMENTS_MAX];
};

/* Holds the store's lock until the end of the scope. */
void db_unlockp(struct store **store);
struct store *db_lock(struct store *store);
#define DB_SCOPE(store) \
    cleanup(db_unlockp) __attribute__((unused)) struct store *db_scope_ = db_lock(store)

/* Sets err from the connection, returns the code. */
int db_error(struct store *store, int rc, const char *what, struct err *err);

/* Prepared once and kept. fmt binds the arguments in order: 's' text (NULL: SQL null), 'i' int64_t.
 * Texts must live until the statement is done. NULL on failure. */
sqlite3_stmt *db_prepare(struct store *store, struct err *err, const char *sql, const char *fmt,
                         ...);
/* 1: a row is there; 0: done; negative: failed. The statement is reset unless a row is there. */
int db_step(struct store *store, sqlite3_stmt *st, struct err *err);
/* The one row of a statement fresh from db_prepare (NULL: ERR_FAILED, err is set already); no row
 * is ERR_NOT_FOUND with `absent` as its message. After 0 the caller reads it and calls db_done. */
int db_row(struct store *store, sqlite3_stmt *st, const char *absent, struct err *err);
/* For leaving a statement before it is done. */
void db_done(sqlite3_stmt *st);
/* Prepare, bind and run something without rows; *changes (may be NULL) counts the rows it changed.
 */
int db_run(struct store *store, int *changes, struct err *err, const char *sql, const char *fmt,
           ...);

int db_begin(struct store *store, struct err *err);
/* Commits when code is 0, else rolls back; returns the first failure. */
int db_end(struct store *store, int code, struct err *err);

/* Column as an allocated string, "" for null. */
char *db_text(sqlite3_stmt *st, int column);
/* The same into a fixed buffer, cut. */
void db_text_into(sqlite3_stmt *st, int column, char *out, size_t size);

/* Runs the migrations that are missing. */
int db_migrate(struct store *store, struct err *err);

/* Leases (leases.c), inside the caller's transaction. kind is a literal: "port", "subnet", "uid".
 */
int lease_find(struct store *store, const char *kind, int64_t first, int64_t last, int64_t *slot,
               struct err *err);
/* What a session has of a kind. ERR_NOT_FOUND. */
int lease_of(struct store *store, const char *kind, const char *session_id, int64_t *slot,
             struct err *err);
int lease_take(struct store *store, const char *kind, int64_t slot, const char *session_id,
               struct err *err);
/* Puts a free slot at the end of the queue. */
int lease_postpone(struct store *store, const char *kind, int64_t slot, struct err *err);
int lease_release(struct store *store, const char *kind, const char *session_id, struct err *err);

#endif
