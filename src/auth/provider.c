#include "auth/provider.h"

#include "auth/oauth.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct entry {
    char *name;
    auth_factory_fn factory;
    void *payload;
    void (*free_payload)(void *);
    struct auth_provider *made; /* NULL until first use */
};

struct auth_providers {
    struct entry v[AUTH_PROVIDERS_MAX];
    size_t len;
};

void auth_start_out_init(struct auth_start_out *o)
{
    *o = (struct auth_start_out){.user_code = STR_INIT,
                                 .verification_uri = STR_INIT,
                                 .verification_uri_complete = STR_INIT,
                                 .challenge = STR_INIT};
}

void auth_start_out_release(struct auth_start_out *o)
{
    str_release(&o->user_code);
    str_release(&o->verification_uri);
    str_release(&o->verification_uri_complete);
    str_release(&o->challenge);
    json_object_put(o->state);
    auth_start_out_init(o);
}

void auth_poll_out_init(struct auth_poll_out *o)
{
    *o = (struct auth_poll_out){.wrong_server = STR_INIT};
}

void auth_poll_out_release(struct auth_poll_out *o)
{
    str_release(&o->wrong_server);
    identity_release(&o->who);
    json_object_put(o->state);
    if (o->tokens)
        oauth_tokens_release(o->tokens);
    free(o->tokens);
    auth_poll_out_init(o);
}

struct auth_providers *auth_providers_new(void)
{
    return xcalloc(1, sizeof(struct auth_providers));
}

void auth_providers_free(struct auth_providers *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->len; i++) {
        struct entry *e = &r->v[i];
        if (e->made)
            e->made->ops->free(e->made);
        if (e->free_payload)
            e->free_payload(e->payload);
        free(e->name);
    }
    free(r);
}

void auth_providers_register(struct auth_providers *r, const char *name, auth_factory_fn factory,
                             void *payload, void (*free_payload)(void *))
{
    BUG_ON(r->len == AUTH_PROVIDERS_MAX);
    r->v[r->len++] = (struct entry){.name = xstrdup(name),
                                    .factory = factory,
                                    .payload = payload,
                                    .free_payload = free_payload};
}

int auth_providers_get(struct auth_providers *r, const char *name, struct auth_provider **out,
                       struct err *err)
{
    for (size_t i = 0; i < r->len; i++) {
        struct entry *e = &r->v[i];
        if (strcmp(e->name, name) != 0)
            continue;
        int rc = e->made ? 0 : e->factory(e->payload, &e->made, err);
        *out = e->made;
        return rc;
    }
    cleanup_str struct str names = STR_INIT;
    auth_providers_names(r, &names);
    return err_set(err, ERR_NOT_FOUND, "no such login provider; there is: %s",
                   names.len ? names.p : "none");
}

bool auth_providers_has(const struct auth_providers *r, const char *name)
{
    for (size_t i = 0; i < r->len; i++)
        if (strcmp(r->v[i].name, name) == 0)
            return true;
    return false;
}

void auth_providers_names(const struct auth_providers *r, struct str *out)
{
    for (size_t i = 0; i < r->len; i++)
        str_addf(out, "%s%s", i ? ", " : "", r->v[i].name);
}
