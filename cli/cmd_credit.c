#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "command.h"
#include "git/run.h"
#include "inside.h"
#include "opt.h"
#include "sync/blame.h"
#include "ui.h"

#define BLAME_MAX ((size_t)512 << 20)

static void print_line(const struct blame_line *l, const char *me)
{
    char date[32] = "not synced yet  ";
    cleanup_str struct str author = STR_INIT;
    time_t when = (time_t)l->time;
    struct tm tm;
    bool mine = oid_is_zero(&l->commit);
    if (!mine && gmtime_r(&when, &tm))
        strftime(date, sizeof date, "%Y-%m-%d %H:%M", &tm);
    if (mine)
        str_adds(&author, me);
    else
        str_add_printable(&author, l->author, l->author_len);
    printf("%-16.32s %s %5llu  %.*s\n", author.p, date, (unsigned long long)l->line,
           l->text_len > INT_MAX ? INT_MAX : (int)l->text_len, l->text);
}

static void add_json(struct json_object *list, const struct blame_line *l, const char *me)
{
    struct json_object *o = json_object_new_object();
    cleanup_str struct str author = STR_INIT;
    cleanup_str struct str text = STR_INIT;
    if (oid_is_zero(&l->commit))
        str_adds(&author, me);
    else
        str_add_printable(&author, l->author, l->author_len);
    if (str_is_utf8(l->text, l->text_len))
        str_add(&text, l->text, l->text_len);
    else
        str_add_printable(&text, l->text, l->text_len);
    json_add_i64(o, "line", (int64_t)l->line);
    json_add_str(o, "author", author.p);
    inside_add_oid(o, "commit", &l->commit);
    json_add_i64(o, "time", l->time);
    json_add_str(o, "text", text.p);
    json_object_array_add(list, o);
}

/* Along the session's own line of syncs only: their authors are the people who sent them, which
 * the agent has checked; nobody can credit a line to somebody else. */
static int blame(const struct sync_place *place, const char *file, struct proc_result *out,
                 struct err *err)
{
    cleanup_free char *git_dir = xasprintf("%s/.git", place->worktree);
    const char *const args[] = {"blame", "--first-parent", "--line-porcelain", "--", file, NULL};
    struct git_run run = {.kind = GIT_RUN_USER,
                          .git_dir = git_dir,
                          .work_tree = place->worktree,
                          .args = args,
                          .max_output = BLAME_MAX};
    return git_run(&run, out, err);
}

int cmd_credit(int argc, char **argv)
{
    bool json = false;
    const struct opt opts[] = {
        {0, "json", OPT_FLAG, NULL, "print the lines as JSON", .flag = &json}, {0}};
    static const struct command_help help = {.name = "credit",
                                             .synopsis = "[--json] <file>",
                                             .summary = "Who wrote each line of a file.",
                                             .example = "steadystate credit src/main.c"};
    cleanup_sync_place struct sync_place place = {0};
    cleanup_proc_result struct proc_result out = {0, STR_INIT, STR_INIT};
    cleanup_json struct json_object *list = json_object_new_array();
    struct err err = ERR_INIT;
    struct blame_line line;
    int first;
    int code = opt_parse(argc, argv, opts, &help, &first);
    if (code >= 0)
        return code;
    if (argc - first != 1)
        return opt_usage_error(&help, "one file, please");
    code = inside_place("show the credit", &place);
    if (code >= 0)
        return code;
    if (blame(&place, argv[first], &out, &err) < 0)
        return inside_fail("cannot show the credit", &err);
    const char *p = out.out.p;
    size_t left = out.out.len;
    int rc;
    while ((rc = blame_next(&p, &left, &line, &err)) == 0) {
        if (json)
            add_json(list, &line, place.login);
        else
            print_line(&line, place.login);
    }
    if (rc != ERR_NOT_FOUND)
        return inside_fail("cannot show the credit", &err);
    if (json)
        ui_print_json(list);
    return ui_finish(EXIT_DONE);
}
