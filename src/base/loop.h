/*
 * Event loop on epoll: descriptors, timers, child exits and signals, one thread. Callbacks may add
 * and remove anything, also themselves. loop_wake is the only call allowed from another thread (or
 * a signal handler).
 */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/types.h>

#include "base/err.h"

struct loop;
struct loop_watch; /* a descriptor or a timer */

typedef void (*loop_fd_fn)(int fd, uint32_t events, void *payload);
typedef void (*loop_fn)(void *payload);
typedef void (*loop_signal_fn)(int signo, void *payload);

int loop_new(struct loop **out, struct err *err);
void loop_free(struct loop *loop);

/* events: EPOLLIN | EPOLLOUT...; level-triggered. The descriptor stays the caller's. */
struct loop_watch *loop_add_fd(struct loop *loop, int fd, uint32_t events, loop_fd_fn fn,
                               void *payload);
void loop_set_events(struct loop_watch *watch, uint32_t events);

/* Fires once after delay_ms, or every interval when repeat is set. */
struct loop_watch *loop_add_timer(struct loop *loop, int64_t delay_ms, bool repeat, loop_fn fn,
                                  void *payload);
/* Ends a watch; NULL is allowed. A one-shot timer ends itself after its callback. */
void loop_remove(struct loop_watch *watch);

/* Blocks the signals for the process and delivers them here (signalfd). Call once. */
int loop_add_signals(struct loop *loop, const int *signals, size_t n, loop_signal_fn fn,
                     void *payload, struct err *err);

/* fn runs on the loop's thread soon after loop_wake was called. */
void loop_set_wake(struct loop *loop, loop_fn fn, void *payload);
void loop_wake(struct loop *loop);

/* Until loop_stop. */
int loop_run(struct loop *loop, struct err *err);
void loop_stop(struct loop *loop);

#endif
