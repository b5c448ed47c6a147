#include <arpa/inet.h>
#include <ctype.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/net.h"
#include "base/num.h"
#include "base/path.h"
#include "base/url.h"
#include "daemon/config_keys.h"
#include "ssh/link.h"

#define SQLITE_PREFIX "sqlite:"
#define SUBNET_BITS 28 /* of one session */

static int default_paths(const char *home, struct config *c, struct err *err)
{
    if (!c->state_dir) {
        if (!home || home[0] != '/')
            return err_set(err, ERR_INVALID,
                           "STEADYSTATE_STATE_DIR: not set, and there is no HOME");
        c->state_dir = path_join(home, ".steadystate");
    }
    if (!c->session_root)
        c->session_root = path_join(c->state_dir, "sessions");
    if (!c->database)
        c->database = xasprintf(SQLITE_PREFIX "%s/steadystate.db", c->state_dir);
    if (!str_starts_with(c->database, SQLITE_PREFIX "/"))
        return err_set(err, ERR_INVALID,
                       "STEADYSTATE_DATABASE: must be sqlite: and an absolute path");
    c->database_path = xstrdup(c->database + strlen(SQLITE_PREFIX));
    return 0;
}

static bool is_loopback(const char *address)
{
    struct in6_addr v6;
    if (strchr(address, ':'))
        return inet_pton(AF_INET6, address, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
    return str_starts_with(address, "127.");
}

static int check_listening(const struct config *c, struct err *err)
{
    if (c->tls_cert && !c->tls_key)
        return err_set(err, ERR_INVALID,
                       "STEADYSTATE_TLS_KEY: missing beside STEADYSTATE_TLS_CERT");
    if (c->tls_key && !c->tls_cert)
        return err_set(err, ERR_INVALID,
                       "STEADYSTATE_TLS_CERT: missing beside STEADYSTATE_TLS_KEY");
    if (!is_loopback(c->bind) && !c->tls_cert && !c->allow_http)
        return err_set(err, ERR_INVALID,
                       "STEADYSTATE_BIND: %s is not a loopback address: set STEADYSTATE_TLS_CERT "
                       "and STEADYSTATE_TLS_KEY, or STEADYSTATE_ALLOW_HTTP=1 behind a proxy",
                       c->bind);
    return 0;
}

static int check_origins(const char *name, const struct strv *origins, struct err *err)
{
    for (size_t i = 0; i < origins->len; i++) {
        const char *text = origins->v[i];
        cleanup_url struct url u = {0};
        bool ok = url_parse(text, strlen(text), &u, NULL) == 0 && !u.user && !u.query &&
                  (!u.path || !*u.path) &&
                  (strcmp(u.scheme, "http") == 0 || strcmp(u.scheme, "https") == 0);
        if (!ok)
            return err_set(err, ERR_INVALID, "%s: an origin is scheme://host[:port]", name);
    }
    return 0;
}

static int check_subnets(const struct config *c, struct err *err)
{
    const char *slash = strchr(c->session_subnets, '/');
    struct in_addr address;
    int bits;
    if (slash) {
        cleanup_free char *head =
            xstrndup(c->session_subnets, (size_t)(slash - c->session_subnets));
        if (inet_pton(AF_INET, head, &address) == 1 &&
            num_parse_int(slash + 1, 8, SUBNET_BITS, &bits, NULL) == 0 &&
            (ntohl(address.s_addr) & (0xffffffffu >> bits)) == 0)
            return 0;
    }
    return err_set(err, ERR_INVALID,
                   "STEADYSTATE_SESSION_SUBNETS: must be an IPv4 network such as 10.213.0.0/16");
}

/* As engines write references: no option, no blank. The engine itself knows the rest. */
static bool is_image(const char *text)
{
    size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/:@");
    return n == strlen(text) && isalnum((unsigned char)text[0]);
}

/* Only root can run sessions as somebody else, so only then does it matter who that is. The default
 * account may still be made while the server runs; one that was named is a mistake. */
static int check_local_user(const struct config *c, struct err *err)
{
    if (!ssh_user_is_valid(c->local_user))
        return err_set(err, ERR_INVALID, "STEADYSTATE_LOCAL_USER: not an account name");
    if (geteuid() != 0 || c->provider != CONFIG_PROVIDER_LOCAL)
        return 0;
    const struct passwd *pw = getpwnam(c->local_user);
    if (pw && pw->pw_uid == 0)
        return err_set(err, ERR_INVALID, "STEADYSTATE_LOCAL_USER: sessions never run as root");
    if (!pw && strcmp(c->local_user, CONFIG_LOCAL_USER) != 0)
        return err_set(err, ERR_INVALID, "STEADYSTATE_LOCAL_USER: there is no account %s",
                       c->local_user);
    return 0;
}

static int check_compute(const struct config *c, struct err *err)
{
    if (c->engine && !str_starts_with(c->engine, "unix:///"))
        return err_set(err, ERR_INVALID, "STEADYSTATE_ENGINE: must be unix:///path of a socket");
    for (size_t i = 0; i < c->allowed_hosts.len; i++)
        if (net_allow_check_entry(c->allowed_hosts.v[i], err)) {
            err_wrap(err, "STEADYSTATE_ALLOWED_HOSTS");
            return ERR_INVALID;
        }
    if (c->allow_local_repos && c->provider == CONFIG_PROVIDER_CONTAINER)
        return err_set(err, ERR_INVALID,
                       "STEADYSTATE_ALLOW_LOCAL_REPOS: works with the local provider only");
    if (!is_image(c->session_image))
        return err_set(err, ERR_INVALID, "STEADYSTATE_SESSION_IMAGE: not the name of an image");
    int rc = check_local_user(c, err);
    return rc ? rc : check_subnets(c, err);
}

static int check_links(struct config *c, struct err *err)
{
    if (!c->external_host) {
        char address[NET_ADDR_TEXT];
        net_lan_address(address);
        c->external_host = xstrdup(address);
    }
    size_t n = strlen(c->external_host);
    if (n > 2 && c->external_host[0] == '[' && c->external_host[n - 1] == ']' &&
        strchr(c->external_host, ':')) {
        char *bare = xstrndup(c->external_host + 1, n - 2);
        free(c->external_host);
        c->external_host = bare;
    }
    if (!ssh_host_is_valid(c->external_host))
        return err_set(err, ERR_INVALID,
                       "STEADYSTATE_EXTERNAL_HOST: must be a host name or an address without port");
    if (!ssh_user_is_valid(c->ssh_user))
        return err_set(err, ERR_INVALID, "STEADYSTATE_SSH_USER: not an account name");
    return 0;
}

static int check_login(const struct config *c, struct err *err)
{
    cleanup_url struct url u = {0};
    if (c->oidc_issuer && url_parse(c->oidc_issuer, strlen(c->oidc_issuer), &u, err)) {
        err_wrap(err, "OIDC_ISSUER");
        return ERR_INVALID;
    }
    if (c->oidc_issuer && !c->oidc_client_id)
        return err_set(err, ERR_INVALID, "OIDC_CLIENT_ID: missing beside OIDC_ISSUER");
    if (c->oidc_client_id && !c->oidc_issuer)
        return err_set(err, ERR_INVALID, "OIDC_ISSUER: missing beside OIDC_CLIENT_ID");
    for (const char *p = c->jwt_issuer; *p; p++)
        if ((unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7f)
            return err_set(err, ERR_INVALID, "JWT_ISSUER: must be printable ASCII");
    return 0;
}

static int check_ttls(const struct config *c, struct err *err)
{
    if (c->default_session_ttl_secs > c->max_session_ttl_secs)
        return err_set(err, ERR_INVALID,
                       "STEADYSTATE_DEFAULT_SESSION_TTL_SECS: more than "
                       "STEADYSTATE_MAX_SESSION_TTL_SECS");
    return 0;
}

int config_finish(const char *home, struct config *c, struct err *err)
{
    int rc = default_paths(home, c, err);
    if (!rc)
        rc = check_listening(c, err);
    if (!rc)
        rc = check_origins("STEADYSTATE_CORS_ORIGINS", &c->cors_origins, err);
    if (!rc)
        rc = check_origins("STEADYSTATE_PUBLIC_URL", &c->public_urls, err);
    if (!rc)
        rc = check_compute(c, err);
    if (!rc)
        rc = check_links(c, err);
    if (!rc)
        rc = check_login(c, err);
    return rc ? rc : check_ttls(c, err);
}
