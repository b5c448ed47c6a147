/*
 * The users file of provider sshkey: `login key-type base64 [comment]` a line, several lines per
 * login, "#" comments. It is read anew when it changes. A line that is wrong is left out and logged
 * once per reading; a file that others may write to is refused whole, as sshd would.
 * A login's own name is its immutable id. Any thread.
 */
#ifndef AUTH_USERS_H
#define AUTH_USERS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"
#include "ssh/key.h"

#define USERS_FILE_MAX (4 * 1024 * 1024)
#define USERS_MAX 4096
#define USERS_KEYS_MAX 64 /* per login */

struct users;

/* Does not read yet. */
int users_open(const char *path, struct users **out, struct err *err);
void users_close(struct users *u);

/* Pushes the login's keys, "type base64" each. ERR_NOT_FOUND: nobody of that name;
 * ERR_UNAVAILABLE: the file cannot be read. */
int users_keys(struct users *u, const char *login, struct strv *keys, struct err *err);
/* 0 when this key is one of the login's. ERR_DENIED. */
int users_check(struct users *u, const char *login, const struct ssh_key *key, struct err *err);
/* Calls each for every login with its keys, in the file's order; each must not call users_*. */
int users_each(struct users *u,
               int (*each)(const char *login, const struct strv *keys, void *payload,
                           struct err *err),
               void *payload, struct err *err);

#endif
