/*
 * Options of a command: one table serves parsing, --help, completion and the manual page.
 * GNU style: --name value, --name=value, -n value, -nvalue, flags may be joined, "--" ends options.
 */
#ifndef CLI_OPT_H
#define CLI_OPT_H

#include <stdbool.h>

#include "base/str.h"

enum opt_kind { OPT_FLAG, OPT_VALUE, OPT_LIST };

struct opt {
    char letter;      /* 0: none */
    const char *name; /* without dashes; NULL: letter only */
    enum opt_kind kind;
    const char *value; /* name of the value in the help: "URL" */
    const char *help;
    /* Exactly one, fitting the kind: */
    bool *flag;
    const char **text; /* borrowed from argv; the last one given counts */
    struct strv *list; /* each occurrence is pushed */
};

struct command_help {
    const char *name;     /* "up" */
    const char *synopsis; /* "[options] <repo>" */
    const char *summary;  /* one line */
    const char *text;     /* a paragraph or two, may be NULL */
    const char *example;  /* one or more lines, each starting with "steadystate " */
};

/*
 * Parses argv[1..); -q, --quiet and --plain are taken from here too, unless opts has them; operands
 * (and everything behind "--") are left in argv[*first_operand..argc) in their order. -h and --help
 * are known to every command, and --help=options, which prints for completion a line
 * "name<TAB>value or nothing<TAB>help" for each option. Returns -1 to go on, else the exit code to
 * return at once (0 after help, EXIT_USAGE after a message). opts ends with an entry without name
 * and letter.
 */
int opt_parse(int argc, char **argv, const struct opt *opts, const struct command_help *help,
              int *first_operand);

/* Usage error for this command: message and hint on stderr, returns EXIT_USAGE. */
int opt_usage_error(const struct command_help *help, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
