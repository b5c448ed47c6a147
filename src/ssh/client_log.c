#include "ssh/client_log.h"

#include <string.h>

#include "base/mem.h"

void client_log_release(struct client_log *log)
{
    strv_release(&log->offered);
    strv_release(&log->files);
    str_release(&log->line);
    str_release(&log->key_note);
    log->end = CLIENT_LOG_OTHER;
    log->accepted = false;
}

static bool starts(const char *line, const char *with)
{
    return strncmp(line, with, strlen(with)) == 0;
}

static void set_line(struct str *out, const char *text)
{
    size_t n = strlen(text);
    str_clear(out);
    str_add_printable(out, text, n < CLIENT_LOG_LINE_MAX ? n : CLIENT_LOG_LINE_MAX);
}

/* "<file> <type> SHA256:<...> [from where]" */
static void take_offer(const char *text, struct client_log *out)
{
    static const char mark[] = " SHA256:";
    const char *at = NULL;
    for (const char *p = text; (p = strstr(p, mark)); p++)
        at = p;
    if (!at || out->offered.len == CLIENT_LOG_KEYS_MAX)
        return;
    const char *type = at;
    while (type > text && type[-1] != ' ')
        type--;
    size_t n = type > text ? (size_t)(type - text) - 1 : 0;
    cleanup_str struct str file = STR_INIT;
    cleanup_str struct str print = STR_INIT;
    str_add_printable(&file, text, n < CLIENT_LOG_LINE_MAX ? n : CLIENT_LOG_LINE_MAX);
    n = strcspn(at + 1, " ");
    str_add_printable(&print, at + 1, n < CLIENT_LOG_LINE_MAX ? n : CLIENT_LOG_LINE_MAX);
    strv_push(&out->offered, print.p);
    strv_push(&out->files, file.p);
}

static bool take_connect(const char *line, struct client_log *out)
{
    static const char connect[] = "ssh: connect to host ";
    static const char resolve[] = "ssh: Could not resolve hostname ";
    const char *reason = NULL;
    if (starts(line, connect)) {
        reason = strstr(line + sizeof connect - 1, " port ");
        reason = reason ? strstr(reason, ": ") : NULL;
    } else if (starts(line, resolve)) {
        reason = strstr(line + sizeof resolve - 1, ": ");
    }
    if (!reason)
        return false;
    out->end = CLIENT_LOG_UNREACHABLE;
    set_line(&out->line, reason + 2);
    return true;
}

static void take_line(const char *line, struct client_log *out)
{
    static const char offering[] = "debug1: Offering public key: ";
    if (starts(line, offering)) {
        take_offer(line + sizeof offering - 1, out);
        return;
    }
    if (starts(line, "debug1: Server accepts key: "))
        out->accepted = true;
    /* Its statistics are no reason for anything. */
    if (starts(line, "debug") || starts(line, "Transferred: ") ||
        starts(line, "Bytes per second: ") || starts(line, "Authenticated to ") || !line[0])
        return;
    if (starts(line, "sign_and_send_pubkey: ") || starts(line, "Load key ") ||
        (starts(line, "Permissions ") && strstr(line, " are too open"))) {
        set_line(&out->key_note, line);
        return;
    }
    if (take_connect(line, out))
        return;
    if (strstr(line, "Permission denied ("))
        out->end = CLIENT_LOG_DENIED;
    else if (starts(line, "Host key verification failed"))
        out->end = CLIENT_LOG_HOST_KEY;
    else if (starts(line, "Connection timed out during banner exchange") ||
             starts(line, "kex_exchange_identification: "))
        out->end = CLIENT_LOG_UNREACHABLE;
    else if (out->end != CLIENT_LOG_UNREACHABLE &&
             (starts(line, "Timeout, server ") || strstr(line, "Broken pipe") ||
              strstr(line, "Connection reset by") || strstr(line, "closed by remote host")))
        out->end = CLIENT_LOG_LOST;
    /* What comes after the reason only repeats it. */
    if (out->line.len == 0 || out->end != CLIENT_LOG_UNREACHABLE)
        set_line(&out->line, line);
}

void client_log_parse(const char *text, size_t len, struct client_log *out)
{
    *out = (struct client_log)CLIENT_LOG_INIT;
    for (size_t at = 0; at < len;) {
        const char *end = memchr(text + at, '\n', len - at);
        size_t n = end ? (size_t)(end - text) - at : len - at;
        size_t used = n;
        while (used && text[at + used - 1] == '\r')
            used--;
        cleanup_str struct str line = STR_INIT;
        if (!memchr(text + at, '\0', used)) {
            str_add(&line, text + at, used);
            take_line(line.p, out);
        }
        at += n + 1;
    }
}
