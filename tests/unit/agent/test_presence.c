#include "agent/presence.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"

struct seen {
    struct loop *loop;
    int came, went;
    char login[64];
};

static void on_change(const char *provider, const char *login, bool connected, void *payload)
{
    struct seen *s = payload;
    assert_string_equal(provider, "github");
    (void)snprintf(s->login, sizeof s->login, "%s", login);
    s->came += connected;
    s->went += !connected;
    if (!connected)
        loop_stop(s->loop);
}

static const struct presence_ops ops = {.on_change = on_change};

static pid_t child(void)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        pause();
        _exit(0);
    }
    return pid;
}

static void end(pid_t pid)
{
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void a_person_is_there_while_a_process_lives(void **state)
{
    (void)state;
    struct seen s = {0};
    assert_int_equal(loop_new(&s.loop, NULL), 0);
    struct presence *p = presence_new(s.loop, &ops, &s);
    pid_t first = child(), second = child(), other = child();
    int64_t since = 0;
    assert_int_equal(presence_attach(p, first, 77, "github", "ann", 100, NULL), 0);
    assert_int_equal(presence_attach(p, second, 0, "github", "ann", 90, NULL), 0);
    assert_int_equal(presence_attach(p, other, 0, "github", "bob", 110, NULL), 0);
    assert_int_equal(s.came, 2);
    assert_int_equal(presence_people(p), 2);
    assert_true(presence_of(p, "github", "ann", &since));
    assert_int_equal(since, 90);
    assert_false(presence_of(p, "gitlab", "ann", NULL));
    assert_true(presence_has_connection(p, 77));
    assert_false(presence_has_connection(p, 78));
    /* without a terminal: active by being there */
    assert_int_equal(presence_last_activity(p, 500), 500);

    end(first);
    end(other);
    assert_int_equal(loop_run(s.loop, NULL), 0);
    assert_string_equal(s.login, "bob");
    assert_true(presence_of(p, "github", "ann", NULL));
    end(second);
    assert_int_equal(loop_run(s.loop, NULL), 0);
    assert_string_equal(s.login, "ann");
    assert_int_equal(presence_people(p), 0);
    assert_int_equal(presence_last_activity(p, 500), 0);
    presence_free(p);
    loop_free(s.loop);
}

static void nobody_is_there_by_a_process_that_is_not(void **state)
{
    (void)state;
    struct seen s = {0};
    assert_int_equal(loop_new(&s.loop, NULL), 0);
    struct presence *p = presence_new(s.loop, &ops, &s);
    pid_t gone = child();
    end(gone);
    assert_true(presence_attach(p, gone, 0, "github", "ann", 1, NULL) < 0);
    assert_int_equal(s.came, 0);
    pid_t stays = child();
    assert_int_equal(presence_attach(p, stays, 0, "github", "ann", 1, NULL), 0);
    presence_free(p); /* with somebody there */
    end(stays);
    loop_free(s.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_person_is_there_while_a_process_lives),
        cmocka_unit_test(nobody_is_there_by_a_process_that_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
