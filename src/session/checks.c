/* What `doctor` is told: the keeper's findings, and those of the registry. */
#include <stdarg.h>
#include <stdlib.h>

#include "session/internal.h"

#define PORTS_FEW 5
#define PORTS_TRIED 64 /* binding each of thousands takes too long for a request */

static void add(struct json_object *list, const char *name, const char *result, const char *mend,
                const char *fmt, ...) __attribute__((format(printf, 5, 6)));
static void add(struct json_object *list, const char *name, const char *result, const char *mend,
                const char *fmt, ...)
{
    cleanup_str struct str detail = STR_INIT;
    struct json_object *one = json_object_new_object();
    va_list ap;
    va_start(ap, fmt);
    str_vaddf(&detail, fmt, ap);
    va_end(ap);
    json_add_str(one, "check", name);
    json_add_str(one, "result", result);
    json_add_str(one, "detail", detail.p);
    json_add_str(one, "mend", mend);
    json_object_array_add(list, one);
}

/* Ports that no session holds, and whether one of the first of them can be had. */
static void count_ports(struct sessions *s, int *unused, bool *one_is_free)
{
    int first = s->config.port_first;
    int n = s->config.port_last - first + 1;
    bool *held = xcalloc((size_t)n, sizeof *held);
    for (size_t i = 0; i < s->len; i++) {
        const struct session *one = s->order[i];
        int at = one->spec.ssh_port - first;
        if (at >= 0 && at < n && one->state != SESSION_TERMINATED && one->state != SESSION_FAILED)
            held[at] = true;
    }
    *unused = 0;
    *one_is_free = false;
    for (int i = 0; i < n; i++) {
        if (held[i])
            continue;
        if (!*one_is_free && *unused < PORTS_TRIED)
            *one_is_free = !session_port_is_taken(s->config.ssh_bind, first + i);
        ++*unused;
    }
    free(held);
}

static void check_ports(struct sessions *s, struct json_object *list)
{
    static const char mend[] =
        "End sessions, end what holds the ports, or widen STEADYSTATE_SSH_PORTS.";
    int unused;
    bool one_is_free;
    count_ports(s, &unused, &one_is_free);
    if (unused == 0)
        add(list, "ports", "wrong", mend, "every port of %d-%d has a session", s->config.port_first,
            s->config.port_last);
    else if (!one_is_free)
        add(list, "ports", "wrong", mend, "other programs hold the ports of %d-%d",
            s->config.port_first, s->config.port_last);
    else if (unused < PORTS_FEW)
        add(list, "ports", "warning", mend, "%d of the ports %d-%d left", unused,
            s->config.port_first, s->config.port_last);
    else
        add(list, "ports", "ok", NULL, "%d of the ports %d-%d left", unused, s->config.port_first,
            s->config.port_last);
}

void sessions_checks(struct sessions *s, struct json_object *obj)
{
    struct json_object *list = json_object_new_array();
    struct json_object *keepers = NULL;
    if (s->info)
        json_opt_array(s->info, "checks", SIZE_MAX, &keepers, NULL);
    for (size_t i = 0; keepers && i < json_object_array_length(keepers); i++)
        json_object_array_add(list, json_object_get(json_object_array_get_idx(keepers, i)));
    if (!s->info)
        add(list, "engine", "wrong", "Look into the server's log.", "%s",
            s->info_err.code ? s->info_err.msg : "the engine has not answered yet");
    check_ports(s, list);
    json_add(obj, "checks", list);
    json_add_str(obj, "provider", s->config.compute_provider);
    json_add_str(obj, "external_host", s->config.external_host);
    json_add_i64(obj, "ssh_port", s->config.port_first);
}
