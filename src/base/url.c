#include "base/url.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/enc.h"
#include "base/num.h"
#include "base/path.h"

void url_release(struct url *u)
{
    free(u->scheme);
    free(u->user);
    free_secret(u->password);
    free(u->host);
    free(u->path);
    free(u->query);
    memset(u, 0, sizeof *u);
}

static bool is_unreserved(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void url_encode(struct str *out, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        if (is_unreserved(c))
            str_addc(out, (char)c);
        else
            str_addf(out, "%%%02X", c);
    }
}

int url_decode(const char *text, size_t n, bool plus_is_space, struct str *out, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '%') {
            if (n - i < 3)
                return err_set(err, ERR_INVALID, "incomplete percent encoding");
            int rc = enc_unhex(text + i + 1, 2, out, err);
            if (rc)
                return rc;
            if (out->p[out->len - 1] == '\0')
                return err_set(err, ERR_INVALID, "encoded NUL byte");
            i += 2;
        } else {
            str_addc(out, plus_is_space && text[i] == '+' ? ' ' : text[i]);
        }
    }
    return 0;
}

void url_add_host_port(struct str *out, const char *host, int port)
{
    bool v6 = strchr(host, ':') != NULL;
    str_addf(out, "%s%s%s", v6 ? "[" : "", host, v6 ? "]" : "");
    if (port)
        str_addf(out, ":%d", port);
}

int url_add_origin(struct str *out, const struct url *url, struct err *err)
{
    bool https = strcmp(url->scheme, "https") == 0;
    struct in6_addr raw;
    char v6[INET6_ADDRSTRLEN];
    const char *host = url->host;
    if ((!https && strcmp(url->scheme, "http") != 0) || !host)
        return err_set(err, ERR_INVALID, "not an http or https URL");
    if (strchr(host, ':') && inet_pton(AF_INET6, host, &raw) == 1)
        host = inet_ntop(AF_INET6, &raw, v6, sizeof v6);
    str_addf(out, "%s://", url->scheme);
    url_add_host_port(out, host, url->port == (https ? 443 : 80) ? 0 : url->port);
    return 0;
}

static bool host_is_valid(const char *host, bool bracketed)
{
    size_t n = strlen(host);
    if (n < 1 || n > URL_HOST_MAX || host[0] == '-' || host[0] == '.')
        return false;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)host[i];
        bool ok = bracketed ? isxdigit(c) || c == ':' || c == '.'
                            : isalnum(c) || c == '-' || c == '.' || c == '_';
        if (!ok)
            return false;
    }
    return !bracketed || strchr(host, ':');
}

static void lower(char *s)
{
    for (; *s; s++)
        *s = (char)tolower((unsigned char)*s);
}

static int parse_userinfo(const char *p, size_t n, struct url *out, struct err *err)
{
    const char *colon = memchr(p, ':', n);
    size_t user_len = colon ? (size_t)(colon - p) : n;
    cleanup_str struct str user = STR_INIT;
    int rc = url_decode(p, user_len, false, &user, err);
    if (rc)
        return rc;
    out->user = str_detach(&user);
    if (!colon)
        return 0;
    cleanup_str_secret struct str password = STR_INIT;
    rc = url_decode(colon + 1, n - user_len - 1, false, &password, err);
    if (rc == 0)
        out->password = str_detach(&password);
    return rc;
}

/* [user[:password]@]host[:port] */
static int parse_authority(const char *p, size_t n, struct url *out, struct err *err)
{
    const char *at = memrchr(p, '@', n);
    if (at) {
        int rc = parse_userinfo(p, (size_t)(at - p), out, err);
        if (rc)
            return rc;
        n -= (size_t)(at + 1 - p);
        p = at + 1;
    }
    bool bracketed = n && p[0] == '[';
    const char *end, *port = NULL;
    if (bracketed) {
        end = memchr(p, ']', n);
        if (!end)
            return err_set(err, ERR_INVALID, "URL with an open bracket");
        out->host = xstrndup(p + 1, (size_t)(end - p - 1));
        end++;
    } else {
        end = memchr(p, ':', n);
        if (!end)
            end = p + n;
        out->host = xstrndup(p, (size_t)(end - p));
    }
    lower(out->host);
    if (!host_is_valid(out->host, bracketed))
        return err_set(err, ERR_INVALID, "URL with an invalid host");
    if (end < p + n) {
        if (*end != ':')
            return err_set(err, ERR_INVALID, "URL with an invalid port");
        port = end + 1;
        uint64_t value;
        if (num_parse_u64(port, (size_t)(p + n - port), 1, 65535, &value, NULL))
            return err_set(err, ERR_INVALID, "URL with an invalid port");
        out->port = (int)value;
    }
    return 0;
}

