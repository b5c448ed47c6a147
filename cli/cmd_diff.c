#include <limits.h>
#include <stdio.h>

#include "changes.h"
#include "command.h"
#include "inside.h"
#include "opt.h"
#include "ui.h"

struct diff_options {
    bool json, incoming, stat, name_status;
};

static int print_json(const struct sync_place *place, const struct sync_result *r, bool incoming,
                      const struct strv *paths, struct err *err)
{
    const struct oid *to = incoming ? &r->head_tree : &r->local_tree;
    cleanup_raw_diff struct raw_diff changes = {0};
    int rc = changes_between(place, &r->base_tree, to, paths, &changes, err);
    if (rc < 0)
        return rc;
    cleanup_json struct json_object *o = json_object_new_object();
    json_add(o, "files", changes_json(&changes));
    inside_add_oid(o, "from_tree", &r->base_tree);
    inside_add_oid(o, "to_tree", to);
    ui_print_json(o);
    return 0;
}

int cmd_diff(int argc, char **argv)
{
    struct diff_options d = {0};
    const struct opt opts[] = {
        {0, "incoming", OPT_FLAG, NULL, "what others changed instead", .flag = &d.incoming},
        {0, "stat", OPT_FLAG, NULL, "how much changed in each file", .flag = &d.stat},
        {0, "name-status", OPT_FLAG, NULL, "only the names, and what happened to them",
         .flag = &d.name_status},
        {0, "json", OPT_FLAG, NULL, "list the files as JSON", .flag = &d.json},
        {0}};
    static const struct command_help help = {
        .name = "diff",
        .synopsis = "[options] [path]...",
        .summary = "What you changed since your last sync, new files included.",
        .text = "Paths are relative to where you are in the worktree, or to its top when you are\n"
                "outside of it. Colours and pager are those that your git has.",
        .example = "steadystate diff\nsteadystate diff --stat src\n"
                   "steadystate diff --incoming src/main.c"};
    cleanup_sync_place struct sync_place place = {0};
    cleanup_sync_result struct sync_result result = {0};
    cleanup_strv struct strv paths = STRV_INIT;
    struct err err = ERR_INIT;
    int first, status = 0;
    const struct inside_start start = {opts, &help, "show the difference", 0, INT_MAX};
    int code = inside_begin(argc, argv, &start, &first, &place);
    if (code >= 0)
        return code;
    const struct sync_options options = {.place = &place, .dry_run = true};
    int rc = changes_paths(&place, argv + first, argc - first, &paths, &err);
    if (rc == 0)
        rc = sync_run(&options, &result, &err);
    const char *const show[] = {d.stat          ? "--stat"
                                : d.name_status ? "--name-status"
                                                : "--patch",
                                NULL};
    if (rc == 0 && d.json)
        rc = print_json(&place, &result, d.incoming, &paths, &err);
    else if (rc == 0)
        rc = changes_show(&place, &result.base_tree,
                          d.incoming ? &result.head_tree : &result.local_tree, show, &paths,
                          &status, &err);
    if (rc < 0)
        return inside_fail("cannot show the difference", &err);
    return ui_finish(status == 0 ? EXIT_DONE : EXIT_FAILED);
}
