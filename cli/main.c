/* steadystate: help, the commands that need no library, and the way to the others (catalog.h). */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "catalog.h"
#include "command.h"
#include "ui.h"

static const struct command commands[] = {
    {"pair", cmd_pair},
    {"merge-file", cmd_merge_file},
    {"completion", cmd_completion},
    {"version", cmd_version},
    {0},
};

static void print_help(void)
{
    printf("usage: steadystate [-q] [--plain] <command> [options]\n\n"
           "Turns a git repository into a development session that a team shares.\n");
    for (size_t i = 0; i < n_catalog; i++) {
        if (catalog[i].group)
            printf("\n%s:\n", catalog[i].group);
        printf("  %-12s %s\n", catalog[i].name, catalog[i].summary);
    }
    printf("\nWith every command:\n"
           "  -q, --quiet  only data and errors\n"
           "  --plain      no colour, symbols or moving lines, as a screen reader wants it\n"
           "\n'steadystate <command> --help' says more.\n"
           "\nExample:\n"
           "  steadystate up --allow alice,bob https://github.com/example/project\n");
}

static int unknown_command(const char *name)
{
    const char *best = catalog_guess(name);
    cleanup_free char *why = xasprintf("'%s' is not a command", name);
    cleanup_free char *todo =
        best ? xasprintf("Did you mean '%s'?", best) : xstrdup("See 'steadystate --help'.");
    return ui_fail(EXIT_USAGE, "usage", why, todo);
}

int main(int argc, char **argv)
{
    command_prepare();
    int first = command_globals(argc, argv);
    if (first >= argc) {
        print_help();
        return ui_finish(EXIT_USAGE);
    }
    char **command = argv + first;
    int n = argc - first;
    char help[] = "--help", version[] = "version";
    if (strcmp(*command, "help") == 0 && n > 1) { /* help NAME: NAME --help */
        command[0] = command[1];
        command[1] = help;
        n = 2;
        command[n] = NULL;
    } else if (strcmp(*command, "--help") == 0 || strcmp(*command, "-h") == 0 ||
               strcmp(*command, "help") == 0) {
        print_help();
        return ui_finish(EXIT_DONE);
    }
    if (strcmp(*command, "--version") == 0)
        *command = version;
    const struct catalog_entry *entry = catalog_find(*command);
    if (!entry)
        return unknown_command(*command);
    return entry->program == CATALOG_HERE ? command_run(commands, n, command)
                                          : catalog_exec(entry->program, entry->name, argv);
}
