/* One REST engine used by many threads at once, over connections that are kept and some that break.
 */
#include "engine/rest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"

#define THREADS 12
#define CALLS 40
#define CONNECTIONS_MAX (THREADS * CALLS)

static struct engine e;
static atomic_int failures;

/* Answers every request of one connection; every seventh answer is the last. */
static void *serve_one(void *payload)
{
    int fd = (int)(intptr_t)payload;
    char buf[4096];
    size_t len = 0;
    for (int n = 1;; n++) {
        while (!memmem(buf, len, "\r\n\r\n", 4)) {
            ssize_t got = read(fd, buf + len, sizeof buf - len);
            if (got <= 0)
                goto out;
            len += (size_t)got;
        }
        const char *body =
            memmem(buf, len, "/version", 8)
                ? "{\"Components\":[{\"Name\":\"Engine\"}],\"Version\":\"1\"}"
                : "{\"ServerVersion\":\"1\",\"Id\":\"ab\",\"Config\":{},\"HostConfig\":{}}";
        char text[512];
        int size = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n%s\r\n%s",
                            strlen(body), n % 7 ? "" : "Connection: close\r\n", body);
        if (send(fd, text, (size_t)size, MSG_NOSIGNAL) != size || n % 7 == 0)
            break;
        len = 0;
    }
out:
    close(fd);
    return NULL;
}

static void *serve(void *payload)
{
    int listener = *(int *)payload;
    pthread_t threads[CONNECTIONS_MAX];
    size_t n = 0;
    for (int fd; n < CONNECTIONS_MAX && (fd = accept(listener, NULL, NULL)) >= 0; n++)
        if (pthread_create(&threads[n], NULL, serve_one, (void *)(intptr_t)fd) != 0)
            abort();
    while (n)
        pthread_join(threads[--n], NULL);
    return NULL;
}

static void *call(void *payload)
{
    (void)payload;
    for (int i = 0; i < CALLS; i++) {
        struct engine_info info;
        struct engine_container c = {0};
        if (i % 2 ? e.ops->info(e.self, &info, NULL)
                  : e.ops->container_inspect(e.self, "n", &c, NULL))
            atomic_fetch_add(&failures, 1);
        engine_container_release(&c);
    }
    return NULL;
}

static void test_many_threads(void **state)
{
    (void)state;
    char dir[] = "/tmp/restXXXXXX", path[64];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/s", dir);
    int listener = fd_unix_listen(path, 0600, 64, NULL);
    assert_true(listener >= 0);
    assert_int_equal(fd_set_nonblock(listener, false), 0);
    pthread_t server, threads[THREADS];
    assert_int_equal(pthread_create(&server, NULL, serve, &listener), 0);
    assert_int_equal(engine_rest_new(&(struct engine_rest_options){.socket = path}, &e, NULL), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, call, NULL), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    engine_free(&e);
    shutdown(listener, SHUT_RDWR);
    pthread_join(server, NULL);
    close(listener);
    unlink(path);
    rmdir(dir);
    assert_int_equal(atomic_load(&failures), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_many_threads)};
    return cmocka_run_group_tests_name("engine/rest threads", tests, NULL, NULL);
}
