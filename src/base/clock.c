#include "base/clock.h"

#include <time.h>

static int64_t real_now(void *payload)
{
    (void)payload;
    return (int64_t)time(NULL);
}

static int64_t real_mono_ms(void *payload)
{
    (void)payload;
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

const struct clock clock_real = {real_now, real_mono_ms, 0};