static int check_bytes(const char *text, size_t len, struct err *err)
{
    if (len == 0)
        return err_set(err, ERR_INVALID, "empty URL");
    if (len > URL_MAX)
        return err_set(err, ERR_INVALID, "URL longer than %d bytes", URL_MAX);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] <= 0x20 || text[i] == 0x7f)
            return err_set(err, ERR_INVALID, "URL with white space or control bytes");
    return 0;
}

static int parse_parts(const char *text, size_t len, struct url *out, struct err *err)
{
    const char *sep = memmem(text, len, "://", 3);
    if (!sep || sep == text)
        return err_set(err, ERR_INVALID, "not a URL");
    out->scheme = xstrndup(text, (size_t)(sep - text));
    lower(out->scheme);
    for (const char *s = out->scheme; *s; s++)
        if (!(*s >= 'a' && *s <= 'z') &&
            !(s > out->scheme && ((*s >= '0' && *s <= '9') || strchr("+-.", *s))))
            return err_set(err, ERR_INVALID, "URL with an invalid scheme");

    const char *p = sep + 3, *stop = text + len;
    size_t n = 0;
    while (p + n < stop && !strchr("/?#", p[n]))
        n++;
    if (n || strcmp(out->scheme, "file") != 0) {
        int rc = parse_authority(p, n, out, err);
        if (rc)
            return rc;
    }
    p += n;
    if (memchr(p, '#', (size_t)(stop - p)))
        return err_set(err, ERR_INVALID, "URL with a fragment");
    const char *query = memchr(p, '?', (size_t)(stop - p));
    out->path = xstrndup(p, (size_t)((query ? query : stop) - p));
    if (query)
        out->query = xstrndup(query + 1, (size_t)(stop - query - 1));
    return 0;
}

int url_parse(const char *text, size_t len, struct url *out, struct err *err)
{
    memset(out, 0, sizeof *out);
    int rc = check_bytes(text, len, err);
    if (rc == 0)
        rc = parse_parts(text, len, out, err);
    if (rc)
        url_release(out);
    return rc;
}

void repo_url_release(struct repo_url *r)
{
    free(r->url);
    free(r->host);
    free(r->user);
    free(r->path);
    free(r->name);
    memset(r, 0, sizeof *r);
}

/* The project's directory name: the last component of the path without ".git". */
static int take_name(struct repo_url *r, struct err *err)
{
    size_t len = strlen(r->path);
    while (len && r->path[len - 1] == '/')
        len--;
    size_t start = len;
    while (start && r->path[start - 1] != '/')
        start--;
    if (len - start > 4 && memcmp(r->path + len - 4, ".git", 4) == 0)
        len -= 4;
    r->name = xstrndup(r->path + start, len - start);
    bool ok =
        path_is_name(r->name) && r->name[0] != '-' && r->name[0] != '.' && strlen(r->name) <= 100;
    for (const char *s = r->name; ok && *s; s++)
        ok = is_unreserved((unsigned char)*s) || *s == '+' || *s == '@';
    return ok ? 0 : err_set(err, ERR_INVALID, "repository without a usable name");
}

static int check_parts(const struct repo_url *r, struct err *err)
{
    if (r->host && r->host[0] == '-')
        return err_set(err, ERR_INVALID, "repository host looks like an option");
    if (r->user && (r->user[0] == '-' || !r->user[0]))
        return err_set(err, ERR_INVALID, "repository user looks like an option");
    for (const char *s = r->user ? r->user : ""; *s; s++)
        if (!is_unreserved((unsigned char)*s))
            return err_set(err, ERR_INVALID, "repository user with odd characters");
    if (strlen(r->path) < 2 || r->path[1] == '-')
        return err_set(err, ERR_INVALID, "repository without a usable path");
    /* Percent signs would be decoded by one program and not by the next; behind the others a URL's
     * path ends. */
    if (r->host && r->path[strcspn(r->path, "%?#")])
        return err_set(err, ERR_INVALID, "repository path with '%%', '?' or '#'");
    for (const char *p = r->path; (p = strstr(p, "/..")); p += 3)
        if (p[3] == '/' || !p[3])
            return err_set(err, ERR_INVALID, "repository path with '..'");
    return 0;
}

