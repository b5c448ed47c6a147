/* steadystate-inside: the commands that work on a worktree, inside a session. */
#include "command.h"

static const struct command commands[] = {
    {"sync", cmd_sync},           {"publish", cmd_publish},
    {"status", cmd_status},       {"diff", cmd_diff},
    {"conflicts", cmd_conflicts}, {"resolve", cmd_resolve},
    {"undo", cmd_undo},           {"credit", cmd_credit},
    {"watch", cmd_watch},         {0},
};

int main(int argc, char **argv)
{
    return command_main(commands, argc, argv);
}
