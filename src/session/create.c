/* POST /sessions: validate, look the repository's host up, allocate, store, answer; the rest is
 * lifecycle.c. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/net.h"
#include "base/url.h"
#include "session/internal.h"
#include "ssh/hostkey.h"
#include "ssh/link.h"

/* A request on its way, with copies of everything. */
struct creation {
    struct sessions *s;
    char *provider, *subject, *login;
    char *branch;
    bool pair;
    bool approve;
    struct access access;
    struct repo_url repo;
    int64_t ttl;
    session_reply_fn done;
    void *payload;
    int code;
    struct err err;
};

static void creation_free(struct creation *c)
{
    free(c->provider);
    free(c->subject);
    free(c->login);
    free(c->branch);
    access_release(&c->access);
    repo_url_release(&c->repo);
    free(c);
}

static void creation_fail(struct creation *c, const struct err *err)
{
    c->done(err->code, NULL, 0, err, c->payload);
    creation_free(c);
}

/* ---- validation
 * ------------------------------------------------------------------------------------------ */

static int check_modes(const struct session_request *r, struct err *err)
{
    bool pair = r->mode && strcmp(r->mode, "pair") == 0;
    if (r->mode && !pair && strcmp(r->mode, "collab") != 0)
        return err_set(err, ERR_UNSUPPORTED, "'mode' must be collab or pair");
    if (r->approve && !pair)
        return err_set(err, ERR_INVALID, "'approve' is for mode pair");
    if (r->environment && strcmp(r->environment, "noenv") != 0)
        return err_set(err, ERR_UNSUPPORTED,
                       "environments other than 'noenv' are not supported "
                       "yet");
    if (r->branch && !spec_branch_is_valid(r->branch))
        return err_set(err, ERR_INVALID, "'branch' is not a branch name");
    return 0;
}

static int check_ttl(const struct sessions *s, int64_t asked, int64_t *ttl, struct err *err)
{
    *ttl = asked ? asked : s->config.default_ttl;
    if (!asked && *ttl > s->config.max_ttl)
        *ttl = s->config.max_ttl;
    if (asked && (asked < SESSION_TTL_MIN || asked > s->config.max_ttl))
        return err_set(err, ERR_INVALID, "'ttl_secs' must be %d to %lld", SESSION_TTL_MIN,
                       (long long)s->config.max_ttl);
    return 0;
}

static int check_repo(const struct sessions *s, const char *url, struct repo_url *repo,
                      struct err *err)
{
    if (!url)
        return err_set(err, ERR_INVALID, "'repo_url' is missing");
    int rc = repo_url_parse(url, strlen(url), repo, err);
    if (rc) {
        err_wrap(err, "'repo_url'");
        return err->code = ERR_INVALID;
    }
    if (repo->kind == REPO_FILE &&
        (!s->config.allow_local_repos || strcmp(s->config.compute_provider, "local") != 0))
        return err_set(err, ERR_INVALID, "'repo_url': local repositories are not allowed here");
    if (repo->kind == REPO_HTTP &&
        !net_allow_has(s->config.allowed_hosts, s->config.n_allowed_hosts, repo->host, repo->host))
        return err_set(err, ERR_INVALID,
                       "'repo_url': plain http is not allowed for this host; use https");
    return 0;
}

static int check_cap(struct sessions *s, const char *provider, const char *subject, struct err *err)
{
    int max = s->config.max_per_user;
    if (max > 0 && registry_count_of(s, provider, subject) >= max)
        return err_set(err, ERR_LIMIT, "you have %d sessions already; end one first", max);
    return 0;
}

static int validate(struct sessions *s, const struct session_caller *caller,
                    const struct session_request *r, struct creation *c, struct err *err)
{
    int rc;
    if ((rc = check_repo(s, r->repo_url, &c->repo, err)) != 0 || (rc = check_modes(r, err)) != 0 ||
        (rc = check_ttl(s, r->ttl_secs, &c->ttl, err)) != 0 ||
        (rc = access_names(r->allowed_users, r->n_allowed_users, caller->provider,
                           &c->access.allowed, err)) != 0)
        return rc;
    if (!spec_login_is_valid(caller->login) || !spec_provider_is_valid(caller->provider))
        return err_set(err, ERR_INVALID, "your login cannot be used as an account name");
    return check_cap(s, caller->provider, caller->subject, err);
}

