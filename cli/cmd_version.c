#include <stdio.h>

#include "command.h"
#include "opt.h"
#include "ui.h"

int cmd_version(int argc, char **argv)
{
    static const struct command_help help = {
        .name = "version",
        .synopsis = "[--json]",
        .summary = "Prints the version.",
        .example = "steadystate version",
    };
    bool json = false;
    const struct opt opts[] = {{0, "json", OPT_FLAG, NULL, "as JSON", .flag = &json}, {0}};
    int first, rc = opt_parse(argc, argv, opts, &help, &first);
    if (rc >= 0)
        return rc;
    if (first < argc)
        return opt_usage_error(&help, "unexpected '%s'", argv[first]);
    if (!json) {
        printf("steadystate %s\n", STEADYSTATE_VERSION);
        return EXIT_DONE;
    }
    cleanup_json struct json_object *obj = json_object_new_object();
    json_add_str(obj, "version", STEADYSTATE_VERSION);
    ui_print_json(obj);
    return EXIT_DONE;
}
