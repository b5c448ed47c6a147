#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/path.h"
#include "command.h"
#include "inside.h"
#include "opt.h"
#include "sync/overlaps.h"
#include "ui.h"

/* The file as a path inside the worktree: as it was typed, relative to where we are. */
static char *inside_path(const struct sync_place *place, const char *typed)
{
    cleanup_free char *cwd = getcwd(NULL, 0);
    cleanup_free char *root = realpath(place->worktree, NULL);
    size_t n = root ? strlen(root) : 0;
    if (typed[0] == '/' || !cwd || !root || strncmp(cwd, root, n) != 0 || cwd[n] != '/')
        return xstrdup(str_starts_with(typed, "./") ? typed + 2 : typed);
    return path_join(cwd + n + 1, str_starts_with(typed, "./") ? typed + 2 : typed);
}

int cmd_resolve(int argc, char **argv)
{
    bool mine = false;
    bool theirs = false;
    bool both = false;
    const struct opt opts[] = {
        {0, "mine", OPT_FLAG, NULL, "keep your version of each place", .flag = &mine},
        {0, "theirs", OPT_FLAG, NULL, "keep the others' version", .flag = &theirs},
        {0, "both", OPT_FLAG, NULL, "leave the file as it is now", .flag = &both},
        {0}};
    static const struct command_help help = {
        .name = "resolve",
        .synopsis = "<file> --mine|--theirs|--both",
        .summary = "Settle the overlaps of a file.",
        .text = "Changes the file in your worktree; the next sync shares it.",
        .example = "steadystate resolve src/main.c --mine"};
    cleanup_sync_place struct sync_place place = {0};
    struct err err = ERR_INIT;
    size_t resolved = 0;
    int first;
    int code = opt_parse(argc, argv, opts, &help, &first);
    if (code >= 0)
        return code;
    if (argc - first != 1)
        return opt_usage_error(&help, "one file, please");
    if (mine + theirs + both != 1)
        return opt_usage_error(&help, "exactly one of --mine, --theirs and --both");
    code = inside_place("resolve", &place);
    if (code >= 0)
        return code;
    cleanup_free char *file = inside_path(&place, argv[first]);
    enum overlaps_choice choice = mine ? OVERLAPS_MINE : theirs ? OVERLAPS_THEIRS : OVERLAPS_BOTH;
    if (overlaps_resolve(&place, file, choice, &resolved, &err) < 0)
        return inside_fail("cannot resolve", &err);
    ui_note("Settled %zu place%s. 'steadystate sync' shares it.", resolved,
            resolved == 1 ? "" : "s");
    return ui_finish(EXIT_DONE);
}