/* ---- the row
 * ---------------------------------------------------------------------------------------------- */

static void fill_spec(const struct creation *c, const char *id, struct session_spec *spec)
{
    const struct session_config *config = &c->s->config;
    memcpy(spec->id, id, SESSION_ID_LEN + 1);
    spec->server_id = xstrdup(config->server_id);
    spec->mode = xstrdup(c->pair ? "pair" : "collab");
    spec->environment = xstrdup("noenv");
    spec->repo_url = xstrdup(c->repo.url);
    spec->repo_name = xstrdup(c->repo.name);
    spec->branch = c->branch ? xstrdup(c->branch) : NULL;
    spec->session_branch = xasprintf("steadystate/%s/%s", spec->mode, id);
    spec->approve = c->approve;
    spec->creator_login = xstrdup(c->login);
    spec->creator_provider = xstrdup(c->provider);
    spec->ssh_user = xstrdup(config->ssh_user);
    spec->ssh_host = xstrdup(config->external_host);
    spec->ssh_bind = xstrdup(config->ssh_bind);
    spec->require_userns = config->require_userns;
    spec->allow_local_repos = config->allow_local_repos;
    for (size_t i = 0; i < config->n_allowed_hosts; i++)
        strv_push(&spec->allowed_hosts, config->allowed_hosts[i]);
    spec->created_at = clock_now(c->s->clock);
    if (strcmp(config->compute_provider, "container") != 0)
        return;
    spec->image = xstrdup(config->image);
    spec->memory = config->memory;
    spec->cpus_milli = config->cpus_milli;
    spec->pids = config->pids;
    spec->disk = config->disk;
}

bool session_port_is_taken(const char *bind_address, int port)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    const struct sockaddr *sa = (const struct sockaddr *)&v4;
    socklen_t len = sizeof v4;
    if (inet_pton(AF_INET, bind_address, &v4.sin_addr) != 1) {
        if (inet_pton(AF_INET6, bind_address, &v6.sin6_addr) != 1)
            return false;
        sa = (const struct sockaddr *)&v6;
        len = sizeof v6;
    }
    cleanup_close int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    const int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    return bind(fd, sa, len) != 0 && errno == EADDRINUSE;
}

static void fill_link(struct session_spec *spec)
{
    struct magic_link link;
    cleanup_str struct str text = STR_INIT;
    magic_link_init(&link);
    snprintf(link.mode, sizeof link.mode, "%s", spec->mode);
    memcpy(link.session_id, spec->id, sizeof link.session_id);
    link.user = spec->ssh_user;
    link.host = spec->ssh_host;
    link.port = spec->ssh_port;
    link.host_key = spec->host_key_public;
    magic_link_format(&link, &text);
    session_set_text(&spec->magic_link, text.p);
}

static int fill_lease(const struct store_lease *lease, struct store_session *row, void *payload,
                      struct err *err)
{
    struct session *one = payload;
    struct sessions *s = one->owner;
    struct session_spec *spec = &one->spec;
    if (session_port_is_taken(s->config.ssh_bind, lease->port))
        return err_set(err, ERR_CONFLICT, "port %d is in use", lease->port);
    spec->ssh_port = lease->port;
    if (strcmp(s->config.compute_provider, "container") == 0) {
        char subnet[SUBNET_TEXT];
        subnet_format(&s->subnets, lease->subnet, subnet);
        session_set_text(&spec->subnet, subnet);
        spec->uid_base = UID_FIRST + lease->uid * SPEC_UID_RANGE;
    }
    fill_link(spec);
    int rc = session_spec_check(spec, err);
    if (rc)
        return rc;
    row->spec = session_spec_text(spec);
    row->access = session_access_text(&one->access);
    return 0;
}

static struct store_ranges ranges_of(const struct sessions *s)
{
    return (struct store_ranges){.port_first = s->config.port_first,
                                 .port_last = s->config.port_last,
                                 .subnets = s->subnets.count,
                                 .uids = UID_RANGES};
}

static int make_host_key(struct session_spec *spec, struct err *err)
{
    cleanup_str_secret struct str private_text = STR_INIT;
    cleanup_str struct str public_text = STR_INIT;
    int rc = hostkey_generate("steadystate", &private_text, &public_text, err);
    if (rc)
        return rc;
    spec->host_key = xstrdup(private_text.p);
    spec->host_key_public = xstrdup(public_text.p);
    return 0;
}

