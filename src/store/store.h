/*
 * The registry on disk: users, refresh tokens, devices, sessions with what is leased to them,
 * people who were thrown out.
 *
 * One `struct store` may be used from any thread; each call is one transaction and is on the disk
 * when it returns (WAL, synchronous=FULL). Nothing here knows SQL but the files of this folder, and
 * nothing in this header is particular to SQLite, so that another database can stand behind it.
 *
 * Records are filled with allocated strings (never NULL unless said so) and freed by their
 * _release. Errors besides those named: ERR_FAILED, ERR_NO_SPACE, ERR_UNAVAILABLE (locked or
 * damaged), ERR_INVALID for what does not fit the schema. Times are Unix seconds, 0 means "never".
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define STORE_SCHEMA_VERSION 2
#define STORE_HASH_LEN 64 /* hex of a SHA-256 */

struct store;

/* url: "sqlite:/absolute/path" or "sqlite::memory:" (tests). Creates the file 0600, runs the
 * migrations that are missing. ERR_UNSUPPORTED: another scheme, or a database of a newer program.
 */
int store_open(const char *url, struct store **out, struct err *err);
void store_close(struct store *store);
/* Answers while the database can be read (for /health). */
int store_check(struct store *store, struct err *err);

/* ---- users: somebody is (provider, subject); the login is display -------------------------------
 */

struct store_user {
    int64_t id;
    char *provider;
    char *subject; /* the provider's immutable id */
    char *login;
    int64_t created_at;
    int64_t seen_at;
};
void store_user_release(struct store_user *u);

/* Notes a login; out may be NULL. */
int store_user_upsert(struct store *store, const char *provider, const char *subject,
                      const char *login, int64_t now, struct store_user *out, struct err *err);
int store_user_get(struct store *store, int64_t id, struct store_user *out, struct err *err);
/* The user who carried this login last. ERR_NOT_FOUND. */
int store_user_by_login(struct store *store, const char *provider, const char *login,
                        struct store_user *out, struct err *err);

/* Everybody with a refresh token that still works, at most `max`, longest known first. each borrows
 * the user and must not call the store. */
int store_user_each_logged_in(struct store *store, int64_t now, int64_t max,
                              int (*each)(const struct store_user *u, void *payload,
                                          struct err *err),
                              void *payload, struct err *err);

/* ---- refresh tokens: only hashes; a family is one login and all its rotations
 * --------------------- */

struct store_refresh {
    char hash[STORE_HASH_LEN + 1];
    char *family; /* at most 64 bytes */
    int64_t user_id;
    int64_t issued_at;
    int64_t expires_at;
    int64_t rotated_at; /* 0 while it is the newest of its family */
    int64_t revoked_at;
};
void store_refresh_release(struct store_refresh *r);

int store_refresh_insert(struct store *store, const struct store_refresh *r, struct err *err);
int store_refresh_get(struct store *store, const char *hash, struct store_refresh *out,
                      struct err *err);
/* Replaces old_hash by next (same family and user) in one step. ERR_NOT_FOUND: unknown or expired.
 * ERR_DENIED: revoked. ERR_CONFLICT: old_hash was rotated longer than grace_s ago (a replay: the
 * caller revokes the family); within grace_s the rotation is done again (a lost answer) and the
 * token that the first one gave is revoked. */
int store_refresh_rotate(struct store *store, const char *old_hash,
                         const struct store_refresh *next, int64_t now, int64_t grace_s,
                         struct err *err);
/* Unknown families are no error. */
int store_refresh_revoke_family(struct store *store, const char *family, int64_t now,
                                struct err *err);
int store_refresh_revoke_user(struct store *store, int64_t user_id, int64_t now, struct err *err);
/* Forgets what expired before then. */
int store_refresh_expire(struct store *store, int64_t before, struct err *err);

/* ---- devices: logins under way
 * ------------------------------------------------------------------------ */

struct store_device {
    char hash[STORE_HASH_LEN + 1]; /* of the device code */
    char *provider;
    char *state; /* JSON of the provider's own: upstream code, challenge, ... */
    int64_t created_at;
    int64_t expires_at;
    int64_t interval;
    int64_t next_poll_at; /* of the machine's monotonic clock, milliseconds */
};
void store_device_release(struct store_device *d);

#define STORE_DEVICES_MAX 10000

/* ERR_LIMIT: STORE_DEVICES_MAX are under way (expired ones are forgotten first). */
int store_device_insert(struct store *store, const struct store_device *d, int64_t now,
                        struct err *err);
int store_device_get(struct store *store, const char *hash, struct store_device *out,
                     struct err *err);
/* Writes state, interval, next_poll_at, expires_at of d->hash. ERR_NOT_FOUND. */
int store_device_update(struct store *store, const struct store_device *d, struct err *err);
/* Takes it out; exactly one of several callers gets 0, the others ERR_NOT_FOUND. */
int store_device_consume(struct store *store, const char *hash, struct err *err);
int store_device_expire(struct store *store, int64_t before, struct err *err);

