/* Answers as Podman 4.3 and dockerd 20.10 gave them. */
#include "engine/errors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/str.h"

#define P(cause, message) "{\"cause\":\"" cause "\",\"message\":\"" message "\",\"response\":500}"
#define D(message) "{\"message\":\"" message "\"}"

static void test_known_answers(void **state)
{
    (void)state;
    static const struct {
        long status;
        const char *body;
        int want;
    } cases[] = {
        {500, P("that name is already in use", "container create: ... is already in use by X"),
         ERR_EXISTS},
        {409,
         D("Conflict. The container name \\\"/n\\\" is already in use by container \\\"e3\\\"."),
         ERR_EXISTS},
        {500, P("network already exists", "network name n already used: network already exists"),
         ERR_EXISTS},
        {409, D("network with name n already exists"), ERR_EXISTS},
        {500,
         P("address already in use", "cannot listen on the TCP port: listen tcp4 127.0.0.1:1:"
                                     " bind: address already in use"),
         ERR_EXISTS},
        {500,
         D("driver failed programming external connectivity on endpoint n (1): Error starting "
           "userland proxy: listen tcp4 127.0.0.1:1: bind: address already in use"),
         ERR_EXISTS},
        {500, D("driver failed ... Bind for 0.0.0.0:1 failed: port is already allocated"),
         ERR_EXISTS},
        {500, P("subnet 10.0.0.0/26 is already used on the host or by another config", "same"),
         ERR_CONFLICT},
        {403, D("Pool overlaps with other one on this address space"), ERR_CONFLICT},
        {500, P("bridge name x already in use", "bridge name x already in use"), ERR_CONFLICT},
        {403,
         D("cannot create network 1 (x): conflicts with network 2 (x): networks have same "
           "bridge name"),
         ERR_CONFLICT},
        {404, P("image not known", "x: image not known"), ERR_NOT_FOUND},
        {500, P("image not known", "x: image not known"), ERR_NOT_FOUND},
        {404, D("No such image: x:latest"), ERR_NOT_FOUND},
        {404, P("no such container", "no container with name or ID x found"), ERR_NOT_FOUND},
        {500, P("network not found", "unable to find network"), ERR_NOT_FOUND},
        {404, "Not Found", ERR_NOT_FOUND},
        {500, P("container state improper", "can only kill running containers"), ERR_CONFLICT},
        {409, D("Container 1 is not running"), ERR_CONFLICT},
        {409, D("removal of container x is already in progress"), ERR_CONFLICT},
        {500, P("network is being used", "n has associated containers with it"), ERR_CONFLICT},
        {500, P("no space left on device", "mkdir /x: no space left on device"), ERR_NO_SPACE},
        {500, D("Error processing tar file(exit status 1): write /x: no space left on device"),
         ERR_NO_SPACE},
        {400, D("invalid something"), ERR_INVALID},
        {403, D("not for you"), ERR_DENIED},
        {503, D("This node is not a swarm manager"), ERR_UNAVAILABLE},
        {504, "", ERR_TIMEOUT},
        {500, P("x", "OCI runtime error"), ERR_FAILED},
        {500, "", ERR_FAILED},
        {500, "{\"message\":17}", ERR_FAILED},
        {500, "[]", ERR_FAILED},
        {500, "{\"message\":\"cut o", ERR_FAILED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct err err = ERR_INIT;
        int rc = engine_error(cases[i].status, cases[i].body, strlen(cases[i].body), "try", &err);
        if (rc != cases[i].want)
            fail_msg("%ld %s: %d instead of %d", cases[i].status, cases[i].body, rc, cases[i].want);
        assert_true(str_starts_with(err.msg, "try: the engine answers "));
    }
}

static void test_words_are_cut_and_printable(void **state)
{
    (void)state;
    cleanup_str struct str body = STR_INIT;
    str_adds(&body, "{\"message\":\"a\\u001b[2J\\n");
    for (int i = 0; i < 5000; i++)
        str_addc(&body, 'x');
    str_adds(&body, "\"}");
    struct err err = ERR_INIT;
    assert_int_equal(engine_error(500, body.p, body.len, "try", &err), ERR_FAILED);
    assert_true(strlen(err.msg) < ENGINE_ERROR_TEXT_MAX + 100);
    assert_true(str_starts_with(err.msg, "try: the engine answers 500: a\\x1b[2J\\x0ax"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_answers),
        cmocka_unit_test(test_words_are_cut_and_printable),
    };
    return cmocka_run_group_tests_name("engine/errors", tests, NULL, NULL);
}
