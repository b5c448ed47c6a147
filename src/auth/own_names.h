/*
 * The names that people reach this server by, as far as it can know them, and what they mean for a
 * login by SSH key: who signs a challenge puts the origin that was dialled ("https://host[:port]")
 * into the signature's namespace, so that a signature made for one server is no good at another.
 *
 * Namespaces: SSHSIG_LOGIN_NAMESPACE ":" origin, or SSHSIG_LOGIN_NAMESPACE alone (not bound).
 *
 * | the server                    | bound to a name of its own | another name | not bound |
 * | has public origins configured | taken                      | refused      | refused   |
 * | serves TLS itself             | taken                      | refused      | taken     |
 * | neither                       | taken                      | taken, told  | taken     |
 *
 * Its own names are the configured origins and no others; else those of its certificate (what the
 * client checked), or the addresses and names of the machine, since a proxy or a published port in
 * front may have any.
 */
#ifndef AUTH_OWN_NAMES_H
#define AUTH_OWN_NAMES_H

#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

struct own_names;

/* Borrowed by own_names_new. */
struct own_names_options {
    char *const *public_urls; /* http(s) URLs without path; 0: none configured */
    size_t n_public_urls;
    const char *tls_cert_pem;  /* NULL: plain HTTP */
    const char *bind;          /* numeric address that it listens on */
    const char *external_host; /* host in magic links */
};

/* Reads the machine's addresses and host name once. */
int own_names_new(const struct own_names_options *options, struct own_names **out, struct err *err);
void own_names_free(struct own_names *names);

enum own_name {
    OWN_NAME_KNOWN,   /* or not bound, and that is allowed */
    OWN_NAME_UNKNOWN, /* taken, but worth a line in the log */
};

/* Whether a signature in this namespace is meant for this server. ERR_DENIED with a reason that the
 * person may read. */
int own_names_check(const struct own_names *names, const char *name_space, enum own_name *out,
                    struct err *err);

#endif
