/*
 * People of forges: who they are now and which keys they have, for many at once. One slow answer
 * costs the time of one, and one forge never has more than LOOKUPS_EACH questions of ours at once.
 */
#ifndef DIRECTORY_LOOKUP_H
#define DIRECTORY_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "base/work.h"
#include "directory/directory.h"
#include "directory/key_cache.h"

#define LOOKUPS_EACH 8 /* questions to one forge at once, of all sessions together */

/* Somebody to be looked up; strings owned. */
struct lookup {
    const struct directory_forge *forge;
    char *login;         /* what they are called; afterwards: now */
    char *subject;       /* NULL: only the login is known; afterwards: never */
    bool login_is_right; /* comes from the forge itself, a moment ago */
    const char *rule;    /* borrowed, for the caller */
    struct strv keys;    /* the answer */
};

struct lookups {
    struct lookup *v;
    size_t len, cap;
};

/* subject may be NULL. Somebody who is in the list already is not added again. */
void lookups_add(struct lookups *l, const struct directory_forge *forge, const char *login,
                 const char *subject, bool login_is_right, const char *rule);
void lookups_release(struct lookups *l);
#define cleanup_lookups cleanup(lookups_release)

/* How to ask. Borrowed. */
struct lookup_how {
    struct key_cache *cache;
    struct forge_memory *memory;
    struct work_pool *pool;     /* not the one that the caller runs on; NULL: one after another */
    const char *token_provider; /* the token is for this provider's forge */
    const char *token;          /* NULL: none */
    bool fresh;                 /* whatever the cache remembers */
    int64_t now;
};

/* Fills in everybody. Whose account is gone has no keys. ERR_INVALID: nobody has this login; else
 * the error of the first that could not be asked about. */
int lookups_run(struct lookups *l, const struct lookup_how *how, struct err *err);

#endif
