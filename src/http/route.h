/* Matching a path against a route table. Pure. */
#ifndef HTTP_ROUTE_H
#define HTTP_ROUTE_H

#include <stddef.h>

#include "base/str.h"
#include "http/server.h"

#define ROUTE_PARAMS_MAX 4
#define ROUTE_PARAM_LEN_MAX 128

struct route_match {
    const struct http_route *route; /* NULL: none */
    unsigned allowed;               /* bit (1 << method) for every method this path has */
    size_t n_params;
    struct {
        const char *name; /* inside the pattern, name_len bytes */
        size_t name_len;
        char value[ROUTE_PARAM_LEN_MAX + 1];
    } params[ROUTE_PARAMS_MAX];
};

/* method HTTP_METHODS: one that we do not have. path is percent-decoded already; a parameter is one
 * non-empty segment of at most ROUTE_PARAM_LEN_MAX bytes. */
void route_find(const struct http_route *routes, size_t n, enum http_method method,
                const char *path, struct route_match *out);
/* "GET, HEAD, POST, OPTIONS" for the Allow header. */
void route_allow(unsigned allowed, struct str *out);
enum http_method http_method_parse(const char *name);
const char *http_method_name(enum http_method method);

#endif
