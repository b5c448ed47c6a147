#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "session/internal.h"

/* Ids are random letters of a 32-letter alphabet: four of them spread well enough. */
static size_t bucket_of(const char *id)
{
    size_t h = 0;
    for (int i = 0; i < 4 && id[i]; i++)
        h = h * 33 + (unsigned char)id[i];
    return h % BUCKETS;
}

struct session *session_new(struct sessions *s)
{
    struct session *one = xcalloc(1, sizeof *one);
    one->owner = s;
    one->info = (struct str)STR_INIT;
    session_spec_init(&one->spec);
    return one;
}

void session_discard(struct session *one)
{
    store_session_release(&one->row);
    session_spec_release(&one->spec);
    access_release(&one->access);
    str_release(&one->info);
    session_token_free(one->token);
    free(one);
}

struct session *registry_find(struct sessions *s, const char *id)
{
    struct session *one = s->buckets[bucket_of(id)];
    while (one && strcmp(one->row.id, id) != 0)
        one = one->next_in_bucket;
    return one;
}

void registry_add(struct sessions *s, struct session *one)
{
    struct session **bucket = &s->buckets[bucket_of(one->row.id)];
    one->next_in_bucket = *bucket;
    *bucket = one;
    VEC_GROW(s->order, s->len, s->cap);
    s->order[s->len++] = one;
}

void registry_remove(struct sessions *s, struct session *one)
{
    struct session **p = &s->buckets[bucket_of(one->row.id)];
    while (*p != one)
        p = &(*p)->next_in_bucket;
    *p = one->next_in_bucket;
    size_t at = 0;
    while (s->order[at] != one)
        at++;
    memmove(&s->order[at], &s->order[at + 1], (s->len - at - 1) * sizeof(struct session *));
    s->len--;
    session_discard(one);
}

bool session_owns(const struct session *one, const struct session_caller *caller)
{
    return strcmp(one->row.creator_provider, caller->provider) == 0 &&
           strcmp(one->row.creator_subject, caller->subject) == 0;
}

static bool may_see(const struct session *one, const struct session_caller *caller)
{
    return session_owns(one, caller) || access_may_join(&one->access, caller);
}

int registry_lookup(struct sessions *s, const struct session_caller *caller, const char *id,
                    bool owner, struct session **out, struct err *err)
{
    struct session *one = session_id_is_valid(id) ? registry_find(s, id) : NULL;
    *out = NULL;
    if (!one || !may_see(one, caller))
        return err_set(err, ERR_NOT_FOUND, "no such session");
    if (owner && !session_owns(one, caller))
        return err_set(err, ERR_DENIED, "only the creator of the session may do this");
    *out = one;
    return 0;
}

int registry_count_of(struct sessions *s, const char *provider, const char *subject)
{
    const struct session_caller who = {.provider = provider, .subject = subject, .login = ""};
    int n = 0;
    for (size_t i = 0; i < s->len; i++) {
        const struct session *one = s->order[i];
        bool alive = one->state == SESSION_PROVISIONING || one->state == SESSION_RUNNING ||
                     (one->state == SESSION_TERMINATING && one->failures == 0);
        n += alive && session_owns(one, &who);
    }
    return n;
}

void sessions_count(struct sessions *s, size_t counts[5])
{
    memset(counts, 0, 5 * sizeof *counts);
    for (size_t i = 0; i < s->len; i++)
        counts[s->order[i]->state]++;
}

int session_get(struct sessions *s, const struct session_caller *caller, const char *id,
                struct str *json, struct err *err)
{
    struct session *one = NULL;
    int rc = registry_lookup(s, caller, id, false, &one, err);
    if (rc)
        return rc;
    const struct str *info = session_info(one);
    str_add(json, info->p, info->len);
    return 0;
}

/* Index of the session that a page begins before: the whole length, or that of `after`. */
static int page_start(struct sessions *s, const struct session_caller *caller, const char *after,
                      size_t *at, struct err *err)
{
    struct session *one = NULL;
    *at = s->len;
    if (!after)
        return 0;
    if (registry_lookup(s, caller, after, false, &one, NULL) != 0)
        return err_set(err, ERR_INVALID, "'after' is not a session of the list");
    for (*at = 0; s->order[*at] != one; ++*at)
        ;
    return 0;
}

