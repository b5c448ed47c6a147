#include "sync/agent_client.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/frame.h"
#include "base/mem.h"

#define TEXT_MAX 4096
#define COAUTHORS_MAX 4096

struct agent_client {
    int fd;
    uint32_t next_id;
    uint32_t push_id;
    char *login;
    char *provider;
};

int agent_connect(const char *socket_path, const char *login, const char *provider,
                  struct agent_client **out, struct err *err)
{
    int fd = fd_unix_connect(socket_path, err);
    if (fd < 0)
        return err_set(err, ERR_UNAVAILABLE, "the session's agent does not answer");
    const struct timeval limit = {.tv_sec = AGENT_ANSWER_SECONDS};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    struct agent_client *c = xcalloc(1, sizeof *c);
    *c = (struct agent_client){.fd = fd,
                               .next_id = 1,
                               .login = login ? xstrdup(login) : NULL,
                               .provider = provider ? xstrdup(provider) : NULL};
    *out = c;
    return 0;
}

void agent_close(struct agent_client *client)
{
    if (!client)
        return;
    close(client->fd);
    free(client->login);
    free(client->provider);
    free(client);
}

void agent_closep(struct agent_client **client)
{
    agent_close(*client);
}

/* --- requests --------------------------------------------------------------------------------- */

static int send_request(struct agent_client *c, struct json_object *obj, const char *verb,
                        uint32_t *id, struct err *err)
{
    *id = c->next_id++;
    json_add_str(obj, "verb", verb);
    json_add_str(obj, "login", c->login);
    json_add_str(obj, "provider", c->provider);
    int rc = frame_write_json(c->fd, *id, obj, err);
    return rc ? err_wrap(err, "agent") : 0;
}

/* The answer to `id`; events in between are passed over. */
static int read_answer(struct agent_client *c, uint32_t id, struct json_object **out,
                       struct err *err)
{
    for (;;) {
        cleanup_json struct json_object *obj = NULL;
        uint32_t got;
        int rc = frame_read_json(c->fd, &got, &obj, err);
        if (rc < 0)
            return err_wrap(err, "agent");
        if (got == id) {
            *out = steal(&obj);
            return 0;
        }
    }
}

int agent_ask(struct agent_client *c, const char *verb, struct json_object *members,
              struct json_object **out, struct err *err)
{
    cleanup_json struct json_object *request = members ? members : json_object_new_object();
    cleanup_json struct json_object *answer = NULL;
    uint32_t id;
    int rc = send_request(c, request, verb, &id, err);
    if (rc == 0)
        rc = read_answer(c, id, &answer, err);
    if (rc == 0)
        rc = frame_reply_check(answer, err);
    if (rc == 0)
        *out = steal(&answer);
    return rc;
}

static int ask(struct agent_client *c, const char *verb, struct json_object **out, struct err *err)
{
    return agent_ask(c, verb, NULL, out, err);
}

static int get_oid(struct json_object *obj, const char *key, struct oid *out, struct err *err)
{
    const char *text;
    int rc = json_get_str(obj, key, OID_HEX, &text, err);
    return rc ? rc : oid_parse(text, strlen(text), out, err);
}

static void add_oid(struct json_object *obj, const char *key, const struct oid *oid)
{
    char hex[OID_HEX + 1];
    oid_format(oid, hex);
    json_add_str(obj, key, hex);
}

/* --- verbs ------------------------------------------------------------------------------------ */

void agent_identity_release(struct agent_identity *id)
{
    free(id->login);
    free(id->provider);
    free(id->account);
    free(id->author_name);
    free(id->author_email);
    strv_release(&id->coauthors);
    memset(id, 0, sizeof *id);
}

static int copy_str(struct json_object *obj, const char *key, char **out, struct err *err)
{
    const char *text;
    int rc = json_get_str(obj, key, TEXT_MAX, &text, err);
    if (rc == 0)
        *out = xstrdup(text);
    return rc;
}

static int copy_coauthors(struct json_object *answer, struct strv *out, struct err *err)
{
    struct json_object *list = NULL;
    int rc = json_opt_array(answer, "coauthors", COAUTHORS_MAX, &list, err);
    for (size_t i = 0; rc == 0 && list && i < json_object_array_length(list); i++) {
        struct json_object *one = json_object_array_get_idx(list, i);
        const char *text =
            json_object_is_type(one, json_type_string) ? json_object_get_string(one) : "";
        if (!*text || strpbrk(text, "\r\n"))
            return err_set(err, ERR_INVALID, "agent: a co-author's name is malformed");
        strv_push(out, text);
    }
    return rc;
}

