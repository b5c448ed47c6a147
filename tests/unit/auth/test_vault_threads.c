/* Renewals: of one person's tokens one at a time, of others' meanwhile, whatever a forge takes. */
#include "../base/test.h"

#include <pthread.h>
#include <string.h>

#include "auth/vault.h"

#define KEY "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define NOW 1700000000
#define ASKERS 8

/* A provider whose renewals end when they are let go. */
struct slow {
    struct auth_provider base;
    pthread_mutex_t lock;
    pthread_cond_t change;
    int renewals; /* begun */
    bool go;
    int code;
};

static int slow_renew(struct auth_provider *p, const char *refresh, struct oauth_tokens *out,
                      struct err *err)
{
    struct slow *s = (struct slow *)(void *)p;
    pthread_mutex_lock(&s->lock);
    s->renewals++;
    pthread_cond_broadcast(&s->change);
    while (!s->go)
        pthread_cond_wait(&s->change, &s->lock);
    int code = s->code;
    pthread_mutex_unlock(&s->lock);
    if (code)
        return err_set(err, code, "refused");
    assert_string_equal(refresh, "old refresh");
    out->access = xstrdup("new access");
    out->refresh = xstrdup("new refresh");
    out->expires_in = 3600;
    return 0;
}

static const struct auth_provider_ops slow_ops = {.name = "slow", .renew = slow_renew};
static const struct auth_provider_ops quick_ops = {.name = "quick", .renew = slow_renew};

static struct world {
    struct store *store;
    struct vault *vault;
    struct slow slow, quick;
} w;

static void put(const char *provider, const char *access, const char *refresh, int64_t life)
{
    char a[32] = "", r[32] = "";
    strncpy(a, access, sizeof a - 1);
    strncpy(r, refresh, sizeof r - 1);
    const struct identity who = {(char *)(uintptr_t)provider, (char[]){"7"}, NULL};
    const struct oauth_tokens tokens = {.access = a, .refresh = r, .expires_in = life};
    assert_int_equal(vault_put(w.vault, &who, &tokens, NOW, NULL), 0);
}

static int setup(void **state)
{
    (void)state;
    struct seal_ring *ring = NULL;
    memset(&w, 0, sizeof w);
    w.slow.base.ops = &slow_ops;
    w.quick.base.ops = &quick_ops;
    w.quick.go = true;
    pthread_mutex_init(&w.slow.lock, NULL);
    pthread_cond_init(&w.slow.change, NULL);
    pthread_mutex_init(&w.quick.lock, NULL);
    pthread_cond_init(&w.quick.change, NULL);
    if (store_open("sqlite::memory:", &w.store, NULL) ||
        seal_ring_parse(KEY "\n", strlen(KEY) + 1, &ring, NULL))
        return -1;
    w.vault = vault_new(w.store, ring);
    put("slow", "old access", "old refresh", 10);
    put("quick", "old access", "old refresh", 10);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    vault_free(w.vault);
    store_close(w.store);
    pthread_mutex_destroy(&w.slow.lock);
    pthread_cond_destroy(&w.slow.change);
    pthread_mutex_destroy(&w.quick.lock);
    pthread_cond_destroy(&w.quick.change);
    return 0;
}

struct asker {
    pthread_t thread;
    struct slow *provider;
    struct str token;
    struct vault_access access;
    int code;
};

static void *ask(void *payload)
{
    struct asker *a = payload;
    a->token = (struct str)STR_INIT;
    a->code = vault_access(w.vault, &a->provider->base, "7", NOW, &a->token, &a->access, NULL);
    return NULL;
}

static void begin(struct asker *a, struct slow *provider)
{
    a->provider = provider;
    assert_int_equal(pthread_create(&a->thread, NULL, ask, a), 0);
}

static void wait_for_renewal(struct slow *s)
{
    pthread_mutex_lock(&s->lock);
    while (!s->renewals)
        pthread_cond_wait(&s->change, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

static void let_go(struct slow *s, int code)
{
    pthread_mutex_lock(&s->lock);
    s->code = code;
    s->go = true;
    pthread_cond_broadcast(&s->change);
    pthread_mutex_unlock(&s->lock);
}

static void end(struct asker *a, const char *token)
{
    pthread_join(a->thread, NULL);
    assert_int_equal(a->code, 0);
    assert_string_equal(a->token.p, token);
    str_release(&a->token);
}

/* While one forge is waited for, another's tokens are renewed and new logins are kept. */
static void test_one_forge_holds_up_no_other(void **state)
{
    (void)state;
    struct asker slow, quick;
    begin(&slow, &w.slow);
    wait_for_renewal(&w.slow);
    begin(&quick, &w.quick);
    end(&quick, "new access");
    let_go(&w.slow, 0);
    end(&slow, "new access");
}

static void test_one_renewal_of_a_person(void **state)
{
    (void)state;
    struct asker askers[ASKERS];
    for (int i = 0; i < ASKERS; i++)
        begin(&askers[i], &w.slow);
    wait_for_renewal(&w.slow);
    let_go(&w.slow, 0);
    for (int i = 0; i < ASKERS; i++)
        end(&askers[i], "new access");
    assert_int_equal(w.slow.renewals, 1);
}

/* Somebody logs in anew while their old token is refused: the new one stays. */
static void test_login_during_a_renewal(void **state)
{
    (void)state;
    struct asker first, second;
    begin(&first, &w.slow);
    wait_for_renewal(&w.slow);
    put("slow", "login access", "login refresh", 3600);
    let_go(&w.slow, ERR_DENIED);
    pthread_join(first.thread, NULL);
    assert_int_equal(first.code, ERR_DENIED);
    str_release(&first.token);
    begin(&second, &w.slow);
    end(&second, "login access");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_one_forge_holds_up_no_other),
        T(test_one_renewal_of_a_person),
        T(test_login_during_a_renewal),
    };
    return cmocka_run_group_tests_name("auth/vault", tests, NULL, NULL);
}
