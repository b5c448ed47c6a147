/* How the wrapper was called. Pure. */
#ifndef WRAPPER_ARGS_H
#define WRAPPER_ARGS_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"

#define WRAPPER_DEFAULT_ROOT "/session"
#define WRAPPER_COMMAND_MAX 8192

struct wrapper_args {
    char *root;
    char *provider;
    char *login;
};
void wrapper_args_release(struct wrapper_args *args);
#define cleanup_wrapper_args cleanup(wrapper_args_release)

/*
 * As a program:      steadystate-wrapper [--session-root DIR] PROVIDER LOGIN
 * As a login shell:  steadystate-wrapper -c "PROGRAM [--session-root DIR] PROVIDER LOGIN"
 *
 * The second form is what sshd makes of a forced command; its words are separated by single blanks
 * and never quoted. *out is initialised here and empty after a failure.
 */
int wrapper_args_parse(int argc, char *const *argv, struct wrapper_args *out, struct err *err);

enum wrapper_kind { WRAPPER_SHELL, WRAPPER_COMMAND, WRAPPER_SFTP, WRAPPER_WATCH, WRAPPER_PAIR };
/* A dashboard outside runs exactly this; it keeps no session alive. */
#define WRAPPER_WATCH_COMMAND "steadystate watch --events"
/* From SSH_ORIGINAL_COMMAND: NULL or empty is a shell; a path that ends in /sftp-server, without
 * arguments, is what the subsystem line of sshd_config asks for; "steadystate pair", with or
 * without --read-only, is what `join` asks for where a session is one shared terminal. */
enum wrapper_kind wrapper_kind_of(const char *original_command);
bool wrapper_is_read_only(const char *original_command);
const char *wrapper_kind_word(enum wrapper_kind kind);

/* A variable of the connection that is passed on ("LANG=..."): the terminal's, the locale's and
 * those that say where the connection comes from. */
bool wrapper_keeps_variable(const char *assignment);

#endif
