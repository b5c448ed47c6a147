/* What the files of agent.sock share: connections (sock.c), the wrapper's verbs (sock_login.c),
 * people's verbs (sock_people.c). */
#ifndef AGENT_SOCK_INTERNAL_H
#define AGENT_SOCK_INTERNAL_H

#include "agent/push.h"
#include "agent/sock.h"
#include "agent/terminal.h"

struct peer {
    struct sock *sock;
    struct peer *next;
    struct conn *conn;
    uid_t uid;
    pid_t pid;
    bool busy;         /* a job works for it: no further request */
    struct push *push; /* data comes */
    /* a login that waits until the session is ready */
    bool waiting;
    bool asked_in; /* it waits for the creator */
    uint32_t waiting_id;
    char *provider;
    char *login;
    bool commands;                    /* the login is for a command or for files */
    struct terminal_client *terminal; /* its window on the shared terminal */
    /* the shared terminal's account: who it speaks for from the first request on */
    char *speaker_provider;
    char *speaker_login;
    uint64_t typed; /* up to where its next commit names who typed */
};

struct sock {
    struct agent *agent;
    struct listener *listener;
    struct peer *first;
    uint64_t next_id;
};

/* Who asks: for the user verbs. */
struct person {
    const char *provider;
    const char *login;
    const struct account *account;
    bool shared; /* it is the shared terminal's account that asks */
};

typedef int (*verb_fn)(struct peer *peer, uint32_t id, struct json_object *obj,
                       const struct person *person, struct err *err);

struct verb {
    const char *name;
    bool wrapper;     /* for the wrapper, which is uid 0 in a container */
    bool needs_ready; /* the repository must be there */
    bool is_activity; /* a person's doing; looking on keeps no session alive */
    verb_fn fn;
};

/* NULL: there is no such verb. */
const struct verb *sock_login_verb(const char *name);
const struct verb *sock_people_verb(const char *name);

/* Somebody's account, if they may come in. ERR_NOT_FOUND: they may not. */
int sock_find_allowed(const struct agent *a, const char *provider, const char *login,
                      const struct account **account, struct err *err);

#endif
