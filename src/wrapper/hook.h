/*
 * git's proc-receive hook: gets the refs of a push on stdin and says on stdout what became of each,
 * in pkt-lines (gitprotocol-pack, "githooks: proc-receive", version 1). What is written to stderr
 * is what the pusher reads as "remote: ...". Runs as the person.
 */
#ifndef WRAPPER_HOOK_H
#define WRAPPER_HOOK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "git/oid.h"

#define HOOK_NAME "proc-receive"
#define HOOK_LINE_MAX 65516    /* payload of a pkt-line */
#define HOOK_COMMANDS_MAX 4096 /* refs of one push */

/* Was the program started under this name? */
bool hook_is_called(const char *argv0);
/* Exit status. */
int hook_run(void);

struct hook_command {
    struct oid old, new_;
    const char *ref; /* into the line */
};
/* "<old> <new> <ref>", perhaps with a newline, which is cut off. Pure; line is NUL-terminated at
 * len. */
int hook_command_parse(char *line, size_t len, struct hook_command *out, struct err *err);

/* Length of the payload by the four digits in front: 0 for a flush, -1 for what is none. Pure. */
int hook_line_length(const char digits[4]);

#endif
