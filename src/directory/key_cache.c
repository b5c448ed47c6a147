#include "directory/key_cache.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    char *name; /* "provider/subject" */
    char *login;
    int64_t until;
    struct strv keys;
};

struct key_cache {
    pthread_mutex_t lock;
    struct entry *entries;
    size_t len, cap, max;
};

struct key_cache *key_cache_new(size_t max)
{
    struct key_cache *c = xcalloc(1, sizeof *c);
    c->max = max;
    pthread_mutex_init(&c->lock, NULL);
    return c;
}

static void entry_release(struct entry *e)
{
    free(e->name);
    free(e->login);
    strv_release(&e->keys);
}

void key_cache_free(struct key_cache *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->len; i++)
        entry_release(&c->entries[i]);
    free(c->entries);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

static struct entry *find(struct key_cache *c, const char *name)
{
    for (size_t i = 0; i < c->len; i++)
        if (strcmp(c->entries[i].name, name) == 0)
            return &c->entries[i];
    return NULL;
}

static void copy_keys(struct strv *to, const struct strv *from)
{
    for (size_t i = 0; i < from->len; i++)
        strv_push(to, from->v[i]);
}

bool key_cache_get(struct key_cache *c, const char *provider, const char *subject, int64_t now,
                   char **login, struct strv *keys)
{
    cleanup_free char *name = xasprintf("%s/%s", provider, subject);
    pthread_mutex_lock(&c->lock);
    const struct entry *e = find(c, name);
    bool good = e && now < e->until;
    if (good) {
        *login = xstrdup(e->login);
        copy_keys(keys, &e->keys);
    }
    pthread_mutex_unlock(&c->lock);
    return good;
}

/* The entry to write to: the same name's, a new one, or the one that ends first. */
static struct entry *place(struct key_cache *c, const char *name)
{
    struct entry *e = find(c, name);
    if (e)
        return e;
    if (c->len < c->max) {
        VEC_GROW(c->entries, c->len, c->cap);
        e = &c->entries[c->len++];
        memset(e, 0, sizeof *e);
        return e;
    }
    e = &c->entries[0];
    for (size_t i = 1; i < c->len; i++)
        if (c->entries[i].until < e->until)
            e = &c->entries[i];
    return e;
}

void key_cache_put(struct key_cache *c, const char *provider, const char *subject, int64_t until,
                   const char *login, const struct strv *keys)
{
    cleanup_free char *name = xasprintf("%s/%s", provider, subject);
    pthread_mutex_lock(&c->lock);
    struct entry *e = place(c, name);
    entry_release(e);
    *e = (struct entry){.name = xstrdup(name), .login = xstrdup(login), .until = until};
    copy_keys(&e->keys, keys);
    pthread_mutex_unlock(&c->lock);
}
