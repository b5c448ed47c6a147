/* A plain HTTP/1.1 client on a blocking socket, for tests that run a server on another thread. */
#ifndef TESTS_HTTP_CLIENT_H
#define TESTS_HTTP_CLIENT_H

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/str.h"

static inline int client_dial(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in sin = {.sin_family = AF_INET,
                              .sin_port = htons((uint16_t)port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval limit = {20, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    assert_int_equal(connect(fd, (struct sockaddr *)&sin, sizeof sin), 0);
    return fd;
}

static inline int client_status(const struct str *answer)
{
    uint64_t status = 0;
    if (answer->len < 12 || num_parse_u64(answer->p + 9, 3, 100, 599, &status, NULL))
        return -1;
    return (int)status;
}

/* Sends text as it is, reads to the end; the status (-1: none), the whole answer in out. */
static inline int client_raw(int port, const char *text, size_t len, struct str *out)
{
    cleanup_close int fd = client_dial(port);
    str_clear(out);
    if (fd_write_full(fd, text, len, NULL))
        return -1;
    fd_read_all(fd, 64 << 20, out, NULL);
    return client_status(out);
}

/* headers: lines with CRLF, or NULL; body may be NULL. */
static inline int client_ask(int port, const char *method, const char *target, const char *headers,
                             const char *body, struct str *out)
{
    cleanup_str struct str text = STR_INIT;
    str_addf(&text, "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s", method, target,
             headers ? headers : "");
    if (body)
        str_addf(&text, "Content-Length: %zu\r\n\r\n%s", strlen(body), body);
    else
        str_adds(&text, "\r\n");
    return client_raw(port, text.p, text.len, out);
}

/* What stands behind the headers. */
static inline const char *client_body(const struct str *answer)
{
    const char *p = strstr(answer->p, "\r\n\r\n");
    return p ? p + 4 : "";
}

static inline void assert_has(const struct str *answer, const char *text)
{
    if (!strstr(answer->p, text))
        fail_msg("no %s in:\n%s", text, answer->p);
}

#endif
