/*
 * Who may do what at the shared terminal, who waits to be let in, and who typed since the last
 * commit. Pure but for roles_load and roles_save (roles.json, 0600: a restarted agent goes on with
 * it). Belongs to the loop's thread.
 */
#ifndef AGENT_ROLES_H
#define AGENT_ROLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "proto/spec.h"

#define ROLES_FILE_MAX (4 * 1024 * 1024)

enum role {
    ROLE_WATCH, /* sees the terminal */
    ROLE_TYPE,  /* types in it */
    ROLE_OWN,   /* types, gives and takes roles; one person at a time */
};

/* "watch", "type", "own"; ERR_INVALID for another word. */
const char *role_word(enum role role);
int role_parse(const char *word, enum role *out, struct err *err);

struct role_entry {
    char *provider;
    char *login;
    enum role role;
    bool approved;    /* let in by the creator */
    uint64_t typed;   /* when they typed last, in steps of the table's clock; 0: never */
    uint64_t settled; /* up to where that is in a commit */
};

struct roles {
    struct role_entry *v;
    size_t len;
    size_t cap;
    uint64_t clock;
};

void roles_release(struct roles *r);

/* NULL: nothing is known of them, which is ROLE_TYPE and not approved. Valid until the next call
 * that adds somebody. */
struct role_entry *roles_find(const struct roles *r, const char *provider, const char *login);
/* Finds or adds. */
struct role_entry *roles_of(struct roles *r, const char *provider, const char *login);
enum role roles_role(const struct roles *r, const char *provider, const char *login);
bool roles_approved(const struct roles *r, const char *provider, const char *login);
/* The one owner; NULL: none yet. */
const struct role_entry *roles_owner(const struct roles *r);

/* ROLE_OWN takes it from who had it, who may type from then on. An owner that is given less leaves
 * it without one. */
void roles_set(struct roles *r, const char *provider, const char *login, enum role role);

/* They typed now. */
void roles_typed(struct roles *r, const char *provider, const char *login);
/* What is typed up to `clock` is in a commit. */
void roles_settle(struct roles *r, uint64_t clock);
static inline bool role_entry_is_unsettled(const struct role_entry *e)
{
    return e->typed > e->settled;
}

int roles_parse(struct roles *r, const char *text, size_t len, struct err *err);
void roles_print(const struct roles *r, struct str *out);
/* An absent file is an empty table. */
int roles_load(struct roles *r, const char *path, struct err *err);
int roles_save(const struct roles *r, const char *path, struct err *err);

#endif
