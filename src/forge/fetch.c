/* The talking half: one GET at a time, with the forge's own ways to say no. */
#include "forge/forge.h"

#include <limits.h>
#include <string.h>

#include "base/num.h"
#include "base/url.h"
#include "http/client.h"
#include "proto/spec.h"

static int check_status(const struct http_response *res, const char *what, struct err *err)
{
    if (res->status == 200)
        return 0;
    if (http_response_is_rate_limit(res)) {
        const char *wait = http_response_header(res, "retry-after");
        return err_set(err, ERR_LIMIT, "the forge was asked too often; try again %s%.20s%s",
                       wait ? "in " : "later", wait ? wait : "", wait ? " s" : "");
    }
    if (res->status == 404)
        return err_set(err, ERR_NOT_FOUND, "%.200s: not found at the forge", what);
    if (res->status == 401)
        return err_set(err, ERR_UNAUTHENTICATED,
                       "the forge does not take the creator's token any more: log in again");
    if (res->status == 403)
        return err_set(err, ERR_DENIED, "%.200s: the forge refuses", what);
    return err_set(err, ERR_UNAVAILABLE, "%.200s: the forge answered %ld", what, res->status);
}

static bool same_origin(const char *a, const char *b)
{
    cleanup_url struct url x = {0};
    cleanup_url struct url y = {0};
    return url_parse(a, strlen(a), &x, NULL) == 0 && url_parse(b, strlen(b), &y, NULL) == 0 &&
           strcmp(x.scheme, y.scheme) == 0 && strcmp(x.host, y.host) == 0 && x.port == y.port;
}

static int perform(struct http_client *http, const char *url, const char *token,
                   const char *condition, struct http_response *res, struct err *err)
{
    const char *headers[] = {"Accept: application/json", condition, NULL};
    const struct http_request req = {
        .url = url,
        .bearer = token,
        .headers = headers,
        .connect_timeout_ms = FORGE_CONNECT_MS,
        .timeout_ms = FORGE_TIMEOUT_MS,
        .max_body = FORGE_BODY_MAX,
    };
    struct err why = ERR_INIT;
    int rc = http_perform(http, &req, res, &why);
    return rc ? err_set(err, ERR_UNAVAILABLE, "%s", why.msg) : 0;
}

/* What a 304 says of the answer counts before what is remembered of it (RFC 9111 section 4.3.4): a
 * page that is as it was may have a next one by now. */
static void freshen(struct http_response *res, struct http_response *known)
{
    for (size_t i = 0; i < known->headers.len; i++)
        strv_push(&res->headers, known->headers.v[i]);
    str_release(&res->body);
    res->body = known->body;
    known->body = (struct str)STR_INIT;
    res->status = known->status;
}

/* One GET; what is remembered when the forge says that it is still so. */
static int get_once(const struct forge *f, struct http_client *http, const char *url,
                    const char *token, struct http_response *res, struct err *err)
{
    cleanup_http_response struct http_response known = HTTP_RESPONSE_INIT;
    cleanup_str struct str etag = STR_INIT;
    cleanup_free char *condition = NULL;
    if (f->memory && !f->fresh && forge_memory_find(f->memory, url, token, f->now, &etag, &known))
        condition = xasprintf("If-None-Match: %s", etag.p);
    int rc = perform(http, url, token, condition, res, err);
    if (rc == 0 && condition && res->status == 304) {
        const char *now = http_response_header(res, "etag");
        if (!now || forge_etag_is_same(now, etag.p)) {
            freshen(res, &known);
            return 0;
        }
        /* It says "still so" of something else than we asked about. */
        rc = perform(http, url, token, NULL, res, err);
    }
    if (rc == 0 && f->memory && res->status == 200)
        forge_memory_put(f->memory, url, token, f->now, res);
    return rc;
}

