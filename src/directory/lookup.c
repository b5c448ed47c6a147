#include "directory/lookup.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static bool is_same(const struct lookup *a, const struct directory_forge *forge, const char *login,
                    const char *subject)
{
    return a->forge == forge &&
           (a->subject && subject ? strcmp(a->subject, subject) == 0
                                  : !a->subject && !subject && strcmp(a->login, login) == 0);
}

void lookups_add(struct lookups *l, const struct directory_forge *forge, const char *login,
                 const char *subject, bool login_is_right, const char *rule)
{
    for (size_t i = 0; i < l->len; i++)
        if (is_same(&l->v[i], forge, login, subject))
            return;
    VEC_GROW(l->v, l->len, l->cap);
    l->v[l->len++] = (struct lookup){.forge = forge,
                                     .login = xstrdup(login),
                                     .subject = subject ? xstrdup(subject) : NULL,
                                     .login_is_right = login_is_right,
                                     .rule = rule,
                                     .keys = STRV_INIT};
}

void lookups_release(struct lookups *l)
{
    for (size_t i = 0; i < l->len; i++) {
        free(l->v[i].login);
        free(l->v[i].subject);
        strv_release(&l->v[i].keys);
    }
    free(l->v);
    memset(l, 0, sizeof *l);
}

/* ---- one person ---- */

static void rename_to(struct lookup *who, const char *login)
{
    char *copy = xstrdup(login);
    free(who->login);
    who->login = copy;
}

/* A login becomes a number now: one that somebody takes over later is a stranger. Forges ignore
 * case in logins; what they say is how it is spelled. */
static int find_by_login(const struct forge *forge, struct lookup *who, struct err *err)
{
    struct forge_person person = {0};
    int rc = forge_person(forge, who->login, &person, err);
    if (rc == ERR_NOT_FOUND)
        rc = err_set(err, ERR_INVALID, "nobody is called %s at %s", who->login,
                     who->forge->provider);
    if (rc == 0) {
        rename_to(who, person.login);
        who->subject = xstrdup(person.subject);
        who->login_is_right = true;
    }
    forge_person_release(&person);
    return rc;
}

/* What a person of this number is called now; the login is where they were seen last. Whoever has
 * that login now may be somebody else, and whoever was renamed is still there. */
static int find_by_id(const struct forge *forge, struct lookup *who, struct err *err)
{
    struct forge_person person = {0};
    int rc = forge_person(forge, who->login, &person, err);
    bool other = rc == 0 && strcmp(person.subject, who->subject) != 0;
    if (rc == ERR_NOT_FOUND || other) {
        err_clear(err);
        forge_person_release(&person);
        rc = forge_person_by_id(forge, who->subject, &person, err);
    }
    if (rc == 0)
        rename_to(who, person.login);
    forge_person_release(&person);
    return rc;
}

static int look_up(struct lookup *who, const struct lookup_how *how, struct err *err)
{
    const struct directory_forge *f = who->forge;
    bool own = how->token && strcmp(f->provider, how->token_provider) == 0;
    const struct forge forge = {.kind = f->kind,
                                .url = f->url,
                                .api_url = f->api_url,
                                .token = own ? how->token : NULL,
                                .memory = how->memory,
                                .fresh = how->fresh,
                                .now = how->now};
    cleanup_free char *cached = NULL;
    int rc = who->subject ? 0 : find_by_login(&forge, who, err);
    if (rc)
        return rc;
    if (!how->fresh &&
        key_cache_get(how->cache, f->provider, who->subject, how->now, &cached, &who->keys)) {
        rename_to(who, cached);
        return 0;
    }
    if (!who->login_is_right)
        rc = find_by_id(&forge, who, err);
    if (rc == 0)
        rc = forge_keys(&forge, who->login, &who->keys, err);
    /* Whose account is gone has no key that counts. */
    if (rc == ERR_NOT_FOUND) {
        err_clear(err);
        strv_release(&who->keys);
        rc = 0;
    }
    if (rc == 0)
        key_cache_put(how->cache, f->provider, who->subject, how->now + DIRECTORY_KEYS_LIFE_S,
                      who->login, &who->keys);
    return rc;
}

/* ---- all of them ---- */

struct round {
    const struct lookup_how *how;
    atomic_bool failed; /* nobody else needs to be asked about */
    pthread_mutex_t lock;
    pthread_cond_t all_done;
    size_t left;
};

struct task {
    struct round *round;
    struct lookup *who;
    int code;
    struct err err;
};

static void run_task(void *payload)
{
    struct task *t = payload;
    struct round *round = t->round;
    if (atomic_load(&round->failed))
        t->code = ERR_CANCELLED;
    else
        t->code = look_up(t->who, round->how, &t->err);
    if (t->code)
        atomic_store(&round->failed, true);
    pthread_mutex_lock(&round->lock);
    if (--round->left == 0)
        pthread_cond_signal(&round->all_done);
    pthread_mutex_unlock(&round->lock);
}

static int first_error(const struct task *tasks, size_t n, struct err *err)
{
    for (size_t i = 0; i < n; i++)
        if (tasks[i].code && tasks[i].code != ERR_CANCELLED)
            return err_set(err, tasks[i].code, "%s", tasks[i].err.msg);
    return 0;
}

static int run_together(struct lookups *l, const struct lookup_how *how, struct err *err)
{
    struct round round = {.how = how, .left = l->len};
    struct task *tasks = xcalloc(l->len, sizeof *tasks);
    pthread_mutex_init(&round.lock, NULL);
    pthread_cond_init(&round.all_done, NULL);
    for (size_t i = 0; i < l->len; i++) {
        tasks[i] = (struct task){.round = &round, .who = &l->v[i], .err = ERR_INIT};
        work_submit_lane(how->pool, l->v[i].forge, LOOKUPS_EACH, run_task, NULL, &tasks[i]);
    }
    pthread_mutex_lock(&round.lock);
    while (round.left)
        pthread_cond_wait(&round.all_done, &round.lock);
    pthread_mutex_unlock(&round.lock);
    int rc = first_error(tasks, l->len, err);
    pthread_cond_destroy(&round.all_done);
    pthread_mutex_destroy(&round.lock);
    free(tasks);
    return rc;
}

int lookups_run(struct lookups *l, const struct lookup_how *how, struct err *err)
{
    if (how->pool && l->len > 1)
        return run_together(l, how, err);
    for (size_t i = 0; i < l->len; i++) {
        int rc = look_up(&l->v[i], how, err);
        if (rc)
            return rc;
    }
    return 0;
}
