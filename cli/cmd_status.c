#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "changes.h"
#include "command.h"
#include "inside.h"
#include "opt.h"
#include "sync/agent_client.h"
#include "ui.h"

#define SHOWN 50

/* Session and people, as far as the agent answers. */
static int ask_agent(const struct sync_place *place, struct json_object **info,
                     struct json_object **members, struct err *err)
{
    cleanup_agent struct agent_client *agent = NULL;
    int rc = agent_connect(place->socket, place->login, place->provider, &agent, err);
    if (rc == 0)
        rc = agent_info(agent, info, err);
    if (rc)
        return rc;
    json_object_object_del(*info, "ok");
    return agent_members(agent, members, err);
}

static struct json_object *member_list(struct json_object *answer)
{
    struct json_object *list = NULL;
    json_opt_array(answer, "members", 100000, &list, NULL);
    return list;
}

static void print_people(struct json_object *list)
{
    cleanup_str struct str people = STR_INIT;
    for (size_t i = 0; list && i < json_object_array_length(list); i++) {
        struct json_object *one = json_object_array_get_idx(list, i);
        const char *login = "";
        bool connected = false;
        json_opt_str(one, "login", 256, &login, NULL);
        json_opt_bool(one, "connected", &connected, NULL);
        const char *role = ""; /* at the shared terminal */
        json_opt_str(one, "role", 16, &role, NULL);
        if (connected)
            str_addf(&people, "%s%s%s%s%s", people.len ? ", " : "", login, *role ? " (" : "", role,
                     *role ? ")" : "");
    }
    ui_label("Connected:", 10, "%s", people.len ? people.p : "nobody");
}

/* What a sync would send and receive, as far as it is below the paths that were asked for. */
struct status_changes {
    struct raw_diff send, receive;
};

static void print_text(struct json_object *info, struct json_object *members,
                       const struct sync_result *r, const struct status_changes *c)
{
    const char *repo = "";
    const char *branch = "";
    json_opt_str(info, "repo_url", 4096, &repo, NULL);
    json_opt_str(info, "session_branch", 256, &branch, NULL);
    ui_label("Repository:", 11, "%s", repo);
    ui_label("Branch:", 11, "%s", branch);
    print_people(member_list(members));
    if (!c->send.len && !c->receive.len)
        ui_fine("Everything is in sync.\n");
    changes_print("To send (yours, not synced yet):", &c->send, SHOWN);
    changes_print("To receive (others' since your last sync):", &c->receive, SHOWN);
    if (r->warning)
        ui_warn("left out of a sync: %s", r->warning);
    if (r->overlaps.len)
        ui_look("A sync now would report %zu overlap%s.\n", r->overlaps.len,
                r->overlaps.len == 1 ? "" : "s");
}

static void print_json(struct json_object *info, struct json_object *members,
                       const struct sync_result *r, const struct status_changes *c)
{
    cleanup_json struct json_object *o = json_object_new_object();
    json_add(o, "session", json_object_get(info));
    json_add(o, "members", json_object_get(member_list(members)));
    inside_add_oid(o, "last_synced_commit", &r->base);
    json_add(o, "to_send", changes_json(&c->send));
    json_add(o, "to_receive", changes_json(&c->receive));
    json_add(o, "overlaps", inside_overlaps_json(&r->overlaps));
    json_add_str(o, "warning", r->warning);
    ui_print_json(o);
}

static int look(const struct sync_place *place, const struct strv *paths, struct sync_result *r,
                struct status_changes *c, struct err *err)
{
    const struct sync_options options = {.place = place, .dry_run = true};
    int rc = sync_run(&options, r, err);
    if (rc == 0)
        rc = changes_between(place, &r->base_tree, &r->local_tree, paths, &c->send, err);
    return rc ? rc : changes_between(place, &r->base_tree, &r->head_tree, paths, &c->receive, err);
}

int cmd_status(int argc, char **argv)
{
    bool json = false;
    const struct opt opts[] = {
        {0, "json", OPT_FLAG, NULL, "print the status as JSON", .flag = &json}, {0}};
    static const struct command_help help = {
        .name = "status",
        .synopsis = "[--json] [path]...",
        .summary = "Who is here, and what a sync would send and receive.",
        .text =
            "A added, M modified, D deleted, R renamed, T another kind of file; with the lines\n"
            "that were added and deleted.",
        .example = "steadystate status\nsteadystate status src"};
    cleanup_sync_place struct sync_place place = {0};
    cleanup_sync_result struct sync_result result = {0};
    cleanup_json struct json_object *info = NULL;
    cleanup_json struct json_object *members = NULL;
    cleanup_strv struct strv paths = STRV_INIT;
    struct status_changes changes = {{0}, {0}};
    struct err err = ERR_INIT;
    int first;
    const struct inside_start start = {opts, &help, "show the status", 0, INT_MAX};
    int code = inside_begin(argc, argv, &start, &first, &place);
    if (code >= 0)
        return code;
    int rc = changes_paths(&place, argv + first, argc - first, &paths, &err);
    if (rc == 0)
        rc = ask_agent(&place, &info, &members, &err);
    if (rc == 0)
        rc = look(&place, &paths, &result, &changes, &err);
    if (rc == 0 && json)
        print_json(info, members, &result, &changes);
    else if (rc == 0)
        print_text(info, members, &result, &changes);
    raw_diff_release(&changes.send);
    raw_diff_release(&changes.receive);
    return ui_finish(rc ? inside_fail("cannot show the status", &err) : EXIT_DONE);
}
