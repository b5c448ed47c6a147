/*
 * Who is logged in where: session.json and the refresh token below the configuration directory
 * (STEADYSTATE_CONFIG_DIR, else $XDG_CONFIG_HOME/steadystate, else ~/.config/steadystate; 0700).
 *
 * The current server's login lies at the top; logins at other servers are kept below
 * servers/<name>/ and come back when that server is used again. Every file is 0600, written to a
 * temporary and renamed; a file that others can read or that somebody else owns is refused.
 *
 * The refresh token is in the keyring where there is one (keyring.h), else in the file
 * refresh_token.
 */
#ifndef CLI_ACCOUNT_H
#define CLI_ACCOUNT_H

#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"

#define ACCOUNT_FILE_MAX 65536
#define ACCOUNT_DEFAULT_SERVER "http://127.0.0.1:8080"

struct account {
    char *server; /* never NULL after account_load: no slash at the end */
    char *login;  /* NULL: not logged in there */
    char *provider;
    char *jwt; /* secret */
    int64_t jwt_exp;
};

void account_release(struct account *a);
#define cleanup_account cleanup(account_release)

/* The configuration directory, made when missing; allocated. NULL with err set when impossible. */
char *account_config_dir(struct err *err);

/* The server to use: `server` (may be NULL), else STEADYSTATE_BACKEND, else the remembered one,
 * else the default; and the login there. Not being logged in is no error. */
int account_load(const char *server, struct account *out, struct err *err);

/* Remembers a login and makes its server the current one. refresh_token NULL: keeps the old one.
 * *why_file (may be NULL) is set, and owned, when the token went into the file: the reason. */
int account_save(const struct account *a, const char *refresh_token, char **why_file,
                 struct err *err);

/* ERR_UNAUTHENTICATED when there is none. Wipe with free_secret. */
int account_refresh_token(const struct account *a, char **out, struct err *err);

/* Forgets the login at a->server. */
int account_forget(const struct account *a, struct err *err);

/* One refresh at a time: descriptor of the held lock, or a negative code. */
int account_lock(struct err *err);

#endif
