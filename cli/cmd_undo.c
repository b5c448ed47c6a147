#include <stdio.h>

#include "command.h"
#include "inside.h"
#include "opt.h"
#include "ui.h"

int cmd_undo(int argc, char **argv)
{
    bool json = false;
    const struct opt opts[] = {
        {0, "json", OPT_FLAG, NULL, "print the result as JSON", .flag = &json}, {0}};
    static const struct command_help help = {
        .name = "undo",
        .synopsis = "[--json]",
        .summary = "Take back your last sync, for everybody.",
        .text = "What others did since stays, and so does what you have not synced. Again: the "
                "sync before. History keeps both.",
        .example = "steadystate undo"};
    cleanup_sync_place struct sync_place place = {0};
    cleanup_undo_result struct undo_result result = {0};
    struct err err = ERR_INIT;
    int first;
    const struct inside_start start = {opts, &help, "undo", 0, 0};
    int code = inside_begin(argc, argv, &start, &first, &place);
    if (code >= 0)
        return code;
    if (sync_undo(&place, &result, &err) < 0)
        return inside_fail("cannot undo", &err);
    if (oid_is_zero(&result.undone))
        return ui_fail(EXIT_NOT_FOUND, "nothing to undo", "you have no sync left to take back",
                       "'git log' shows what there is.");
    if (json) {
        cleanup_json struct json_object *o = json_object_new_object();
        inside_add_oid(o, "undone", &result.undone);
        inside_add_oid(o, "head", &result.sync.head);
        json_add(o, "overlaps", inside_overlaps_json(&result.sync.overlaps));
        ui_print_json(o);
        return ui_finish(EXIT_DONE);
    }
    char hex[OID_HEX + 1];
    oid_format(&result.undone, hex);
    ui_say("Took back %.12s (%s).\n", hex, result.subject);
    inside_print_overlaps(&result.sync.overlaps);
    return ui_finish(EXIT_DONE);
}
