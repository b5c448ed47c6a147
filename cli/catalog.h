/*
 * The commands by name: what --help, completion, the manual and "did you mean" know of them, and
 * which program has them.
 *
 * `steadystate` itself holds only what needs no library to speak of, so that it starts in a
 * millisecond; the other commands are in two programs beside it (or in ../libexec/steadystate),
 * which it becomes: `steadystate-outside` talks to the server, `steadystate-inside` works on a
 * worktree.
 */
#ifndef CLI_CATALOG_H
#define CLI_CATALOG_H

#include <stddef.h>

#include "base/err.h"

enum catalog_program { CATALOG_HERE, CATALOG_OUTSIDE, CATALOG_INSIDE };

/* What a command's operands are, for completion. */
enum catalog_operand {
    CATALOG_NOTHING,
    CATALOG_FILE,
    CATALOG_SESSION,
    CATALOG_LOGIN, /* of a person in the session */
    CATALOG_SHELL,
    CATALOG_ARCHIVE,
};

struct catalog_entry {
    const char *name;
    enum catalog_program program;
    enum catalog_operand first, rest; /* the first operand, and the others */
    const char *summary;
    const char *group; /* title of the group that begins here; NULL: the same as before */
};

extern const struct catalog_entry catalog[];
extern const size_t n_catalog;

/* NULL when there is none. */
const struct catalog_entry *catalog_find(const char *name);
/* The name that is meant by a mistyped one, or NULL. */
const char *catalog_guess(const char *name);

/* Path of one of the two programs, allocated. */
char *catalog_program_path(enum catalog_program program, struct err *err);
/* Becomes the program for the command `what` (argv[0] is ours, argv[1] the command or a global
 * option); returns on failure only, with an exit code after a message. */
int catalog_exec(enum catalog_program program, const char *what, char **argv);

#endif