int session_list(struct sessions *s, const struct session_caller *caller, const char *state,
                 const char *after, int limit, struct str *json, struct err *err)
{
    enum session_state wanted = SESSION_RUNNING;
    size_t at = 0;
    int rc = state ? session_state_parse(state, &wanted, err) : 0;
    if (rc == 0 && (limit < 0 || limit > SESSION_LIST_MAX))
        rc = err_set(err, ERR_INVALID, "'limit' must be 1 to %d", SESSION_LIST_MAX);
    if (rc == 0)
        rc = page_start(s, caller, after, &at, err);
    if (rc)
        return rc;
    int left = limit ? limit : SESSION_LIST_DEFAULT;
    const char *last = NULL;
    bool more = false;
    str_adds(json, "{\"sessions\":[");
    while (at-- > 0) {
        struct session *one = s->order[at];
        if ((state && one->state != wanted) || !may_see(one, caller))
            continue;
        if (left-- == 0) {
            more = true;
            break;
        }
        const struct str *info = session_info(one);
        if (last)
            str_addc(json, ',');
        str_add(json, info->p, info->len);
        last = one->row.id;
    }
    str_adds(json, "],\"next\":");
    if (more)
        json_quote(json, last, strlen(last));
    else
        str_adds(json, "null");
    str_addc(json, '}');
    return 0;
}

/* ---- the whole
 * ---------------------------------------------------------------------------------------- */

static int load_one(const struct store_session *row, void *payload, struct err *err)
{
    (void)err;
    struct sessions *s = payload;
    struct session *one = NULL;
    struct err why = ERR_INIT;
    /* One row that cannot be read must not keep the server from serving the others. */
    if (session_from_row(s, row, &one, &why) == 0)
        registry_add(s, one);
    else
        log_error("%s", why.msg);
    return 0;
}

static int load(struct sessions *s, struct err *err)
{
    int rc = store_session_each(s->store, load_one, s, err);
    for (size_t i = 0; rc == 0 && i < s->len; i++)
        rc = session_load_kicks(s->order[i], err);
    return rc;
}

static void copy_config(struct sessions *s, const struct session_config *config)
{
    s->config = *config;
    s->config.server_id = s->server_id = xstrdup(config->server_id);
    s->config.compute_provider = s->compute = xstrdup(config->compute_provider);
    s->config.external_host = s->external_host = xstrdup(config->external_host);
    s->config.ssh_user = s->ssh_user = xstrdup(config->ssh_user);
    s->config.ssh_bind = s->ssh_bind = xstrdup(config->ssh_bind);
    s->config.image = s->image = config->image ? xstrdup(config->image) : NULL;
    s->config.subnets = NULL;
    for (size_t i = 0; i < config->n_allowed_hosts; i++)
        strv_push(&s->allowed_hosts, config->allowed_hosts[i]);
    s->config.allowed_hosts = s->allowed_hosts.v;
    if (s->config.tick_ms <= 0)
        s->config.tick_ms = TICK_MS;
}

static void on_timer(void *payload)
{
    sessions_tick(payload);
}

void sessions_tick(struct sessions *s)
{
    reconcile_tick(s);
    reaper_tick(s);
    for (size_t i = 0; i < s->len; i++)
        lifecycle_tick(s->order[i]);
}

int sessions_new(const struct session_config *config, struct store *store,
                 const struct keeper_link *keeper, const struct session_directory *directory,
                 struct loop *loop, const struct clock *clock, struct sessions **out,
                 struct err *err)
{
    *out = NULL;
    struct sessions *s = xcalloc(1, sizeof *s);
    copy_config(s, config);
    s->store = store;
    s->keeper = keeper;
    s->directory = directory;
    s->loop = loop;
    s->clock = clock;
    int rc = subnet_parse(config->subnets, &s->subnets, err);
    if (rc == 0)
        rc = load(s, err);
    if (rc == 0)
        rc = work_pool_new(loop, WORKERS, &s->pool, err);
    if (rc) {
        sessions_free(s);
        return rc;
    }
    keeper->set_events(keeper->self, lifecycle_event, s);
    s->list_at_ms = s->info_at_ms = INT64_MIN;
    s->timer = loop_add_timer(loop, s->config.tick_ms, true, on_timer, s);
    sessions_tick(s);
    *out = s;
    return 0;
}

static void free_all(struct sessions *s)
{
    while (s->len > 0)
        registry_remove(s, s->order[s->len - 1]);
    free(s->order);
    free(s->server_id);
    free(s->compute);
    free(s->external_host);
    free(s->ssh_user);
    free(s->ssh_bind);
    free(s->image);
    strv_release(&s->allowed_hosts);
    json_object_put(s->info);
    free(s);
}

void sessions_free(struct sessions *s)
{
    if (!s)
        return;
    s->ending = true;
    loop_remove(s->timer);
    s->timer = NULL;
    if (s->pool)
        s->keeper->set_events(s->keeper->self, NULL, NULL);
    work_pool_free(s->pool);
    s->pool = NULL;
    pending_cancel_all(s);
    for (size_t i = 0; i < s->len; i++)
        if (s->order[i]->row.last_activity_at != s->order[i]->saved_activity)
            session_save(s->order[i]);
    free_all(s);
}
