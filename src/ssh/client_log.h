/*
 * What OpenSSH's client says of a connection at LogLevel DEBUG1: why it failed, and which keys it
 * offered. Pure; parts of the text come from the other side.
 */
#ifndef SSH_CLIENT_LOG_H
#define SSH_CLIENT_LOG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

#define CLIENT_LOG_KEYS_MAX 32
#define CLIENT_LOG_LINE_MAX 400

enum client_log_end {
    CLIENT_LOG_OTHER,       /* `line` may say more */
    CLIENT_LOG_DENIED,      /* no key was taken */
    CLIENT_LOG_HOST_KEY,    /* the other side is not who it should be */
    CLIENT_LOG_UNREACHABLE, /* no connection; `line` is the system's reason */
    CLIENT_LOG_LOST,        /* it was there and stopped answering */
};

struct client_log {
    enum client_log_end end;
    bool accepted;       /* the other side would have taken a key that was offered */
    struct strv offered; /* fingerprints, "SHA256:..." */
    struct strv files;   /* of each: where ssh has it from */
    struct str line;     /* printable; the last that says something, "" when none does */
    struct str key_note; /* a key that ssh has and cannot use, "" when there is none */
};
#define CLIENT_LOG_INIT                                                                  \
    {                                                                                    \
        .offered = STRV_INIT, .files = STRV_INIT, .line = STR_INIT, .key_note = STR_INIT \
    }
void client_log_release(struct client_log *log);
#define cleanup_client_log cleanup(client_log_release)

/* *out is initialised here. */
void client_log_parse(const char *text, size_t len, struct client_log *out);

#endif
