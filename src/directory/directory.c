#include "directory/directory.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/url.h"
#include "directory/key_cache.h"
#include "directory/lookup.h"

struct directory {
    struct directory_options options;
    struct key_cache *cache;
    struct forge_memory *memory;
};

/* One question: everything copied, answered on a worker thread. */
struct question {
    struct directory *directory;
    char *repo_url, *provider, *subject, *login;
    struct strv allowed;
    struct strv allowed_subjects; /* beside allowed, "": not known yet */
    bool allowed_given, is_public, fresh;
    struct auth_provider *creator_provider; /* NULL: not configured any more */
    session_people_fn done;
    void *payload;

    struct str token; /* the creator's own, for their forge; empty: none */
    struct session_people people;
    int code;
    struct err err;
};

static void question_free(struct question *q)
{
    free(q->repo_url);
    free(q->provider);
    free(q->subject);
    free(q->login);
    strv_release(&q->allowed);
    strv_release(&q->allowed_subjects);
    str_release_secret(&q->token);
    session_people_release(&q->people);
    free(q);
}

static const struct directory_forge *forge_of(const struct directory *d, const char *provider)
{
    for (size_t i = 0; i < ARRAY_LEN(d->options.forges); i++) {
        const struct directory_forge *f = &d->options.forges[i];
        if (f->provider && strcmp(f->provider, provider) == 0)
            return f;
    }
    return NULL;
}

/* The forge, with the creator's token when it is the creator's. */
static struct forge asked_as(const struct question *q, const struct directory_forge *f)
{
    bool own = strcmp(f->provider, q->provider) == 0 && q->token.len;
    return (struct forge){.kind = f->kind,
                          .url = f->url,
                          .api_url = f->api_url,
                          .token = own ? q->token.p : NULL,
                          .memory = q->directory->memory,
                          .fresh = q->fresh,
                          .now = clock_now(q->directory->options.clock)};
}

static bool is_there(const struct question *q, const char *provider, const char *login,
                     const char *subject)
{
    for (size_t i = 0; i < q->people.len; i++) {
        const struct session_person *p = &q->people.v[i];
        if (strcmp(p->provider, provider) == 0 &&
            (p->subject && subject ? strcmp(p->subject, subject) == 0
                                   : strcmp(p->login, login) == 0))
            return true;
    }
    return false;
}

/* The forges' own addresses that tell nobody anything and are still somebody's. */
static char *no_reply(const struct directory_forge *f, const char *subject, const char *login)
{
    cleanup_url struct url url = {0};
    if (url_parse(f->url, strlen(f->url), &url, NULL) || !url.host)
        return NULL;
    return xasprintf("%s%c%s@users.noreply.%s", subject, f->kind == FORGE_GITHUB ? '+' : '-', login,
                     url.host);
}

static void keep(struct question *q, const char *provider, const char *login, const char *subject,
                 const char *rule, struct strv *keys)
{
    struct session_person *p = session_people_add(&q->people, provider, login, subject, rule);
    p->keys = *keys;
    *keys = (struct strv)STRV_INIT;
}

static struct lookup_how how_to_ask(const struct question *q)
{
    const struct directory *d = q->directory;
    return (struct lookup_how){.cache = d->cache,
                               .memory = d->memory,
                               .pool = d->options.fetchers,
                               .token_provider = q->provider,
                               .token = q->token.len ? q->token.p : NULL,
                               .fresh = q->fresh,
                               .now = clock_now(d->options.clock)};
}

/* Asks the forges about everybody in the list at once and adds them in its order. */
static int add_looked_up(struct question *q, struct lookups *l)
{
    const struct lookup_how how = how_to_ask(q);
    int rc = lookups_run(l, &how, &q->err);
    for (size_t i = 0; rc == 0 && i < l->len; i++) {
        struct lookup *who = &l->v[i];
        const char *provider = who->forge->provider;
        if (is_there(q, provider, who->login, who->subject))
            continue;
        keep(q, provider, who->login, who->subject, who->rule, &who->keys);
        q->people.v[q->people.len - 1].email = no_reply(who->forge, who->subject, who->login);
    }
    return rc;
}

