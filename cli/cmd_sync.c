#include <stdio.h>

#include "command.h"
#include "inside.h"
#include "opt.h"
#include "ui.h"

#define SHOWN 20 /* files of each list */

static void print_json(const struct sync_result *r)
{
    cleanup_json struct json_object *o = json_object_new_object();
    inside_add_oid(o, "head", &r->head);
    json_add_bool(o, "committed", r->committed);
    json_add(o, "sent", inside_files_json(&r->sent));
    json_add(o, "received", inside_files_json(&r->received));
    json_add(o, "kept", inside_files_json(&r->kept));
    json_add(o, "overlaps", inside_overlaps_json(&r->overlaps));
    inside_add_oid(o, "saved", &r->saved);
    json_add_str(o, "warning", r->warning);
    ui_print_json(o);
}

static void print_text(const struct sync_result *r, bool dry_run)
{
    if (!r->sent.len && !r->received.len && !r->kept.len && !r->committed) {
        ui_say("Everything is in sync.\n");
        return;
    }
    ui_say(dry_run ? "Would sync: %zu sent, %zu received.\n" : "Synced: %zu sent, %zu received.\n",
           r->sent.len, r->received.len);
    if (dry_run || !ui_quiet()) {
        inside_print_files("Sent:", &r->sent, SHOWN);
        inside_print_files("Received:", &r->received, SHOWN);
    }
    inside_print_files("Kept, look at them (saved during the sync, or in the way of it):", &r->kept,
                       SHOWN);
    inside_print_overlaps(&r->overlaps);
    if (!oid_is_zero(&r->saved)) {
        char hex[OID_HEX + 1];
        oid_format(&r->saved, hex);
        ui_note("What was committed or staged before is kept as %.12s.", hex);
    }
}

int cmd_sync(int argc, char **argv)
{
    bool dry_run = false;
    bool json = false;
    const struct opt opts[] = {
        {'n', "dry-run", OPT_FLAG, NULL, "show what would be sent and received", .flag = &dry_run},
        {0, "json", OPT_FLAG, NULL, "print the result as JSON", .flag = &json},
        {0}};
    static const struct command_help help = {
        .name = "sync",
        .synopsis = "[--dry-run] [--json]",
        .summary = "Merge your work with everybody's, and theirs with yours.",
        .text = "Never stops on a conflict and never loses a line: where two people rewrote the "
                "same lines, both versions are kept and the place is reported.",
        .example = "steadystate sync\nsteadystate sync --dry-run"};
    cleanup_sync_place struct sync_place place = {0};
    cleanup_sync_result struct sync_result result = {0};
    struct err err = ERR_INIT;
    int first;
    const struct inside_start start = {opts, &help, "sync", 0, 0};
    int code = inside_begin(argc, argv, &start, &first, &place);
    if (code >= 0)
        return code;
    const struct sync_options options = {.place = &place, .dry_run = dry_run};
    if (sync_run(&options, &result, &err) < 0)
        return inside_fail("cannot sync", &err);
    if (result.warning)
        ui_warn("left out of the sync: %s", result.warning);
    if (json)
        print_json(&result);
    else
        print_text(&result, dry_run);
    return ui_finish(EXIT_DONE);
}
