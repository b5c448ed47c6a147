/* The users file is asked by the API's thread and by workers while somebody writes it anew. */
#include "auth/users.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"

#define KEY "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJLmjFCmlTOFGbtOZ1t6RZbWhyTXOaXW5UGX0J6m8gHL"
#define THREADS 4
#define ROUNDS 200

struct shared {
    struct users *users;
    atomic_int found;
    atomic_int wrong;
};

static int count(const char *login, const struct strv *keys, void *payload, struct err *err)
{
    int *n = payload;
    (void)err;
    *n += strcmp(login, "anna") == 0 && keys->len == 1;
    return 0;
}

static void *ask(void *payload)
{
    struct shared *s = payload;
    for (int i = 0; i < ROUNDS; i++) {
        cleanup_strv struct strv keys = STRV_INIT;
        int n = 0;
        int rc = users_keys(s->users, "anna", &keys, NULL);
        int each = users_each(s->users, count, &n, NULL);
        if (rc == 0 && keys.len == 1 && each == 0 && n == 1)
            atomic_fetch_add(&s->found, 1);
        else
            atomic_fetch_add(&s->wrong, 1);
    }
    return NULL;
}

static void test_asked_while_it_changes(void **state)
{
    (void)state;
    char dir[] = "/tmp/steadystate-test-XXXXXX";
    struct shared s = {0};
    pthread_t threads[THREADS];
    assert_non_null(mkdtemp(dir));
    cleanup_free char *path = xasprintf("%s/users", dir);
    assert_int_equal(
        fd_write_file(AT_FDCWD, path, "anna " KEY "\n", strlen("anna " KEY "\n"), 0600, NULL), 0);
    assert_int_equal(users_open(path, &s.users, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask, &s), 0);
    for (int i = 0; i < 50; i++) {
        cleanup_free char *text = xasprintf("# %d\nanna " KEY "\nbert%d " KEY "\n", i, i);
        assert_int_equal(fd_write_file(AT_FDCWD, path, text, strlen(text), 0600, NULL), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(s.wrong, 0);
    assert_int_equal(s.found, THREADS * ROUNDS);
    users_close(s.users);
    assert_int_equal(path_remove_tree(AT_FDCWD, dir, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_asked_while_it_changes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
