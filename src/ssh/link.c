#include "ssh/link.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/url.h"
#include "ssh/key.h"

#define USER_MAX 32

void magic_link_init(struct magic_link *link)
{
    memset(link, 0, sizeof *link);
}

void magic_link_release(struct magic_link *link)
{
    free(link->user);
    free(link->host);
    free(link->host_key);
    magic_link_init(link);
}

bool ssh_user_is_valid(const char *user)
{
    size_t n = strlen(user);
    if (n == 0 || n > USER_MAX || user[0] == '-')
        return false;
    for (const char *p = user; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("._-", *p))
            return false;
    return true;
}

/* A colon makes it an IPv6 address, possibly with a zone. */
bool ssh_host_is_valid(const char *host)
{
    size_t n = strlen(host);
    if (n == 0 || n > URL_HOST_MAX || host[0] == '-' || host[0] == '.')
        return false;
    bool v6 = strchr(host, ':') != NULL;
    for (const char *p = host; *p; p++) {
        bool ok = v6 ? isxdigit((unsigned char)*p) || *p == ':' || *p == '.'
                     : isalnum((unsigned char)*p) || *p == '.' || *p == '-' || *p == '_';
        if (!ok)
            return false;
    }
    return true;
}

static int parse_ssh(const char *text, size_t len, struct magic_link *out, struct err *err)
{
    cleanup_url struct url u = {0};
    int rc = url_parse(text, len, &u, err);
    if (rc) {
        err_wrap(err, "magic link: ssh");
        return rc;
    }
    if (strcmp(u.scheme, "ssh") != 0)
        return err_set(err, ERR_INVALID, "magic link: ssh is not an ssh:// URL");
    if (!u.user || u.password || !ssh_user_is_valid(u.user))
        return err_set(err, ERR_INVALID, "magic link: the ssh user is missing or not acceptable");
    if (!u.host || !ssh_host_is_valid(u.host))
        return err_set(err, ERR_INVALID, "magic link: the ssh host is not acceptable");
    if (u.port < 1 || u.port > 65535)
        return err_set(err, ERR_INVALID, "magic link: the ssh port is missing");
    if ((u.path && u.path[0] && strcmp(u.path, "/") != 0) || u.query)
        return err_set(err, ERR_INVALID, "magic link: ssh has a path or a query");
    out->user = steal(&u.user);
    out->host = steal(&u.host);
    out->port = u.port;
    return 0;
}

static int parse_host_key(const char *text, size_t len, struct magic_link *out, struct err *err)
{
    cleanup_ssh_key struct ssh_key key;
    int rc = ssh_key_parse_line(text, len, &key, err);
    if (rc) {
        err_wrap(err, "magic link: host_key");
        return rc;
    }
    cleanup_str struct str line = STR_INIT;
    ssh_key_format(&key, &line);
    out->host_key = str_detach(&line);
    return 0;
}

/* One "name=value" of the query. */
static int parse_param(const char *p, size_t len, struct magic_link *out, struct err *err)
{
    const char *eq = memchr(p, '=', len);
    size_t name_len = eq ? (size_t)(eq - p) : len;
    bool is_ssh = name_len == 3 && memcmp(p, "ssh", 3) == 0;
    bool is_key = name_len == 8 && memcmp(p, "host_key", 8) == 0;
    if (!is_ssh && !is_key)
        return 0;
    if (is_ssh ? out->user != NULL : out->host_key != NULL)
        return err_set(err, ERR_INVALID, "magic link: %s stands there twice",
                       is_ssh ? "ssh" : "host_key");
    cleanup_str struct str value = STR_INIT;
    const char *raw = eq ? eq + 1 : p + len;
    int rc = url_decode(raw, (size_t)(p + len - raw), true, &value, err);
    if (rc) {
        err_wrap(err, "magic link");
        return rc;
    }
    return is_ssh ? parse_ssh(value.p, value.len, out, err)
                  : parse_host_key(value.p, value.len, out, err);
}