/* Somebody of a forge by their number, to be asked about unless they are there. */
static void want(const struct question *q, struct lookups *l, const struct directory_forge *f,
                 const char *login, const char *subject, bool login_is_right, const char *rule)
{
    if (!is_there(q, f->provider, login, subject))
        lookups_add(l, f, login, subject, login_is_right, rule);
}

/* Somebody whose keys stand in the users file. */
static int add_file_person(struct question *q, const char *provider, const char *login,
                           const char *subject, const char *rule)
{
    const struct directory *d = q->directory;
    cleanup_strv struct strv keys = STRV_INIT;
    if (is_there(q, provider, login, subject))
        return 0;
    if (d->options.users) {
        struct err why = ERR_INIT;
        int rc = users_keys(d->options.users, login, &keys, &why);
        /* Somebody the file does not name yet: there are no keys, and there may be later. */
        if (rc && rc != ERR_NOT_FOUND)
            return err_set(&q->err, rc, "%s", why.msg);
    }
    keep(q, provider, login, subject, rule, &keys);
    return 0;
}

static int add_allowed_one(struct question *q, struct lookups *l, const char *entry,
                           const char *known)
{
    const char *colon = strchr(entry, ':');
    if (!colon)
        return err_set(&q->err, ERR_INVALID, "'%.80s' names no provider", entry);
    cleanup_free char *provider = xstrndup(entry, (size_t)(colon - entry));
    const struct directory_forge *f = forge_of(q->directory, provider);
    const char *login = colon + 1;
    if (!f) {
        /* The users file's logins are ids; others are who has carried the login last. */
        struct store_user user = {0};
        const char *subject = *known ? known : strcmp(provider, "sshkey") == 0 ? login : NULL;
        if (!subject && q->directory->options.store &&
            store_user_by_login(q->directory->options.store, provider, login, &user, NULL) == 0)
            subject = user.subject;
        int rc = add_file_person(q, provider, login, subject, "allowed");
        store_user_release(&user);
        return rc;
    }
    if (*known)
        want(q, l, f, login, known, false, "allowed");
    else
        lookups_add(l, f, login, NULL, false, "allowed");
    return 0;
}

static int add_allowed(struct question *q)
{
    cleanup_lookups struct lookups l = {0};
    for (size_t i = 0; i < q->allowed.len; i++) {
        int rc = add_allowed_one(q, &l, q->allowed.v[i], q->allowed_subjects.v[i]);
        if (rc)
            return rc;
    }
    return add_looked_up(q, &l);
}

static int port_of(const char *scheme, int port)
{
    return port ? port : strcmp(scheme, "https") == 0 ? 443 : 80;
}

/* The same forge: for web URLs the same origin, so that a token never goes to another port or in
 * the open; for ssh the same host. */
static bool lies_at(const struct repo_url *repo, const struct url *forge)
{
    if (!repo->host || !forge->host || strcmp(repo->host, forge->host) != 0)
        return false;
    if (repo->kind == REPO_SSH)
        return true;
    const char *scheme = repo->kind == REPO_HTTPS ? "https" : "http";
    return (repo->kind == REPO_HTTPS || repo->kind == REPO_HTTP) &&
           strcmp(scheme, forge->scheme) == 0 &&
           port_of(scheme, repo->port) == port_of(forge->scheme, forge->port);
}

/* "owner/name" when the repository lies at this forge. */
static char *path_at_forge(const struct repo_url *repo, const struct directory_forge *f)
{
    cleanup_url struct url url = {0};
    if (url_parse(f->url, strlen(f->url), &url, NULL) || !lies_at(repo, &url))
        return NULL;
    char *path = xstrdup(repo->path + 1);
    size_t n = strlen(path);
    while (n && path[n - 1] == '/')
        path[--n] = '\0';
    if (str_ends_with(path, ".git"))
        path[n - 4] = '\0';
    return path;
}

/* The creator's own token. None is kept (another server's database, a login without one) or it has
 * ended: whatever is public still works. */
