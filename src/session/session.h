/*
 * Sessions of the server: what they are, who may own and join them, their life from POST /sessions
 * to removal, and the loops that keep the world as the registry says (docs/architecture.md).
 *
 *   Provisioning -> Running -> Terminating -> Terminated
 *        \-> Failed  (everything half-made is removed)     Running -> Failed when it cannot be
 * mended
 *
 * Threads: everything on the loop's thread; callbacks come there too, or inside the call when the
 * answer is known at once. Answers that are only read (get, list) come from memory: no SQL, no
 * waiting.
 *
 * Errors, for the API layer to map: ERR_INVALID (400 invalid_request), ERR_UNSUPPORTED (400
 * not_supported), ERR_NOT_FOUND (404, also for everyone who may neither own nor join it),
 * ERR_DENIED (403: may join but does not own it), ERR_LIMIT (429 or 409 quota_exceeded),
 * ERR_CONFLICT (409: not in this state), ERR_UNAVAILABLE (503 engine_unavailable), ERR_NO_SPACE,
 * ERR_FAILED (500).
 */
#ifndef SESSION_SESSION_H
#define SESSION_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/str.h"
#include "keeper/link.h"
#include "proto/spec.h"
#include "store/store.h"

#define SESSION_LIST_MAX 200 /* limit of one page */
#define SESSION_LIST_DEFAULT 50
#define SESSION_ALLOWED_MAX 256      /* names in allowed_users */
#define SESSION_TTL_MIN 1            /* seconds */
#define SESSION_FORGET_AFTER 2592000 /* 30 days: archives and rows of ended sessions */
#define SESSION_ARCHIVE_PIECE (512 * 1024)

enum session_state {
    SESSION_PROVISIONING,
    SESSION_RUNNING,
    SESSION_FAILED,
    SESSION_TERMINATING,
    SESSION_TERMINATED,
};
const char *session_state_word(enum session_state state); /* "Provisioning" ... */
/* ERR_INVALID for an unknown word. */
int session_state_parse(const char *word, enum session_state *out, struct err *err);

/* Who asks: a user is (provider, subject). Borrowed strings. */
struct session_caller {
    const char *provider;
    const char *subject;
    const char *login;
};

/* ---- who may come in ----------------------------------------------------------------------------
 */

/* A person as found: owned strings. */
struct session_person {
    char *provider;
    char *login;
    char *subject; /* NULL: not known yet, the login decides */
    char *now;     /* NULL, or what they are called now; login is then their name in this session */
    char *email;   /* NULL: none */
    char *rule;    /* "creator", "allowed", "team", "collaborator", "public" */
    struct strv keys;
};
struct session_people {
    struct session_person *v;
    size_t len;
    size_t cap;
    /* {"host","username","secret"}: the creator's own token for the repository, owned; NULL: none.
     * A secret that is never written down. */
    struct json_object *token;
    int64_t token_ends_at; /* 0: it does not */
    uint64_t token_serial; /* grows: of two tokens the one with the higher is good */
};
void session_people_release(struct session_people *p);
struct json_object *session_token_new(const char *host, const char *username, const char *secret);
/* Wiped. */
void session_token_free(struct json_object *token);
/* Copies the strings; the pointer is valid until the next call. */
struct session_person *session_people_add(struct session_people *p, const char *provider,
                                          const char *login, const char *subject, const char *rule);

/* What is asked of a directory. Borrowed for the call only. */
struct session_people_query {
    const char *repo_url;
    const struct session_caller *creator;
    char *const *allowed; /* "provider:login" each, the provider always there */
    size_t n_allowed;
    char *const *allowed_subjects; /* beside allowed: the id it was resolved to, "": not yet */
    bool allowed_given;            /* false: the default of the provider (team, collaborators) */
    bool is_public;
    bool fresh; /* nothing remembered will do */
};

/* Finds the people of a session and their keys. A directory that is down fails, it never opens a
 * session wider. The creator is always in the answer, with their keys. */
typedef void (*session_people_fn)(int code, const struct session_people *people,
                                  const struct err *err, void *payload);
struct session_directory {
    /* Calls done exactly once, on the loop's thread, also from inside. */
    void (*find)(void *self, const struct session_people_query *query, session_people_fn done,
                 void *payload);
    void *self;
};

/* ---- the registry
 * -------------------------------------------------------------------------------- */

/* Copied by sessions_new. */
struct session_config {
    const char *server_id;
    const char *compute_provider; /* "container" or "local" */
    const char *external_host;
    const char *ssh_user;
    const char *ssh_bind;
    int port_first, port_last;
    const char *subnets; /* "10.213.0.0/16": /28s of it */
    const char *image;
    uint64_t memory;
    int cpus_milli;
    int pids;
    uint64_t disk;
    bool require_userns;
    char *const *allowed_hosts;
    size_t n_allowed_hosts;
    bool allow_local_repos;
    int64_t default_ttl;
    int64_t max_ttl;
    int64_t idle_ttl; /* 0: never */
    int max_per_user; /* 0: no cap; counts Provisioning, Running, Terminating */
    int64_t tick_ms;  /* reconcile and reaper; 0: 2000 */
};

struct sessions;

/* Loads the registry from the store and starts to reconcile it with what the keeper finds.
 * Everything that is passed must outlive it. ERR_INVALID: subnets is not a network of at least /28.
 */
