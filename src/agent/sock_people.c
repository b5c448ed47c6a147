/* What people's own processes ask: the user verbs, and those of the shared terminal. */
#include <string.h>

#include "agent/publish.h"
#include "agent/radar.h"
#include "agent/request.h"
#include "agent/sock_internal.h"
#include "base/mem.h"
#include "git/repo.h"

static int verb_whoami(struct peer *peer, uint32_t id, struct json_object *obj,
                       const struct person *person, struct err *err)
{
    cleanup_free char *name = NULL;
    cleanup_free char *email = NULL;
    (void)obj;
    (void)err;
    people_author(peer->sock->agent, person->provider, person->login, &name, &email);
    struct json_object *reply = json_object_new_object();
    json_add_str(reply, "login", person->login);
    json_add_str(reply, "provider", person->provider);
    json_add_str(reply, "account", person->account->name);
    json_add_str(reply, "author_name", name);
    json_add_str(reply, "author_email", email);
    if (person->shared || terminal_is_pair_mode(peer->sock->agent))
        json_add(reply, "coauthors",
                 terminal_coauthors(peer->sock->agent->terminal, email, &peer->typed));
    conn_reply(peer->conn, id, reply);
    return 0;
}

static int verb_head(struct peer *peer, uint32_t id, struct json_object *obj,
                     const struct person *person, struct err *err)
{
    const struct agent *a = peer->sock->agent;
    cleanup_repo struct repo *repo = NULL;
    cleanup_free char *ref = xasprintf("refs/heads/%s", a->spec.session_branch);
    struct oid head;
    char text[OID_HEX + 1];
    (void)obj;
    (void)person;
    int rc = repo_open(a->layout.canonical, &repo, err);
    if (rc == 0)
        rc = repo_ref_read(repo, ref, &head, err);
    if (rc < 0)
        return rc;
    struct json_object *reply = json_object_new_object();
    oid_format(&head, text);
    json_add_str(reply, "head", text);
    conn_reply(peer->conn, id, reply);
    return 0;
}

static int verb_push(struct peer *peer, uint32_t id, struct json_object *obj,
                     const struct person *person, struct err *err)
{
    struct agent *a = peer->sock->agent;
    cleanup_push_request struct push_request req;
    int rc = push_request_parse(obj, &req, err);
    if (rc == 0)
        rc = push_begin(a, conn_id(peer->conn), id, person->provider, person->login, &req,
                        &peer->push, err);
    return rc;
}

static int verb_publish(struct peer *peer, uint32_t id, struct json_object *obj,
                        const struct person *person, struct err *err)
{
    struct agent *a = peer->sock->agent;
    struct oid expect;
    int rc = request_oid(obj, "expect", &expect, err);
    if (rc == 0)
        rc = publish_request(a->publisher, conn_id(peer->conn), id, person->login, &expect, err);
    if (rc == 0)
        peer->busy = true;
    return rc;
}

static int verb_members(struct peer *peer, uint32_t id, struct json_object *obj,
                        const struct person *person, struct err *err)
{
    (void)obj;
    (void)person;
    (void)err;
    struct json_object *reply = json_object_new_object();
    json_add(reply, "members", people_members(peer->sock->agent));
    conn_reply(peer->conn, id, reply);
    return 0;
}

static int verb_info(struct peer *peer, uint32_t id, struct json_object *obj,
                     const struct person *person, struct err *err)
{
    const struct agent *a = peer->sock->agent;
    struct json_object *reply = records_info(a);
    (void)obj;
    (void)person;
    (void)err;
    if (a->expires_at)
        json_add_i64(reply, "expires_at", a->expires_at);
    conn_reply(peer->conn, id, reply);
    return 0;
}

static int verb_watch(struct peer *peer, uint32_t id, struct json_object *obj,
                      const struct person *person, struct err *err)
{
    (void)obj;
    int rc = radar_watch(peer->sock->agent->radar, conn_id(peer->conn), person->provider,
                         person->login, err);
    if (rc == 0)
        conn_reply(peer->conn, id, NULL);
    return rc;
}

/* --- the shared terminal -----------------------------------------------------------------------
 */

