/* Inside of the session layer: the registry's structs and what its files share. One thread: the
 * loop's. */
#ifndef SESSION_INTERNAL_H
#define SESSION_INTERNAL_H

#include "base/work.h"
#include "session/access.h"
#include "session/session.h"
#include "session/subnet.h"

#define TICK_MS 2000
#define LIST_EVERY_MS 15000 /* looking for what is not as the registry says */
#define INFO_EVERY_MS 10000
#define PEOPLE_EVERY_S 300
#define RENEW_BEFORE_S 60 /* a session's token, before it ends */
#define RENEW_AGAIN_S 30
#define RETELL_MS 10000
#define HOUSEKEEPING_S 3600
#define ACTIVITY_SAVE_S 60 /* last_activity_at goes to the disk at most so often */
#define RETRY_FIRST_MS 1000
#define RETRY_MAX_MS 300000
#define MOVES_MAX                                                                  \
    8 /* other programs hold so many ports or subnets in a row: not this one's day \
       */
#define PROVISION_MAX_S 3600 /* a clone that says nothing for so long has failed */
#define UID_FIRST 1048576U   /* host ids given to user namespaces */
#define UID_RANGES 14000U
#define WORKERS 4
#define BUCKETS 1024

/* Stage words of our own; the others are the provider's and the agent's. */
#define STAGE_QUEUED "queued"
#define STAGE_CLEANUP "cleanup" /* Failed, but something may be left of it */
#define STAGE_RESUMING "resuming"
#define STAGE_ARCHIVING "archiving"

struct session {
    struct sessions *owner;
    struct store_session row; /* spec and access are NULL: they are made from the two below */
    struct session_spec spec;
    struct access access;
    enum session_state state;

    bool begun;            /* provisioning was taken up by this process */
    bool calling;          /* start, stop or cleanup is under way at the keeper */
    bool finding;          /* the directory is being asked */
    bool asking_health;    /* whether it is idle */
    int moves;             /* to another port or subnet, since these were taken */
    int failures;          /* of the current endeavour, in a row */
    int64_t retry_at_ms;   /* not before, monotonic */
    int64_t ready_at_ms;   /* monotonic */
    int64_t people_at;     /* when they were last found */
    uint64_t finds;        /* questions that were asked */
    uint64_t found;        /* the latest question that was answered */
    bool token_untold;     /* the agent does not have it yet */
    int64_t retell_at_ms;  /* the agent did not take its people: again then; 0: it did */
    int64_t token_due;     /* when the token must be renewed, 0: never */
    uint64_t token_serial; /* of the token that it has */
    int64_t saved_activity;
    struct json_object *token; /* the creator's, for the repository; in memory only; NULL: none */
    struct str info; /* the SessionInfo as JSON, made when it is asked for; empty: not made */

    struct session *next_in_bucket;
};

struct pending;

struct sessions {
    struct session_config config;
    char *server_id, *compute, *external_host, *ssh_user, *ssh_bind, *image;
    struct strv allowed_hosts;
    struct subnet_range subnets;

    struct store *store;
    const struct keeper_link *keeper;
    const struct session_directory *directory;
    struct loop *loop;
    const struct clock *clock;
    struct work_pool *pool;
    struct loop_watch *timer;
    bool ending;
    struct pending *pending;

    struct session **order; /* oldest first */
    size_t len;
    size_t cap;
    struct session *buckets[BUCKETS];

    bool listing;
    bool list_failed; /* said once, until it works again */
    bool asking_info;
    int64_t list_at_ms;
    int64_t info_at_ms;
    int64_t housekeeping_at;
    struct json_object *info; /* the keeper's last answer; NULL: none yet */
    struct err info_err;      /* set: it could not answer */
};

/* ---- calls.c: questions to others that may outlive what asked them
 * ---------------------------------- */

/* Runs once, on the loop's thread: one is NULL when the question was not about a session or when
 * that session is gone by then. At sessions_free what is still open gets ERR_CANCELLED. */
typedef void (*pending_fn)(struct sessions *s, struct session *one, int code,
                           struct json_object *reply, const struct err *err, void *payload);

/* id: the session that it is about, or NULL. args is taken. */
void pending_call(struct sessions *s, const char *id, const char *verb, struct json_object *args,
                  keeper_data_fn on_data, pending_fn fn, void *payload);

