#include <stdlib.h>

#include "store/sqlite.h"

#define COLUMNS                                                                             \
    "id, creator_provider, creator_subject, creator_login, state, stage, message, "         \
    "reason, progress, spec, access, compute, archived, ever_ran, created_at, updated_at, " \
    "expires_at, last_activity_at, ended_at"

void store_session_release(struct store_session *s)
{
    free(s->id);
    free(s->creator_provider);
    free(s->creator_subject);
    free(s->creator_login);
    free(s->state);
    free(s->stage);
    free(s->message);
    free(s->reason);
    free_secret(s->spec);
    free(s->access);
    free(s->compute);
    *s = (struct store_session){0};
}

static void read_session(sqlite3_stmt *st, struct store_session *out)
{
    *out = (struct store_session){
        .id = db_text(st, 0),
        .creator_provider = db_text(st, 1),
        .creator_subject = db_text(st, 2),
        .creator_login = db_text(st, 3),
        .state = db_text(st, 4),
        .stage = db_text(st, 5),
        .message = db_text(st, 6),
        .reason = db_text(st, 7),
        .progress = sqlite3_column_int(st, 8),
        .spec = db_text(st, 9),
        .access = db_text(st, 10),
        .compute = db_text(st, 11),
        .archived = sqlite3_column_int(st, 12) != 0,
        .ever_ran = sqlite3_column_int(st, 13) != 0,
        .created_at = sqlite3_column_int64(st, 14),
        .updated_at = sqlite3_column_int64(st, 15),
        .expires_at = sqlite3_column_int64(st, 16),
        .last_activity_at = sqlite3_column_int64(st, 17),
        .ended_at = sqlite3_column_int64(st, 18),
    };
}

static int insert(struct store *store, const struct store_session *s, struct err *err)
{
    return db_run(store, NULL, err,
                  "INSERT INTO sessions (" COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9,"
                  " ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)",
                  "ssssssssisssiiiiiii", s->id, s->creator_provider, s->creator_subject,
                  s->creator_login, s->state, s->stage, s->message, s->reason, (int64_t)s->progress,
                  s->spec, s->access, s->compute, (int64_t)s->archived, (int64_t)s->ever_ran,
                  s->created_at, s->updated_at, s->expires_at, s->last_activity_at, s->ended_at);
}

/* Offers ports to fill until it takes one. */
static int fill_with_port(struct store *store, struct store_session *s,
                          const struct store_ranges *ranges, struct store_lease *lease,
                          store_fill_fn fill, void *payload, struct err *err)
{
    for (int i = 0; i < STORE_PORT_TRIES; i++) {
        int64_t port = 0;
        int rc = lease_find(store, "port", ranges->port_first, ranges->port_last, &port, err);
        if (rc)
            return rc;
        lease->port = (int)port;
        struct err why = ERR_INIT;
        rc = fill(lease, s, payload, &why);
        if (rc != ERR_CONFLICT)
            return rc ? err_set(err, rc, "%s", why.msg) : 0;
        if ((rc = lease_postpone(store, "port", port, err)) != 0)
            return rc;
    }
    return err_set(err, ERR_LIMIT, "no free SSH port is left: other programs hold them");
}

static int create(struct store *store, struct store_session *s, const struct store_ranges *ranges,
                  store_fill_fn fill, void *payload, struct err *err)
{
    int64_t subnet = 0;
    int64_t uid = 0;
    int rc;
    if ((rc = lease_find(store, "subnet", 0, (int64_t)ranges->subnets - 1, &subnet, err)) != 0 ||
        (rc = lease_find(store, "uid", 0, (int64_t)ranges->uids - 1, &uid, err)) != 0)
        return rc;
    struct store_lease lease = {.subnet = (uint32_t)subnet, .uid = (uint32_t)uid};
    if ((rc = fill_with_port(store, s, ranges, &lease, fill, payload, err)) != 0)
        return rc;
    if ((rc = insert(store, s, err)) != 0 ||
        (rc = lease_take(store, "port", lease.port, s->id, err)) != 0 ||
        (rc = lease_take(store, "subnet", subnet, s->id, err)) != 0)
        return rc;
    return lease_take(store, "uid", uid, s->id, err);
}

int store_session_create(struct store *store, struct store_session *s,
                         const struct store_ranges *ranges, store_fill_fn fill, void *payload,
                         struct err *err)
{
    DB_SCOPE(store);
    int rc = db_begin(store, err);
    if (rc)
        return rc;
    return db_end(store, create(store, s, ranges, fill, payload, err), err);
}

static int current_lease(struct store *store, const char *id, struct store_lease *lease,
                         struct err *err)
{
    int64_t port = 0, subnet = 0, uid = 0;
    int rc;
    if ((rc = lease_of(store, "port", id, &port, err)) != 0 ||
        (rc = lease_of(store, "subnet", id, &subnet, err)) != 0 ||
        (rc = lease_of(store, "uid", id, &uid, err)) != 0)
        return rc;
    *lease = (struct store_lease){(int)port, (uint32_t)subnet, (uint32_t)uid};
    return 0;
}

