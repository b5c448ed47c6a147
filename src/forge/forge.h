/*
 * What a forge (GitHub or GitLab, also self-hosted) knows of people: their public keys, and who may
 * push to a repository. Blocking calls with time limits; run them on a worker thread. The readers
 * of answers are pure.
 *
 * "Nobody", "not allowed to know" and "could not be asked" are three different answers: only the
 * first is a list.
 */
#ifndef FORGE_FORGE_H
#define FORGE_FORGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "forge/memory.h"

#define FORGE_BODY_MAX (4 * 1024 * 1024)
#define FORGE_PAGES_MAX 100
#define FORGE_PEOPLE_MAX 4096
#define FORGE_KEYS_MAX 64     /* of one person; more are left out */
#define FORGE_REDIRECTS_MAX 3 /* of the API, for what was renamed; on the same origin only */
#define FORGE_CONNECT_MS 5000
#define FORGE_TIMEOUT_MS 10000

enum forge_kind { FORGE_GITHUB, FORGE_GITLAB };

/* Borrowed strings. */
struct forge {
    enum forge_kind kind;
    const char *url;     /* "https://github.com": keys */
    const char *api_url; /* "https://api.github.com"; GitLab: the same as url */
    const char *token;   /* bearer; NULL: without */
    /* Answers to ask with If-None-Match for; NULL: none. `now` is for it. */
    struct forge_memory *memory;
    bool fresh; /* ask for the whole answer, whatever is remembered */
    int64_t now;
};

struct forge_person {
    char *subject; /* the account's number */
    char *login;
};
struct forge_people {
    struct forge_person *v;
    size_t len, cap;
};
void forge_people_release(struct forge_people *p);
#define cleanup_forge_people cleanup(forge_people_release)

/* Pushes "type base64" of each key that is good for us: from the public page of keys, or, where
 * there is none (a server that shows nothing without a login), from the API. ERR_NOT_FOUND: no such
 * login; ERR_UNAVAILABLE: could not be asked; ERR_LIMIT: asked too often, message says until when.
 */
int forge_keys(const struct forge *f, const char *login, struct strv *keys, struct err *err);

/* Who may push to the repository "owner/name" (GitLab: also deeper), over all pages. ERR_DENIED:
 * the token may not know; ERR_UNAUTHENTICATED: the token is not good any more; ERR_NOT_FOUND: no
 * such repository, or invisible with this token. */
int forge_collaborators(const struct forge *f, const char *repository, struct forge_people *people,
                        struct err *err);

/* Who has this login now. */
int forge_person(const struct forge *f, const char *login, struct forge_person *out,
                 struct err *err);
/* Who this number is, and what they are called now. */
int forge_person_by_id(const struct forge *f, const char *subject, struct forge_person *out,
                       struct err *err);
void forge_person_release(struct forge_person *p);

/* ---- readers
 * -------------------------------------------------------------------------------------
 */

/* A page of keys as text, one a line. Lines that are no key of an allowed type, or that carry
 * options, are left out. */
void forge_read_keys(const char *text, size_t len, struct strv *keys);

/* The same from the API's list of keys. ERR_UNAVAILABLE: it is none. */
int forge_read_key_list(const char *text, size_t len, struct strv *keys, struct err *err);

/* One page of people; only those who may push are added. */
int forge_read_people(enum forge_kind kind, const char *text, size_t len,
                      struct forge_people *people, struct err *err);

/* One account; and the list of at most one that a search for a login gives, where ERR_NOT_FOUND
 * means that it is empty. */
int forge_read_user(enum forge_kind kind, const char *text, size_t len, struct forge_person *out,
                    struct err *err);
int forge_read_found(enum forge_kind kind, const char *text, size_t len, struct forge_person *out,
                     struct err *err);

/* Appends the target of rel="next" in a Link header (RFC 8288); false: none. */
bool forge_read_next(const char *link, size_t len, struct str *next);
/* Appends the URL that `reference`, found in the answer to `base`, means: an absolute URL, "/path",
 * "?query". ERR_INVALID: something else. */
int forge_resolve(const char *base, const char *reference, struct str *out, struct err *err);

#endif
