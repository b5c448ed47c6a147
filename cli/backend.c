#include "backend.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/enc.h"
#include "base/fd.h"
#include "base/url.h"
#include "ui.h"

#define REFRESH_MARGIN_S 60
#define TRIES 4

void backend_release(struct backend *b)
{
    account_release(&b->account);
    http_client_free(b->http);
    b->http = NULL;
}

int backend_open(const char *server, struct backend *b, struct err *err)
{
    memset(b, 0, sizeof *b);
    int rc = account_load(server, &b->account, err);
    if (rc)
        return rc;
    cleanup_url struct url url = {0};
    rc = url_parse(b->account.server, strlen(b->account.server), &url, err);
    if (rc == 0 && strcmp(url.scheme, "http") != 0 && strcmp(url.scheme, "https") != 0)
        rc = err_set(err, ERR_INVALID, "not an http(s) URL");
    if (rc)
        return err_wrap(err, "server '%s'", b->account.server);
    const char *ca_file = getenv("STEADYSTATE_CA_FILE");
    const struct http_options options = {.ca_file = ca_file && *ca_file ? ca_file : NULL};
    return http_client_new(&options, &b->http, err);
}

void backend_add_path(struct str *path, const char *component)
{
    url_encode(path, component, strlen(component));
}

static int code_of_status(long status)
{
    switch (status) {
    case 401:
        return ERR_UNAUTHENTICATED;
    case 403:
        return ERR_DENIED;
    case 404:
        return ERR_NOT_FOUND;
    case 409:
        return ERR_CONFLICT;
    case 413:
    case 429:
        return ERR_LIMIT;
    default:
        return status >= 500 ? ERR_UNAVAILABLE : ERR_INVALID;
    }
}

static int take_problem(const struct http_response *res, char **word, struct err *err)
{
    cleanup_json struct json_object *problem = NULL;
    const char *detail = NULL, *title = NULL, *name = NULL;
    if (http_response_json(res, &problem, NULL) == 0) {
        json_opt_str(problem, "detail", 400, &detail, NULL);
        json_opt_str(problem, "title", 200, &title, NULL);
        json_opt_str(problem, "error", 64, &name, NULL);
    }
    if (word && name)
        *word = xstrdup(name);
    const char *text = detail ? detail : title;
    if (!text)
        return err_set(err, code_of_status(res->status), "the server answered %ld", res->status);
    return err_set(err, code_of_status(res->status), "%s", text);
}

/* 100, 300, 900 ms and up to half as much again, so that many clients do not come back at once. */
static void back_off(int attempt)
{
    unsigned char random;
    rnd_bytes(&random, 1);
    long ms = 100;
    for (int i = 0; i < attempt; i++)
        ms *= 3;
    ms += ms * random / 512;
    struct timespec nap = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&nap, NULL);
}

static int send_once(struct backend *b, const char *method, const char *path,
                     struct json_object *body, bool with_token, struct http_response *res,
                     struct err *err)
{
    cleanup_free char *url = xasprintf("%s%s", b->account.server, path);
    struct http_request req = {
        .method = method,
        .url = url,
        .bearer = with_token ? b->account.jwt : NULL,
        .json = body,
        .max_body = (uint64_t)16 * 1024 * 1024,
    };
    return http_perform(b->http, &req, res, err);
}

/* Sends until there is an answer that is worth having. */
static int send_patiently(struct backend *b, const char *method, const char *path,
                          struct json_object *body, bool with_token, bool repeatable,
                          struct http_response *res, struct err *err)
{
    for (int attempt = 0;; attempt++) {
        struct err why = ERR_INIT;
        int rc = send_once(b, method, path, body, with_token, res, &why);
        bool again = rc == ERR_TIMEOUT || rc == ERR_UNAVAILABLE ||
                     (rc == 0 && (res->status == 502 || res->status == 503 || res->status == 504));
        if (!again || !(repeatable || (rc && !res->sent)) || attempt + 1 >= TRIES)
            return rc ? err_set(err, rc, "%s", why.msg) : 0;
        back_off(attempt);
    }
}

int backend_take_login(struct backend *b, struct json_object *answer, char **why_file,
                       struct err *err)
{
    const char *jwt = NULL, *refresh = NULL, *login = NULL, *provider = NULL;
    int64_t expires_in = 0;
    int rc;
    if ((rc = json_get_str(answer, "jwt", 16384, &jwt, err)) ||
        (rc = json_get_str(answer, "refresh_token", 4096, &refresh, err)) ||
        (rc = json_opt_str(answer, "login", 256, &login, err)) ||
        (rc = json_opt_str(answer, "provider", 64, &provider, err)) ||
        (rc = json_get_i64(answer, "expires_in", 0, INT32_MAX, &expires_in, err)))
        return err_wrap(err, "the server's answer");
    free_secret(b->account.jwt);
    b->account.jwt = xstrdup(jwt);
    b->account.jwt_exp = clock_now(&clock_real) + expires_in;
    if (login) {
        free(b->account.login);
        b->account.login = xstrdup(login);
    }
    if (provider) {
        free(b->account.provider);
        b->account.provider = xstrdup(provider);
    }
    return account_save(&b->account, refresh, why_file, err);
}

