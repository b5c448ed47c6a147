#include "ssh/client_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

static void ends(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum client_log_end end;
        const char *line;
    } cases[] = {
        {"", CLIENT_LOG_OTHER, ""},
        {"debug1: whatever\n", CLIENT_LOG_OTHER, ""},
        {"steady@h: Permission denied (publickey).\r\n", CLIENT_LOG_DENIED,
         "steady@h: Permission denied (publickey)."},
        {"ssh: connect to host h port 20000: Connection refused\n", CLIENT_LOG_UNREACHABLE,
         "Connection refused"},
        {"ssh: Could not resolve hostname h: Name or service not known\n", CLIENT_LOG_UNREACHABLE,
         "Name or service not known"},
        {"@@@@\nHost key verification failed.\n", CLIENT_LOG_HOST_KEY,
         "Host key verification failed."},
        {"Timeout, server h not responding.\n", CLIENT_LOG_LOST,
         "Timeout, server h not responding."},
        {"client_loop: send disconnect: Broken pipe\n", CLIENT_LOG_LOST,
         "client_loop: send disconnect: Broken pipe"},
        {"kex_exchange_identification: Connection closed by remote host\n"
         "Connection closed by 127.0.0.1 port 20000\n",
         CLIENT_LOG_UNREACHABLE, "kex_exchange_identification: Connection closed by remote host"},
        {"Authenticated to h ([h]:20000) using \"publickey\".\n"
         "Transferred: sent 2, received 2 bytes, in 0.1 seconds\n"
         "Bytes per second: sent 20, received 20\n",
         CLIENT_LOG_OTHER, ""},
        {"a \033[2Jb", CLIENT_LOG_OTHER, "a \\x1b[2Jb"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        cleanup_client_log struct client_log log;
        client_log_parse(cases[i].text, strlen(cases[i].text), &log);
        assert_int_equal(log.end, cases[i].end);
        assert_string_equal(log.line.p, cases[i].line);
    }
}

static void offered_keys(void **state)
{
    (void)state;
    static const char text[] =
        "debug1: Offering public key: /home/a b/.ssh/id_ed25519 ED25519 SHA256:abc agent\r\n"
        "debug1: Offering public key: me@host RSA SHA256:d/e+f\n"
        "debug1: Offering public key: SHA256:x\n"
        "debug1: Server accepts key: me@host RSA SHA256:d/e+f\n"
        "sign_and_send_pubkey: signing failed for RSA \"me@host\" from agent: refused\n"
        "u@h: Permission denied (publickey).\n";
    cleanup_client_log struct client_log log;
    client_log_parse(text, sizeof text - 1, &log);
    assert_int_equal(log.end, CLIENT_LOG_DENIED);
    assert_true(log.accepted);
    assert_int_equal(log.offered.len, 2);
    assert_string_equal(log.offered.v[0], "SHA256:abc");
    assert_string_equal(log.files.v[0], "/home/a b/.ssh/id_ed25519");
    assert_string_equal(log.offered.v[1], "SHA256:d/e+f");
    assert_string_equal(log.files.v[1], "me@host");
    assert_non_null(strstr(log.key_note.p, "signing failed"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(ends), cmocka_unit_test(offered_keys)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
