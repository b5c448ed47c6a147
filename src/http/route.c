#include "http/route.h"

#include <string.h>

#include "base/err.h"

static const char *const names[] = {"GET", "POST", "DELETE"};

enum http_method http_method_parse(const char *name)
{
    if (strcmp(name, "HEAD") == 0)
        return HTTP_GET;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(name, names[i]) == 0)
            return (enum http_method)i;
    return HTTP_METHODS;
}

const char *http_method_name(enum http_method method)
{
    return method < HTTP_METHODS ? names[method] : "?";
}

/* One segment of the pattern against one of the path; both stand behind their slash. */
static bool match_segment(const char *pattern, size_t pattern_len, const char *path,
                          size_t path_len, struct route_match *out)
{
    bool is_param = pattern_len > 2 && pattern[0] == '{' && pattern[pattern_len - 1] == '}';
    if (!is_param)
        return pattern_len == path_len && memcmp(pattern, path, path_len) == 0;
    if (path_len == 0 || path_len > ROUTE_PARAM_LEN_MAX)
        return false;
    BUG_ON(out->n_params == ROUTE_PARAMS_MAX);
    size_t i = out->n_params++;
    out->params[i].name = pattern + 1;
    out->params[i].name_len = pattern_len - 2;
    memcpy(out->params[i].value, path, path_len);
    out->params[i].value[path_len] = '\0';
    return true;
}

static bool match_path(const char *pattern, const char *path, struct route_match *out)
{
    out->n_params = 0;
    while (*pattern == '/' && *path == '/') {
        pattern++;
        path++;
        size_t a = strcspn(pattern, "/"), b = strcspn(path, "/");
        if (!match_segment(pattern, a, path, b, out))
            return false;
        pattern += a;
        path += b;
    }
    return !*pattern && !*path;
}

void route_find(const struct http_route *routes, size_t n, enum http_method method,
                const char *path, struct route_match *out)
{
    out->route = NULL;
    out->allowed = 0;
    out->n_params = 0;
    for (size_t i = 0; i < n; i++) {
        if (!match_path(routes[i].pattern, path, out))
            continue;
        out->allowed |= 1u << routes[i].method;
        if (routes[i].method == method) {
            out->route = &routes[i];
            /* The whole set of methods is needed only when none fits. */
            return;
        }
    }
}

void route_allow(unsigned allowed, struct str *out)
{
    for (unsigned m = 0; m < HTTP_METHODS; m++)
        if (allowed & 1u << m) {
            str_addf(out, "%s, ", names[m]);
            if (m == HTTP_GET)
                str_adds(out, "HEAD, ");
        }
    str_adds(out, "OPTIONS");
}
