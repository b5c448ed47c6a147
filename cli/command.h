/* The commands: one file cmd_<name>.c each, listed once in main.c. argv[0] is the command's name;
 * the return value is the exit status. */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

/* The names of all commands, a line each. */
void command_print_names(void);

int cmd_login(int argc, char **argv);
int cmd_logout(int argc, char **argv);
int cmd_whoami(int argc, char **argv);
int cmd_refresh(int argc, char **argv);
int cmd_up(int argc, char **argv);
int cmd_list(int argc, char **argv);
int cmd_join(int argc, char **argv);
int cmd_down(int argc, char **argv);
int cmd_extend(int argc, char **argv);
int cmd_archive(int argc, char **argv);
int cmd_kick(int argc, char **argv);
int cmd_members(int argc, char **argv);
int cmd_ssh_config(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_completion(int argc, char **argv);
int cmd_version(int argc, char **argv);

int cmd_sync(int argc, char **argv);
int cmd_publish(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_diff(int argc, char **argv);
int cmd_credit(int argc, char **argv);
int cmd_conflicts(int argc, char **argv);
int cmd_resolve(int argc, char **argv);
int cmd_undo(int argc, char **argv);

int cmd_merge_file(int argc, char **argv);

#endif
