/*
 * A server on a unix socket that answers each connection with the next piece of a script, whatever
 * it is asked, and keeps what it was asked.
 */
#ifndef TEST_HTTP_FAKE_H
#define TEST_HTTP_FAKE_H

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

#define FAKE_MAX 64

struct fake {
    char dir[32];
    char path[64];
    int listener;
    pthread_t thread;
    const char *replies[FAKE_MAX]; /* "": close without an answer; NULL: never answer */
    size_t n;
    struct str asked[FAKE_MAX];
    size_t n_asked;
};

/* The header and as much body as Content-Length or the chunks say. */
static void fake_read(int fd, struct str *out)
{
    char buf[4096];
    for (;;) {
        char *end = memmem(out->p, out->len, "\r\n\r\n", 4);
        if (end) {
            size_t body = out->len - (size_t)(end + 4 - out->p);
            const char *length = strcasestr(out->p, "Content-Length: ");
            const char *chunked = strcasestr(out->p, "Transfer-Encoding: chunked");
            if (chunked ? memmem(out->p, out->len, "0\r\n\r\n", 5) != NULL
                        : !length || body >= strtoul(length + 16, NULL, 10))
                return;
        }
        ssize_t n = read(fd, buf, sizeof buf);
        if (n <= 0)
            return;
        str_add(out, buf, (size_t)n);
    }
}

static void *fake_run(void *payload)
{
    struct fake *f = payload;
    for (size_t i = 0; i < f->n; i++) {
        cleanup_close int fd = accept(f->listener, NULL, NULL);
        if (fd < 0)
            break;
        fake_read(fd, &f->asked[i]);
        f->n_asked = i + 1;
        const char *reply = f->replies[i];
        char c;
        if (!reply) {
            while (read(fd, &c, 1) > 0) /* until the client gives up */
                continue;
        } else if (reply[0]) {
            if (send(fd, reply, strlen(reply), MSG_NOSIGNAL) > 0) {
                shutdown(fd, SHUT_WR);
                while (read(fd, &c, 1) > 0)
                    continue;
            }
        }
    }
    return NULL;
}

/* Serves f->replies[0 .. f->n), which the caller has filled. */
static inline void fake_start(struct fake *f)
{
    memcpy(f->dir, "/tmp/fakeXXXXXX", 16);
    if (!mkdtemp(f->dir))
        abort();
    snprintf(f->path, sizeof f->path, "%s/s", f->dir);
    for (size_t i = 0; i < FAKE_MAX; i++)
        f->asked[i] = (struct str)STR_INIT;
    f->listener = fd_unix_listen(f->path, 0600, 16, NULL);
    if (f->listener < 0 || fd_set_nonblock(f->listener, false) < 0 ||
        pthread_create(&f->thread, NULL, fake_run, f) != 0)
        abort();
}

static inline void fake_stop(struct fake *f)
{
    shutdown(f->listener, SHUT_RDWR);
    pthread_join(f->thread, NULL);
    close(f->listener);
    unlink(f->path);
    rmdir(f->dir);
    for (size_t i = 0; i < FAKE_MAX; i++)
        str_release(&f->asked[i]);
}

#endif
