#include "auth/own_names.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <limits.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/mem.h"
#include "base/url.h"
#include "ssh/sshsig.h"

struct own_names {
    struct strv origins; /* configured */
    struct strv hosts;   /* known otherwise; lower case */
    X509 *certificate;   /* NULL: plain HTTP */
};

static int add_public(struct own_names *names, const char *text, struct err *err)
{
    cleanup_url struct url url = {0};
    cleanup_str struct str origin = STR_INIT;
    int rc = url_parse(text, strlen(text), &url, err);
    if (rc == 0)
        rc = url_add_origin(&origin, &url, err);
    if (rc == 0)
        strv_push(&names->origins, origin.p);
    return rc;
}

static int read_certificate(const char *pem, X509 **out, struct err *err)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    *out = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    return *out ? 0 : err_set(err, ERR_INVALID, "the TLS certificate cannot be read");
}

/* As a URL's host would be written. */
static void add_host(struct own_names *names, const char *host)
{
    cleanup_str struct str text = STR_INIT;
    cleanup_str struct str origin = STR_INIT;
    cleanup_url struct url url = {0};
    str_adds(&text, "http://");
    url_add_host_port(&text, host, 0);
    if (url_parse(text.p, text.len, &url, NULL) == 0 && url_add_origin(&origin, &url, NULL) == 0)
        strv_push(&names->hosts, origin.p + strlen("http://"));
}

static void add_interfaces(struct own_names *names)
{
    struct ifaddrs *list = NULL;
    if (getifaddrs(&list))
        return;
    for (const struct ifaddrs *i = list; i; i = i->ifa_next) {
        char text[INET6_ADDRSTRLEN];
        const void *raw = NULL;
        if (i->ifa_addr && i->ifa_addr->sa_family == AF_INET)
            raw = &((const struct sockaddr_in *)(const void *)i->ifa_addr)->sin_addr;
        else if (i->ifa_addr && i->ifa_addr->sa_family == AF_INET6)
            raw = &((const struct sockaddr_in6 *)(const void *)i->ifa_addr)->sin6_addr;
        if (raw && inet_ntop(i->ifa_addr->sa_family, raw, text, sizeof text))
            add_host(names, text);
    }
    freeifaddrs(list);
}

static void add_machine(struct own_names *names, const struct own_names_options *o)
{
    char host[HOST_NAME_MAX + 1] = "";
    add_host(names, "localhost");
    add_host(names, o->bind);
    add_host(names, o->external_host);
    if (gethostname(host, sizeof host - 1) == 0 && host[0]) {
        cleanup_free char *in_mdns = xasprintf("%s.local", host);
        add_host(names, host);
        add_host(names, in_mdns);
    }
    add_interfaces(names);
}

int own_names_new(const struct own_names_options *options, struct own_names **out, struct err *err)
{
    struct own_names *names = xcalloc(1, sizeof *names);
    names->origins = names->hosts = (struct strv)STRV_INIT;
    int rc = options->tls_cert_pem
                 ? read_certificate(options->tls_cert_pem, &names->certificate, err)
                 : 0;
    for (size_t i = 0; rc == 0 && i < options->n_public_urls; i++)
        rc = add_public(names, options->public_urls[i], err);
    if (rc) {
        own_names_free(names);
        return rc;
    }
    add_machine(names, options);
    *out = names;
    return 0;
}

void own_names_free(struct own_names *names)
{
    if (!names)
        return;
    strv_release(&names->origins);
    strv_release(&names->hosts);
    X509_free(names->certificate);
    free(names);
}

static bool is_loopback(const char *host)
{
    struct in_addr v4;
    return (inet_pton(AF_INET, host, &v4) == 1 && ntohl(v4.s_addr) >> 24 == 127) ||
           strcmp(host, "::1") == 0 || strcmp(host, "localhost") == 0;
}

static bool has_host(const struct own_names *names, const struct url *url)
{
    const char *host = url->host;
    if (names->certificate && strcmp(url->scheme, "https") == 0 &&
        (X509_check_host(names->certificate, host, 0, 0, NULL) == 1 ||
         X509_check_ip_asc(names->certificate, host, 0) == 1))
        return true;
    if (is_loopback(host))
        return true;
    cleanup_str struct str bare = STR_INIT;
    url_add_host_port(&bare, host, 0);
    return strv_has(&names->hosts, bare.p);
}

static int refuse(const char *origin, struct err *err)
{
    return err_set(err, ERR_DENIED,
                   "this server is not known as %.300s, so the signature may have been meant for "
                   "another one: log in at an address of its own, or let STEADYSTATE_PUBLIC_URL "
                   "on the server name this one",
                   origin);
}

static int check_origin(const struct own_names *names, const char *text, enum own_name *out,
                        struct err *err)
{
    cleanup_url struct url url = {0};
    cleanup_str struct str origin = STR_INIT;
    if (url_parse(text, strlen(text), &url, NULL) || url_add_origin(&origin, &url, NULL) ||
        strcmp(origin.p, text) != 0)
        return err_set(err, ERR_DENIED, "the signature's namespace names no origin");
    if (names->origins.len)
        return strv_has(&names->origins, text) ? 0 : refuse(text, err);
    if (has_host(names, &url))
        return 0;
    if (names->certificate)
        return refuse(text, err);
    *out = OWN_NAME_UNKNOWN;
    return 0;
}

int own_names_check(const struct own_names *names, const char *name_space, enum own_name *out,
                    struct err *err)
{
    static const char bare[] = SSHSIG_LOGIN_NAMESPACE;
    *out = OWN_NAME_KNOWN;
    if (strcmp(name_space, bare) == 0)
        return names->origins.len ? err_set(err, ERR_DENIED,
                                            "the signature must be bound to this server: its "
                                            "namespace is '%s:' and the server's origin",
                                            bare)
                                  : 0;
    if (!str_starts_with(name_space, SSHSIG_LOGIN_NAMESPACE ":"))
        return err_set(err, ERR_DENIED, "the signature is not for a login");
    return check_origin(names, name_space + sizeof bare, out, err);
}
