#include <stdio.h>
#include <unistd.h>

#include "command.h"
#include "git/run.h"
#include "inside.h"
#include "opt.h"
#include "ui.h"

static int show(const struct sync_place *place, const struct oid *from, const struct oid *to,
                char *const *paths, int n_paths, struct err *err, int *status)
{
    char a[OID_HEX + 1];
    char b[OID_HEX + 1];
    cleanup_strv struct strv args = STRV_INIT;
    cleanup_free char *git_dir = xasprintf("%s/.git", place->worktree);
    oid_format(from, a);
    oid_format(to, b);
    strv_pushl(&args, "diff", "--no-ext-diff", a, b, "--", NULL);
    for (int i = 0; i < n_paths; i++)
        strv_push(&args, paths[i]);
    struct git_run run = {.kind = GIT_RUN_USER,
                          .git_dir = git_dir,
                          .work_tree = place->worktree,
                          .args = (const char *const *)args.v};
    fflush(stdout);
    return git_run_interactive(&run, status, err);
}

static void print_json(const struct sync_result *r, bool incoming)
{
    cleanup_json struct json_object *o = json_object_new_object();
    json_add(o, "files", inside_files_json(incoming ? &r->received : &r->sent));
    inside_add_oid(o, "from_tree", &r->base_tree);
    inside_add_oid(o, "to_tree", incoming ? &r->head_tree : &r->local_tree);
    ui_print_json(o);
}

int cmd_diff(int argc, char **argv)
{
    bool json = false;
    bool incoming = false;
    const struct opt opts[] = {
        {0, "incoming", OPT_FLAG, NULL, "what others changed instead", .flag = &incoming},
        {0, "json", OPT_FLAG, NULL, "list the files as JSON", .flag = &json},
        {0}};
    static const struct command_help help = {
        .name = "diff",
        .synopsis = "[--incoming] [path]...",
        .summary = "What you changed since your last sync, new files included.",
        .text = "Paths are relative to the top of the worktree when you are outside it, else to "
                "where you are.",
        .example = "steadystate diff\nsteadystate diff --incoming src/main.c"};
    cleanup_sync_place struct sync_place place = {0};
    cleanup_sync_result struct sync_result result = {0};
    struct err err = ERR_INIT;
    int first;
    int code = opt_parse(argc, argv, opts, &help, &first);
    if (code >= 0)
        return code;
    code = inside_place("show the difference", &place);
    if (code >= 0)
        return code;
    const struct sync_options options = {.place = &place, .dry_run = true};
    if (sync_run(&options, &result, &err) < 0)
        return inside_fail("cannot show the difference", &err);
    if (json) {
        print_json(&result, incoming);
        return ui_finish(EXIT_DONE);
    }
    int status = 0;
    if (show(&place, &result.base_tree, incoming ? &result.head_tree : &result.local_tree,
             argv + first, argc - first, &err, &status) < 0)
        return inside_fail("cannot show the difference", &err);
    return status == 0 ? EXIT_DONE : EXIT_FAILED;
}
