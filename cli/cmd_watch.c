/* watch: the dashboard inside a session, and the stream of events that every dashboard reads. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "dash.h"
#include "inside.h"
#include "opt.h"
#include "ui.h"
#include "watch/feed.h"

static int run_events(const struct sync_place *place)
{
    struct err err = ERR_INIT;
    cleanup_free char *root = xstrdup(place->socket);
    *strrchr(root, '/') = '\0';
    cleanup_free char *sync_log = xasprintf("%s/sync-log", root);
    cleanup_free char *activity_log = xasprintf("%s/activity-log", root);
    const char *named_sync = getenv("SYNC_LOG"), *named_activity = getenv("ACTIVITY_LOG");
    const char *logs[2] = {named_sync ? named_sync : sync_log,
                           named_activity ? named_activity : activity_log};
    if (feed_run(place, logs, STDIN_FILENO, STDOUT_FILENO, &err) < 0)
        return inside_fail("watch", &err);
    return EXIT_DONE;
}

static void here(const char *words, bool again, struct strv *out, void *payload)
{
    (void)again;
    strv_push(out, payload);
    strv_split(out, words, " ");
}

int cmd_watch(int argc, char **argv)
{
    bool plain = false, json = false, events = false;
    const struct opt opts[] = {
        {0, "plain", OPT_FLAG, NULL, "tell what happens line by line", .flag = &plain},
        {0, "json", OPT_FLAG, NULL, "print the state as one JSON object", .flag = &json},
        {0, "events", OPT_FLAG, NULL, "print events as JSON lines, until interrupted",
         .flag = &events},
        {0}};
    static const struct command_help help = {
        .name = "watch",
        .synopsis = "[--plain | --json | --events]",
        .summary = "Shows who does what in this session, as it happens.",
        .text =
            "Keys: s sync, p publish, d diff, c conflicts, y and Y copy the join and ssh line,\n"
            "? help, q leave.",
        .example = "steadystate watch\nsteadystate watch --json"};
    cleanup_sync_place struct sync_place place = {0};
    char self[4096];
    int first,
        code = inside_begin(argc, argv,
                            &(struct inside_start){.opts = opts, .help = &help, .doing = "watch"},
                            &first, &place);
    if (code >= 0)
        return code;
    if (plain + json + events > 1)
        return opt_usage_error(&help, "one of --plain, --json and --events");
    if (events)
        return run_events(&place);
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n < 0)
        return ui_fail(EXIT_FAILED, "watch", "/proc is not there", NULL);
    self[n] = '\0';
    const struct dash dash = {.name = "watch",
                              .form = json                  ? DASH_JSON
                                      : plain || ui_plain() ? DASH_PLAIN
                                                            : DASH_SCREEN,
                              .argv = here,
                              .payload = self};
    return dash_run(&dash);
}
