/*
 * Who may come into a session and with which keys, found where each login provider keeps its
 * people: the users file (sshkey, fake), GitHub, GitLab. The server's answer to session_directory.
 *
 *   creator        always, with all keys that are known
 *   --allow a,b    exactly these and the creator; a forge must know the login
 *   nothing said   forge logins: the repository's collaborators with push permission, when the
 *                  repository lies at that forge; users-file logins: everybody in the file (rule
 * "team")
 *   --public       also everybody who is logged in at the server and whose key it knows
 *
 * People of a forge are found by their number. A login is only where they were seen last: a renamed
 * person is still there, somebody who took a login over is not.
 *
 * A place that cannot be asked is an error, never an empty list: nothing opens wider by a failure.
 */
#ifndef DIRECTORY_DIRECTORY_H
#define DIRECTORY_DIRECTORY_H

#include "auth/provider.h"
#include "auth/users.h"
#include "auth/vault.h"
#include "base/clock.h"
#include "base/work.h"
#include "forge/forge.h"
#include "session/session.h"

#define DIRECTORY_KEYS_LIFE_S 240 /* a forge's keys are asked for again after this */
#define DIRECTORY_CACHE_MAX 4096
#define DIRECTORY_QUESTIONS_EACH 8 /* of sessions that wait for the same forge, at once */

/* A forge that people log in with; borrowed strings that outlive the directory. */
struct directory_forge {
    const char *provider; /* "github"; NULL: not configured */
    enum forge_kind kind;
    const char *url, *api_url;
};

/* Borrowed; everything outlives the directory. */
struct directory_options {
    struct users *users; /* NULL: none */
    struct directory_forge forges[2];
    struct auth_providers *providers;
    struct vault *vault; /* NULL: no tokens are kept */
    struct store *store; /* who is logged in; NULL: nobody */
    struct work_pool *pool;
    struct work_pool *fetchers; /* for a question's many parts; freed after pool. NULL: none */
    const struct clock *clock;
};

struct directory;

struct directory *directory_new(const struct directory_options *options);
/* After the pool, whose completions still come here. */
void directory_free(struct directory *d);
struct session_directory directory_session(struct directory *d);

#endif
