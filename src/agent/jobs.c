#include "agent/jobs.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/mem.h"

#define REST_MS 1000

struct job {
    job_fn run;
    job_fn done;
    void *payload;
    struct job *next;
};

struct queue {
    struct job *first;
    struct job **last;
};

struct jobs {
    struct loop *loop;
    size_t pending;          /* loop's thread only, as `rest` */
    struct loop_watch *rest; /* until memory is given back */

    pthread_mutex_t lock;
    pthread_cond_t idle;
    struct queue waiting;
    struct queue finished;
    size_t threads;
    bool closing;
};

static void queue_init(struct queue *q)
{
    q->first = NULL;
    q->last = &q->first;
}

static void queue_push(struct queue *q, struct job *job)
{
    job->next = NULL;
    *q->last = job;
    q->last = &job->next;
}

static struct job *queue_pop(struct queue *q)
{
    struct job *job = q->first;
    if (job) {
        q->first = job->next;
        if (!q->first)
            q->last = &q->first;
    }
    return job;
}

static void on_rest(void *payload)
{
    struct jobs *jobs = payload;
    jobs->rest = NULL;
    mem_give_back();
}

/* A session is idle most of its life: what the work needed goes back. */
void jobs_rest_soon(struct jobs *jobs)
{
    loop_remove(jobs->rest);
    jobs->rest = loop_add_timer(jobs->loop, REST_MS, false, on_rest, jobs);
}

static void on_wake(void *payload)
{
    struct jobs *jobs = payload;
    for (;;) {
        pthread_mutex_lock(&jobs->lock);
        struct job *job = queue_pop(&jobs->finished);
        pthread_mutex_unlock(&jobs->lock);
        if (!job)
            break;
        jobs->pending--;
        job->done(job->payload);
        free(job);
    }
    if (jobs->pending == 0)
        jobs_rest_soon(jobs);
}

static void *work(void *payload)
{
    struct jobs *jobs = payload;
    pthread_mutex_lock(&jobs->lock);
    for (struct job *job; (job = jobs->closing ? NULL : queue_pop(&jobs->waiting));) {
        pthread_mutex_unlock(&jobs->lock);
        job->run(job->payload);
        pthread_mutex_lock(&jobs->lock);
        queue_push(&jobs->finished, job);
        loop_wake(jobs->loop);
    }
    jobs->threads--;
    pthread_cond_signal(&jobs->idle);
    pthread_mutex_unlock(&jobs->lock);
    return NULL;
}

int jobs_new(struct loop *loop, struct jobs **out, struct err *err)
{
    struct jobs *jobs = xcalloc(1, sizeof *jobs);
    (void)err;
    jobs->loop = loop;
    queue_init(&jobs->waiting);
    queue_init(&jobs->finished);
    pthread_mutex_init(&jobs->lock, NULL);
    pthread_cond_init(&jobs->idle, NULL);
    loop_set_wake(loop, on_wake, jobs);
    *out = jobs;
    return 0;
}

void jobs_free(struct jobs *jobs)
{
    if (!jobs)
        return;
    pthread_mutex_lock(&jobs->lock);
    jobs->closing = true;
    while (jobs->threads > 0)
        pthread_cond_wait(&jobs->idle, &jobs->lock);
    pthread_mutex_unlock(&jobs->lock);
    for (struct job *job; (job = queue_pop(&jobs->waiting));)
        free(job);
    on_wake(jobs);
    loop_remove(jobs->rest);
    loop_set_wake(jobs->loop, NULL, NULL);
    pthread_cond_destroy(&jobs->idle);
    pthread_mutex_destroy(&jobs->lock);
    free(jobs);
}

/* Signals go to the loop's thread. */
static bool start_thread(struct jobs *jobs)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all, old;
    sigfillset(&all);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = pthread_create(&thread, &attr, work, jobs);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    return rc == 0;
}

void jobs_add(struct jobs *jobs, job_fn run, job_fn done, void *payload)
{
    struct job *job = xcalloc(1, sizeof *job);
    *job = (struct job){.run = run, .done = done, .payload = payload};
    jobs->pending++;
    pthread_mutex_lock(&jobs->lock);
    if (jobs->closing) {
        pthread_mutex_unlock(&jobs->lock);
        jobs->pending--;
        free(job);
        return;
    }
    queue_push(&jobs->waiting, job);
    bool more = jobs->threads < JOBS_THREADS_MAX;
    if (more)
        jobs->threads++;
    pthread_mutex_unlock(&jobs->lock);
    if (!more || start_thread(jobs))
        return;
    pthread_mutex_lock(&jobs->lock);
    jobs->threads--;
    bool alone = jobs->threads == 0;
    if (alone)
        (void)queue_pop(&jobs->waiting);
    pthread_mutex_unlock(&jobs->lock);
    if (!alone)
        return; /* a running thread will take it */
    /* No thread can be had (process limit): slow is better than lost. */
    job->run(job->payload);
    pthread_mutex_lock(&jobs->lock);
    queue_push(&jobs->finished, job);
    pthread_mutex_unlock(&jobs->lock);
    loop_wake(jobs->loop);
}

size_t jobs_pending(const struct jobs *jobs)
{
    return jobs->pending;
}
