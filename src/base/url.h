/*
 * URLs (the part of RFC 3986 that we use), percent encoding, and repository addresses. Pure.
 */
#ifndef BASE_URL_H
#define BASE_URL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

#define URL_MAX 2048
#define URL_HOST_MAX 253

struct url {
    char *scheme; /* lower case */
    char *user;   /* NULL when absent; decoded */
    char *password;
    char *host; /* lower case, IPv6 without brackets */
    int port;   /* 0 when absent */
    char *path; /* as written, "" or starts with "/" */
    char *query;
};

void url_release(struct url *u);
#define cleanup_url cleanup(url_release)

/* scheme://[user[:password]@]host[:port][/path][?query]; at most URL_MAX bytes, no control bytes,
 * no white space, no fragment. */
int url_parse(const char *text, size_t len, struct url *out, struct err *err);

void url_encode(struct str *out, const char *text, size_t n); /* everything but unreserved */
int url_decode(const char *text, size_t n, bool plus_is_space, struct str *out, struct err *err);
/* "host:port" with brackets around IPv6; port 0 leaves it out. */
void url_add_host_port(struct str *out, const char *host, int port);
/* The origin of an http or https URL in its one form: "https://host[:port]", the scheme's own port
 * left out, IPv6 as inet_ntop writes it. ERR_INVALID: another scheme, or no host. */
int url_add_origin(struct str *out, const struct url *url, struct err *err);

enum repo_kind { REPO_HTTPS, REPO_HTTP, REPO_SSH, REPO_FILE };

struct repo_url {
    enum repo_kind kind;
    char *url;  /* canonical form: git@h:p becomes ssh://git@h/p; REPO_FILE: absolute path */
    char *host; /* NULL for REPO_FILE */
    char *user; /* ssh only, default "git" */
    int port;   /* 0: default of the scheme */
    char *path; /* starts with "/" */
    char *name; /* last component without ".git": a safe file name */
};

void repo_url_release(struct repo_url *r);
#define cleanup_repo_url cleanup(repo_url_release)

/* https://, http://, ssh://, user@host:path, file:// and absolute paths. Refused: anything that
 * starts with "-" (also host, user, path), user info in http(s), ext:: and other transports,
 * control bytes, a name that is not safe. Whether http, file and private hosts are allowed is the
 * caller's policy. */
int repo_url_parse(const char *text, size_t len, struct repo_url *out, struct err *err);

#endif
