#include "dash_child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/proc.h"

#define PIECE (64 * 1024)
#define ERROR_MAX 4096

struct dash_child {
    struct loop *loop;
    pid_t pid;
    int in, out, errs;
    struct loop_watch *out_watch, *errs_watch;
    struct str text; /* a line that is not complete yet, or all the output */
    struct str error;
    bool cut; /* the output was longer than is kept */
    const struct dash_child_ops *ops;
    void *payload;
};

static void close_all(struct dash_child *c)
{
    loop_remove(c->out_watch);
    loop_remove(c->errs_watch);
    c->out_watch = c->errs_watch = NULL;
    int *const fds[] = {&c->in, &c->out, &c->errs};
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        if (*fds[i] >= 0)
            close(steal_fd(fds[i]));
}

static void release(struct dash_child *c)
{
    close_all(c);
    str_release(&c->text);
    str_release(&c->error);
    free(c);
}

void dash_child_free(struct dash_child *c)
{
    if (!c)
        return;
    int status;
    (void)kill(c->pid, SIGTERM);
    close_all(c);
    (void)proc_wait(c->pid, &status, NULL);
    release(c);
}

/* Where the last line that says something begins; its end is cut off. */
static const char *last_line(struct str *s)
{
    while (s->len > 0 && strchr("\r\n ", s->p[s->len - 1]))
        str_truncate(s, s->len - 1);
    const char *at = strrchr(s->p, '\n');
    return at ? at + 1 : s->p;
}

static void ended(struct dash_child *c)
{
    int status = 1;
    char buf[ERROR_MAX];
    ssize_t n;
    /* What it said last may still be in the pipe. */
    while (c->errs >= 0 && (n = read(c->errs, buf, sizeof buf)) > 0)
        str_add(&c->error, buf, (size_t)n);
    close_all(c);
    (void)proc_wait(c->pid, &status, NULL);
    if (c->cut)
        str_adds(&c->text, "\n(the rest is left out)\n");
    c->ops->on_end(status, c->text.p, last_line(&c->error), c->payload);
    release(c);
}

/* False when a line is too long to be one of ours. */
static bool take_lines(struct dash_child *c)
{
    size_t used = 0;
    const char *end;
    while ((end = memchr(c->text.p + used, '\n', c->text.len - used))) {
        size_t n = (size_t)(end - c->text.p) - used;
        c->ops->on_line(c->text.p + used, n, c->payload);
        used += n + 1;
    }
    str_consume(&c->text, used);
    return c->text.len <= DASH_LINE_MAX;
}

static void on_output(int fd, uint32_t events, void *payload)
{
    struct dash_child *c = payload;
    (void)events;
    ssize_t n = read(fd, str_reserve(&c->text, PIECE), PIECE);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0 && (c->ops->on_line || c->text.len < DASH_OUTPUT_MAX))
        str_grew(&c->text, (size_t)n);
    else if (n > 0)
        c->cut = true;
    bool over = n <= 0;
    /* What was said before it worked is not why it ends. */
    if (n > 0 && c->ops->on_line)
        str_clear(&c->error);
    if (!over && c->ops->on_line && !take_lines(c)) {
        (void)kill(c->pid, SIGTERM);
        over = true;
    }
    if (over)
        ended(c);
}

static void on_errors(int fd, uint32_t events, void *payload)
{
    struct dash_child *c = payload;
    char buf[ERROR_MAX];
    (void)events;
    ssize_t n = read(fd, buf, sizeof buf);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        loop_remove(steal(&c->errs_watch));
        return;
    }
    str_add(&c->error, buf, (size_t)n);
    if (c->error.len > ERROR_MAX)
        str_consume(&c->error, c->error.len - ERROR_MAX);
}

int dash_child_start(struct loop *loop, char *const *argv, bool without_input,
                     const struct dash_child_ops *ops, void *payload, struct dash_child **out,
                     struct err *err)
{
    int in[2] = {-1, -1}, output[2], errors[2];
    if (pipe2(output, O_CLOEXEC) != 0)
        return err_errno(err, "pipe");
    cleanup_close int out_r = output[0];
    cleanup_close int out_w = output[1];
    if (pipe2(errors, O_CLOEXEC) != 0)
        return err_errno(err, "pipe");
    cleanup_close int err_r = errors[0];
    cleanup_close int err_w = errors[1];
    if (!without_input && pipe2(in, O_CLOEXEC) != 0)
        return err_errno(err, "pipe");
    cleanup_close int in_r = in[0];
    cleanup_close int in_w = in[1];
    struct proc_spec spec = PROC_SPEC_INIT;
    pid_t pid;
    spec.file = argv[0];
    spec.argv = argv;
    spec.envp = environ;
    spec.stdin_fd = in_r;
    spec.stdout_fd = out_w;
    spec.stderr_fd = err_w;
    spec.die_with_parent = true;
    int rc = proc_start(&spec, &pid, err);
    if (rc < 0)
        return rc;
    struct dash_child *c = xcalloc(1, sizeof *c);
    *c = (struct dash_child){.loop = loop,
                             .pid = pid,
                             .in = steal_fd(&in_w),
                             .out = steal_fd(&out_r),
                             .errs = steal_fd(&err_r),
                             .text = STR_INIT,
                             .error = STR_INIT,
                             .ops = ops,
                             .payload = payload};
    (void)fd_set_nonblock(c->out, true);
    (void)fd_set_nonblock(c->errs, true);
    c->out_watch = loop_add_fd(loop, c->out, EPOLLIN, on_output, c);
    c->errs_watch = loop_add_fd(loop, c->errs, EPOLLIN, on_errors, c);
    *out = c;
    return 0;
}