int agent_whoami(struct agent_client *client, struct agent_identity *out, struct err *err)
{
    cleanup_json struct json_object *answer = NULL;
    int rc = ask(client, "whoami", &answer, err);
    if (rc == 0)
        rc = copy_str(answer, "login", &out->login, err);
    if (rc == 0)
        rc = copy_str(answer, "provider", &out->provider, err);
    if (rc == 0)
        rc = copy_str(answer, "account", &out->account, err);
    if (rc == 0)
        rc = copy_str(answer, "author_name", &out->author_name, err);
    if (rc == 0)
        rc = copy_str(answer, "author_email", &out->author_email, err);
    if (rc == 0)
        rc = copy_coauthors(answer, &out->coauthors, err);
    return rc;
}

int agent_head(struct agent_client *client, struct oid *head, struct err *err)
{
    cleanup_json struct json_object *answer = NULL;
    int rc = ask(client, "head", &answer, err);
    return rc ? rc : get_oid(answer, "head", head, err);
}

int agent_members(struct agent_client *client, struct json_object **out, struct err *err)
{
    return ask(client, "members", out, err);
}

int agent_info(struct agent_client *client, struct json_object **out, struct err *err)
{
    return ask(client, "info", out, err);
}

int agent_push_begin(struct agent_client *client, const struct oid *parent,
                     const struct oid *commit, struct json_object *changes,
                     struct json_object *overlaps, struct err *err)
{
    cleanup_json struct json_object *request = json_object_new_object();
    add_oid(request, "parent", parent);
    add_oid(request, "commit", commit);
    json_add(request, "changes", changes ? json_object_get(changes) : json_object_new_array());
    json_add(request, "overlaps", overlaps ? json_object_get(overlaps) : json_object_new_array());
    return send_request(client, request, "push", &client->push_id, err);
}

int agent_push_data(struct agent_client *client, const void *p, size_t n, struct err *err)
{
    const char *at = p;
    while (n) {
        size_t piece = n < FRAME_DATA_MAX ? n : FRAME_DATA_MAX;
        int rc = frame_write(client->fd, 'D', client->push_id, at, piece, err);
        if (rc < 0)
            return err_wrap(err, "agent");
        at += piece;
        n -= piece;
    }
    return 0;
}

int agent_push_end(struct agent_client *client, struct oid *head, struct err *err)
{
    cleanup_json struct json_object *answer = NULL;
    int rc = frame_write(client->fd, 'E', client->push_id, NULL, 0, err);
    /* A refusal may have come before all data were sent: the answer says more than the pipe. */
    struct err sent = ERR_INIT;
    int got = read_answer(client, client->push_id, &answer, rc ? &sent : err);
    if (got < 0)
        return rc ? rc : got;
    err_clear(err);
    rc = frame_reply_check(answer, err);
    if (rc == 0 || rc == ERR_CONFLICT) {
        int parsed = get_oid(answer, "head", head, rc ? NULL : err);
        if (parsed < 0)
            return rc ? ERR_FAILED : parsed;
    }
    return rc;
}

void agent_published_release(struct agent_published *p)
{
    free(p->branch);
    free(p->remote_url);
    memset(p, 0, sizeof *p);
}

int agent_publish(struct agent_client *client, const struct oid *expect,
                  struct agent_published *out, struct err *err)
{
    cleanup_json struct json_object *request = json_object_new_object();
    cleanup_json struct json_object *answer = NULL;
    uint32_t id;
    add_oid(request, "expect", expect);
    int rc = send_request(client, request, "publish", &id, err);
    if (rc == 0)
        rc = read_answer(client, id, &answer, err);
    if (rc < 0)
        return rc;
    rc = frame_reply_check(answer, err);
    if (rc == ERR_CONFLICT) {
        out->has_head = get_oid(answer, "head", &out->head, NULL) == 0;
        out->has_remote = get_oid(answer, "remote", &out->remote, NULL) == 0;
    }
    if (rc == 0)
        rc = copy_str(answer, "branch", &out->branch, err);
    if (rc == 0)
        rc = copy_str(answer, "remote_url", &out->remote_url, err);
    if (rc == 0)
        rc = get_oid(answer, "commit", &out->commit, err);
    return rc;
}
