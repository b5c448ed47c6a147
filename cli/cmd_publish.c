#include <stdio.h>

#include "command.h"
#include "inside.h"
#include "opt.h"
#include "ui.h"

int cmd_publish(int argc, char **argv)
{
    bool json = false;
    const struct opt opts[] = {
        {0, "json", OPT_FLAG, NULL, "print the result as JSON", .flag = &json}, {0}};
    static const struct command_help help = {
        .name = "publish",
        .synopsis = "[--json]",
        .summary = "Sync, then push the session's branch to where the repository came from.",
        .text = "Never forced. When the branch moved there, what it has is merged in and it is "
                "tried again.",
        .example = "steadystate publish"};
    cleanup_sync_place struct sync_place place = {0};
    cleanup_publish_result struct publish_result result = {0};
    struct err err = ERR_INIT;
    int first;
    const struct inside_start start = {opts, &help, "publish", 0, 0};
    int code = inside_begin(argc, argv, &start, &first, &place);
    if (code >= 0)
        return code;
    if (sync_publish(&place, &result, &err) < 0)
        return inside_fail("cannot publish", &err);
    if (json) {
        cleanup_json struct json_object *o = json_object_new_object();
        json_add_str(o, "branch", result.branch);
        json_add_str(o, "remote_url", result.remote_url);
        inside_add_oid(o, "commit", &result.commit);
        json_add(o, "overlaps", inside_overlaps_json(&result.sync.overlaps));
        ui_print_json(o);
        return ui_finish(EXIT_DONE);
    }
    char hex[OID_HEX + 1];
    oid_format(&result.commit, hex);
    ui_say("Published %.12s as %s\n  on %s\n", hex, result.branch, result.remote_url);
    inside_print_overlaps(&result.sync.overlaps);
    return ui_finish(EXIT_DONE);
}