/* Found while the old one is held still, so that it is another one. */
static int move(struct store *store, struct store_session *s, const struct store_ranges *ranges,
                enum store_slot slot, store_fill_fn fill, void *payload, struct err *err)
{
    const char *kind = slot == STORE_SLOT_PORT ? "port" : "subnet";
    struct store_lease lease = {0};
    int64_t found = 0;
    int rc = current_lease(store, s->id, &lease, err);
    if (rc)
        return rc;
    if (slot == STORE_SLOT_PORT) {
        rc = fill_with_port(store, s, ranges, &lease, fill, payload, err);
        found = lease.port;
    } else {
        rc = lease_find(store, kind, 0, (int64_t)ranges->subnets - 1, &found, err);
        lease.subnet = (uint32_t)found;
        if (rc == 0)
            rc = fill(&lease, s, payload, err);
    }
    if (rc || (rc = lease_release(store, kind, s->id, err)) != 0 ||
        (rc = lease_take(store, kind, found, s->id, err)) != 0)
        return rc;
    return db_run(store, NULL, err, "UPDATE sessions SET spec = ?2 WHERE id = ?1", "ss", s->id,
                  s->spec);
}

int store_session_move(struct store *store, struct store_session *s,
                       const struct store_ranges *ranges, enum store_slot slot, store_fill_fn fill,
                       void *payload, struct err *err)
{
    DB_SCOPE(store);
    int rc = db_begin(store, err);
    if (rc)
        return rc;
    return db_end(store, move(store, s, ranges, slot, fill, payload, err), err);
}

int store_session_update(struct store *store, const struct store_session *s, struct err *err)
{
    DB_SCOPE(store);
    int changed = 0;
    int rc = db_run(store, &changed, err,
                    "UPDATE sessions SET state = ?2, stage = ?3, message = ?4, reason = ?5,"
                    " progress = ?6, spec = ?7, access = ?8, compute = ?9, archived = ?10,"
                    " ever_ran = ?11, updated_at = ?12, expires_at = ?13, last_activity_at = ?14,"
                    " ended_at = ?15 WHERE id = ?1",
                    "sssssisssiiiiii", s->id, s->state, s->stage, s->message, s->reason,
                    (int64_t)s->progress, s->spec, s->access, s->compute, (int64_t)s->archived,
                    (int64_t)s->ever_ran, s->updated_at, s->expires_at, s->last_activity_at,
                    s->ended_at);
    if (rc == 0 && changed != 1)
        rc = err_set(err, ERR_NOT_FOUND, "no such session");
    return rc;
}

int store_session_get(struct store *store, const char *id, struct store_session *out,
                      struct err *err)
{
    DB_SCOPE(store);
    *out = (struct store_session){0};
    sqlite3_stmt *st =
        db_prepare(store, err, "SELECT " COLUMNS " FROM sessions WHERE id = ?1", "s", id);
    int rc = db_row(store, st, "no such session", err);
    if (rc)
        return rc;
    read_session(st, out);
    db_done(st);
    return 0;
}

int store_session_each(struct store *store,
                       int (*each)(const struct store_session *s, void *payload, struct err *err),
                       void *payload, struct err *err)
{
    DB_SCOPE(store);
    sqlite3_stmt *st =
        db_prepare(store, err, "SELECT " COLUMNS " FROM sessions ORDER BY created_at, id", "");
    if (!st)
        return ERR_FAILED;
    int rc;
    while ((rc = db_step(store, st, err)) > 0) {
        struct store_session s;
        read_session(st, &s);
        rc = each(&s, payload, err);
        store_session_release(&s);
        if (rc) {
            db_done(st);
            return rc;
        }
    }
    return rc;
}

static int release_lease(struct store *store, const char *id, bool volume_gone, struct err *err)
{
    int rc = lease_release(store, "port", id, err);
    if (rc == 0)
        rc = lease_release(store, "subnet", id, err);
    if (rc == 0 && volume_gone)
        rc = lease_release(store, "uid", id, err);
    return rc;
}

int store_session_release_lease(struct store *store, const char *id, bool volume_gone,
                                struct err *err)
{
    DB_SCOPE(store);
    int rc = db_begin(store, err);
    if (rc)
        return rc;
    return db_end(store, release_lease(store, id, volume_gone, err), err);
}

int store_session_delete(struct store *store, const char *id, struct err *err)
{
    DB_SCOPE(store);
    int rc = db_begin(store, err);
    if (rc)
        return rc;
    rc = release_lease(store, id, true, err);
    if (rc == 0)
        rc = db_run(store, NULL, err, "DELETE FROM sessions WHERE id = ?1", "s", id);
    return db_end(store, rc, err);
}
