/* POST /auth/device and POST /auth/poll: a login by device code. A provider that waits for another
 * machine is asked on a worker thread while the request is suspended. */
#include <stdlib.h>
#include <string.h>

#include "api/body.h"
#include "api/internal.h"
#include "base/log.h"
#include "base/mem.h"
#include "proto/spec.h"

/* ---- start ---- */

struct starting {
    struct api *api;
    struct api_ticket *ticket; /* NULL: the request is still in its handler */
    struct auth_provider *provider;
    char *login, *variant, *host;
    struct auth_start_in in;
    struct auth_start_out out;
    int code;
    struct err err;
};

static void starting_free(struct starting *s)
{
    auth_start_out_release(&s->out);
    free(s->login);
    free(s->variant);
    free(s->host);
    free(s);
}

static void run_start(void *payload)
{
    struct starting *s = payload;
    s->code = s->provider->ops->start(s->provider, &s->in, &s->out, &s->err);
}

static void reply_start(struct http_request *req, const struct starting *s, const struct str *code)
{
    const struct auth_start_out *o = &s->out;
    struct json_object *obj = json_object_new_object();
    json_add_str(obj, "device_code", code->p);
    json_add_str(obj, "user_code", o->user_code.p);
    json_add_str(obj, "verification_uri", o->verification_uri.p);
    if (o->verification_uri_complete.len)
        json_add_str(obj, "verification_uri_complete", o->verification_uri_complete.p);
    json_add_i64(obj, "expires_in", o->expires_in);
    json_add_i64(obj, "interval", o->interval);
    if (o->challenge.len)
        json_add_str(obj, "challenge", o->challenge.p);
    http_reply_json(req, 200, obj);
}

static void answer_start(struct http_request *req, struct starting *s)
{
    cleanup_str_secret struct str code = STR_INIT;
    if (!s->code)
        s->code = devices_add(s->api->devices, s->provider->ops->name, &s->out, &code, &s->err);
    if (s->code == ERR_LIMIT)
        http_reply_problem(req, 503, "unavailable", s->err.msg);
    else if (s->code == ERR_UNAVAILABLE)
        http_reply_problem(req, 502, "provider_unavailable", s->err.msg);
    else if (s->code)
        http_reply_err(req, &s->err);
    else
        reply_start(req, s, &code);
}

static void started(void *payload)
{
    struct starting *s = payload;
    struct http_request *req = api_ticket_take(s->ticket);
    if (req)
        answer_start(req, s);
    starting_free(s);
}

/* NULL when the answer has been given. */
static struct auth_provider *provider_of(struct api *api, struct http_request *req,
                                         const char *name)
{
    struct auth_provider *p = NULL;
    struct err err = ERR_INIT;
    int rc = auth_providers_get(api->options.providers, name, &p, &err);
    if (rc == ERR_NOT_FOUND)
        http_reply_problem(req, 400, "not_supported", err.msg);
    else if (rc)
        http_reply_problem(req, 502, "provider_unavailable", err.msg);
    return rc ? NULL : p;
}

static char *copy(const char *text)
{
    return text ? xstrdup(text) : NULL;
}

void api_auth_device(struct http_request *req, void *payload)
{
    struct api *api = payload;
    const char *name = http_query(req, "provider");
    const char *login = http_query(req, "login");
    if (!name || !*name) {
        http_reply_problem(req, 400, "invalid_request",
                           "the query parameter 'provider' is missing");
        return;
    }
    if (login && !spec_login_is_valid(login)) {
        http_reply_problem(req, 400, "invalid_request", "'login' is not a login");
        return;
    }
    struct auth_provider *provider = provider_of(api, req, name);
    if (!provider)
        return;
    struct starting *s = xcalloc(1, sizeof *s);
    s->api = api;
    s->provider = provider;
    s->login = copy(login);
    s->variant = copy(http_query(req, "variant"));
    s->host = copy(http_header(req, "Host"));
    s->in = (struct auth_start_in){s->login, s->host, s->variant, clock_now(api->options.clock)};
    auth_start_out_init(&s->out);
    if (provider->ops->blocking) {
        s->ticket = api_defer(api, req);
        work_submit_lane(api->options.pool, provider, API_LOGINS_EACH, run_start, started, s);
        return;
    }
    run_start(s);
    answer_start(req, s);
    starting_free(s);
}

/* ---- poll ---- */

struct polling {
    struct api *api;
    struct api_ticket *ticket;
    struct auth_provider *provider;
    struct device_poll device;
    char *login, *signature;
    struct auth_poll_in in;
    struct auth_poll_out out;
    int code;
    struct err err;
};

