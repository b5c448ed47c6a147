/*
 * Blocking work beside an event loop: functions run on worker threads, their completions on the
 * loop's thread. Threads are started when they are needed and end when they have been idle for a
 * while.
 */
#ifndef BASE_WORK_H
#define BASE_WORK_H

#include <stddef.h>

#include "base/err.h"
#include "base/loop.h"

#define WORK_THREADS_MAX 64
#define WORK_IDLE_MS 5000

struct work_pool;

/* run: on a worker thread. done: on the loop's thread, after run; may be NULL. */
typedef void (*work_fn)(void *payload);

int work_pool_new(struct loop *loop, size_t max_threads, struct work_pool **out, struct err *err);
/* On the loop's thread: waits for what runs, drops what has not begun, and calls every done that is
 * owed. NULL is allowed. */
void work_pool_free(struct work_pool *pool);

/* Any thread. Waits in a queue while max_threads are busy. When not even one thread can be started,
 * run is called right here. */
void work_submit(struct work_pool *pool, work_fn run, work_fn done, void *payload);

/* The same in a lane of its own, of which at most `most` jobs run at once: what waits for one slow
 * counterpart leaves threads to the others. Lanes take turns. `lane` is any address that stands for
 * the counterpart; it is not looked at. The same `most` each time. */
void work_submit_lane(struct work_pool *pool, const void *lane, size_t most, work_fn run,
                      work_fn done, void *payload);

#endif