static int find_token(struct question *q, bool needed)
{
    struct directory *d = q->directory;
    if (!d->options.vault || !q->creator_provider)
        return 0;
    struct vault_access access;
    int rc = vault_access(d->options.vault, q->creator_provider, q->subject,
                          clock_now(d->options.clock), &q->token, &access, &q->err);
    q->people.token_ends_at = access.ends_at;
    q->people.token_serial = access.serial;
    if (rc == 0 || (needed && rc != ERR_NOT_FOUND))
        return rc;
    err_clear(&q->err);
    return 0;
}

/* For the session's clone and publish. */
static void hand_out_token(struct question *q, const struct directory_forge *f,
                           const struct repo_url *repo)
{
    cleanup_str struct str host = STR_INIT;
    if (!q->token.len || (repo->kind != REPO_HTTPS && repo->kind != REPO_HTTP))
        return;
    url_add_host_port(&host, repo->host,
                      port_of(repo->kind == REPO_HTTPS ? "https" : "http", repo->port));
    q->people.token = session_token_new(
        host.p, f->kind == FORGE_GITHUB ? "x-access-token" : "oauth2", q->token.p);
}

static int add_collaborators(struct question *q, const struct directory_forge *f, const char *path)
{
    const struct forge forge = asked_as(q, f);
    cleanup_forge_people struct forge_people found = {0};
    cleanup_lookups struct lookups l = {0};
    int rc = forge_collaborators(&forge, path, &found, &q->err);
    /* A creator who may not push, or not see the repository, may not know who else may; they invite
     * by name. */
    if (rc == ERR_DENIED || rc == ERR_NOT_FOUND) {
        err_clear(&q->err);
        return 0;
    }
    for (size_t i = 0; rc == 0 && i < found.len; i++)
        want(q, &l, f, found.v[i].login, found.v[i].subject, true, "collaborator");
    return rc ? rc : add_looked_up(q, &l);
}

/* Somebody who logged in at a forge. */
static int add_forge_people(struct question *q, const struct directory_forge *f)
{
    cleanup_repo_url struct repo_url repo = {0};
    cleanup_free char *path = NULL;
    if (repo_url_parse(q->repo_url, strlen(q->repo_url), &repo, NULL) == 0)
        path = path_at_forge(&repo, f);
    int rc = find_token(q, path != NULL);
    if (rc)
        return rc;
    if (path)
        hand_out_token(q, f, &repo);
    cleanup_lookups struct lookups creator = {0};
    want(q, &creator, f, q->login, q->subject, false, "creator");
    if ((rc = add_looked_up(q, &creator)))
        return rc;
    if (q->allowed_given)
        return add_allowed(q);
    return path && q->token.len ? add_collaborators(q, f, path) : 0;
}

struct each_user {
    struct question *q;
    const char *provider, *rule;
};

static int add_user(const char *login, const struct strv *keys, void *payload, struct err *err)
{
    const struct each_user *e = payload;
    (void)err;
    if (is_there(e->q, e->provider, login, login))
        return 0;
    struct session_person *p =
        session_people_add(&e->q->people, e->provider, login, login, e->rule);
    for (size_t i = 0; i < keys->len; i++)
        strv_push(&p->keys, keys->v[i]);
    return 0;
}

static int add_users(struct question *q, const char *rule)
{
    struct each_user e = {q, "sshkey", rule};
    struct users *users = q->directory->options.users;
    return users ? users_each(users, add_user, &e, &q->err) : 0;
}

/* ---- public: everybody who is logged in and whom the server knows a key of ---- */

struct guests {
    struct store_user *v;
    size_t len, cap;
};

static int add_guest(const struct store_user *user, void *payload, struct err *err)
{
    struct guests *g = payload;
    (void)err;
    VEC_GROW(g->v, g->len, g->cap);
    g->v[g->len++] = (struct store_user){.provider = xstrdup(user->provider),
                                         .subject = xstrdup(user->subject),
                                         .login = xstrdup(user->login)};
    return 0;
}

