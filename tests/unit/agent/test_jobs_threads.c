#include "agent/jobs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "base/mem.h"

#define MANY 500

struct task {
    struct state *state;
    int input, output;
};

struct state {
    struct loop *loop;
    struct jobs *jobs;
    int done;
    atomic_int running, most;
    struct task tasks[MANY];
};

static void run(void *payload)
{
    struct task *t = payload;
    int now = atomic_fetch_add(&t->state->running, 1) + 1;
    int most = atomic_load(&t->state->most);
    while (now > most && !atomic_compare_exchange_weak(&t->state->most, &most, now))
        continue;
    t->output = t->input * 2;
    atomic_fetch_sub(&t->state->running, 1);
}

static void done(void *payload)
{
    struct task *t = payload;
    assert_int_equal(t->output, t->input * 2);
    if (++t->state->done == MANY)
        loop_stop(t->state->loop);
}

static void every_job_runs_once_and_is_answered_here(void **unused)
{
    (void)unused;
    static struct state s;
    assert_int_equal(loop_new(&s.loop, NULL), 0);
    assert_int_equal(jobs_new(s.loop, &s.jobs, NULL), 0);
    for (int i = 0; i < MANY; i++) {
        s.tasks[i] = (struct task){.state = &s, .input = i};
        jobs_add(s.jobs, run, done, &s.tasks[i]);
    }
    assert_int_equal(jobs_pending(s.jobs), MANY);
    assert_int_equal(loop_run(s.loop, NULL), 0);
    assert_int_equal(s.done, MANY);
    assert_int_equal(jobs_pending(s.jobs), 0);
    assert_true(atomic_load(&s.most) <= JOBS_THREADS_MAX);
    jobs_free(s.jobs);
    loop_free(s.loop);
}

struct slow {
    atomic_bool go;
    int finished;
};

static void run_slow(void *payload)
{
    struct slow *s = payload;
    while (!atomic_load(&s->go))
        nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
}

static void done_slow(void *payload)
{
    struct slow *s = payload;
    s->finished++;
}

static void freeing_waits_for_what_runs_and_drops_the_rest(void **unused)
{
    (void)unused;
    struct loop *loop;
    struct jobs *jobs;
    struct slow s = {.finished = 0};
    assert_int_equal(loop_new(&loop, NULL), 0);
    assert_int_equal(jobs_new(loop, &jobs, NULL), 0);
    for (int i = 0; i < JOBS_THREADS_MAX + 5; i++)
        jobs_add(jobs, run_slow, done_slow, &s);
    atomic_store(&s.go, true);
    jobs_free(jobs);
    assert_true(s.finished <= JOBS_THREADS_MAX + 5);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_job_runs_once_and_is_answered_here),
        cmocka_unit_test(freeing_waits_for_what_runs_and_drops_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
