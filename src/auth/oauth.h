/*
 * OAuth 2.0 device authorization grant (RFC 8628), client side, for the dialects of GitHub, GitLab
 * and OpenID providers. The readers of answers are pure; oauth_post does the talking.
 *
 * Everything here comes from another machine: bodies are limited, redirects are not followed, an
 * answer is JSON or it is no answer, and the `error` member decides before the HTTP status does
 * (GitHub sends errors with status 200).
 */
#ifndef AUTH_OAUTH_H
#define AUTH_OAUTH_H

#include <stdbool.h>
#include <stdint.h>

#include "auth/provider.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"

#define OAUTH_BODY_MAX (256 * 1024)
#define OAUTH_CONNECT_MS 5000
#define OAUTH_TIMEOUT_MS 15000
#define OAUTH_TOKEN_MAX 16384
#define OAUTH_INTERVAL_DEFAULT 5 /* RFC 8628 section 3.5 */
#define OAUTH_INTERVAL_MAX 300
#define OAUTH_USER_CODE_MAX 32
#define OAUTH_LAG_MAX 3 /* answers "unknown code" taken as pending after a good one */

/* Who asks. Borrowed strings; `secret` NULL: a public client. */
struct oauth_client {
    const char *id;
    const char *secret;
    bool secret_in_body; /* client_secret in the form instead of HTTP Basic */
};

/* Tokens as a provider gave them; strings owned, wiped on release. */
struct oauth_tokens {
    char *access;
    char *refresh;      /* NULL: none */
    char *id_token;     /* NULL: none */
    char *scope;        /* NULL: not said */
    int64_t expires_in; /* 0: not said */
};
void oauth_tokens_release(struct oauth_tokens *t);
#define cleanup_oauth_tokens cleanup(oauth_tokens_release)
void oauth_tokens_copy(const struct oauth_tokens *from, struct oauth_tokens *to);
/* On the heap, t empty afterwards. */
struct oauth_tokens *oauth_tokens_move(struct oauth_tokens *t);

/* POSTs the form (secrets in it are wiped by the caller) with the client's authentication.
 * *answer is a JSON object whatever the status. ERR_UNAVAILABLE: no usable answer. */
int oauth_post(const char *url, const struct oauth_client *client, struct str *form, long *status,
               struct json_object **answer, struct err *err);

/* GET of a JSON document, with a bearer token or (NULL) without. ERR_DENIED: 401 or 403;
 * ERR_NOT_FOUND: 404; ERR_UNAVAILABLE: everything else that is not a JSON object with status 200.
 */
int oauth_get(const char *url, const char *bearer, struct json_object **answer, struct err *err);

/* Reads the device authorization response into *out (state included). ERR_UNAVAILABLE with the
 * provider's own reason for errors. */
int oauth_read_start(long status, struct json_object *answer, struct auth_start_out *out,
                     struct err *err);

/* Reads a token response. *status: AUTH_COMPLETE fills *tokens; else *out gets status, interval and
 * state. `state` is what oauth_read_start made. An error leaves the login pending. */
int oauth_read_poll(long status, struct json_object *answer, struct json_object *state,
                    struct auth_poll_out *out, struct oauth_tokens *tokens, struct err *err);

/* Whose the tokens are could not be found out (rc): what becomes of the login. A provider that is
 * down is asked again, with the tokens in out; another answer ends it. Returns rc. */
int oauth_unidentified(int rc, struct oauth_tokens *tokens, struct auth_poll_out *out);

/* RFC 6749 section 6: new tokens for a refresh token. ERR_DENIED: it is not good any more. */
int oauth_renew(const char *url, const struct oauth_client *client, const char *refresh,
                struct oauth_tokens *out, struct err *err);

/* The form of a poll: grant type and device code. */
int oauth_poll_form(struct json_object *state, struct str *form, struct err *err);

/* An http(s) URL without control bytes, to be shown to people. */
bool oauth_url_is_plain(const char *url);

#endif
