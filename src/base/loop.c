#include "base/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"

enum watch_kind { WATCH_FD, WATCH_TIMER };

struct loop_watch {
    struct loop *loop;
    enum watch_kind kind;
    bool dead; /* removed; freed between rounds, so that a callback may remove anything */
    int fd;
    uint32_t events;
    loop_fd_fn fd_fn;
    loop_fn fn;
    void *payload;
    int64_t due;
    int64_t interval; /* 0: once */
    struct loop_watch *prev, *next;
};

struct loop {
    int epoll;
    int wake;
    int signals;
    bool stop;
    bool have_dead;
    loop_signal_fn signal_fn;
    void *signal_payload;
    loop_fn wake_fn;
    void *wake_payload;
    struct loop_watch *first;
};

static int64_t mono_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static struct loop_watch *watch_new(struct loop *loop, enum watch_kind kind, void *payload)
{
    struct loop_watch *w = xcalloc(1, sizeof *w);
    w->loop = loop;
    w->kind = kind;
    w->fd = -1;
    w->payload = payload;
    w->next = loop->first;
    if (w->next)
        w->next->prev = w;
    loop->first = w;
    return w;
}

static void on_wake(int fd, uint32_t events, void *payload)
{
    struct loop *loop = payload;
    uint64_t count;
    (void)events;
    if (read(fd, &count, sizeof count) > 0 && loop->wake_fn)
        loop->wake_fn(loop->wake_payload);
}

int loop_new(struct loop **out, struct err *err)
{
    struct loop *loop = xcalloc(1, sizeof *loop);
    loop->signals = loop->wake = -1;
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll >= 0)
        loop->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->wake < 0) {
        int rc = err_errno(err, "event loop");
        loop_free(loop);
        return rc;
    }
    loop_add_fd(loop, loop->wake, EPOLLIN, on_wake, loop);
    *out = loop;
    return 0;
}

static void sweep(struct loop *loop, bool all)
{
    for (struct loop_watch *w = loop->first, *next; w; w = next) {
        next = w->next;
        if (!w->dead && !all)
            continue;
        if (w->prev)
            w->prev->next = w->next;
        else
            loop->first = w->next;
        if (w->next)
            w->next->prev = w->prev;
        free(w);
    }
    loop->have_dead = false;
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    sweep(loop, true);
    int fds[] = {loop->epoll, loop->wake, loop->signals};
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        if (fds[i] >= 0)
            close(fds[i]);
    free(loop);
}

struct loop_watch *loop_add_fd(struct loop *loop, int fd, uint32_t events, loop_fd_fn fn,
                               void *payload)
{
    struct loop_watch *w = watch_new(loop, WATCH_FD, payload);
    w->fd = fd;
    w->events = events;
    w->fd_fn = fn;
    struct epoll_event ev = {.events = events, .data.ptr = w};
    int rc = epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &ev);
    BUG_ON(rc < 0);
    return w;
}

void loop_set_events(struct loop_watch *w, uint32_t events)
{
    BUG_ON(w->kind != WATCH_FD || w->dead);
    if (w->events == events)
        return;
    w->events = events;
    struct epoll_event ev = {.events = events, .data.ptr = w};
    int rc = epoll_ctl(w->loop->epoll, EPOLL_CTL_MOD, w->fd, &ev);
    BUG_ON(rc < 0);
}

struct loop_watch *loop_add_timer(struct loop *loop, int64_t delay_ms, bool repeat, loop_fn fn,
                                  void *payload)
{
    struct loop_watch *w = watch_new(loop, WATCH_TIMER, payload);
    w->fn = fn;
    w->due = mono_ms() + delay_ms;
    w->interval = repeat ? (delay_ms > 0 ? delay_ms : 1) : 0;
    return w;
}

void loop_remove(struct loop_watch *w)
{
    if (!w || w->dead)
        return;
    /* The descriptor may be closed already; then the kernel has forgotten it by itself. */
    if (w->kind == WATCH_FD)
        epoll_ctl(w->loop->epoll, EPOLL_CTL_DEL, w->fd, NULL);
    w->dead = true;
    w->loop->have_dead = true;
}

static void on_signal(int fd, uint32_t events, void *payload)
{
    struct loop *loop = payload;
    struct signalfd_siginfo info;
    (void)events;
    while (read(fd, &info, sizeof info) == (ssize_t)sizeof info)
        loop->signal_fn((int)info.ssi_signo, loop->signal_payload);
}

int loop_add_signals(struct loop *loop, const int *signals, size_t n, loop_signal_fn fn,
                     void *payload, struct err *err)
{
    sigset_t set;
    BUG_ON(loop->signals >= 0);
    sigemptyset(&set);
    for (size_t i = 0; i < n; i++)
        sigaddset(&set, signals[i]);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return err_errno(err, "block signals");
    loop->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (loop->signals < 0)
        return err_errno(err, "signalfd");
    loop->signal_fn = fn;
    loop->signal_payload = payload;
    loop_add_fd(loop, loop->signals, EPOLLIN, on_signal, loop);
    return 0;
}

void loop_set_wake(struct loop *loop, loop_fn fn, void *payload)
{
    loop->wake_fn = fn;
    loop->wake_payload = payload;
}

void loop_wake(struct loop *loop)
{
    uint64_t one = 1;
    if (write(loop->wake, &one, sizeof one) < 0)
        return; /* full counter: a wake-up is pending anyway */
}

static int next_timeout(const struct loop *loop)
{
    int64_t soonest = -1, now = mono_ms();
    for (const struct loop_watch *w = loop->first; w; w = w->next) {
        if (w->kind != WATCH_TIMER || w->dead)
            continue;
        int64_t left = w->due > now ? w->due - now : 0;
        if (soonest < 0 || left < soonest)
            soonest = left;
    }
    return soonest > 3600000 ? 3600000 : (int)soonest;
}

static void fire_timers(struct loop *loop)
{
    int64_t now = mono_ms();
    for (struct loop_watch *w = loop->first; w; w = w->next) {
        if (w->kind != WATCH_TIMER || w->dead || w->due > now)
            continue;
        if (w->interval)
            w->due = now + w->interval;
        w->fn(w->payload);
        if (!w->interval)
            loop_remove(w);
    }
}

int loop_run(struct loop *loop, struct err *err)
{
    struct epoll_event events[64];
    loop->stop = false;
    while (!loop->stop) {
        int n = epoll_wait(loop->epoll, events, ARRAY_LEN(events), next_timeout(loop));
        if (n < 0 && errno != EINTR)
            return err_errno(err, "epoll");
        for (int i = 0; i < n; i++) {
            struct loop_watch *w = events[i].data.ptr;
            if (!w->dead)
                w->fd_fn(w->fd, events[i].events, w->payload);
        }
        fire_timers(loop);
        if (loop->have_dead)
            sweep(loop, false);
    }
    return 0;
}

void loop_stop(struct loop *loop)
{
    loop->stop = true;
}
