/* What doctor learns from the server, and whether its sessions can be reached from here. */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/url.h"
#include "doctor.h"

#define CLOCK_SKEW_MAX_S 30
#define REACH_TIMEOUT_MS 3000
#define CHECKS_MAX 100
#define TEXT_MAX 4096

static void check_clock(struct doctor *d, const struct http_response *res)
{
    const char *date = http_response_header(res, "date");
    struct tm tm = {0};
    if (!date || !strptime(date, "%a, %d %b %Y %H:%M:%S GMT", &tm))
        return;
    long long skew = (long long)(timegm(&tm) - (time_t)clock_now(&clock_real));
    if (skew > CLOCK_SKEW_MAX_S || skew < -CLOCK_SKEW_MAX_S)
        doctor_find(d, DOCTOR_WARNING, "clock",
                    "Set the clock of this machine or of the server by NTP ('timedatectl set-ntp "
                    "true').",
                    "this machine and the server differ by %lld seconds", skew < 0 ? -skew : skew);
    else
        doctor_find(d, DOCTOR_FINE, "clock", NULL, "agrees with the server's");
}

/* --- can a session's port be reached? --------------------------------------------------------- */

/* 0: something answers there, and be it a refusal; else an errno. */
static int knock(const struct addrinfo *at)
{
    cleanup_close int fd =
        socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, at->ai_protocol);
    if (fd < 0)
        return errno;
    if (connect(fd, at->ai_addr, at->ai_addrlen) == 0 || errno == ECONNREFUSED)
        return 0;
    if (errno != EINPROGRESS)
        return errno;
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    int code = 0;
    socklen_t len = sizeof code;
    if (poll(&p, 1, REACH_TIMEOUT_MS) != 1)
        return ETIMEDOUT;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &len) < 0)
        return errno;
    return code == ECONNREFUSED ? 0 : code;
}

static void check_external(struct doctor *d, const char *host, int port)
{
    static const char mend[] = "Set STEADYSTATE_EXTERNAL_HOST to a name of the server that works "
                               "here, and let STEADYSTATE_SSH_PORTS through its firewall.";
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char service[16];
    (void)snprintf(service, sizeof service, "%d", port);
    int rc = getaddrinfo(host, service, &hints, &found);
    if (rc != 0) {
        doctor_find(d, DOCTOR_WRONG, "external", mend,
                    "sessions are at %s, which is unknown here: %s", host, gai_strerror(rc));
        return;
    }
    int why = 0;
    for (const struct addrinfo *at = found; at; at = at->ai_next)
        if ((why = knock(at)) == 0)
            break;
    freeaddrinfo(found);
    if (why)
        doctor_find(d, DOCTOR_WRONG, "external", mend,
                    "sessions are at %s, and port %d there cannot be reached from here: %s", host,
                    port, strerror(why));
    else
        doctor_find(d, DOCTOR_FINE, "external", NULL, "sessions are at %s, reachable from here",
                    host);
}

/* --- the server ------------------------------------------------------------------------------- */

static const char *text_of(struct json_object *obj, const char *key)
{
    const char *text = "";
    json_opt_str(obj, key, TEXT_MAX, &text, NULL);
    return text;
}

static void take_checks(struct doctor *d, struct json_object *list)
{
    for (size_t i = 0; list && i < json_object_array_length(list); i++) {
        struct json_object *one = json_object_array_get_idx(list, i);
        const char *result = text_of(one, "result");
        enum doctor_verdict verdict = strcmp(result, "ok") == 0        ? DOCTOR_FINE
                                      : strcmp(result, "warning") == 0 ? DOCTOR_WARNING
                                                                       : DOCTOR_WRONG;
        doctor_find(d, verdict, text_of(one, "check"), text_of(one, "mend"), "%s",
                    text_of(one, "detail"));
    }
}

static void take_answer(struct doctor *d, struct json_object *answer)
{
    struct json_object *list = NULL;
    int64_t port = 0;
    const char *database = text_of(answer, "database");
    doctor_find(d, DOCTOR_FINE, "server", NULL, "steadystated %s, provider %s",
                text_of(answer, "version"), text_of(answer, "provider"));
    if (strcmp(database, "ok") != 0)
        doctor_find(d, DOCTOR_WRONG, "database", "Look into the server's log.", "%s", database);
    json_opt_array(answer, "checks", CHECKS_MAX, &list, NULL);
    take_checks(d, list);
    json_opt_i64(answer, "ssh_port", 0, 65535, &port, NULL);
    if (text_of(answer, "external_host")[0] && port)
        check_external(d, text_of(answer, "external_host"), (int)port);
}

static void check_login(struct doctor *d, struct backend *b)
{
    cleanup_json struct json_object *me = NULL;
    cleanup_free char *mend = xasprintf("Run 'steadystate login --server %s'.", b->account.server);
    struct err err = ERR_INIT;
    if (backend_call(b, "GET", "/auth/me", NULL, 0, &me, NULL, &err))
        doctor_find(d, err.code == ERR_UNAUTHENTICATED ? DOCTOR_WARNING : DOCTOR_WRONG, "login",
                    mend, "%s", err.msg);
    else
        doctor_find(d, DOCTOR_FINE, "login", NULL, "%s (%s)", b->account.login,
                    b->account.provider);
}

void doctor_check_server(struct doctor *d, struct backend *b)
{
    cleanup_free char *url = xasprintf("%s/health/checks", b->account.server);
    const struct http_request req = {.url = url, .timeout_ms = 10000};
    cleanup_http_response struct http_response res = HTTP_RESPONSE_INIT;
    cleanup_json struct json_object *answer = NULL;
    struct json_object *list = NULL;
    struct err err = ERR_INIT;
    if (http_perform(b->http, &req, &res, &err)) {
        doctor_find(d, DOCTOR_WRONG, "server",
                    "Start it, or name another with 'steadystate login --server URL'.",
                    "%s does not answer: %s", b->account.server, err.msg);
        return;
    }
    if (res.status != 200 || http_response_json(&res, &answer, NULL) ||
        json_opt_array(answer, "checks", CHECKS_MAX, &list, NULL) || !list) {
        doctor_find(d, DOCTOR_WRONG, "server", "Check the address, and what stands before it.",
                    "%s is not a SteadyState server (it answers %ld)", b->account.server,
                    res.status);
        return;
    }
    take_answer(d, answer);
    check_clock(d, &res);
    check_login(d, b);
}
