/*
 * The session's supervisor: one per session, PID 2 of its container or a detached process. This
 * header is what its own files share; main.c needs agent_run only.
 *
 * Threads: everything here belongs to the loop's thread, but what a job's `run` was given.
 */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/accounts.h"
#include "agent/conn.h"
#include "agent/jobs.h"
#include "agent/layout.h"
#include "agent/presence.h"
#include "agent/secrets.h"
#include "agent/sshd.h"
#include "base/loop.h"
#include "git/transport.h"
#include "proto/spec.h"
#include "sandbox/sandbox.h"

/* Pack import runs as a uid of its own, so that a hostile pack cannot reach the process that holds
 * the token either. */
#define AGENT_IMPORT_UID (SPEC_HELPER_UID - 1)

#define AGENT_ACTIVITY_SECONDS 30 /* between two activity events, and looks at the terminals */
#define AGENT_LOG_LINE_MAX (256 * 1024)

enum agent_state { AGENT_WAITING, AGENT_STARTING, AGENT_READY, AGENT_FAILED };

struct ctl;
struct sock;
struct publisher;
struct radar;
struct progress;
struct terminal;

struct agent {
    struct loop *loop;
    struct jobs *jobs;
    struct layout layout;
    struct session_spec spec;
    struct accounts accounts;
    struct secrets secrets;
    struct presence *presence;
    struct sshd *sshd;
    struct ctl *ctl;
    struct sock *sock;
    struct publisher *publisher;
    struct radar *radar;
    struct progress *progress;
    struct terminal *terminal; /* NULL until everything is prepared */
    bool local;
    uid_t uid; /* the agent's own */

    struct sandbox_filter *transport_filter;
    struct sandbox_filter *import_filter;
    struct sandbox_child transport_child; /* git over the network */
    struct sandbox_child import_child;    /* git index-pack */

    enum agent_state state;
    bool have_hello;
    bool repo_ready; /* canonical is complete */
    bool sshd_ready;
    bool folding;    /* a repack is under way */
    char reason[64]; /* why AGENT_FAILED */
    char message[ERR_MSG_MAX];
    int64_t expires_at; /* as the server said last; 0: unknown */
    int64_t last_activity;
    int64_t last_activity_event;
    int exit_code;
    atomic_bool cancel; /* ends helpers that run */
};

struct agent_options {
    const char *root;
    bool local;
    bool stdio; /* a control channel on 0 and 1 */
};

/* Serves the session until it is shut down; returns the exit code. */
int agent_run(const struct agent_options *options);

/* --- state (agent.c) ---------------------------------------------------------------------------
 */

/* After hello: starts the work, once. */
void agent_begin(struct agent *a);
void agent_fail(struct agent *a, const char *reason, const char *message);
/* Looks whether everything is there and says so. */
void agent_maybe_ready(struct agent *a);
void agent_shutdown(struct agent *a);
const char *agent_state_word(const struct agent *a);
/* Something happened that a person did. */
void agent_touch(struct agent *a);
int64_t agent_last_activity(struct agent *a);

/* --- repositories (start.c) --------------------------------------------------------------------
 */

/* Did an earlier life of this session make canonical? What is there and cannot be read is an
 * error: it may hold everybody's work, so it is never made anew. */
int start_look(const struct agent *a, bool *found, struct err *err);
/* Clones and makes canonical on a job; ends in agent_maybe_ready or agent_fail. */
void start_clone(struct agent *a);
/* Where the network helper runs and with what; borrowed from a. */
struct transport_helper start_helper(struct agent *a);

/* --- people (people.c) -------------------------------------------------------------------------
 */

const struct spec_user *people_find(const struct agent *a, const char *provider, const char *login);
/* Accounts for everybody who may come in, names for the C library, authorized_keys. */
int people_write(struct agent *a, struct err *err);
/* accounts.json and names, after an account was given that is nobody's of the list. */
int people_write_accounts(struct agent *a, struct err *err);
/* authorized_keys, after what somebody may do has changed. */
int people_write_keys(struct agent *a, struct err *err);
/* Takes the list (n users) as the new one: keys, accounts, spec.json; those who are not in it any
 * more are put out. */
int people_replace(struct agent *a, struct spec_user *users, size_t n, struct err *err);
/* Ends every process and connection of the person. ERR_NOT_FOUND: has no account. */
int people_kick(struct agent *a, const char *provider, const char *login, struct err *err);
/* The same, asked for from inside: for the creator, who names a login or provider:login. The server
 * is told, and keeps the person out; without one it is ERR_UNAVAILABLE. */
int people_kick_for(struct agent *a, const char *by_provider, const char *by_login, const char *who,
                    struct err *err);
/* [{login, provider, connected, since}] */
struct json_object *people_members(const struct agent *a);
/* Author of a person's commits; allocated. */
void people_author(const struct agent *a, const char *provider, const char *login, char **name,
                   char **email);
/* Environment of a helper that works in this person's worktree as this person. */
void people_env(const struct agent *a, const struct account *account, struct strv *out);
/* Makes the home, if it is not there: 0700, the person's. */
int people_make_home(const struct agent *a, const struct account *account, struct err *err);

/* --- records (records.c) -----------------------------------------------------------------------
 */

int records_write_info(const struct agent *a, struct err *err);
struct json_object *records_info(const struct agent *a);
/* Appends a line to activity-log. detail is taken, may be NULL. */
void records_activity(const struct agent *a, const char *login, const char *event,
                      struct json_object *detail);
/* Appends a line to sync-log; changes and overlaps are borrowed. */
void records_sync(const struct agent *a, const char *login, const char *commit,
                  struct json_object *changes, struct json_object *overlaps);

#endif
