#include "changes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "git/run.h"
#include "inside.h"
#include "ui.h"

#define ANSWER_MAX ((size_t)512 << 20)

int changes_paths(const struct sync_place *place, char *const *typed, int n, struct strv *out,
                  struct err *err)
{
    for (int i = 0; i < n; i++) {
        char *path = inside_path(place, typed[i], err);
        if (!path)
            return err ? err->code : ERR_INVALID;
        /* The top of the worktree is everything. */
        strv_push_take(out, *path ? path : (free(path), xstrdup(".")));
    }
    return 0;
}

static void add_arguments(struct strv *args, const struct oid *from, const struct oid *to,
                          const struct strv *paths)
{
    char hex[OID_HEX + 1];
    oid_format(from, hex);
    strv_push(args, hex);
    oid_format(to, hex);
    strv_pushl(args, hex, "--", NULL);
    for (size_t i = 0; i < paths->len; i++)
        strv_push(args, paths->v[i]);
}

int changes_between(const struct sync_place *place, const struct oid *from, const struct oid *to,
                    const struct strv *paths, struct raw_diff *out, struct err *err)
{
    cleanup_free char *git_dir = xasprintf("%s/.git", place->worktree);
    cleanup_strv struct strv args = STRV_INIT;
    cleanup_proc_result struct proc_result answer = {0, STR_INIT, STR_INIT};
    if (oid_equal(from, to))
        return 0;
    strv_pushl(&args, "-C", place->worktree, "diff", "--no-ext-diff", "--no-textconv", "-M",
               "--raw", "--numstat", "-z", NULL);
    add_arguments(&args, from, to, paths);
    struct git_run run = {.kind = GIT_RUN_USER,
                          .git_dir = git_dir,
                          .work_tree = place->worktree,
                          .args = (const char *const *)args.v,
                          .max_output = ANSWER_MAX};
    int rc = git_run(&run, &answer, err);
    return rc ? rc : raw_diff_parse(answer.out.p, answer.out.len, out, err);
}

struct json_object *changes_json(const struct raw_diff *changes)
{
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < changes->len; i++) {
        const struct raw_change *c = &changes->v[i];
        char mark[2] = {c->status, '\0'};
        struct json_object *one = json_object_new_object();
        json_add(one, "file", inside_json_text(c->path));
        json_add_str(one, "change", mark);
        if (c->old_path)
            json_add(one, "old_file", inside_json_text(c->old_path));
        if (c->added < 0) {
            json_add_bool(one, "binary", true);
        } else {
            json_add_i64(one, "added", c->added);
            json_add_i64(one, "deleted", c->deleted);
        }
        json_object_array_add(list, one);
    }
    return list;
}

static enum ui_style colour_of(char status)
{
    return status == 'A' ? UI_GREEN : status == 'D' ? UI_RED : status == 'R' ? UI_CYAN : UI_YELLOW;
}

static void print_change(const struct raw_change *c)
{
    cleanup_str struct str name = STR_INIT;
    if (c->old_path) {
        str_add_printable(&name, c->old_path, strlen(c->old_path));
        str_adds(&name, " -> ");
    }
    str_add_printable(&name, c->path, strlen(c->path));
    printf("  %s%c%s %s", ui_style(1, colour_of(c->status)), c->status, ui_style(1, UI_PLAIN),
           name.p);
    if (c->added < 0)
        printf("  %s(binary)%s", ui_style(1, UI_DIM), ui_style(1, UI_PLAIN));
    else if (c->added || c->deleted)
        printf("  %s+%lld -%lld%s", ui_style(1, UI_DIM), (long long)c->added, (long long)c->deleted,
               ui_style(1, UI_PLAIN));
    putchar('\n');
}

void changes_print(const char *title, const struct raw_diff *changes, size_t max)
{
    if (changes->len == 0)
        return;
    ui_title("%s\n", title);
    for (size_t i = 0; i < changes->len && i < max; i++)
        print_change(&changes->v[i]);
    if (changes->len > max)
        printf("  and %zu more\n", changes->len - max);
}

int changes_show(const struct sync_place *place, const struct oid *from, const struct oid *to,
                 const char *const *options, const struct strv *paths, int *status, struct err *err)
{
    cleanup_free char *git_dir = xasprintf("%s/.git", place->worktree);
    cleanup_strv struct strv args = STRV_INIT;
    if (!ui_colour(STDOUT_FILENO))
        strv_push(&args, "--no-pager");
    strv_pushl(&args, "-C", place->worktree, "diff", "--no-ext-diff", "-M", NULL);
    /* The person's own git configuration decides about colour on a terminal, unless it is off. */
    if (!ui_colour(STDOUT_FILENO))
        strv_push(&args, "--no-color");
    for (const char *const *o = options; *o; o++)
        strv_push(&args, *o);
    add_arguments(&args, from, to, paths);
    struct git_run run = {.kind = GIT_RUN_USER,
                          .git_dir = git_dir,
                          .work_tree = place->worktree,
                          .args = (const char *const *)args.v};
    fflush(stdout);
    return git_run_interactive(&run, status, err);
}
