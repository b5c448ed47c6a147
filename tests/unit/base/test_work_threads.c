#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/work.h"

#define JOBS 200

struct shared {
    struct loop *loop;
    pthread_mutex_t lock;
    pthread_cond_t all_here;
    int ran;
    int done;
    int together;
    int want;
};

static void count_run(void *payload)
{
    struct shared *s = payload;
    pthread_mutex_lock(&s->lock);
    s->ran++;
    pthread_mutex_unlock(&s->lock);
}

/* Returns only when `want` of them run at the same time. */
static void meet(void *payload)
{
    struct shared *s = payload;
    pthread_mutex_lock(&s->lock);
    s->ran++;
    s->together++;
    pthread_cond_broadcast(&s->all_here);
    while (s->together < s->want)
        pthread_cond_wait(&s->all_here, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

static void count_done(void *payload)
{
    struct shared *s = payload;
    if (++s->done == s->want)
        loop_stop(s->loop);
}

static void count_only(void *payload)
{
    struct shared *s = payload;
    s->done++;
}

static void with_pool(size_t threads, int jobs, work_fn run, bool wait)
{
    struct shared s = {.want = jobs};
    struct work_pool *pool = NULL;
    pthread_mutex_init(&s.lock, NULL);
    pthread_cond_init(&s.all_here, NULL);
    assert_int_equal(loop_new(&s.loop, NULL), 0);
    assert_int_equal(work_pool_new(s.loop, threads, &pool, NULL), 0);
    for (int i = 0; i < jobs; i++)
        work_submit(pool, run, wait ? count_done : count_only, &s);
    if (wait) {
        assert_int_equal(loop_run(s.loop, NULL), 0);
        assert_int_equal(s.ran, jobs);
    }
    work_pool_free(pool);
    loop_free(s.loop);
    assert_int_equal(s.done, jobs);
    pthread_cond_destroy(&s.all_here);
    pthread_mutex_destroy(&s.lock);
}

static void test_all_jobs_are_done_once(void **state)
{
    (void)state;
    with_pool(4, JOBS, count_run, true);
}

static void test_jobs_run_together(void **state)
{
    (void)state;
    with_pool(16, 16, meet, true);
}

static void test_free_settles_what_is_left(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++)
        with_pool(2, 30, count_run, false);
}

/* Waits until everybody else is done. */
static void wait_for_others(void *payload)
{
    struct shared *s = payload;
    pthread_mutex_lock(&s->lock);
    while (s->ran < s->want)
        pthread_cond_wait(&s->all_here, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

static void count_and_tell(void *payload)
{
    struct shared *s = payload;
    pthread_mutex_lock(&s->lock);
    s->ran++;
    pthread_cond_broadcast(&s->all_here);
    pthread_mutex_unlock(&s->lock);
}

/* More jobs than there are threads wait in one lane; the other lanes' still run. */
static void test_a_full_lane_holds_up_no_other(void **state)
{
    (void)state;
    struct shared s = {.want = 20};
    struct work_pool *pool = NULL;
    char slow, other;
    pthread_mutex_init(&s.lock, NULL);
    pthread_cond_init(&s.all_here, NULL);
    assert_int_equal(loop_new(&s.loop, NULL), 0);
    assert_int_equal(work_pool_new(s.loop, 4, &pool, NULL), 0);
    for (int i = 0; i < 10; i++)
        work_submit_lane(pool, &slow, 2, wait_for_others, count_only, &s);
    for (int i = 0; i < 10; i++)
        work_submit_lane(pool, &other, 2, count_and_tell, count_only, &s);
    for (int i = 0; i < 10; i++)
        work_submit(pool, count_and_tell, count_only, &s);
    pthread_mutex_lock(&s.lock);
    while (s.ran < s.want)
        pthread_cond_wait(&s.all_here, &s.lock);
    pthread_mutex_unlock(&s.lock);
    work_pool_free(pool);
    loop_free(s.loop);
    assert_int_equal(s.done, 30);
    pthread_cond_destroy(&s.all_here);
    pthread_mutex_destroy(&s.lock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_jobs_are_done_once),
        cmocka_unit_test(test_jobs_run_together),
        cmocka_unit_test(test_a_full_lane_holds_up_no_other),
        cmocka_unit_test(test_free_settles_what_is_left),
    };
    return cmocka_run_group_tests_name("base/work", tests, NULL, NULL);
}
