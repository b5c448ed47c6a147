/*
 * The commands: one file cmd_<name>.c each, named once in catalog.c and once in the table of the
 * program that has it (main.c, outside_main.c, inside_main.c). argv[0] is the command's name; the
 * return value is the exit status.
 */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

struct command {
    const char *name; /* NULL ends a table */
    int (*run)(int argc, char **argv);
};

/* Locale and signals: SIGINT ends with EXIT_INTERRUPTED, unless whoever started us ignores it. */
void command_prepare(void);
/* Takes the options in front of the command (-q, --quiet, --plain); returns the index of the first
 * other argument. */
int command_globals(int argc, char **argv);
/* Runs argv[0] from the table, flushes what it printed; -1 when it is not there. */
int command_run(const struct command *table, int argc, char **argv);
/* main() of the programs behind `steadystate`. */
int command_main(const struct command *table, int argc, char **argv);

/* steadystate-outside */
int cmd_login(int argc, char **argv);
int cmd_logout(int argc, char **argv);
int cmd_whoami(int argc, char **argv);
int cmd_refresh(int argc, char **argv);
int cmd_up(int argc, char **argv);
int cmd_list(int argc, char **argv);
int cmd_join(int argc, char **argv);
int cmd_dashboard(int argc, char **argv);
int cmd_down(int argc, char **argv);
int cmd_extend(int argc, char **argv);
int cmd_archive(int argc, char **argv);
int cmd_kick(int argc, char **argv);
int cmd_members(int argc, char **argv);
int cmd_role(int argc, char **argv);
int cmd_approve(int argc, char **argv);
int cmd_ssh_config(int argc, char **argv);
int cmd_doctor(int argc, char **argv);

/* steadystate-inside */
int cmd_sync(int argc, char **argv);
int cmd_publish(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_watch(int argc, char **argv);
int cmd_diff(int argc, char **argv);
int cmd_credit(int argc, char **argv);
int cmd_conflicts(int argc, char **argv);
int cmd_resolve(int argc, char **argv);
int cmd_undo(int argc, char **argv);

/* steadystate */
int cmd_pair(int argc, char **argv);
int cmd_merge_file(int argc, char **argv);
int cmd_completion(int argc, char **argv);
int cmd_version(int argc, char **argv);

#endif