/* ---- sessions
 * --------------------------------------------------------------------------------------------- */

struct store_session {
    char *id;
    char *creator_provider;
    char *creator_subject;
    char *creator_login;
    char *state; /* "Provisioning", ... */
    char *stage;
    char *message;
    char *reason;  /* why it failed, a word; "" otherwise */
    int progress;  /* 0-100, -1 unknown */
    char *spec;    /* JSON with the host key: as secret as the database */
    char *access;  /* JSON: who may come in and by which rule */
    char *compute; /* "container" or "local" */
    bool archived;
    bool ever_ran; /* there may be work in it */
    int64_t created_at;
    int64_t updated_at;
    int64_t expires_at;
    int64_t last_activity_at;
    int64_t ended_at; /* Failed or Terminated since */
};
void store_session_release(struct store_session *s);

/* What a session has for itself. Slots count from the start of the range that was given. */
struct store_lease {
    int port;
    uint32_t subnet; /* index of the /28 within the range */
    uint32_t uid;    /* index of the uid range */
};

struct store_ranges {
    int port_first, port_last;
    uint32_t subnets; /* how many there are */
    uint32_t uids;
};

/* Called inside store_session_create's transaction with the lease that s would get: completes s
 * (spec). ERR_CONFLICT means that somebody outside holds that port: the next one is tried. Must not
 * call the store. */
typedef int (*store_fill_fn)(const struct store_lease *lease, struct store_session *s,
                             void *payload, struct err *err);

#define STORE_PORT_TRIES 64

/* Leases the least recently used port, subnet and uid range, calls fill, inserts s: all or nothing.
 * ERR_LIMIT: a range is used up, the message says which. ERR_EXISTS: id. */
int store_session_create(struct store *store, struct store_session *s,
                         const struct store_ranges *ranges, store_fill_fn fill, void *payload,
                         struct err *err);
/* Another port or subnet for a session whose own turned out to be taken by others; that one goes to
 * the end of the queue. Calls fill as above (for a subnet ERR_CONFLICT is final) and writes
 * s->spec: all or nothing. ERR_LIMIT: there is no other. ERR_NOT_FOUND: it has no lease. */
enum store_slot { STORE_SLOT_PORT, STORE_SLOT_SUBNET };
int store_session_move(struct store *store, struct store_session *s,
                       const struct store_ranges *ranges, enum store_slot slot, store_fill_fn fill,
                       void *payload, struct err *err);
/* Writes everything but id, creator and created_at. ERR_NOT_FOUND. */
int store_session_update(struct store *store, const struct store_session *s, struct err *err);
int store_session_get(struct store *store, const char *id, struct store_session *out,
                      struct err *err);
/* Every session, oldest first; a non-zero return of each ends the walk and is returned. each
 * borrows s and must not call the store. */
int store_session_each(struct store *store,
                       int (*each)(const struct store_session *s, void *payload, struct err *err),
                       void *payload, struct err *err);
/* Gives back port, subnet and, when nothing of its volume is left, the uid range. */
int store_session_release_lease(struct store *store, const char *id, bool volume_gone,
                                struct err *err);
/* Forgets a session; its leases are given back. */
int store_session_delete(struct store *store, const char *id, struct err *err);

/* ---- people thrown out of a session
 * ----------------------------------------------------------------------- */

int store_kick_add(struct store *store, const char *session_id, const char *provider,
                   const char *login, int64_t now, struct err *err);
/* each: provider and login; as above. */
int store_kick_each(struct store *store, const char *session_id,
                    int (*each)(const char *provider, const char *login, void *payload,
                                struct err *err),
                    void *payload, struct err *err);

/* ---- small facts
 * ---------------------------------------------------------------------------------------------- */

/* A value made once and kept: what is stored under key, or `value` after storing it. *out is owned
 * by the caller. Used for the server's id. */
int store_meta_once(struct store *store, const char *key, const char *value, char **out,
                    struct err *err);

/* ---- provider tokens: sealed texts (auth/seal.h), one row a user
 * ---------------------------------------- */

struct store_token {
    char *provider;
    char *subject;
    char *access;
    char *refresh;      /* NULL: none */
    int64_t expires_at; /* of the access token, 0: never */
};
void store_token_release(struct store_token *t);

/* Inserts or replaces; t is only read. */
int store_token_put(struct store *store, const struct store_token *t, struct err *err);
/* ERR_NOT_FOUND. */
int store_token_get(struct store *store, const char *provider, const char *subject,
                    struct store_token *out, struct err *err);
int store_token_delete(struct store *store, const char *provider, const char *subject,
                       struct err *err);
/* Lets fn replace access and refresh of every row, all or none: for a new sealing key. fn must not
 * call the store. */
int store_token_each(struct store *store,
                     int (*fn)(struct store_token *token, void *payload, struct err *err),
                     void *payload, struct err *err);

#endif