static int allocate(struct creation *c, struct session *one, struct err *err)
{
    struct sessions *s = c->s;
    char id[SESSION_ID_LEN + 1];
    int64_t now = clock_now(s->clock);
    rnd_session_id(id);
    one->row = (struct store_session){
        .id = xstrdup(id),
        .creator_provider = xstrdup(c->provider),
        .creator_subject = xstrdup(c->subject),
        .creator_login = xstrdup(c->login),
        .stage = xstrdup(STAGE_QUEUED),
        .message = xstrdup(""),
        .reason = xstrdup(""),
        .compute = xstrdup(s->config.compute_provider),
        .progress = -1,
        .created_at = now,
        .updated_at = now,
        .expires_at = now + c->ttl,
        .last_activity_at = now,
    };
    one->state = SESSION_PROVISIONING;
    one->saved_activity = now;
    one->access = c->access;
    access_know(&one->access, c->provider, c->subject, c->login);
    c->access = (struct access){0};
    fill_spec(c, id, &one->spec);
    int rc = make_host_key(&one->spec, err);
    if (rc)
        return rc;
    const struct store_ranges ranges = ranges_of(s);
    struct store_session row = one->row;
    row.state = (char *)(uintptr_t)session_state_word(one->state);
    rc = store_session_create(s->store, &row, &ranges, fill_lease, one, err);
    free_secret(row.spec);
    free(row.access);
    return rc;
}

int session_move(struct session *one, enum store_slot slot, struct err *err)
{
    const struct store_ranges ranges = ranges_of(one->owner);
    struct store_session row = one->row;
    int rc = store_session_move(one->owner->store, &row, &ranges, slot, fill_lease, one, err);
    free_secret(row.spec);
    free(row.access);
    session_touch(one);
    return rc;
}

/* ---- in turn
 * ------------------------------------------------------------------------------------------------
 */

static void finish(struct creation *c)
{
    struct sessions *s = c->s;
    struct err err = ERR_INIT;
    int rc = check_cap(s, c->provider, c->subject, &err);
    if (rc) {
        creation_fail(c, &err);
        return;
    }
    struct session *one = session_new(s);
    rc = allocate(c, one, &err);
    if (rc) {
        session_discard(one);
        creation_fail(c, &err);
        return;
    }
    registry_add(s, one);
    log_fields(LOG_LEVEL_INFO, "session created", "session", one->row.id, "user", c->login, "repo",
               one->spec.repo_url, NULL);
    const struct str *info = session_info(one);
    c->done(0, info->p, info->len, NULL, c->payload);
    creation_free(c);
    lifecycle_provision(one);
}

static void look_up(void *payload)
{
    struct creation *c = payload;
    struct net_addrs addrs;
    c->code = net_check_host(c->repo.host, c->s->config.allowed_hosts, c->s->config.n_allowed_hosts,
                             &addrs, &c->err);
}

static void looked_up(void *payload)
{
    struct creation *c = payload;
    struct err err = ERR_INIT;
    if (c->s->ending) {
        err_set(&err, ERR_CANCELLED, "the server is stopping");
        creation_fail(c, &err);
    } else if (c->code) {
        err_set(&err, ERR_INVALID, "'repo_url': %s", c->err.msg);
        creation_fail(c, &err);
    } else {
        finish(c);
    }
}

void session_create(struct sessions *s, const struct session_caller *caller,
                    const struct session_request *request, session_reply_fn done, void *payload)
{
    struct creation *c = xcalloc(1, sizeof *c);
    struct err err = ERR_INIT;
    c->s = s;
    c->done = done;
    c->payload = payload;
    int rc = validate(s, caller, request, c, &err);
    if (rc) {
        creation_fail(c, &err);
        return;
    }
    c->provider = xstrdup(caller->provider);
    c->subject = xstrdup(caller->subject);
    c->login = xstrdup(caller->login);
    c->branch = request->branch ? xstrdup(request->branch) : NULL;
    c->pair = request->mode && strcmp(request->mode, "pair") == 0;
    c->approve = request->approve;
    c->access.is_public = request->is_public;
    c->access.allowed_given = request->allowed_given;
    if (c->repo.host)
        work_submit(s->pool, look_up, looked_up, c);
    else
        finish(c);
}
