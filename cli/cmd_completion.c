#include <stdio.h>
#include <string.h>

#include "command.h"
#include "complete.h"
#include "opt.h"
#include "ui.h"

static const struct command_help help = {
    .name = "completion",
    .synopsis = "bash|zsh|fish",
    .summary = "Prints a completion script for your shell.",
    .text =
        "Completes commands, options and their values, session ids, logins of a session's people,\n"
        "and files. fish: ~/.config/fish/completions/steadystate.fish; zsh: a file _steadystate "
        "in\n"
        "your $fpath.",
    .example =
        "steadystate completion bash > ~/.local/share/bash-completion/completions/steadystate",
};

static const char bash_script[] = "_steadystate() {\n"
                                  "    local IFS=$'\\n' cur=${COMP_WORDS[COMP_CWORD]} found\n"
                                  "    found=$(\"${COMP_WORDS[0]}\" completion --complete -- "
                                  "\"${COMP_WORDS[@]:1:COMP_CWORD}\" 2>/dev/null)\n"
                                  "    if [ \"$found\" = :files ]; then\n"
                                  "        compopt -o filenames 2>/dev/null\n"
                                  "        COMPREPLY=($(compgen -f -- \"$cur\"))\n"
                                  "    else\n"
                                  "        COMPREPLY=($(compgen -W \"$found\" -- \"$cur\"))\n"
                                  "    fi\n"
                                  "}\n"
                                  "complete -F _steadystate steadystate\n";

static const char zsh_script[] = "#compdef steadystate\n"
                                 "_steadystate() {\n"
                                 "    local -a found\n"
                                 "    found=(${(f)\"$(\"${words[1]}\" completion --complete -- "
                                 "\"${(@)words[2,CURRENT]}\" 2>/dev/null)\"})\n"
                                 "    if [[ $found[1] == :files ]]; then\n"
                                 "        _files\n"
                                 "    else\n"
                                 "        compadd -- $found\n"
                                 "    fi\n"
                                 "}\n"
                                 "if [[ $funcstack[1] == _steadystate ]]; then\n"
                                 "    _steadystate \"$@\"\n"
                                 "else\n"
                                 "    compdef _steadystate steadystate\n"
                                 "fi\n";

static const char fish_script[] =
    "function __steadystate_complete\n"
    "    set -l words (commandline -opc)\n"
    "    set -l current (commandline -ct)\n"
    "    test (count $current) -gt 0; or set current ''\n"
    "    set -l found ($words[1] completion --complete --describe -- $words[2..-1] \"$current\" "
    "2>/dev/null)\n"
    "    if test \"$found[1]\" = :files\n"
    "        __fish_complete_path \"$current\"\n"
    "    else\n"
    "        printf '%s\\n' $found\n"
    "    end\n"
    "end\n"
    "complete -c steadystate -f -a '(__steadystate_complete)'\n";

int cmd_completion(int argc, char **argv)
{
    bool complete = false, describe = false;
    const struct opt opts[] = {
        {0, "complete", OPT_FLAG, NULL, "what may stand at the end of the words behind --",
         .flag = &complete},
        {0, "describe", OPT_FLAG, NULL, "with --complete: a tab and a description behind each",
         .flag = &describe},
        {0}};
    int first, rc = opt_parse(argc, argv, opts, &help, &first);
    if (rc >= 0)
        return rc;
    if (complete) {
        if (first < argc)
            complete_words(argv + first, argc - first, describe);
        return EXIT_DONE;
    }
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
