#include "directory/directory.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/url.h"
#include "directory/key_cache.h"

struct directory {
    struct directory_options options;
    struct key_cache *cache;
};

/* One question: everything copied, answered on a worker thread. */
struct question {
    struct directory *directory;
    char *repo_url, *provider, *subject, *login;
    struct strv allowed;
    bool allowed_given, is_public;
    struct auth_provider *creator_provider; /* NULL: not configured any more */
    session_people_fn done;
    void *payload;

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

static struct session_person *find_person(struct question *q, const char *provider,
                                          const char *login)
{
    for (size_t i = 0; i < q->people.len; i++)
        if (strcmp(q->people.v[i].provider, provider) == 0 &&
            strcmp(q->people.v[i].login, login) == 0)
            return &q->people.v[i];
    return NULL;
}

/* A forge's keys by login, through the cache. */
static int forge_person_keys(struct question *q, const struct directory_forge *f, const char *login,
                             struct strv *keys)
{
    struct directory *d = q->directory;
    int64_t now = clock_now(d->options.clock);
    if (key_cache_get(d->cache, f->provider, login, now, keys))
        return 0;
    const struct forge forge = {f->kind, f->url, f->api_url, NULL};
    int rc = forge_keys(&forge, login, keys, &q->err);
    if (rc == 0)
        key_cache_put(d->cache, f->provider, login, now + DIRECTORY_KEYS_LIFE_S, keys);
    return rc;
}

/* Adds one person with keys; somebody who is there already stays as they are. */
static int add_person(struct question *q, const char *provider, const char *login,
                      const char *subject, const char *rule)
{
    const struct directory *d = q->directory;
    if (find_person(q, provider, login))
        return 0;
    cleanup_strv struct strv keys = STRV_INIT;
    const struct directory_forge *f = forge_of(d, provider);
    int rc = 0;
    if (f) {
        rc = forge_person_keys(q, f, login, &keys);
    } else if (d->options.users) {
        struct err why = ERR_INIT;
        rc = users_keys(d->options.users, login, &keys, &why);
        /* Somebody the file does not name yet: there are no keys, and there may be later. */
        if (rc == ERR_NOT_FOUND)
            rc = 0;
        else if (rc)
            err_set(&q->err, rc, "%s", why.msg);
    }
    if (rc)
        return rc;
    struct session_person *p = session_people_add(&q->people, provider, login, subject, rule);
    p->keys = keys;
    keys = (struct strv)STRV_INIT;
    return 0;
}

static int add_allowed(struct question *q)
{
    for (size_t i = 0; i < q->allowed.len; i++) {
        const char *entry = q->allowed.v[i], *colon = strchr(entry, ':');
        if (!colon)
            return err_set(&q->err, ERR_INVALID, "'%.80s' names no provider", entry);
        cleanup_free char *provider = xstrndup(entry, (size_t)(colon - entry));
        const char *login = colon + 1, *subject = NULL;
        const struct directory_forge *f = forge_of(q->directory, provider);
        struct forge_person person = {0};
        int rc = 0;
        if (f) {
            /* Resolved to the immutable id now: a login that somebody takes over later is a
             * stranger. */
            const struct forge forge = {f->kind, f->url, f->api_url, NULL};
            rc = forge_person(&forge, login, &person, &q->err);
            subject = person.subject;
        }
        if (rc == 0)
            rc = add_person(q, provider, login, subject, "allowed");
        forge_person_release(&person);
        if (rc == ERR_NOT_FOUND)
            return ERR_INVALID;
        if (rc)
            return rc;
    }
    return 0;
}

/* "owner/name" when the repository lies at this forge. */
static char *path_at_forge(const char *repo_url, const struct directory_forge *f)
{
    cleanup_repo_url struct repo_url repo = {0};
    cleanup_url struct url url = {0};
    if (repo_url_parse(repo_url, strlen(repo_url), &repo, NULL) ||
        url_parse(f->url, strlen(f->url), &url, NULL) || !repo.host || !url.host ||
        strcmp(repo.host, url.host) != 0)
        return NULL;
    char *path = xstrdup(repo.path + 1);
    size_t n = strlen(path);
    while (n && path[n - 1] == '/')
        path[--n] = '\0';
    if (str_ends_with(path, ".git"))
        path[n - 4] = '\0';
    return path;
}

/* The creator's own token, when the repository lies at the forge of the creator's login: for the
 * list of collaborators, and for the session's clone and publish. */
static int find_token(struct question *q, const struct directory_forge *f, const char *path,
                      struct str *token)
{
    struct directory *d = q->directory;
    if (!path || !d->options.vault || !q->creator_provider)
        return ERR_NOT_FOUND;
    int rc = vault_access(d->options.vault, q->creator_provider, q->subject,
                          clock_now(d->options.clock), token, &q->err);
    cleanup_repo_url struct repo_url repo = {0};
    if (rc == 0 && repo_url_parse(q->repo_url, strlen(q->repo_url), &repo, NULL) == 0 &&
        (repo.kind == REPO_HTTPS || repo.kind == REPO_HTTP))
        q->people.token = session_token_new(
            repo.host, f->kind == FORGE_GITHUB ? "x-access-token" : "oauth2", token->p);
    return rc;
}

static int add_collaborators(struct question *q, const struct directory_forge *f, const char *path,
                             const char *token)
{
    const struct forge forge = {f->kind, f->url, f->api_url, token};
    cleanup_forge_people struct forge_people found = {0};
    int rc = forge_collaborators(&forge, path, &found, &q->err);
    /* A creator without push permission may not know who has it, and so invites by name. */
    if (rc == ERR_DENIED) {
        err_clear(&q->err);
        return 0;
    }
    for (size_t i = 0; rc == 0 && i < found.len; i++)
        rc = add_person(q, f->provider, found.v[i].login, found.v[i].subject, "collaborator");
    return rc;
}

/* Somebody who logged in at a forge. */
static int add_forge_people(struct question *q, const struct directory_forge *f)
{
    cleanup_free char *path = path_at_forge(q->repo_url, f);
    cleanup_str_secret struct str token = STR_INIT;
    int rc = find_token(q, f, path, &token);
    /* No token is kept (another server's database, an old login): public repositories still work.
     */
    bool have = rc == 0;
    if (rc == ERR_NOT_FOUND) {
        err_clear(&q->err);
        rc = 0;
    }
    if (rc)
        return rc;
    if (q->allowed_given)
        return add_allowed(q);
    return have ? add_collaborators(q, f, path, token.p) : 0;
}

struct each_user {
    struct question *q;
    const char *provider, *rule;
};

static int add_user(const char *login, const struct strv *keys, void *payload, struct err *err)
{
    const struct each_user *e = payload;
    (void)err;
    if (find_person(e->q, e->provider, login))
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

static void run(void *payload)
{
    struct question *q = payload;
    const struct directory_forge *f = forge_of(q->directory, q->provider);
    q->code = add_person(q, q->provider, q->login, q->subject, "creator");
    if (q->code == 0 && f)
        q->code = add_forge_people(q, f);
    else if (q->code == 0 && q->allowed_given)
        q->code = add_allowed(q);
    else if (q->code == 0)
        q->code = add_users(q, "team");
    if (q->code == 0 && q->is_public)
        q->code = add_users(q, "public");
    if (q->code && !q->err.code)
        err_set(&q->err, q->code, "the people of the session could not be found");
}

static void finish(void *payload)
{
    struct question *q = payload;
    q->done(q->code, q->code ? NULL : &q->people, q->code ? &q->err : NULL, q->payload);
    question_free(q);
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
    for (size_t i = 0; i < query->n_allowed; i++)
        strv_push(&q->allowed, query->allowed[i]);
    q->allowed_given = query->allowed_given;
    q->is_public = query->is_public;
    q->done = done;
    q->payload = payload;
    auth_providers_get(d->options.providers, q->provider, &q->creator_provider, NULL);
    work_submit(d->options.pool, run, finish, q);
}

struct directory *directory_new(const struct directory_options *options)
{
    struct directory *d = xcalloc(1, sizeof *d);
    d->options = *options;
    d->cache = key_cache_new(DIRECTORY_CACHE_MAX);
    return d;
}

void directory_free(struct directory *d)
{
    if (!d)
        return;
    key_cache_free(d->cache);
    free(d);
}

struct session_directory directory_session(struct directory *d)
{
    return (struct session_directory){find, d};
}
