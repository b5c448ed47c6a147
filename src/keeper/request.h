/*
 * The keeper's verbs and what they may carry (docs/protocols.md section 2). Everything that comes
 * from the api process is checked here once more, before anything is done with it. Pure.
 */
#ifndef KEEPER_REQUEST_H
#define KEEPER_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/enc.h"
#include "base/err.h"
#include "base/json.h"
#include "proto/spec.h"

#define KEEPER_SECRET_MAX 8192
#define KEEPER_HOST_MAX (URL_HOST_MAX + 8) /* with brackets and a port */
#define KEEPER_PIECE_MAX (1024 * 1024)     /* of an archive in one answer */

enum keeper_verb {
    KEEPER_INFO,
    KEEPER_START,
    KEEPER_STOP,
    KEEPER_USERS,
    KEEPER_KICK,
    KEEPER_ROLE,
    KEEPER_EXPIRES,
    KEEPER_MEMBERS,
    KEEPER_HEALTH,
    KEEPER_LIST,
    KEEPER_REMOVE,
    KEEPER_ARCHIVES,
    KEEPER_ARCHIVE_GET,
    KEEPER_ARCHIVE_EXPIRE,
    KEEPER_VERBS
};

struct keeper_request {
    enum keeper_verb verb;
    char session_id[SESSION_ID_LEN + 1]; /* "" when the verb has none */
    struct session_spec spec;            /* start, stop */
    bool resume;
    bool archive;
    struct json_object *token; /* start: {host, username, secret}, owned; NULL: none */
    struct spec_user *users;   /* users */
    size_t n_users;
    char *login; /* kick, role */
    char *provider;
    char *role;         /* role: watch, type, own, approve */
    int64_t expires_at; /* start (0: unknown), expires */
    int64_t before;     /* archive_expire */
    int64_t offset;     /* archive_get */
    int64_t length;
};

void keeper_request_release(struct keeper_request *r);
#define cleanup_keeper_request cleanup(keeper_request_release)

/* Checks a message against the verb table; server_id is the keeper's own: a spec of another server
 * is refused. *unknown is set when there is no such verb, which ends the keeper. Members that a
 * verb does not have are ignored. *out is initialised here, empty after a failure. */
int keeper_request_parse(struct json_object *obj, const char *server_id, struct keeper_request *out,
                         bool *unknown, struct err *err);

const char *keeper_verb_name(enum keeper_verb verb);

/* An event of an agent as the api process may see it: only the members that the protocol names,
 * checked, with the session's id. NULL: not an event that we know, or malformed. */
struct json_object *keeper_event_filter(const char *session_id, const char *event,
                                        struct json_object *obj);

#endif
