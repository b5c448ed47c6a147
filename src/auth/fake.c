/* Lets everybody in under any name: for tests, behind ENABLE_FAKE_AUTH=1. */
#include <stdlib.h>
#include <string.h>

#include "auth/provider.h"
#include "base/mem.h"
#include "base/num.h"
#include "proto/spec.h"

#define NAME "fake"
#define DEFAULT_LOGIN "dev"
#define LIFE_S 600
#define INTERVAL_S 1
#define POLLS_MAX 10

static int start(struct auth_provider *p, const struct auth_start_in *in,
                 struct auth_start_out *out, struct err *err)
{
    int64_t polls = 0;
    (void)p;
    if (in->variant && num_parse_i64(in->variant, 0, POLLS_MAX, &polls, NULL))
        return err_set(err, ERR_INVALID, "variant: how many polls stay pending, 0 to %d",
                       POLLS_MAX);
    if (in->login && !spec_login_is_valid(in->login))
        return err_set(err, ERR_INVALID, "login has characters that are not allowed");
    str_adds(&out->user_code, "FAKE-FAKE");
    str_adds(&out->verification_uri, "http://localhost/approved-already");
    out->expires_in = LIFE_S;
    out->interval = INTERVAL_S;
    out->state = json_object_new_object();
    json_add_i64(out->state, "pending", polls);
    json_add_str(out->state, "login", in->login);
    return 0;
}

static int poll(struct auth_provider *p, const struct auth_poll_in *in, struct auth_poll_out *out,
                struct err *err)
{
    int64_t left = 0;
    const char *login = DEFAULT_LOGIN;
    (void)p;
    if (json_opt_i64(in->state, "pending", 0, POLLS_MAX, &left, err) ||
        json_opt_str(in->state, "login", SPEC_LOGIN_MAX, &login, err))
        return ERR_INVALID;
    if (in->login)
        login = in->login;
    if (left > 0) {
        out->status = AUTH_PENDING;
        out->state = json_object_new_object();
        json_add_i64(out->state, "pending", left - 1);
        json_add_str(out->state, "login", login);
        return 0;
    }
    if (!spec_login_is_valid(login)) {
        out->status = AUTH_DENIED;
        return 0;
    }
    out->status = AUTH_COMPLETE;
    identity_set(&out->who, NAME, login, login);
    return 0;
}

static void release(struct auth_provider *p)
{
    free(p);
}

static const struct auth_provider_ops ops = {
    .name = NAME, .start = start, .poll = poll, .free = release};

static int make(void *payload, struct auth_provider **out, struct err *err)
{
    (void)payload;
    (void)err;
    *out = xcalloc(1, sizeof **out);
    (*out)->ops = &ops;
    return 0;
}

void auth_fake_register(struct auth_providers *r)
{
    auth_providers_register(r, NAME, make, NULL, NULL);
}
