/* What client.c and upgrade.c share. */
#ifndef HTTP_CLIENT_INTERNAL_H
#define HTTP_CLIENT_INTERNAL_H

#include "http/client.h"

struct http_client {
    void *curl; /* CURL * */
    char *unix_socket;
    char *ca_file;
    char *user_agent;
    bool https_only;
};

/* Adds a raw header line with its name in lower case; anything without a colon is left out. */
void http_add_header(struct strv *headers, const char *p, size_t n);

/* Error of a failed curl call (a CURLcode), see http_perform. */
int http_transport_error(struct http_client *client, int curl_code, struct err *err);

#endif
