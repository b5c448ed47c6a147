/*
 * The server as the CLI sees it: JSON calls with the login's token, refreshed when fewer than 60
 * seconds are left (one refresh at a time among parallel commands), retries with back-off for
 * calls that may be repeated.
 */
#ifndef CLI_BACKEND_H
#define CLI_BACKEND_H

#include <stdbool.h>

#include "account.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "http/client.h"

struct backend {
    struct account account;
    struct http_client *http;
};

void backend_release(struct backend *b);
#define cleanup_backend cleanup(backend_release)

/* Chooses the server as account_load does; does not connect. */
int backend_open(const char *server, struct backend *b, struct err *err);

enum backend_flags {
    BACKEND_PUBLIC = 1,     /* without a token */
    BACKEND_IDEMPOTENT = 2, /* may be sent again; GET and DELETE always may */
};

/*
 * One call. body may be NULL. *out is the answer's JSON (owned), for 2xx only.
 * Problems become errors: 401 ERR_UNAUTHENTICATED, 403 ERR_DENIED, 404 ERR_NOT_FOUND, 409
 * ERR_CONFLICT, 429 and 413 ERR_LIMIT, other 4xx ERR_INVALID, 5xx and no answer ERR_UNAVAILABLE,
 * with the problem's detail. The problem's own word goes to *word (owned, may be NULL) when asked
 * for.
 */
int backend_call(struct backend *b, const char *method, const char *path, struct json_object *body,
                 unsigned flags, struct json_object **out, char **word, struct err *err);

/* GET of a file: its bytes go to fd, at most max of them. Same errors. */
int backend_download(struct backend *b, const char *path, int fd, uint64_t max, struct err *err);

/* Fetches a new access token now. */
int backend_refresh(struct backend *b, struct err *err);

/* Stores what a completed login answered; why_file as account_save has it. */
int backend_take_login(struct backend *b, struct json_object *answer, char **why_file,
                       struct err *err);

/* "what: why. what to do" for an error of backend_call; returns the exit code. */
int backend_fail(const struct backend *b, const char *what, const struct err *err);

/* Appends the encoded path component. */
void backend_add_path(struct str *path, const char *component);

#endif