/* With the lock held: somebody else may have been faster. */
static int refresh_locked(struct backend *b, bool force, struct err *err)
{
    cleanup_account struct account now = {0};
    int rc = account_load(b->account.server, &now, err);
    if (rc)
        return rc;
    bool newer = now.jwt && (!b->account.jwt || strcmp(now.jwt, b->account.jwt) != 0);
    if ((newer || !force) && now.jwt && now.jwt_exp - clock_now(&clock_real) >= REFRESH_MARGIN_S) {
        free_secret(b->account.jwt);
        b->account.jwt = steal(&now.jwt);
        b->account.jwt_exp = now.jwt_exp;
        return 0;
    }
    cleanup_free_secret char *token = NULL;
    if ((rc = account_refresh_token(&b->account, &token, err)))
        return rc;
    cleanup_json struct json_object *body = json_object_new_object();
    json_add_str(body, "refresh_token", token);
    cleanup_http_response struct http_response res = HTTP_RESPONSE_INIT;
    /* Repeatable: the server takes the same old token again for a few seconds, for lost answers. */
    rc = send_patiently(b, "POST", "/auth/refresh", body, false, true, &res, err);
    if (rc)
        return rc;
    if (res.status != 200)
        return take_problem(&res, NULL, err);
    cleanup_json struct json_object *answer = NULL;
    rc = http_response_json(&res, &answer, err);
    return rc ? rc : backend_take_login(b, answer, NULL, err);
}

static int refresh(struct backend *b, bool force, struct err *err)
{
    cleanup_close int lock = account_lock(err);
    return lock < 0 ? lock : refresh_locked(b, force, err);
}

int backend_refresh(struct backend *b, struct err *err)
{
    return refresh(b, true, err);
}

int backend_call(struct backend *b, const char *method, const char *path, struct json_object *body,
                 unsigned flags, struct json_object **out, char **word, struct err *err)
{
    bool with_token = !(flags & BACKEND_PUBLIC);
    bool repeatable =
        flags & BACKEND_IDEMPOTENT || strcmp(method, "GET") == 0 || strcmp(method, "DELETE") == 0;
    int rc;
    if (word)
        *word = NULL;
    if (with_token && !b->account.login)
        return err_set(err, ERR_UNAUTHENTICATED, "not logged in at %s", b->account.server);
    if (with_token &&
        (!b->account.jwt || b->account.jwt_exp - clock_now(&clock_real) < REFRESH_MARGIN_S) &&
        (rc = refresh(b, false, err)))
        return rc;

    cleanup_http_response struct http_response res = HTTP_RESPONSE_INIT;
    rc = send_patiently(b, method, path, body, with_token, repeatable, &res, err);
    if (rc)
        return rc;
    if (res.status == 401 && with_token) {
        /* The server's secret may have changed; one refresh decides. */
        if ((rc = refresh(b, true, err)) ||
            (rc = send_patiently(b, method, path, body, true, repeatable, &res, err)))
            return rc;
    }
    if (res.status < 200 || res.status > 299)
        return take_problem(&res, word, err);
    if (!out)
        return 0;
    rc = http_response_json(&res, out, err);
    return rc ? err_wrap(err, "the server's answer") : 0;
}

/* A problem's text is kept apart: it must not end up in the file. */
struct download {
    int fd;
    struct http_response *res;
    struct str problem;
};

static int take_piece(const char *p, size_t n, void *payload, struct err *err)
{
    struct download *d = payload;
    if (d->res->status == 200)
        return fd_write_full(d->fd, p, n, err);
    if (d->problem.len + n <= 65536)
        str_add(&d->problem, p, n);
    return 0;
}

int backend_download(struct backend *b, const char *path, int fd, uint64_t max, struct err *err)
{
    int rc;
    if (!b->account.login)
        return err_set(err, ERR_UNAUTHENTICATED, "not logged in at %s", b->account.server);
    if ((!b->account.jwt || b->account.jwt_exp - clock_now(&clock_real) < REFRESH_MARGIN_S) &&
        (rc = refresh(b, false, err)))
        return rc;
    cleanup_free char *url = xasprintf("%s%s", b->account.server, path);
    cleanup_http_response struct http_response res = HTTP_RESPONSE_INIT;
    struct download d = {fd, &res, STR_INIT};
    const struct http_request req = {
        .url = url,
        .bearer = b->account.jwt,
        .sink = take_piece,
        .sink_payload = &d,
        .timeout_ms = HTTP_NO_TIMEOUT,
        .max_body = max,
    };
    rc = http_perform(b->http, &req, &res, err);
    if (rc == 0 && res.status != 200) {
        str_release(&res.body);
        res.body = d.problem;
        d.problem = (struct str)STR_INIT;
        rc = take_problem(&res, NULL, err);
    }
    str_release(&d.problem);
    return rc;
}

int backend_fail(const struct backend *b, const char *what, const struct err *err)
{
    cleanup_free char *todo = NULL;
    if (err->code == ERR_UNAUTHENTICATED)
        todo = xasprintf("Run 'steadystate login --server %s'.", b->account.server);
    else if (err->code == ERR_UNAVAILABLE || err->code == ERR_TIMEOUT)
        todo = xasprintf("Check that the server %s runs, or run 'steadystate doctor'.",
                         b->account.server);
    else if (err->code == ERR_NOT_FOUND || err->code == ERR_DENIED)
        todo = xstrdup("'steadystate list' shows your sessions and who started them.");
    else if (err->code == ERR_LIMIT)
        todo = xstrdup("Wait a minute and try again.");
    else if (err->code == ERR_INVALID)
        todo = xasprintf("Try 'steadystate %.*s --help'.", (int)strcspn(what, " :"), what);
    return ui_fail_err(what, err, todo);
}
