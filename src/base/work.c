#include "base/work.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"

#define WORK_STACK (256 * 1024)

struct job {
    work_fn run;
    work_fn done;
    void *payload;
    struct lane *lane;
    struct job *next;
};

struct queue {
    struct job *first;
    struct job *last;
};

/* Exists while something of it waits or runs. */
struct lane {
    const void *id;
    size_t most;
    size_t running;
    size_t queued;
    struct queue todo;
    struct lane *next;
};

struct work_pool {
    struct loop *loop;
    struct loop_watch *watch;
    int event_fd;
    size_t max_threads;

    pthread_mutex_t lock;
    pthread_cond_t more;  /* lanes or ending changed */
    pthread_cond_t fewer; /* threads changed */
    struct lane *lanes;   /* the one that was served last stands last */
    struct queue finished;
    size_t threads;
    size_t idle;
    bool ending;
};

static void push(struct queue *q, struct job *job)
{
    job->next = NULL;
    if (q->last)
        q->last->next = job;
    else
        q->first = job;
    q->last = job;
}

static struct job *pop(struct queue *q)
{
    struct job *job = q->first;
    if (job) {
        q->first = job->next;
        if (!q->first)
            q->last = NULL;
    }
    return job;
}

static struct lane *lane_of(struct work_pool *pool, const void *id, size_t most)
{
    struct lane **at = &pool->lanes;
    while (*at && (*at)->id != id)
        at = &(*at)->next;
    if (!*at) {
        *at = xcalloc(1, sizeof **at);
        **at = (struct lane){.id = id, .most = most};
    }
    return *at;
}

/* Jobs that could run now if there were threads. */
static size_t ready(const struct work_pool *pool)
{
    size_t n = 0;
    for (const struct lane *l = pool->lanes; l; l = l->next) {
        size_t room = l->most - l->running;
        n += l->queued < room ? l->queued : room;
    }
    return n;
}

/* The next job of the lane whose turn it is; NULL: none may run. */
static struct job *take(struct work_pool *pool)
{
    struct lane **at = &pool->lanes;
    while (*at && (!(*at)->queued || (*at)->running == (*at)->most))
        at = &(*at)->next;
    struct lane *lane = *at;
    if (!lane)
        return NULL;
    *at = lane->next;
    lane->next = NULL;
    while (*at)
        at = &(*at)->next;
    *at = lane;
    lane->queued--;
    lane->running++;
    return pop(&lane->todo);
}

static void leave(struct work_pool *pool, struct job *job)
{
    struct lane *lane = job->lane;
    job->lane = NULL;
    if (--lane->running || lane->queued)
        return;
    struct lane **at = &pool->lanes;
    while (*at != lane)
        at = &(*at)->next;
    *at = lane->next;
    free(lane);
}

static void notify(struct work_pool *pool)
{
    uint64_t one = 1;
    while (write(pool->event_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

static void call_done(struct work_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    struct queue mine = pool->finished;
    pool->finished = (struct queue){0};
    pthread_mutex_unlock(&pool->lock);
    for (struct job *job; (job = pop(&mine));) {
        if (job->done)
            job->done(job->payload);
        free(job);
    }
}

static void on_event(int fd, uint32_t events, void *payload)
{
    (void)events;
    uint64_t count;
    if (read(fd, &count, sizeof count) > 0)
        call_done(payload);
}

/* Waits for work with the lock held; false: end this thread. */
static bool wait_for_work(struct work_pool *pool)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += WORK_IDLE_MS / 1000;
    pool->idle++;
    int rc = 0;
    while (!ready(pool) && !pool->ending && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&pool->more, &pool->lock, &until);
    pool->idle--;
    return ready(pool) && !pool->ending;
}

static void *worker(void *payload)
{
    struct work_pool *pool = payload;
    pthread_mutex_lock(&pool->lock);
    while (wait_for_work(pool)) {
        struct job *job = take(pool);
        pthread_mutex_unlock(&pool->lock);
        job->run(job->payload);
        pthread_mutex_lock(&pool->lock);
        leave(pool, job);
        push(&pool->finished, job);
        notify(pool);
    }
    pool->threads--;
    pthread_cond_signal(&pool->fewer);
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/* Signals are the loop's business: workers have all of them blocked. */
static int start_thread(struct work_pool *pool)
{
    sigset_t all;
    sigset_t old;
    pthread_attr_t attr;
    pthread_t thread;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    pthread_attr_setstacksize(&attr, WORK_STACK);
#endif
    int rc = pthread_create(&thread, &attr, worker, pool);
    pthread_attr_destroy(&attr);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return rc;
}

int work_pool_new(struct loop *loop, size_t max_threads, struct work_pool **out, struct err *err)
{
    BUG_ON(max_threads == 0 || max_threads > WORK_THREADS_MAX);
    *out = NULL;
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        return err_errno(err, "eventfd");
    struct work_pool *pool = xcalloc(1, sizeof *pool);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&pool->more, &attr);
    pthread_cond_init(&pool->fewer, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&pool->lock, NULL);
    pool->loop = loop;
    pool->event_fd = fd;
    pool->max_threads = max_threads;
    pool->watch = loop_add_fd(loop, fd, EPOLLIN, on_event, pool);
    *out = pool;
    return 0;
}

void work_pool_free(struct work_pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->ending = true;
    pthread_cond_broadcast(&pool->more);
    while (pool->threads > 0)
        pthread_cond_wait(&pool->fewer, &pool->lock);
    for (struct lane *l; (l = pool->lanes);) {
        for (struct job *job; (job = pop(&l->todo));)
            push(&pool->finished, job);
        pool->lanes = l->next;
        free(l);
    }
    pthread_mutex_unlock(&pool->lock);
    call_done(pool);
    loop_remove(pool->watch);
    close(pool->event_fd);
    pthread_cond_destroy(&pool->more);
    pthread_cond_destroy(&pool->fewer);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

void work_submit(struct work_pool *pool, work_fn run, work_fn done, void *payload)
{
    work_submit_lane(pool, NULL, pool->max_threads, run, done, payload);
}

void work_submit_lane(struct work_pool *pool, const void *lane, size_t most, work_fn run,
                      work_fn done, void *payload)
{
    struct job *job = xcalloc(1, sizeof *job);
    *job = (struct job){.run = run, .done = done, .payload = payload};
    pthread_mutex_lock(&pool->lock);
    job->lane = lane_of(pool, lane, most);
    push(&job->lane->todo, job);
    job->lane->queued++;
    bool alone = false;
    if (ready(pool) > pool->idle && pool->threads < pool->max_threads) {
        if (start_thread(pool) == 0) {
            pool->threads++;
        } else if (pool->threads == 0) {
            alone = true;
            job = take(pool);
        }
    }
    pthread_cond_signal(&pool->more);
    pthread_mutex_unlock(&pool->lock);
    if (!alone)
        return;
    job->run(job->payload);
    pthread_mutex_lock(&pool->lock);
    leave(pool, job);
    push(&pool->finished, job);
    notify(pool);
    pthread_mutex_unlock(&pool->lock);
}
