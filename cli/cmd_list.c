#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "command.h"
#include "opt.h"
#include "session_view.h"
#include "ui.h"

#define PAGES_MAX 1000

/* All pages as one array. */
static int fetch_all(struct backend *b, const char *state, struct json_object *into,
                     struct err *err)
{
    cleanup_free char *after = NULL;
    for (int page = 0; page < PAGES_MAX; page++) {
        cleanup_str struct str path = STR_INIT;
        str_adds(&path, "/sessions?limit=100");
        if (state) {
            str_adds(&path, "&state=");
            backend_add_path(&path, state);
        }
        if (after) {
            str_adds(&path, "&after=");
            backend_add_path(&path, after);
        }
        cleanup_json struct json_object *answer = NULL;
        struct json_object *sessions = NULL;
        const char *next = NULL;
        int rc;
        if ((rc = backend_call(b, "GET", path.p, NULL, 0, &answer, NULL, err)) ||
            (rc = json_opt_array(answer, "sessions", 10000, &sessions, err)) ||
            (rc = json_opt_str(answer, "next", 256, &next, err)))
            return rc;
        for (size_t i = 0; sessions && i < json_object_array_length(sessions); i++)
            json_object_array_add(into, json_object_get(json_object_array_get_idx(sessions, i)));
        if (!next || !*next)
            return 0;
        free(after);
        after = xstrdup(next);
    }
    return 0;
}

static void print_cell(const char *text, int width)
{
    cleanup_str struct str safe = STR_INIT;
    str_add_printable(&safe, text, strlen(text));
    printf("%-*s  ", width, safe.p);
}

static void print_table(struct json_object *sessions)
{
    size_t n = json_object_array_length(sessions);
    if (n == 0) {
        ui_note("No sessions. Start one with 'steadystate up <repo>'.");
        return;
    }
    ui_title("%-20s  %-12s  %-8s  %-12s  %-14s  %s\n", "ID", "STATE", "MODE", "CREATOR", "ENDS",
             "REPOSITORY");
    for (size_t i = 0; i < n; i++) {
        struct json_object *s = json_object_array_get_idx(sessions, i);
        int64_t expires = 0;
        json_opt_i64(s, "expires_at", 0, INT64_MAX, &expires, NULL);
        cleanup_str struct str ends = STR_INIT;
        if (expires)
            ui_add_relative_time(&ends, expires, clock_now(&clock_real));
        print_cell(session_text(s, "id"), 20);
        print_cell(session_text(s, "state"), 12);
        print_cell(session_text(s, "mode"), 8);
        print_cell(session_text(s, "creator"), 12);
        print_cell(ends.p, 14);
        print_cell(session_text(s, "repo_url"), 1);
        putchar('\n');
    }
}

static void print_ids(struct json_object *sessions)
{
    for (size_t i = 0; i < json_object_array_length(sessions); i++)
        puts(session_text(json_object_array_get_idx(sessions, i), "id"));
}

int cmd_list(int argc, char **argv)
{
    static const struct command_help help = {
        .name = "list",
        .synopsis = "[options]",
        .summary = "Lists the sessions that you started or may join.",
        .example = "steadystate list --state Running",
    };
    const char *state = NULL, *server = NULL;
    bool json = false, ids = false;
    const struct opt opts[] = {
        {0, "state", OPT_VALUE, "STATE", "only sessions in this state", .text = &state},
        {'s', "server", OPT_VALUE, "URL", "another server than the current one", .text = &server},
        {0, "ids", OPT_FLAG, NULL, "only the ids, a line each", .flag = &ids},
        {0, "json", OPT_FLAG, NULL, "as JSON", .flag = &json},
        {0}};
    int first, rc = opt_parse(argc, argv, opts, &help, &first);
    if (rc >= 0)
        return rc;
    if (first < argc)
        return opt_usage_error(&help, "unexpected '%s'", argv[first]);
    struct err err = ERR_INIT;
    cleanup_backend struct backend b = {0};
    if (backend_open(server, &b, &err))
        return ui_fail_err("list", &err, NULL);
    cleanup_json struct json_object *answer = json_object_new_object();
    struct json_object *sessions = json_object_new_array();
    json_add(answer, "sessions", sessions);
    if (fetch_all(&b, state, sessions, &err))
        return backend_fail(&b, "list", &err);
    if (json)
        ui_print_json(answer);
    else if (ids)
        print_ids(sessions);
    else
        print_table(sessions);
    return EXIT_DONE;
}