int sessions_new(const struct session_config *config, struct store *store,
                 const struct keeper_link *keeper, const struct session_directory *directory,
                 struct loop *loop, const struct clock *clock, struct sessions **out,
                 struct err *err);
/* Running sessions go on. Callbacks that are still owed are called with ERR_CANCELLED. */
void sessions_free(struct sessions *sessions);
/* One round of reconcile and reaper now; the timer does the same (tests). */
void sessions_tick(struct sessions *sessions);

/* How many there are in each state, indexed by enum session_state (for /health and logs). */
void sessions_count(struct sessions *sessions, size_t counts[5]);

/* ---- verbs of the REST API
 * ----------------------------------------------------------------------------- */

/* POST /sessions, as parsed from JSON. Borrowed strings; NULL or 0 = not given. */
struct session_request {
    const char *repo_url;
    const char *mode;
    const char *branch;
    const char *environment;
    char *const *allowed_users; /* "login" or "provider:login"; "none" alone = the creator only */
    size_t n_allowed_users;
    bool allowed_given; /* the member was there, even if empty */
    bool is_public;
    bool approve; /* mode pair only */
    int64_t ttl_secs;
};

/* JSON text of an answer (code 0), or an error. Borrowed for the call. */
typedef void (*session_reply_fn)(int code, const char *json, size_t len, const struct err *err,
                                 void *payload);

/* Validates (the repository's host is resolved on another thread), allocates and stores; answers
 * the SessionInfo (its id, state Provisioning, the magic link already right); work goes on behind
 * it. Everything is copied. */
void session_create(struct sessions *s, const struct session_caller *caller,
                    const struct session_request *request, session_reply_fn done, void *payload);

/* Appends the SessionInfo. */
int session_get(struct sessions *s, const struct session_caller *caller, const char *id,
                struct str *json, struct err *err);

/* Appends {"sessions":[...],"next":id|null}: newest first, those the caller created or may join.
 * state NULL: all; after: id of the last one seen (ERR_INVALID when unknown); limit 0: default. */
int session_list(struct sessions *s, const struct session_caller *caller, const char *state,
                 const char *after, int limit, struct str *json, struct err *err);

/* Owner only. Archives, removes; repeated calls are 0 too. Appends the SessionInfo. */
int session_delete(struct sessions *s, const struct session_caller *caller, const char *id,
                   struct str *json, struct err *err);

/* Owner only: expires_at = now + ttl_secs (SESSION_TTL_MIN to max_ttl), never earlier than it
 * was. */
int session_extend(struct sessions *s, const struct session_caller *caller, const char *id,
                   int64_t ttl_secs, struct str *json, struct err *err);

/* Owner only: {"members":[{login, provider, rule, connected, since, kicked}]}, for
 * those at the shared terminal role and keyboard, waiting (docs/protocols.md, 4). */
void session_members(struct sessions *s, const struct session_caller *caller, const char *id,
                     session_reply_fn done, void *payload);
/* Owner only: people and keys are fetched anew; answers as session_members does. ERR_UNAVAILABLE:
 * they cannot be found, everything stays as it was. */
void session_refresh(struct sessions *s, const struct session_caller *caller, const char *id,
                     session_reply_fn done, void *payload);
/* Owner only: closes that person's connections and keeps them out. login or "provider:login"
 * (default: the creator's provider). The owner cannot be kicked (ERR_INVALID). */
void session_kick(struct sessions *s, const struct session_caller *caller, const char *id,
                  const char *login, session_reply_fn done, void *payload);

/* Owner only: who types at the shared terminal (role: watch, type, own), or lets in somebody who
 * waits (approve). Answers as session_members does. */
void session_role(struct sessions *s, const struct session_caller *caller, const char *id,
                  const char *login, const char *role, session_reply_fn done, void *payload);

/* Somebody logged in: public sessions look for their people again. */
void sessions_login(struct sessions *s);

/* ---- archives: owner only
 * ------------------------------------------------------------------------------- */

/* {"archives":[{session_id, repo_url, size, created_at, expires_at}]} of the caller's sessions. */
void session_archives(struct sessions *s, const struct session_caller *caller,
                      session_reply_fn done, void *payload);

/* One piece of an archive (a git bundle) from offset, at most SESSION_ARCHIVE_PIECE bytes; size is
 * the whole. len 0 at offset >= size. So the reader sets the pace. */
typedef void (*session_piece_fn)(int code, const char *data, size_t len, uint64_t size,
                                 const struct err *err, void *payload);
void session_archive_read(struct sessions *s, const struct session_caller *caller, const char *id,
                          uint64_t offset, session_piece_fn done, void *payload);

/* ---- for /health
 * ------------------------------------------------------------------------------------------- */

/* What the keeper said last (not older than a few ticks); appends the members `provider`, `engine`,
 * `warnings` to obj. Returns 0, or ERR_UNAVAILABLE with the failing part in err. */
int sessions_health(struct sessions *s, struct json_object *obj, struct err *err);
/* For `doctor`: appends `checks` [{check, result: ok|warning|wrong, detail, mend}], `provider`,
 * `external_host` and `ssh_port` (the first of the range). */
void sessions_checks(struct sessions *s, struct json_object *obj);
/* The keeper has answered once: it serves. */
bool sessions_keeper_answered(const struct sessions *s);

#endif
