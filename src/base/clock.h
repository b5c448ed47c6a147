/* Time. Code that decides by time takes a `struct clock`, so that tests can move it. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

struct clock {
    int64_t (*now)(void *payload);     /* Unix seconds */
    int64_t (*mono_ms)(void *payload); /* monotonic milliseconds */
    void *payload;
};

/* The machine's own clock. */
extern const struct clock clock_real;

static inline int64_t clock_now(const struct clock *c)
{
    return c->now(c->payload);
}

static inline int64_t clock_mono_ms(const struct clock *c)
{
    return c->mono_ms(c->payload);
}

#endif
