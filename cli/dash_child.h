/* A program that a dashboard runs beside itself: the stream of events, or a command. On the loop;
 * its input stays open as long as it lives, so that it sees our end. */
#ifndef CLI_DASH_CHILD_H
#define CLI_DASH_CHILD_H

#include "base/loop.h"
#include "base/str.h"

#define DASH_LINE_MAX ((size_t)1 << 20)
#define DASH_OUTPUT_MAX ((size_t)1 << 20)

struct dash_child;

struct dash_child_ops {
    /* A line of its output, NULL: all of it is kept for on_end. */
    void (*on_line)(const char *line, size_t n, void *payload);
    /* It has ended: exit status as a shell counts it, its output (when kept), and the last line
     * that it wrote as an error. The child is gone after this returns. */
    void (*on_end)(int status, const char *output, const char *last_error, void *payload);
};

/* without_input: its input is empty instead of open. */
int dash_child_start(struct loop *loop, char *const *argv, bool without_input,
                     const struct dash_child_ops *ops, void *payload, struct dash_child **out,
                     struct err *err);
/* Ends it without a call; NULL allowed. */
void dash_child_free(struct dash_child *c);

#endif
