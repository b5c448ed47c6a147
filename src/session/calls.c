#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "session/internal.h"

struct pending {
    struct sessions *s; /* NULL: the registry is gone, nobody waits any more */
    struct pending *prev;
    struct pending *next;
    char id[SESSION_ID_LEN + 1];
    pending_fn fn;
    pending_people_fn people_fn;
    keeper_data_fn on_data;
    void *payload;
};

static struct pending *pending_new(struct sessions *s, const char *id)
{
    struct pending *p = xcalloc(1, sizeof *p);
    p->s = s;
    snprintf(p->id, sizeof p->id, "%s", id ? id : "");
    p->next = s->pending;
    if (p->next)
        p->next->prev = p;
    s->pending = p;
    return p;
}

/* Takes it out of the registry's list; false: it had been given up. */
static bool settle(struct pending *p)
{
    if (!p->s)
        return false;
    if (p->prev)
        p->prev->next = p->next;
    else
        p->s->pending = p->next;
    if (p->next)
        p->next->prev = p->prev;
    return true;
}

static struct session *session_of(const struct pending *p)
{
    return p->id[0] ? registry_find(p->s, p->id) : NULL;
}

static void on_reply(int code, struct json_object *reply, const struct err *err, void *payload)
{
    struct pending *p = payload;
    if (settle(p))
        p->fn(p->s, session_of(p), code, reply, err, p->payload);
    free(p);
}

static void pass_data(const char *data, size_t len, void *payload)
{
    const struct pending *p = payload;
    if (p->s)
        p->on_data(data, len, p->payload);
}

void pending_call(struct sessions *s, const char *id, const char *verb, struct json_object *args,
                  keeper_data_fn on_data, pending_fn fn, void *payload)
{
    struct pending *p = pending_new(s, id);
    p->fn = fn;
    p->on_data = on_data;
    p->payload = payload;
    s->keeper->call(s->keeper->self, verb, args, on_data ? pass_data : NULL, on_reply, p);
}

static void on_people(int code, const struct session_people *people, const struct err *err,
                      void *payload)
{
    struct pending *p = payload;
    if (settle(p))
        p->people_fn(p->s, session_of(p), code, code ? NULL : people, err, p->payload);
    free(p);
}

void pending_people(struct session *one, bool fresh, pending_people_fn fn, void *payload)
{
    struct sessions *s = one->owner;
    struct pending *p = pending_new(s, one->row.id);
    p->people_fn = fn;
    p->payload = payload;
    const struct session_caller creator = {.provider = one->row.creator_provider,
                                           .subject = one->row.creator_subject,
                                           .login = one->row.creator_login};
    const struct session_people_query query = {
        .repo_url = one->spec.repo_url,
        .creator = &creator,
        .allowed = one->access.allowed.v,
        .n_allowed = one->access.allowed.len,
        .allowed_subjects = one->access.allowed_ids.len == one->access.allowed.len
                                ? one->access.allowed_ids.v
                                : NULL,
        .allowed_given = one->access.allowed_given,
        .is_public = one->access.is_public,
        .fresh = fresh,
    };
    s->directory->find(s->directory->self, &query, on_people, p);
}

void pending_cancel_all(struct sessions *s)
{
    struct err err = ERR_INIT;
    err_set(&err, ERR_CANCELLED, "the server is stopping");
    while (s->pending) {
        struct pending *p = s->pending;
        settle(p);
        if (p->fn)
            p->fn(s, session_of(p), ERR_CANCELLED, NULL, &err, p->payload);
        else
            p->people_fn(s, session_of(p), ERR_CANCELLED, NULL, &err, p->payload);
        p->s = NULL; /* freed by its answer */
    }
}

struct json_object *session_args(const struct session *one)
{
    struct json_object *args = json_object_new_object();
    json_add_str(args, "session_id", one->row.id);
    return args;
}
