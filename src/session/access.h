/*
 * Who may own and join a session, as it is kept with it: the list that was asked for, the people
 * that were found, those who were thrown out. Pure.
 *
 * In a session everybody has one name for its whole life, whatever they are called elsewhere: the
 * login they had when they were seen first. Somebody else who has that login later gets another
 * name
 * ("ann-4711" with the id), so that account, home and a kick stay with the person they belong to.
 */
#ifndef SESSION_ACCESS_H
#define SESSION_ACCESS_H

#include <stdbool.h>

#include "base/err.h"
#include "base/json.h"
#include "proto/spec.h"
#include "session/session.h"

#define ACCESS_NAMES_MAX 16384

struct access_name {
    char *provider;
    char *subject;
    char *login; /* in this session */
};

struct access {
    bool is_public;
    bool allowed_given;
    struct strv allowed;       /* "provider:login" */
    struct strv allowed_ids;   /* beside allowed: the id that it was resolved to, "": not yet */
    struct access_name *names; /* everybody who ever was among the people */
    size_t n_names, names_cap;
    struct session_people people;
    struct strv kicked; /* "provider:login"; kept in the store by themselves */
};

void access_release(struct access *a);

/* The names of a request with the provider filled in; "none" alone gives an empty list. ERR_INVALID
 * names the one that is wrong. */
int access_names(char *const *names, size_t n, const char *provider, struct strv *out,
                 struct err *err);

/* "login" or "provider:login" as "provider:login". */
int access_name(const char *name, const char *provider, struct str *out, struct err *err);

/* Gives (provider, subject) the name, if they have none yet. */
void access_know(struct access *a, const char *provider, const char *subject, const char *login);
/* The name in the session of whom people call `login`: that name itself, or who is called so now.
 */
const char *access_session_login(const struct access *a, const char *provider, const char *login);

bool access_is_kicked(const struct access *a, const char *provider, const char *login);
void access_kick(struct access *a, const char *provider, const char *login);

/* Whether somebody who does not own it may join. */
bool access_may_join(const struct access *a, const struct session_caller *caller);

/* Replaces the people, under their names in the session; notes what the allowed names were resolved
 * to. True when anything differs. */
bool access_set_people(struct access *a, const struct session_people *people);
/* The people who may come in now as the spec's users (replaced). */
void access_fill_users(const struct access *a, struct session_spec *spec);

/* The stored form, without `kicked`. */
struct json_object *access_to_json(const struct access *a);
int access_from_json(struct json_object *obj, struct access *a, struct err *err);

#endif
