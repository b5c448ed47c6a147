#include <stdio.h>

#include "command.h"
#include "inside.h"
#include "opt.h"
#include "sync/overlaps.h"
#include "ui.h"

int cmd_resolve(int argc, char **argv)
{
    bool mine = false;
    bool theirs = false;
    bool both = false;
    bool json = false;
    const struct opt opts[] = {
        {0, "mine", OPT_FLAG, NULL, "keep your version of each place", .flag = &mine},
        {0, "theirs", OPT_FLAG, NULL, "keep the others' version", .flag = &theirs},
        {0, "both", OPT_FLAG, NULL, "leave the file as it is now", .flag = &both},
        {0, "json", OPT_FLAG, NULL, "print the result as JSON", .flag = &json},
        {0}};
    static const struct command_help help = {
        .name = "resolve",
        .synopsis = "<file> --mine|--theirs|--both",
        .summary = "Settle the overlaps of a file.",
        .text = "Changes the file in your worktree; the next sync shares it.",
        .example = "steadystate resolve src/main.c --mine"};
    cleanup_sync_place struct sync_place place = {0};
    struct err err = ERR_INIT;
    size_t resolved = 0;
    int first;
    const struct inside_start start = {opts, &help, "resolve", 1, 1};
    int code = inside_begin(argc, argv, &start, &first, &place);
    if (code >= 0)
        return code;
    if (mine + theirs + both != 1)
        return opt_usage_error(&help, "exactly one of --mine, --theirs and --both");
    cleanup_free char *file = inside_path(&place, argv[first], &err);
    if (!file)
        return inside_fail("cannot resolve", &err);
    enum overlaps_choice choice = mine ? OVERLAPS_MINE : theirs ? OVERLAPS_THEIRS : OVERLAPS_BOTH;
    if (overlaps_resolve(&place, file, choice, &resolved, &err) < 0)
        return inside_fail("cannot resolve", &err);
    if (json) {
        cleanup_json struct json_object *o = json_object_new_object();
        json_add_str(o, "file", file);
        json_add_i64(o, "settled", (int64_t)resolved);
        ui_print_json(o);
        return ui_finish(EXIT_DONE);
    }
    ui_say("Settled %zu place%s. 'steadystate sync' shares it.\n", resolved,
           resolved == 1 ? "" : "s");
    return ui_finish(EXIT_DONE);
}
