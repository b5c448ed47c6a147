#include "command.h"

#include <locale.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "ui.h"

/* Scripts see the documented status, not a death by signal. */
static void on_interrupt(int signo)
{
    (void)signo;
    _exit(EXIT_INTERRUPTED);
}

void command_prepare(void)
{
    struct sigaction old;
    const struct sigaction action = {.sa_handler = on_interrupt};
    setlocale(LC_CTYPE, "");
    signal(SIGPIPE, SIG_IGN);
    if (sigaction(SIGINT, NULL, &old) == 0 && old.sa_handler == SIG_DFL)
        sigaction(SIGINT, &action, NULL);
}

int command_globals(int argc, char **argv)
{
    int i = 1;
    for (; i < argc; i++) {
        if (strcmp(argv[i], "-q") == 0 || strcmp(argv[i], "--quiet") == 0)
            ui_set_quiet(true);
        else if (strcmp(argv[i], "--plain") == 0)
            ui_set_plain(true);
        else
            break;
    }
    return i;
}

int command_run(const struct command *table, int argc, char **argv)
{
    for (const struct command *c = table; c->name; c++)
        if (strcmp(argv[0], c->name) == 0)
            return ui_finish(c->run(argc, argv));
    return -1;
}

int command_main(const struct command *table, int argc, char **argv)
{
    command_prepare();
    int first = command_globals(argc, argv);
    int code = first < argc ? command_run(table, argc - first, argv + first) : -1;
    if (code >= 0)
        return code;
    return ui_fail(EXIT_USAGE, "usage", "this program is a part of steadystate",
                   "Run 'steadystate' instead.");
}
