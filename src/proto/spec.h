/*
 * The session spec: what a session is, decided by the server before anything starts
 * (docs/protocols.md, section 1). Values only; made by the api side, checked again by the keeper,
 * read by the providers and the agent.
 */
#ifndef PROTO_SPEC_H
#define PROTO_SPEC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/enc.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"

#define SPEC_LOGIN_MAX 64
#define SPEC_PROVIDER_MAX 32
#define SPEC_USERS_MAX 4096
#define SPEC_KEYS_MAX 64 /* per user */
#define SPEC_KEY_LINE_MAX 16384
#define SPEC_BRANCH_MAX 244
#define SPEC_HOSTS_MAX 256
#define SPEC_UID_RANGE 65536 /* ids mapped for a session's user namespace */

#define SPEC_CONTAINER_SSH_PORT 2222 /* where a container's sshd listens */

/* uids inside a session */
#define SPEC_HELPER_UID 10000     /* git transport, pack import */
#define SPEC_FIRST_USER_UID 10001 /* collaborators, counting up */

struct spec_user {
    char *login;
    char *provider;
    char *email;      /* author address; NULL: made from login and host */
    struct strv keys; /* "type base64", as written by ssh_key_format, no options, no comment */
};

struct session_spec {
    char id[SESSION_ID_LEN + 1];
    char *server_id;
    char *mode;        /* "collab" or "pair" */
    char *environment; /* "noenv" */
    char *repo_url;    /* canonical form of repo_url_parse */
    char *repo_name;
    char *branch;         /* to start from; NULL: the origin's default */
    char *session_branch; /* "steadystate/<mode>/<id>" */
    char *creator_login;
    char *creator_provider;
    struct spec_user *users; /* who may come in, creator included */
    size_t n_users;

    char *ssh_user; /* user in links */
    char *ssh_host; /* host in links, IPv6 without brackets */
    int ssh_port;   /* published on ssh_bind */
    char *ssh_bind;
    char *host_key;        /* OpenSSH private key text: the one secret in here */
    char *host_key_public; /* "ssh-ed25519 base64" */
    char *magic_link;

    char *image;
    uint64_t memory; /* bytes */
    int cpus_milli;  /* 2000 = two CPUs */
    int pids;
    uint64_t disk;     /* bytes, 0: no limit */
    char *subnet;      /* "10.213.0.16/28" */
    uint32_t uid_base; /* first host id of the user namespace */
    bool require_userns;

    struct strv allowed_hosts; /* STEADYSTATE_ALLOWED_HOSTS */
    bool allow_local_repos;
    bool approve; /* pair mode: the creator lets each person in */
    int64_t created_at;
};

void session_spec_init(struct session_spec *spec);
void session_spec_release(struct session_spec *spec);
#define cleanup_session_spec cleanup(session_spec_release)

void spec_user_release(struct spec_user *user);
/* Adds a user; strings are copied. The pointer is valid until the next call. */
struct spec_user *session_spec_add_user(struct session_spec *spec, const char *login,
                                        const char *provider);

/* Every member well-formed and within its maximum; ERR_INVALID names the member. */
int session_spec_check(const struct session_spec *spec, struct err *err);

/* with_host_key: only between api and keeper. */
struct json_object *session_spec_to_json(const struct session_spec *spec, bool with_host_key);
/* Initialises and fills *spec; checks it too (a missing host key is accepted). */
int session_spec_from_json(struct json_object *obj, struct session_spec *spec, struct err *err);

/* The "users" member of messages. from_json replaces *users; release with spec_users_free. */
struct json_object *spec_users_to_json(const struct spec_user *users, size_t n);
int spec_users_from_json(struct json_object *array, struct spec_user **users, size_t *n,
                         struct err *err);
void spec_users_free(struct spec_user *users, size_t n);

/* 64 hex digits over everything that a running container is made from; for labels. */
void session_spec_hash(const struct session_spec *spec, char out[65]);

/* Login as it may be shown, stored and used in a file name: 1..SPEC_LOGIN_MAX of [A-Za-z0-9._-],
 * '@' and
 * '+', not starting with '-' or '.'. Provider: 1..SPEC_PROVIDER_MAX of [a-z0-9-]. */
bool spec_login_is_valid(const char *login);
bool spec_provider_is_valid(const char *provider);
/* A branch name as git check-ref-format --branch takes it. */
bool spec_branch_is_valid(const char *branch);

#endif
