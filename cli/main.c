/* steadystate: the command table and nothing else. */
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "command.h"
#include "ui.h"

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
    const char *group; /* NULL: the same as the one before; "": not listed */
};

static const struct command commands[] = {
    {"login", cmd_login, "log in to a server", "Account"},
    {"logout", cmd_logout, "revoke and forget the login", NULL},
    {"whoami", cmd_whoami, "who is logged in, and until when", NULL},
    {"refresh", cmd_refresh, "fetch a new access token", NULL},
    {"up", cmd_up, "start a session for a repository", "Sessions"},
    {"list", cmd_list, "sessions you started or may join", NULL},
    {"join", cmd_join, "enter a session", NULL},
    {"down", cmd_down, "end a session", NULL},
    {"extend", cmd_extend, "give a session more time", NULL},
    {"members", cmd_members, "who may come in, and who is there", NULL},
    {"kick", cmd_kick, "throw a person out of a session", NULL},
    {"archive", cmd_archive, "unpublished work of ended sessions", NULL},
    {"ssh-config", cmd_ssh_config, "a Host entry for ssh, editors and rsync", NULL},
    {"sync", cmd_sync, "merge your work with everybody's", "Inside a session"},
    {"publish", cmd_publish, "sync, then push the session's branch", NULL},
    {"status", cmd_status, "who is here, what a sync would do", NULL},
    {"diff", cmd_diff, "what you changed since your last sync", NULL},
    {"conflicts", cmd_conflicts, "places where syncs overlapped", NULL},
    {"resolve", cmd_resolve, "choose a side of an overlap", NULL},
    {"undo", cmd_undo, "take back your last sync", NULL},
    {"credit", cmd_credit, "who wrote each line of a file", NULL},
    {"merge-file", cmd_merge_file, "merge three versions of a file", "Tools"},
    {"doctor", cmd_doctor, "what is wrong here, and how to mend it", NULL},
    {"completion", cmd_completion, "completion for bash, zsh or fish", NULL},
    {"version", cmd_version, "the version", NULL},
};

static void print_help(void)
{
    printf("usage: steadystate <command> [options]\n\n"
           "Turns a git repository into a development session that a team shares.\n");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (commands[i].group)
            printf("\n%s:\n", commands[i].group);
        printf("  %-12s %s\n", commands[i].name, commands[i].summary);
    }
    printf("\n'steadystate <command> --help' says more.\n");
}

void command_print_names(void)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        puts(commands[i].name);
}

/* Edit distance, small words only: for "did you mean". */
static size_t distance(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b), row[32];
    if (n >= ARRAY_LEN(row) || m >= ARRAY_LEN(row))
        return 99;
    for (size_t j = 0; j <= m; j++)
        row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t replace = diagonal + (a[i - 1] != b[j - 1]);
            size_t best = replace;
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[m];
}

static int unknown_command(const char *name)
{
    const char *best = NULL;
    size_t best_distance = 3;
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        size_t d = distance(name, commands[i].name);
        if (d < best_distance) {
            best_distance = d;
            best = commands[i].name;
        }
    }
    cleanup_free char *why = xasprintf("'%s' is not a command", name);
    cleanup_free char *todo =
        best ? xasprintf("Did you mean '%s'?", best) : xstrdup("See 'steadystate --help'.");
    return ui_fail(EXIT_USAGE, "usage", why, todo);
}

int main(int argc, char **argv)
{
    setlocale(LC_CTYPE, "");
    signal(SIGPIPE, SIG_IGN);
    int first = 1;
    if (first < argc && strcmp(argv[first], "-q") == 0) {
        ui_set_quiet(true);
        first++;
    }
    if (first >= argc) {
        print_help();
        return ui_finish(EXIT_USAGE);
    }
    if (strcmp(argv[first], "--help") == 0 || strcmp(argv[first], "-h") == 0 ||
        strcmp(argv[first], "help") == 0) {
        print_help();
        return ui_finish(EXIT_DONE);
    }
    if (strcmp(argv[first], "--version") == 0)
        argv[first] = (char[]){"version"};
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (strcmp(argv[first], commands[i].name) == 0)
            return ui_finish(commands[i].run(argc - first, argv + first));
    return unknown_command(argv[first]);
}
