/*
 * Magic links. Pure.
 *
 *     steadystate://{collab|pair}/<session_id>?ssh=<urlencoded ssh://user@host:port>
 *         &host_key=<urlencoded "type base64">
 *
 * No secret is in a link. Unknown parameters are ignored; a missing, doubled or malformed part is
 * refused with the reason.
 */
#ifndef SSH_LINK_H
#define SSH_LINK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/enc.h"
#include "base/err.h"
#include "base/str.h"

#define MAGIC_LINK_MAX 8192
#define MAGIC_LINK_SCHEME "steadystate://"

struct magic_link {
    char mode[8]; /* "collab" or "pair" */
    char session_id[SESSION_ID_LEN + 1];
    char *user; /* SSH user */
    char *host; /* IPv6 without brackets */
    int port;
    char *host_key; /* "type base64" */
};

void magic_link_init(struct magic_link *link);
void magic_link_release(struct magic_link *link);
#define cleanup_magic_link cleanup(magic_link_release)

/* *out is initialised here and empty after a failure. */
int magic_link_parse(const char *text, size_t len, struct magic_link *out, struct err *err);
/* Appends the link. */
void magic_link_format(const struct magic_link *link, struct str *out);
/* Appends "ssh://user@host:port". */
void magic_link_ssh_url(const struct magic_link *link, struct str *out);

/* A session id, or the id inside a link. */
int magic_link_id(const char *id_or_link, char out[SESSION_ID_LEN + 1], struct err *err);

/* Account name of an ssh:// URL: letters, digits, ".", "_", "-", at most 32, not starting with
 * "-". Host: a name or a numeric address as ssh(1) takes it. */
bool ssh_user_is_valid(const char *user);
bool ssh_host_is_valid(const char *host);

#endif
