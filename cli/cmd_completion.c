/* completion: scripts for the three shells; words come from `steadystate completion --words`. */
#include <stdio.h>
#include <string.h>

#include "catalog.h"
#include "command.h"
#include "opt.h"
#include "ui.h"

static const struct command_help help = {
    .name = "completion",
    .synopsis = "bash|zsh|fish",
    .summary = "Prints a completion script for your shell.",
    .text = "Commands and, for commands that take one, the ids of your sessions are completed.",
    .example =
        "steadystate completion bash > ~/.local/share/bash-completion/completions/steadystate",
};

static const char bash_script[] =
    "_steadystate() {\n"
    "    local cur=${COMP_WORDS[COMP_CWORD]}\n"
    "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
    "        COMPREPLY=($(compgen -W \"$(steadystate completion --words)\" -- \"$cur\"))\n"
    "        return\n"
    "    fi\n"
    "    case ${COMP_WORDS[1]} in\n"
    "    down|extend|members|kick)\n"
    "        COMPREPLY=($(compgen -W \"$(steadystate completion --sessions 2>/dev/null)\" -- "
    "\"$cur\")) "
    ";;\n"
    "    *) COMPREPLY=($(compgen -f -- \"$cur\")) ;;\n"
    "    esac\n"
    "}\n"
    "complete -F _steadystate steadystate\n";

static const char zsh_script[] =
    "#compdef steadystate\n"
    "_steadystate() {\n"
    "    if (( CURRENT == 2 )); then\n"
    "        compadd -- ${(f)\"$(steadystate completion --words)\"}\n"
    "    elif [[ ${words[2]} == (down|extend|members|kick) ]]; then\n"
    "        compadd -- ${(f)\"$(steadystate completion --sessions 2>/dev/null)\"}\n"
    "    else\n"
    "        _files\n"
    "    fi\n"
    "}\n"
    "compdef _steadystate steadystate\n";

static const char fish_script[] =
    "complete -c steadystate -n __fish_use_subcommand -f -a '(steadystate completion --words)'\n"
    "complete -c steadystate -n '__fish_seen_subcommand_from down extend members kick' -f \\\n"
    "    -a '(steadystate completion --sessions 2>/dev/null)'\n";

static int print_sessions(void)
{
    char self[] = "steadystate", list[] = "list", ids[] = "--ids";
    char *argv[] = {self, list, ids, NULL};
    return catalog_exec(CATALOG_OUTSIDE, list, argv);
}

int cmd_completion(int argc, char **argv)
{
    bool words = false, sessions = false;
    const struct opt opts[] = {
        {0, "words", OPT_FLAG, NULL, "the commands, a line each", .flag = &words},
        {0, "sessions", OPT_FLAG, NULL, "the ids of your sessions, a line each", .flag = &sessions},
        {0}};
    int first, rc = opt_parse(argc, argv, opts, &help, &first);
    if (rc >= 0)
        return rc;
    if (words) {
        for (size_t i = 0; i < n_catalog; i++)
            puts(catalog[i].name);
        return EXIT_DONE;
    }
    if (sessions)
        return print_sessions();
    const char *shell = first + 1 == argc ? argv[first] : "";
    if (strcmp(shell, "bash") == 0)
        fputs(bash_script, stdout);
    else if (strcmp(shell, "zsh") == 0)
        fputs(zsh_script, stdout);
    else if (strcmp(shell, "fish") == 0)
        fputs(fish_script, stdout);
    else
        return opt_usage_error(&help, "name a shell: bash, zsh or fish");
    return EXIT_DONE;
}