static void polling_free(struct polling *p)
{
    device_poll_release(&p->device);
    auth_poll_out_release(&p->out);
    free(p->login);
    free(p->signature);
    free(p);
}

static void run_poll(void *payload)
{
    struct polling *p = payload;
    p->code = p->provider->ops->poll(p->provider, &p->in, &p->out, &p->err);
}

static void reply_waiting(struct http_request *req, const char *status, int64_t interval)
{
    struct json_object *obj = json_object_new_object();
    json_add_str(obj, "status", status);
    json_add_i64(obj, "interval", interval);
    http_reply_json(req, 200, obj);
}

static void reply_expired(struct http_request *req)
{
    http_reply_problem(req, 400, "expired_device_code", "this login has expired: begin again");
}

static void reply_poll(struct http_request *req, struct polling *p, int64_t interval)
{
    switch (p->out.status) {
    case AUTH_PENDING:
        reply_waiting(req, "pending", interval);
        break;
    case AUTH_SLOW_DOWN:
        reply_waiting(req, "slow_down", interval);
        break;
    case AUTH_COMPLETE:
        api_reply_login(p->api, req, &p->out.who, p->out.tokens);
        break;
    case AUTH_DENIED:
        if (p->out.wrong_server.len)
            http_reply_problem(req, 403, "wrong_server", p->out.wrong_server.p);
        else
            http_reply_problem(req, 400, "access_denied", "the login was refused");
        break;
    case AUTH_EXPIRED:
        reply_expired(req);
        break;
    case AUTH_FAILED:
        http_reply_problem(req, 502, "provider_unavailable", p->err.msg);
        break;
    }
}

/* Also when nobody waits for the answer any more: the device must not stay busy. */
static void answer_poll(struct http_request *req, struct polling *p)
{
    int64_t interval = 0;
    struct err err = ERR_INIT;
    int rc = devices_poll_finish(p->api->devices, &p->device, p->code, &p->out, &interval, &err);
    if (!req)
        return;
    if (rc) {
        http_reply_err(req, &err);
    } else if (p->code == ERR_INVALID) {
        http_reply_err(req, &p->err);
    } else if (p->code) {
        log_fields(LOG_LEVEL_WARN, "login provider failed", "provider", p->device.provider, "why",
                   p->err.msg, NULL);
        if (p->out.status == AUTH_FAILED)
            reply_poll(req, p, interval);
        else
            reply_waiting(req, "pending", interval);
    } else {
        reply_poll(req, p, interval);
    }
}

static void polled(void *payload)
{
    struct polling *p = payload;
    answer_poll(api_ticket_take(p->ticket), p);
    polling_free(p);
}

/* The device was found and it is its turn. */
static void ask_provider(struct api *api, struct http_request *req, struct polling *p)
{
    p->in = (struct auth_poll_in){p->login, p->signature, p->device.state,
                                  clock_now(api->options.clock), p->device.held};
    p->code = auth_providers_get(api->options.providers, p->device.provider, &p->provider, &p->err);
    if (!p->code && p->provider->ops->blocking) {
        p->ticket = api_defer(api, req);
        work_submit_lane(api->options.pool, p->provider, API_LOGINS_EACH, run_poll, polled, p);
        return;
    }
    if (!p->code)
        run_poll(p);
    answer_poll(req, p);
    polling_free(p);
}

void api_auth_poll(struct http_request *req, void *payload)
{
    struct api *api = payload;
    struct json_object *body = http_body_json(req, false);
    struct body_poll sent;
    struct err err = ERR_INIT;
    if (!body)
        return;
    if (body_read_poll(body, &sent, &err)) {
        http_reply_err(req, &err);
        return;
    }
    struct polling *p = xcalloc(1, sizeof *p);
    p->api = api;
    auth_poll_out_init(&p->out);
    p->login = copy(sent.login);
    p->signature = copy(sent.signature);
    enum device_step step = DEVICE_UNKNOWN;
    if (devices_poll_begin(api->devices, sent.device_code, p->signature != NULL, &p->device, &step,
                           &err)) {
        http_reply_err(req, &err);
    } else if (step == DEVICE_ASK) {
        ask_provider(api, req, p);
        return;
    } else if (step == DEVICE_PENDING) {
        reply_waiting(req, "pending", p->device.interval);
    } else if (step == DEVICE_EXPIRED) {
        reply_expired(req);
    } else {
        http_reply_problem(req, 400, "invalid_device_code", "no such login is under way");
    }
    polling_free(p);
}