static int parse_head(const char **p, const char *end, struct magic_link *out, struct err *err)
{
    size_t scheme = strlen(MAGIC_LINK_SCHEME);
    if ((size_t)(end - *p) < scheme || memcmp(*p, MAGIC_LINK_SCHEME, scheme) != 0)
        return err_set(err, ERR_INVALID, "magic link: does not begin with " MAGIC_LINK_SCHEME);
    *p += scheme;
    const char *slash = memchr(*p, '/', (size_t)(end - *p));
    size_t mode_len = slash ? (size_t)(slash - *p) : 0;
    bool collab = mode_len == 6 && memcmp(*p, "collab", 6) == 0;
    bool pair = mode_len == 4 && memcmp(*p, "pair", 4) == 0;
    if (!collab && !pair)
        return err_set(err, ERR_INVALID, "magic link: the mode is neither collab nor pair");
    memcpy(out->mode, *p, mode_len);
    *p = slash + 1;
    if ((size_t)(end - *p) < SESSION_ID_LEN)
        return err_set(err, ERR_INVALID, "magic link: the session id is too short");
    memcpy(out->session_id, *p, SESSION_ID_LEN);
    *p += SESSION_ID_LEN;
    if (!session_id_is_valid(out->session_id) || (*p < end && **p != '?'))
        return err_set(err, ERR_INVALID, "magic link: the session id is malformed");
    return 0;
}

static int parse_all(const char *text, size_t len, struct magic_link *out, struct err *err)
{
    const char *p = text, *end = text + len;
    int rc = parse_head(&p, end, out, err);
    if (rc)
        return rc;
    if (p < end)
        p++;
    while (p < end) {
        const char *amp = memchr(p, '&', (size_t)(end - p));
        const char *stop = amp ? amp : end;
        rc = parse_param(p, (size_t)(stop - p), out, err);
        if (rc)
            return rc;
        p = amp ? amp + 1 : end;
    }
    if (!out->user)
        return err_set(err, ERR_INVALID, "magic link: ssh is missing");
    if (!out->host_key)
        return err_set(err, ERR_INVALID, "magic link: host_key is missing");
    return 0;
}

int magic_link_parse(const char *text, size_t len, struct magic_link *out, struct err *err)
{
    magic_link_init(out);
    if (len > MAGIC_LINK_MAX)
        return err_set(err, ERR_LIMIT, "magic link: longer than %d bytes", MAGIC_LINK_MAX);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] <= 0x20 || (unsigned char)text[i] >= 0x7f)
            return err_set(err, ERR_INVALID, "magic link: has a byte that is not printable ASCII");
    int rc = parse_all(text, len, out, err);
    if (rc)
        magic_link_release(out);
    return rc;
}

void magic_link_ssh_url(const struct magic_link *link, struct str *out)
{
    str_addf(out, "ssh://%s@", link->user);
    url_add_host_port(out, link->host, link->port);
}

void magic_link_format(const struct magic_link *link, struct str *out)
{
    cleanup_str struct str ssh = STR_INIT;
    magic_link_ssh_url(link, &ssh);
    str_addf(out, MAGIC_LINK_SCHEME "%s/%s?ssh=", link->mode, link->session_id);
    url_encode(out, ssh.p, ssh.len);
    str_adds(out, "&host_key=");
    url_encode(out, link->host_key, strlen(link->host_key));
}

int magic_link_id(const char *id_or_link, char out[SESSION_ID_LEN + 1], struct err *err)
{
    if (session_id_is_valid(id_or_link)) {
        memcpy(out, id_or_link, SESSION_ID_LEN + 1);
        return 0;
    }
    if (!str_starts_with(id_or_link, MAGIC_LINK_SCHEME))
        return err_set(err, ERR_INVALID, "neither a session id nor a magic link");
    cleanup_magic_link struct magic_link link;
    int rc = magic_link_parse(id_or_link, strlen(id_or_link), &link, err);
    if (rc)
        return rc;
    memcpy(out, link.session_id, SESSION_ID_LEN + 1);
    return 0;
}
