/* Paths against a route table, and the check of raw request targets. */

#include "base/mem.h"
#include "http/route.h"
#include "http/server_internal.h"

static const struct http_route routes[] = {
    {HTTP_GET, "/sessions", HTTP_LOGIN, 0, 0, NULL},
    {HTTP_GET, "/sessions/{id}", HTTP_LOGIN, 0, 0, NULL},
    {HTTP_POST, "/sessions/{id}/kick", HTTP_LOGIN, 0, 0, NULL},
    {HTTP_POST, "/{a}/{b}/{c}/{d}", HTTP_LOGIN, 0, 0, NULL},
};

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct route_match match;
    cleanup_free char *path = xstrndup((const char *)data, size);
    http_request_target_ok(path);
    for (int m = HTTP_GET; m <= HTTP_METHODS; m++)
        route_find(routes, ARRAY_LEN(routes), (enum http_method)m, path, &match);
    return 0;
}