/* Asks the directory for the people of a session; fresh: nothing remembered will do. people is NULL
 * unless code is 0. */
typedef void (*pending_people_fn)(struct sessions *s, struct session *one, int code,
                                  const struct session_people *people, const struct err *err,
                                  void *payload);
void pending_people(struct session *one, bool fresh, pending_people_fn fn, void *payload);

void pending_cancel_all(struct sessions *s);

/* {"session_id":id} */
struct json_object *session_args(const struct session *one);

/* ---- registry.c
 * ------------------------------------------------------------------------------------- */

struct session *registry_find(struct sessions *s, const char *id);
void registry_add(struct sessions *s, struct session *one);
void registry_remove(struct sessions *s, struct session *one); /* frees it */
/* One with everything empty. */
struct session *session_new(struct sessions *s);
/* Frees one that never got into the registry. */
void session_discard(struct session *one);

bool session_owns(const struct session *one, const struct session_caller *caller);
/* The session that the caller may see, or ERR_NOT_FOUND; with owner set: ERR_DENIED for who may
 * only join. */
int registry_lookup(struct sessions *s, const struct session_caller *caller, const char *id,
                    bool owner, struct session **out, struct err *err);
/* Alive sessions that count for the cap. */
int registry_count_of(struct sessions *s, const char *provider, const char *subject);

/* ---- model.c
 * -------------------------------------------------------------------------------------------- */

/* The SessionInfo; borrowed until the session changes. */
const struct str *session_info(struct session *one);
/* Marks a change: updated_at, info. */
void session_touch(struct session *one);
void session_set_text(char **field, const char *value);
/* Touches and writes it to the store; a failure is logged: the next change tries again. */
void session_save(struct session *one);
/* Rebuilds a session from its row. */
int session_from_row(struct sessions *s, const struct store_session *row, struct session **out,
                     struct err *err);
/* Those who were thrown out, from the store; then the spec's users are right. */
int session_load_kicks(struct session *one, struct err *err);
/* spec (without people) and access as JSON text, owned. */
char *session_spec_text(const struct session_spec *spec);
char *session_access_text(const struct access *access);

/* ---- create.c
 * ---------------------------------------------------------------------------------------------
 */

/* Another port or subnet for one that has not run yet, with the link that goes with it. After a
 * failure the spec is of no use any more. */
int session_move(struct session *one, enum store_slot slot, struct err *err);
/* True when another program listens there. An address that is not this machine's (the sessions'
 * host is another one) cannot be asked about. */
bool session_port_is_taken(const char *bind_address, int port);

/* ---- lifecycle.c
 * ------------------------------------------------------------------------------------------ */

/* Takes a new or half-provisioned session on: people, then start. */
void lifecycle_provision(struct session *one);
/* Running, but not as it should be. */
void lifecycle_resume(struct session *one);
/* Keeps what the directory gave, also for the creator's other sessions at that host: a renewed
 * token may have ended the one before. True: it is another one than before. */
bool lifecycle_take_token(struct session *one, const struct session_people *people);
/* Hands it to the agent of a running session. */
void lifecycle_give_token(struct session *one);
void lifecycle_fail(struct session *one, const char *reason, const char *message);
/* Ends a session for good; message says why, "" when its owner asked. */
void lifecycle_terminate(struct session *one, const char *message);
/* Does what is due: retries. Called on each tick. */
void lifecycle_tick(struct session *one);
void lifecycle_event(const char *event, struct json_object *obj, void *payload);

/* ---- people.c
 * -----------------------------------------------------------------------------------------------
 */

/* Finds the people of a session anew and, when they changed, tells the agent. done (may be NULL)
 * runs once; one is NULL when the session is gone by then. */
void people_find_again(struct session *one, bool fresh, pending_fn done, void *payload);
/* Makes the spec's users from the people and tells the agent of a running session. */
void people_tell(struct session *one);
/* The creator did it from inside: the agent has closed the connections already. */
void people_kicked_inside(struct session *one, const char *provider, const char *login);

/* ---- reconcile.c
 * ---------------------------------------------------------------------------------------------- */

void reconcile_tick(struct sessions *s);
void reaper_tick(struct sessions *s);

#endif
