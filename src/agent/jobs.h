/*
 * Work that blocks (clone, import, push, archive), on threads that live only while there is work.
 * One thread owns a struct jobs: the loop's. loop_set_wake of that loop belongs to it.
 */
#ifndef AGENT_JOBS_H
#define AGENT_JOBS_H

#include <stddef.h>

#include "base/err.h"
#include "base/loop.h"

#define JOBS_THREADS_MAX 8

struct jobs;

typedef void (*job_fn)(void *payload);

int jobs_new(struct loop *loop, struct jobs **out, struct err *err);
/* Waits for the jobs that run; those that wait are dropped without `done`. NULL allowed. */
void jobs_free(struct jobs *jobs);

/* run(payload) on some thread, then done(payload) on the loop's. More than JOBS_THREADS_MAX at
 * once wait their turn. */
void jobs_add(struct jobs *jobs, job_fn run, job_fn done, void *payload);

/* Gives memory back a second from now; done by itself after the last job. */
void jobs_rest_soon(struct jobs *jobs);

/* Not yet done. */
size_t jobs_pending(const struct jobs *jobs);

#endif