static bool is_redirect(long status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* The API. What was renamed is a redirect to its number; the token follows on the same origin only.
 */
static int get(const struct forge *f, struct http_client *http, const char *url, const char *what,
               struct http_response *res, struct err *err)
{
    cleanup_free char *at = xstrdup(url);
    for (int hops = 0;; hops++) {
        int rc = get_once(f, http, at, f->token, res, err);
        if (rc)
            return rc;
        const char *to = http_response_header(res, "location");
        cleanup_str struct str next = STR_INIT;
        if (!is_redirect(res->status) || !to || hops == FORGE_REDIRECTS_MAX ||
            forge_resolve(at, to, &next, NULL) || !same_origin(next.p, at))
            return check_status(res, what, err);
        free(at);
        at = str_detach(&next);
    }
}

static int open_client(struct http_client **http, struct err *err)
{
    const struct http_options options = {.user_agent = NULL};
    return http_client_new(&options, http, err);
}

/* 1: there is no such page here. */
static int keys_by_page(const struct forge *f, struct http_client *http, const char *login,
                        const char *what, struct strv *keys, struct err *err)
{
    cleanup_http_response struct http_response res = HTTP_RESPONSE_INIT;
    cleanup_str struct str url = STR_INIT;
    str_addf(&url, "%s/", f->url);
    url_encode(&url, login, strlen(login));
    str_adds(&url, ".keys");
    /* Public: no token goes along. */
    int rc = get_once(f, http, url.p, NULL, &res, err);
    if (rc)
        return rc;
    if ((is_redirect(res.status) || (res.status >= 400 && res.status < 405)) &&
        !http_response_is_rate_limit(&res))
        return 1;
    if ((rc = check_status(&res, what, err)))
        return rc;
    const char *type = http_response_header(&res, "content-type");
    if (type && strncasecmp(type, "text/plain", 10) != 0)
        return err_set(err, ERR_UNAVAILABLE, "%s: the forge answered with %.60s", what, type);
    forge_read_keys(res.body.p, res.body.len, keys);
    return 0;
}

static int keys_by_api(const struct forge *f, struct http_client *http, const char *login,
                       const char *what, struct strv *keys, struct err *err)
{
    cleanup_http_response struct http_response res = HTTP_RESPONSE_INIT;
    cleanup_str struct str url = STR_INIT;
    str_addf(&url, "%s%s/users/", f->api_url, f->kind == FORGE_GITLAB ? "/api/v4" : "");
    url_encode(&url, login, strlen(login));
    str_adds(&url, "/keys?per_page=100");
    int rc = get(f, http, url.p, what, &res, err);
    return rc ? rc : forge_read_key_list(res.body.p, res.body.len, keys, err);
}

int forge_keys(const struct forge *f, const char *login, struct strv *keys, struct err *err)
{
    cleanup_http_client struct http_client *http = NULL;
    cleanup_free char *what = xasprintf("keys of %s", login);
    int rc = open_client(&http, err);
    if (rc == 0)
        rc = keys_by_page(f, http, login, what, keys, err);
    return rc == 1 ? keys_by_api(f, http, login, what, keys, err) : rc;
}

/* path is behind the API's URL; list: the answer is a list of one. */
static int ask_person(const struct forge *f, const char *path, const char *who, bool list,
                      struct forge_person *out, struct err *err)
{
    cleanup_http_client struct http_client *http = NULL;
    cleanup_http_response struct http_response res = HTTP_RESPONSE_INIT;
    cleanup_free char *url = xasprintf("%s%s", f->api_url, path);
    int rc = open_client(&http, err);
    if (rc || (rc = get(f, http, url, who, &res, err)))
        return rc;
    if (!list)
        return forge_read_user(f->kind, res.body.p, res.body.len, out, err);
    struct err why = ERR_INIT;
    rc = forge_read_found(f->kind, res.body.p, res.body.len, out, &why);
    if (rc == ERR_NOT_FOUND)
        return err_set(err, rc, "nobody is called %.200s at the forge", who);
    return rc ? err_set(err, rc, "%s", why.msg) : 0;
}

int forge_person(const struct forge *f, const char *login, struct forge_person *out,
                 struct err *err)
{
    bool gitlab = f->kind == FORGE_GITLAB;
    cleanup_str struct str path = STR_INIT;
    str_adds(&path, gitlab ? "/api/v4/users?username=" : "/users/");
    url_encode(&path, login, strlen(login));
    return ask_person(f, path.p, login, gitlab, out, err);
}

int forge_person_by_id(const struct forge *f, const char *subject, struct forge_person *out,
                       struct err *err)
{
    cleanup_str struct str path = STR_INIT;
    str_adds(&path, f->kind == FORGE_GITLAB ? "/api/v4/users/" : "/user/");
    url_encode(&path, subject, strlen(subject));
    int rc = ask_person(f, path.p, subject, false, out, err);
    if (rc == 0 && strcmp(out->subject, subject) != 0) {
        forge_person_release(out);
        return err_set(err, ERR_UNAVAILABLE, "the forge answered about somebody else");
    }
    return rc;
}

static void first_page(const struct forge *f, const char *repository, struct str *url)
{
    if (f->kind == FORGE_GITLAB) {
        str_addf(url, "%s/api/v4/projects/", f->api_url);
        url_encode(url, repository, strlen(repository));
        str_adds(url, "/members/all?per_page=100");
    } else {
        str_addf(url, "%s/repos/%s/collaborators?per_page=100", f->api_url, repository);
    }
}

/* Where the next page is; false: this was the last one. GitLab names its number too, and where a
 * proxy or a large result leaves the Link header out, only that. */
static bool next_page(const struct forge *f, const char *repository,
                      const struct http_response *res, struct str *next)
{
    const char *link = http_response_header(res, "link");
    const char *number = http_response_header(res, "x-next-page");
    int page = 0;
    if (link && forge_read_next(link, strlen(link), next))
        return true;
    if (f->kind != FORGE_GITLAB || !number || num_parse_int(number, 2, INT_MAX, &page, NULL))
        return false;
    first_page(f, repository, next);
    str_addf(next, "&page=%d", page);
    return true;
}

int forge_collaborators(const struct forge *f, const char *repository, struct forge_people *people,
                        struct err *err)
{
    cleanup_http_client struct http_client *http = NULL;
    cleanup_str struct str url = STR_INIT;
    int rc = open_client(&http, err);
    first_page(f, repository, &url);
    for (int page = 0; rc == 0 && page < FORGE_PAGES_MAX; page++) {
        cleanup_http_response struct http_response res = HTTP_RESPONSE_INIT;
        if ((rc = get(f, http, url.p, repository, &res, err)) ||
            (rc = forge_read_people(f->kind, res.body.p, res.body.len, people, err)))
            return rc;
        cleanup_str struct str next = STR_INIT;
        if (!next_page(f, repository, &res, &next))
            return 0;
        cleanup_str struct str at = STR_INIT;
        if (forge_resolve(url.p, next.p, &at, NULL) || !same_origin(at.p, f->api_url))
            return err_set(err, ERR_UNAVAILABLE, "the forge's next page lies elsewhere");
        str_clear(&url);
        str_adds(&url, at.p);
    }
    return rc ? rc
              : err_set(err, ERR_LIMIT, "more than %d pages of collaborators", FORGE_PAGES_MAX);
}
