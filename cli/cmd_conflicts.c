#include <stdio.h>
#include <string.h>

#include "command.h"
#include "inside.h"
#include "opt.h"
#include "sync/overlaps.h"
#include "ui.h"

static void print_text(struct json_object *list)
{
    size_t n = json_object_array_length(list);
    if (n == 0) {
        ui_fine("No overlaps to look at.\n");
        return;
    }
    for (size_t i = 0; i < n; i++) {
        struct json_object *o = json_object_array_get_idx(list, i);
        cleanup_str struct str file = STR_INIT;
        const char *name = "";
        const char *text = "";
        json_opt_str(o, "file", 65536, &name, NULL);
        json_opt_str(o, "text", 65536, &text, NULL);
        str_add_printable(&file, name, strlen(name));
        printf("%s: %s\n", file.p, text);
    }
    ui_note("Choose with 'steadystate resolve <file> --mine|--theirs|--both'.");
}

int cmd_conflicts(int argc, char **argv)
{
    bool json = false;
    const struct opt opts[] = {
        {0, "json", OPT_FLAG, NULL, "print the places as JSON", .flag = &json}, {0}};
    static const struct command_help help = {
        .name = "conflicts",
        .synopsis = "[--json]",
        .summary = "Places where your syncs overlapped with others' work.",
        .text = "Both versions are in the files; nothing waits for you. A place is forgotten when "
                "you resolve it.",
        .example = "steadystate conflicts"};
    cleanup_sync_place struct sync_place place = {0};
    cleanup_json struct json_object *list = NULL;
    struct err err = ERR_INIT;
    int first;
    const struct inside_start start = {opts, &help, "list the overlaps", 0, 0};
    int code = inside_begin(argc, argv, &start, &first, &place);
    if (code >= 0)
        return code;
    if (overlaps_list(&place, &list, &err) < 0)
        return inside_fail("cannot list the overlaps", &err);
    if (json)
        ui_print_json(list);
    else
        print_text(list);
    return ui_finish(EXIT_DONE);
}
