/*
 * Client of agent.sock, for a user's own process inside a session (docs/protocols.md, section 4).
 * Blocking, one request at a time.
 */
#ifndef SYNC_AGENT_CLIENT_H
#define SYNC_AGENT_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "git/oid.h"

#define AGENT_ANSWER_SECONDS 600

struct agent_client;

/* login and provider are sent with each request (the local provider takes them as they are, a
 * container looks at the peer's uid only); borrowed. */
int agent_connect(const char *socket_path, const char *login, const char *provider,
                  struct agent_client **out, struct err *err);
void agent_close(struct agent_client *client);
void agent_closep(struct agent_client **client);
#define cleanup_agent cleanup(agent_closep)

struct agent_identity {
    char *login;
    char *provider;
    char *account;
    char *author_name;
    char *author_email;
    struct strv coauthors; /* "Name <address>": who else typed in the shared terminal */
};
void agent_identity_release(struct agent_identity *id);
#define cleanup_agent_identity cleanup(agent_identity_release)

int agent_whoami(struct agent_client *client, struct agent_identity *out, struct err *err);
int agent_head(struct agent_client *client, struct oid *head, struct err *err);
/* Any verb with one answer. members is taken, NULL: none; *out: the answer, the caller's. */
int agent_ask(struct agent_client *client, const char *verb, struct json_object *members,
              struct json_object **out, struct err *err);
/* *out: the whole answer; owned by the caller. */
int agent_members(struct agent_client *client, struct json_object **out, struct err *err);
int agent_info(struct agent_client *client, struct json_object **out, struct err *err);

/* A push under way: begin, data.., end. changes and overlaps: arrays of protocols.md, borrowed.
 * agent_push_end: 0 with *head the new head; ERR_CONFLICT with *head where the branch is by now. */
int agent_push_begin(struct agent_client *client, const struct oid *parent,
                     const struct oid *commit, struct json_object *changes,
                     struct json_object *overlaps, struct err *err);
int agent_push_data(struct agent_client *client, const void *p, size_t n, struct err *err);
int agent_push_end(struct agent_client *client, struct oid *head, struct err *err);

struct agent_published {
    char *branch;
    char *remote_url;
    struct oid commit;
    bool has_head;   /* with ERR_CONFLICT: the session branch moved, sync again */
    bool has_remote; /* with ERR_CONFLICT: the remote moved; `remote` is to be merged in */
    struct oid head;
    struct oid remote;
};
void agent_published_release(struct agent_published *p);
#define cleanup_agent_published cleanup(agent_published_release)
int agent_publish(struct agent_client *client, const struct oid *expect,
                  struct agent_published *out, struct err *err);

#endif
