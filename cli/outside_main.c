/* steadystate-outside: the commands that talk to the server. */
#include "command.h"

static const struct command commands[] = {
    {"login", cmd_login},
    {"logout", cmd_logout},
    {"whoami", cmd_whoami},
    {"refresh", cmd_refresh},
    {"up", cmd_up},
    {"list", cmd_list},
    {"join", cmd_join},
    {"dashboard", cmd_dashboard},
    {"dash", cmd_dashboard},
    {"down", cmd_down},
    {"extend", cmd_extend},
    {"members", cmd_members},
    {"kick", cmd_kick},
    {"role", cmd_role},
    {"approve", cmd_approve},
    {"archive", cmd_archive},
    {"ssh-config", cmd_ssh_config},
    {"doctor", cmd_doctor},
    {0},
};

int main(int argc, char **argv)
{
    return command_main(commands, argc, argv);
}
