/*
 * Collaborators' accounts in a session: which uid and which account name a person (provider, login)
 * has. Given once, kept in accounts.json, never given to somebody else: files of theirs may be
 * around. Pure but for accounts_load and accounts_save.
 */
#ifndef AGENT_ACCOUNTS_H
#define AGENT_ACCOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

#define ACCOUNT_NAME_MAX 31 /* bytes: what useradd, ps and utmp agree on */
#define ACCOUNTS_MAX 8192
#define ACCOUNTS_FILE_MAX (4 * 1024 * 1024)
#define SYSTEM_NAMES_FILE_MAX (1024 * 1024)

struct account {
    char *login;
    char *provider;
    char *name; /* account, and name of the home directory */
    uint32_t uid;
};

struct accounts {
    struct account *v; /* in the order they were given */
    size_t len;
    size_t cap;
    struct strv taken; /* system names, never given */
};

void accounts_init(struct accounts *a);
void accounts_release(struct accounts *a);

/* Names in the first field of passwd or group text: added to what is never given. */
void accounts_take_system_names(struct accounts *a, const char *text, size_t len);

/* Text of accounts.json into an empty table. */
int accounts_parse(struct accounts *a, const char *text, size_t len, struct err *err);
void accounts_print(const struct accounts *a, struct str *out);

/* Reads path; an absent file is an empty table. */
int accounts_load(struct accounts *a, const char *path, struct err *err);
int accounts_save(const struct accounts *a, const char *path, struct err *err);

/* NULL when nobody. Valid until the next accounts_give. */
const struct account *accounts_find(const struct accounts *a, const char *provider,
                                    const char *login);
const struct account *accounts_find_uid(const struct accounts *a, uint32_t uid);
const struct account *accounts_find_name(const struct accounts *a, const char *name);

/* Finds or makes the account. A login that is a valid and free account name keeps it; otherwise
 * the name is made from it. *made: it is new. ERR_LIMIT at ACCOUNTS_MAX. */
int accounts_give(struct accounts *a, const char *provider, const char *login,
                  const struct account **out, bool *made, struct err *err);

/* [A-Za-z_][A-Za-z0-9_.-]*, at most ACCOUNT_NAME_MAX, not ending with a dot. */
bool account_name_is_valid(const char *name);

/* Lines for libnss-extrausers. */
void accounts_passwd(const struct accounts *a, const char *home_dir, struct str *out);
void accounts_group(const struct accounts *a, struct str *out);
void accounts_shadow(const struct accounts *a, struct str *out);

#endif