static void build_url(struct repo_url *r)
{
    struct str s = STR_INIT;
    str_adds(&s, r->kind == REPO_HTTPS ? "https://" : r->kind == REPO_HTTP ? "http://" : "ssh://");
    if (r->kind == REPO_SSH)
        str_addf(&s, "%s@", r->user);
    url_add_host_port(&s, r->host, r->port);
    str_adds(&s, r->path);
    r->url = str_detach(&s);
}

/* user@host:path, git's scp-like form; the path is relative to the user's home unless absolute. */
static int parse_scp_like(const char *text, size_t len, struct repo_url *out, struct err *err)
{
    const char *at = memchr(text, '@', len);
    const char *colon = memchr(text, ':', len);
    if (!at || !colon || at > colon || at == text)
        return err_set(err, ERR_INVALID, "not a repository address");
    out->kind = REPO_SSH;
    out->user = xstrndup(text, (size_t)(at - text));
    out->host = xstrndup(at + 1, (size_t)(colon - at - 1));
    lower(out->host);
    if (!host_is_valid(out->host, false))
        return err_set(err, ERR_INVALID, "repository with an invalid host");
    const char *path = colon + 1;
    cleanup_free char *rest = xstrndup(path, (size_t)(text + len - path));
    out->path = rest[0] == '/' ? xstrdup(rest) : xasprintf("/%s", rest);
    return 0;
}

static int take_url(struct url *u, struct repo_url *out, struct err *err)
{
    static const struct {
        const char *scheme;
        enum repo_kind kind;
    } kinds[] = {
        {"https", REPO_HTTPS}, {"http", REPO_HTTP}, {"ssh", REPO_SSH}, {"file", REPO_FILE}};
    size_t i = 0;
    while (i < ARRAY_LEN(kinds) && strcmp(kinds[i].scheme, u->scheme) != 0)
        i++;
    if (i == ARRAY_LEN(kinds))
        return err_set(err, ERR_INVALID, "'%s' is not a supported transport", u->scheme);
    out->kind = kinds[i].kind;
    if (u->query)
        return err_set(err, ERR_INVALID, "repository address with a query");
    if (u->password || (u->user && out->kind != REPO_SSH))
        return err_set(err, ERR_INVALID, "credentials do not belong in a repository address");
    if (out->kind == REPO_FILE && u->host && strcmp(u->host, "localhost") != 0)
        return err_set(err, ERR_INVALID, "file address with a host");
    out->port = u->port;
    out->host = out->kind == REPO_FILE ? NULL : steal(&u->host);
    out->path = steal(&u->path);
    if (out->kind == REPO_SSH)
        out->user = u->user ? steal(&u->user) : xstrdup("git");
    return 0;
}

static int parse_repo(const char *text, size_t len, struct repo_url *out, struct err *err)
{
    int rc;
    if (text[0] == '-')
        return err_set(err, ERR_INVALID, "repository address looks like an option");
    if (memmem(text, len, "::", 2) && !memchr(text, '[', len))
        return err_set(err, ERR_INVALID, "not a supported transport");
    if (text[0] == '/') {
        out->kind = REPO_FILE;
        out->path = xstrndup(text, len);
        rc = 0;
    } else if (memmem(text, len, "://", 3)) {
        cleanup_url struct url u;
        rc = url_parse(text, len, &u, err);
        if (rc == 0)
            rc = take_url(&u, out, err);
    } else {
        rc = parse_scp_like(text, len, out, err);
    }
    if (rc || (rc = check_parts(out, err)) || (rc = take_name(out, err)))
        return rc;
    if (out->kind == REPO_FILE)
        out->url = xstrdup(out->path);
    else
        build_url(out);
    return 0;
}

int repo_url_parse(const char *text, size_t len, struct repo_url *out, struct err *err)
{
    memset(out, 0, sizeof *out);
    int rc = check_bytes(text, len, err);
    if (rc == 0)
        rc = parse_repo(text, len, out, err);
    if (rc)
        repo_url_release(out);
    return rc;
}