static int verb_pair(struct peer *peer, uint32_t id, struct json_object *obj,
                     const struct person *person, struct err *err)
{
    struct agent *a = peer->sock->agent;
    struct terminal_request request = {
        .provider = person->provider, .login = person->login, .pid = peer->pid};
    if (person->shared)
        return err_set(err, ERR_INVALID, "this is the shared terminal");
    if (terminal_must_wait(a->terminal, person->provider, person->login))
        return err_set(err, ERR_DENIED, "the creator has not let you in yet");
    int rc = terminal_request_parse(obj, &request, err);
    return rc < 0 ? rc
                  : terminal_attach(a->terminal, peer->conn, id, &request, &peer->terminal, err);
}

static int verb_resize(struct peer *peer, uint32_t id, struct json_object *obj,
                       const struct person *person, struct err *err)
{
    (void)person;
    if (!peer->terminal)
        return err_set(err, ERR_INVALID, "no terminal is open");
    int rc = terminal_resize(peer->terminal, obj, err);
    if (rc == 0)
        conn_reply(peer->conn, id, NULL);
    return rc;
}

static int verb_role(struct peer *peer, uint32_t id, struct json_object *obj,
                     const struct person *person, struct err *err)
{
    const char *login = NULL, *role = NULL;
    const struct terminal_asker asker = {
        .provider = person->provider, .login = person->login, .from_terminal = person->shared};
    int rc = json_get_str(obj, "who", SPEC_LOGIN_MAX, &login, err);
    if (rc == 0)
        rc = json_get_str(obj, "role", REQUEST_VERB_MAX, &role, err);
    if (rc == 0)
        rc = terminal_role(peer->sock->agent->terminal, &asker, NULL, login, role, err);
    if (rc == 0)
        conn_reply(peer->conn, id, NULL);
    return rc;
}

static int verb_kick(struct peer *peer, uint32_t id, struct json_object *obj,
                     const struct person *person, struct err *err)
{
    const char *who = NULL;
    /* What is typed there may be anybody's. */
    if (person->shared)
        return err_set(err, ERR_DENIED,
                       "not from the shared terminal; use a connection of your own");
    int rc = json_get_str(obj, "who", SPEC_PROVIDER_MAX + 1 + SPEC_LOGIN_MAX, &who, err);
    if (rc == 0)
        rc = people_kick_for(peer->sock->agent, person->provider, person->login, who, err);
    if (rc == 0)
        conn_reply(peer->conn, id, NULL);
    return rc;
}

static int verb_coauthors(struct peer *peer, uint32_t id, struct json_object *obj,
                          const struct person *person, struct err *err)
{
    const char *except = NULL;
    int rc = json_opt_str(obj, "except", 256, &except, err);
    if (rc < 0)
        return rc;
    struct json_object *reply = json_object_new_object();
    (void)person;
    json_add(reply, "coauthors",
             terminal_coauthors(peer->sock->agent->terminal, except, &peer->typed));
    conn_reply(peer->conn, id, reply);
    return 0;
}

static int verb_committed(struct peer *peer, uint32_t id, struct json_object *obj,
                          const struct person *person, struct err *err)
{
    struct agent *a = peer->sock->agent;
    (void)obj;
    if (!person->shared && !terminal_is_pair_mode(a))
        return err_set(err, ERR_DENIED, "not in the shared terminal");
    terminal_settle(a->terminal, 0);
    conn_reply(peer->conn, id, NULL);
    return 0;
}

static const struct verb verbs[] = {
    {"whoami", false, false, false, verb_whoami},
    {"head", false, true, false, verb_head},
    {"push", false, true, true, verb_push},
    {"publish", false, true, true, verb_publish},
    {"members", false, false, false, verb_members},
    {"info", false, false, false, verb_info},
    {"pair", false, true, true, verb_pair},
    {"resize", false, true, false, verb_resize},
    {"role", false, true, true, verb_role},
    {"kick", false, true, true, verb_kick},
    {"coauthors", false, true, false, verb_coauthors},
    {"committed", false, true, true, verb_committed},
    {"watch", false, true, false, verb_watch},
};

const struct verb *sock_people_verb(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    return NULL;
}
