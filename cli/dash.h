/*
 * The dashboard: a stream of events (watch/feed.h), here or behind ssh, drawn on this terminal or
 * told as plain lines. A stream that ends is started again, after 1, 2, 4 ... 30 s; what was seen
 * last stays on the screen.
 */
#ifndef CLI_DASH_H
#define CLI_DASH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

#define DASH_PAUSE_MAX_S 30
#define DASH_PLAIN_TRIES 6 /* without a screen: attempts in a row before it is given up */

enum dash_form {
    DASH_SCREEN, /* plain where there is no terminal */
    DASH_PLAIN,
    DASH_JSON, /* the state as one object, then the end */
};

struct dash {
    const char *name; /* "dashboard", for messages */
    enum dash_form form;
    int64_t expires_at; /* when the session ends; 0: unknown */
    /* argv for `steadystate <words>` in the session. again: nothing may be asked any more. */
    void (*argv)(const char *words, bool again, struct strv *out, void *payload);
    void *payload;
};

/* Until the person leaves; the exit code, after a message where it is not 0. */
int dash_run(const struct dash *dash);

/* The dashboard of a session by its link, for `up`; expires_at as above. */
int dashboard_open(const char *link, int64_t expires_at);

#endif