static int add_guests(struct question *q)
{
    const struct directory *d = q->directory;
    struct guests guests = {0};
    cleanup_lookups struct lookups l = {0};
    int rc = d->options.store
                 ? store_user_each_logged_in(d->options.store, clock_now(d->options.clock),
                                             SPEC_USERS_MAX, add_guest, &guests, &q->err)
                 : 0;
    for (size_t i = 0; i < guests.len; i++) {
        struct store_user *u = &guests.v[i];
        const struct directory_forge *f = forge_of(d, u->provider);
        if (rc == 0 && f)
            want(q, &l, f, u->login, u->subject, false, "public");
        store_user_release(u);
    }
    free(guests.v);
    if (rc == 0)
        rc = add_looked_up(q, &l);
    return rc ? rc : add_users(q, "public");
}

static void run(void *payload)
{
    struct question *q = payload;
    const struct directory_forge *f = forge_of(q->directory, q->provider);
    if (f)
        q->code = add_forge_people(q, f);
    else
        q->code = add_file_person(q, q->provider, q->login, q->subject, "creator");
    if (q->code == 0 && !f && q->allowed_given)
        q->code = add_allowed(q);
    else if (q->code == 0 && !f)
        q->code = add_users(q, "team");
    if (q->code == 0 && q->is_public)
        q->code = add_guests(q);
    if (q->code && !q->err.code)
        err_set(&q->err, q->code, "the people of the session could not be found");
}

static void finish(void *payload)
{
    struct question *q = payload;
    q->done(q->code, q->code ? NULL : &q->people, q->code ? &q->err : NULL, q->payload);
    question_free(q);
}

/* Questions that wait for the same machines share a lane: each forge has one, what needs several
 * has one, and what needs none of them. */
static const void *lane_of(const struct question *q)
{
    const struct directory *d = q->directory;
    const struct directory_forge *own = forge_of(d, q->provider);
    bool others = q->is_public;
    for (size_t i = 0; i < q->allowed.len && !others; i++) {
        const char *colon = strchr(q->allowed.v[i], ':');
        cleanup_free char *provider =
            colon ? xstrndup(q->allowed.v[i], (size_t)(colon - q->allowed.v[i])) : NULL;
        const struct directory_forge *f = provider ? forge_of(d, provider) : NULL;
        others = f && f != own;
    }
    return others ? (const void *)d : own ? (const void *)own : (const void *)d->cache;
}

static void find(void *self, const struct session_people_query *query, session_people_fn done,
                 void *payload)
{
    struct directory *d = self;
    struct question *q = xcalloc(1, sizeof *q);
    q->directory = d;
    q->repo_url = xstrdup(query->repo_url);
    q->provider = xstrdup(query->creator->provider);
    q->subject = xstrdup(query->creator->subject);
    q->login = xstrdup(query->creator->login);
    for (size_t i = 0; i < query->n_allowed; i++) {
        strv_push(&q->allowed, query->allowed[i]);
        strv_push(&q->allowed_subjects, query->allowed_subjects ? query->allowed_subjects[i] : "");
    }
    q->fresh = query->fresh;
    q->token = (struct str)STR_INIT;
    q->allowed_given = query->allowed_given;
    q->is_public = query->is_public;
    q->done = done;
    q->payload = payload;
    auth_providers_get(d->options.providers, q->provider, &q->creator_provider, NULL);
    work_submit_lane(d->options.pool, lane_of(q), DIRECTORY_QUESTIONS_EACH, run, finish, q);
}

struct directory *directory_new(const struct directory_options *options)
{
    struct directory *d = xcalloc(1, sizeof *d);
    d->options = *options;
    d->cache = key_cache_new(DIRECTORY_CACHE_MAX);
    d->memory = forge_memory_new();
    return d;
}

void directory_free(struct directory *d)
{
    if (!d)
        return;
    key_cache_free(d->cache);
    forge_memory_free(d->memory);
    free(d);
}

struct session_directory directory_session(struct directory *d)
{
    return (struct session_directory){find, d};
}
