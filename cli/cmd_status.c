#include <stdio.h>
#include <string.h>

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
    return rc ? rc : agent_members(agent, members, err);
}

static struct json_object *member_list(struct json_object *answer)
{
    struct json_object *list = NULL;
    json_opt_array(answer, "members", 100000, &list, NULL);
    return list;
}

static void print_people(struct json_object *list)
{
    size_t shown = 0;
    printf("Connected:");
    for (size_t i = 0; list && i < json_object_array_length(list); i++) {
        struct json_object *one = json_object_array_get_idx(list, i);
        const char *login = "";
        bool connected = false;
        json_opt_str(one, "login", 256, &login, NULL);
        json_opt_bool(one, "connected", &connected, NULL);
        if (connected)
            printf("%s %s", shown++ ? "," : "", login);
    }
    printf("%s\n", shown ? "" : " nobody");
}

static void print_text(struct json_object *info, struct json_object *members,
                       const struct sync_result *r)
{
    const char *repo = "";
    const char *branch = "";
    json_opt_str(info, "repo_url", 4096, &repo, NULL);
    json_opt_str(info, "session_branch", 256, &branch, NULL);
    printf("Repository: %s\nBranch:     %s\n", repo, branch);
    print_people(member_list(members));
    if (!r->sent.len && !r->received.len)
        printf("Everything is in sync.\n");
    inside_print_files("To send (yours, not synced yet):", &r->sent, SHOWN);
    inside_print_files("To receive (others' since your last sync):", &r->received, SHOWN);
    if (r->overlaps.len)
        printf("A sync now would report %zu overlap%s.\n", r->overlaps.len,
               r->overlaps.len == 1 ? "" : "s");
}

int cmd_status(int argc, char **argv)
{
    bool json = false;
    const struct opt opts[] = {
        {0, "json", OPT_FLAG, NULL, "print the status as JSON", .flag = &json}, {0}};
    static const struct command_help help = {
        .name = "status",
        .synopsis = "[--json]",
        .summary = "Who is here, and what a sync would send and receive.",
        .example = "steadystate status"};
    cleanup_sync_place struct sync_place place = {0};
    cleanup_sync_result struct sync_result result = {0};
    cleanup_json struct json_object *info = NULL;
    cleanup_json struct json_object *members = NULL;
    struct err err = ERR_INIT;
    int first;
    int code = opt_parse(argc, argv, opts, &help, &first);
    if (code >= 0)
        return code;
    if (first < argc)
        return opt_usage_error(&help, "unexpected argument '%s'", argv[first]);
    code = inside_place("show the status", &place);
    if (code >= 0)
        return code;
    const struct sync_options options = {.place = &place, .dry_run = true};
    if (ask_agent(&place, &info, &members, &err) < 0 || sync_run(&options, &result, &err) < 0)
        return inside_fail("cannot show the status", &err);
    if (!json) {
        print_text(info, members, &result);
        return ui_finish(EXIT_DONE);
    }
    cleanup_json struct json_object *o = json_object_new_object();
    json_add(o, "session", json_object_get(info));
    json_add(o, "members", json_object_get(member_list(members)));
    inside_add_oid(o, "last_synced_commit", &result.base);
    json_add(o, "to_send", inside_files_json(&result.sent));
    json_add(o, "to_receive", inside_files_json(&result.received));
    json_add(o, "overlaps", inside_overlaps_json(&result.overlaps));
    ui_print_json(o);
    return ui_finish(EXIT_DONE);
}
