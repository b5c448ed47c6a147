/*
 * A compute provider runs sessions: "container" on an engine, "local" as detached processes.
 *
 * Used by the keeper only. Every function blocks and is called on a worker thread; calls for
 * different sessions run at the same time, calls for one session come one after another.
 * Implementations guard what they share. Every step may be repeated: what is there already is kept,
 * what is gone already is success.
 *
 * A provider starts agents and finds them again; everything else (token, users, archive, shutdown)
 * goes over the control channel (compute/channel.h) that start and attach open.
 */
#ifndef COMPUTE_PROVIDER_H
#define COMPUTE_PROVIDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "proto/spec.h"

/* How bytes travel on a control connection. */
enum channel_wire {
    CHANNEL_PLAIN, /* frames, both ways */
    CHANNEL_MUX,   /* towards us in the engines' attach format: 1 byte stream (1 out, 2 err), 3 zero
                      bytes, u32   big-endian length, data; stream 1 is frames, stream 2 goes to the
                      log
                    */
};

/* A freshly opened control connection. fd is a socket or pipe end that poll works on; early holds
 * bytes that were already read from it. Owned by whoever holds the struct. */
struct provider_conn {
    int fd;
    enum channel_wire wire;
    struct str early;
};
#define PROVIDER_CONN_INIT                                 \
    {                                                      \
        .fd = -1, .wire = CHANNEL_PLAIN, .early = STR_INIT \
    }
void provider_conn_release(struct provider_conn *conn);
#define cleanup_provider_conn cleanup(provider_conn_release)

/* One thing that was looked at, for `doctor`: a word, one line, and what mends it. */
enum provider_verdict { PROVIDER_FINE, PROVIDER_WARNING, PROVIDER_WRONG };
struct provider_check {
    const char *name; /* a literal: "engine", "limits", "userns", ... */
    enum provider_verdict verdict;
    char *detail;
    char *mend; /* NULL when it is fine */
};
struct provider_checks {
    struct provider_check *v;
    size_t len;
    size_t cap;
};
void provider_checks_add(struct provider_checks *checks, const char *name,
                         enum provider_verdict verdict, const char *mend, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* "ok", "warning", "wrong" */
const char *provider_verdict_word(enum provider_verdict verdict);

struct provider_info {
    bool ok;                  /* sessions can be started now */
    char detail[ERR_MSG_MAX]; /* why not, one line; "" otherwise */
    char engine[32];          /* "podman", "docker", "none" */
    char version[64];
    bool rootless;
    bool userns;        /* sessions get a user namespace of their own */
    int cgroup_version; /* 0: unknown or none */
    struct strv warnings;
    struct provider_checks checks;
};
void provider_info_release(struct provider_info *info);

/* A session as the provider finds it. */
struct provider_session {
    char id[SESSION_ID_LEN + 1];
    bool running;       /* its agent or container runs */
    char spec_hash[65]; /* session_spec_hash of what it was made from, "" when unknown */
};
struct provider_sessions {
    struct provider_session *v;
    size_t len;
    size_t cap;
};
void provider_sessions_release(struct provider_sessions *s);

/* Progress of start: stage is a word ("network", "container", ...), percent 0-100 or -1.
 */
struct provider_progress {
    void (*report)(void *payload, const char *stage, int percent, const char *message);
    void *payload;
};

/* err->code of start and its word for the person: ERR_UNAVAILABLE engine_unreachable, ERR_NOT_FOUND
 * image_missing, ERR_EXISTS port_taken, ERR_CONFLICT subnet_taken, ERR_NO_SPACE no_space,
 * ERR_UNSUPPORTED protection_missing, else internal. */
const char *provider_reason(int code);

struct provider_ops {
    const char *name; /* "container", "local" */

    /* Can it work, and with what. Cheap: asked by /health (the keeper caches the answer for some
     * seconds). An unreachable engine is ok=false with return 0. */
    int (*info)(void *self, struct provider_info *out, struct err *err);

    /* Makes and starts a session from its spec and opens its control connection. What exists
     * already is taken over when it was made from the same spec: running, it is attached to; ended,
     * it is started again on the same port, key and data (that is what `resume` of the protocol
     * asks for). On failure everything that this call made is removed, and nothing that was there
     * before. */
    int (*start)(void *self, const struct session_spec *spec,
                 const struct provider_progress *progress, struct provider_conn *out,
                 struct err *err);

    /* One more control connection to a session whose agent runs. ERR_NOT_FOUND: it does not run. */
    int (*attach)(void *self, const char *session_id, struct provider_conn *out, struct err *err);

    /* Ends what runs (politely for up to grace_ms, then for good); data stays. */
    int (*stop)(void *self, const char *session_id, int grace_ms, struct err *err);

    /* Removes everything of a session, its data too, whether it runs or not. Success when nothing
     * is left. */
    int (*remove)(void *self, const char *session_id, struct err *err);

    /* Every session of this server, also half-made and ended ones. */
    int (*list)(void *self, struct provider_sessions *out, struct err *err);

    void (*free)(void *self);
};

struct provider {
    const struct provider_ops *ops;
    void *self;
};

void provider_free(struct provider *p); /* NULL members are allowed */

#endif
