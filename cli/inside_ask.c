#include "inside_ask.h"

#include <stdlib.h>

#include "sync/agent_client.h"
#include "sync/sync.h"
#include "ui.h"

bool inside_ask_here(const char *session, const char *server)
{
    return !session && !server && getenv("REPO_ROOT") && getenv("SESSION_ID");
}

int inside_ask(const char *verb, struct json_object *members, const char *todo,
               struct json_object **reply)
{
    cleanup_sync_place struct sync_place place = {0};
    cleanup_agent struct agent_client *agent = NULL;
    cleanup_json struct json_object *answer = NULL;
    cleanup_json struct json_object *mine = members;
    struct err err = ERR_INIT;
    int rc = sync_place_from_env(&place, &err);
    if (rc == 0)
        rc = agent_connect(place.socket, place.login, place.provider, &agent, &err);
    if (rc == 0)
        rc = agent_ask(agent, verb, steal(&mine), &answer, &err);
    if (rc < 0)
        return ui_fail_err(verb, &err, rc == ERR_DENIED ? todo : NULL);
    json_object_object_del(answer, "ok");
    if (reply)
        *reply = steal(&answer);
    return EXIT_DONE;
}
