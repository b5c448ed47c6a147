#include "ssh/agent_client.h"

#include "keytool.h"

#include <signal.h>

#include "ssh/sign.h"
#include "ssh/sshsig.h"
#include "ssh/wire.h"

/* A real ssh-agent in the foreground; it is ready when its socket answers. */
static pid_t start_agent(char *socket_path)
{
    char *argv[] = {(char[]){"ssh-agent"}, (char[]){"-D"}, (char[]){"-a"}, socket_path, NULL};
    struct proc_spec spec = PROC_SPEC_INIT;
    spec.file = argv[0];
    spec.argv = argv;
    spec.envp = environ;
    spec.die_with_parent = true;
    pid_t pid;
    assert_int_equal(proc_start(&spec, &pid, NULL), 0);
    for (int i = 0; i < 1000; i++) {
        struct ssh_key *keys;
        size_t n;
        if (ssh_agent_list(socket_path, &keys, &n, NULL) == 0) {
            ssh_agent_keys_free(keys, n);
            return pid;
        }
        usleep(5000);
    }
    fail_msg("ssh-agent does not answer");
    return -1;
}

static void add_key(const char *dir, char *socket_path, const char *type, const char *bits)
{
    cleanup_free char *path = xasprintf("%s/%s", dir, type);
    keytool_keygen(path, type, bits, "");
    setenv("SSH_AUTH_SOCK", socket_path, 1);
    char *argv[] = {(char[]){"ssh-add"}, (char[]){"-q"}, path, NULL};
    assert_int_equal(keytool_run(NULL, NULL, argv), 0);
    unsetenv("SSH_AUTH_SOCK");
}

static void assert_signs(const char *socket_path, const struct ssh_key *key)
{
    cleanup_str struct str armored = STR_INIT;
    cleanup_sshsig struct sshsig sig;
    struct err err = ERR_INIT;
    if (ssh_sign_agent(socket_path, key, "ns", "msg", 3, &armored, &err) ||
        sshsig_parse_armor(armored.p, armored.len, &sig, &err))
        fail_msg("%s", err.msg);
    assert_true(ssh_key_equal(&sig.key, key));
    assert_int_equal(sshsig_verify(&sig, "ns", "msg", 3, NULL), 0);
}

static void test_list_and_sign(void **state)
{
    const char *dir = *state;
    cleanup_free char *sock = xasprintf("%s/agent.sock", dir);
    pid_t pid = start_agent(sock);
    add_key(dir, sock, "ed25519", NULL);
    add_key(dir, sock, "ecdsa", "256");
    add_key(dir, sock, "rsa", "2048");
    struct ssh_key *keys = NULL;
    size_t n = 0;
    assert_int_equal(ssh_agent_list(sock, &keys, &n, NULL), 0);
    assert_int_equal(n, 3);
    for (size_t i = 0; i < n; i++)
        assert_signs(sock, &keys[i]);

    /* A public key file names a key that the agent holds. */
    cleanup_free char *pub = xasprintf("%s/ecdsa.pub", dir);
    cleanup_str struct str armored = STR_INIT;
    assert_int_equal(ssh_sign_file(pub, sock, environ, "ns", "m", 1, &armored, NULL, NULL), 0);

    keys[0].blob.p[keys[0].blob.len - 1] ^= 1;
    cleanup_str struct str out = STR_INIT;
    assert_int_equal(ssh_agent_sign(sock, &keys[0], "x", 1, &out, NULL), ERR_DENIED);
    ssh_agent_keys_free(keys, n);
    kill(pid, SIGTERM);
    int status;
    proc_wait(pid, &status, NULL);
}

static void test_nobody_there(void **state)
{
    cleanup_free char *sock = xasprintf("%s/none.sock", (char *)*state);
    struct ssh_key *keys;
    size_t n;
    assert_int_equal(ssh_agent_list(sock, &keys, &n, NULL), ERR_UNAVAILABLE);
    assert_int_equal(ssh_agent_list(NULL, &keys, &n, NULL), ERR_UNAVAILABLE);
}

static void test_malformed_answers(void **state)
{
    (void)state;
    struct ssh_key *keys = NULL;
    size_t n = 0;
    cleanup_str struct str a = STR_INIT;
    assert_int_equal(ssh_agent_parse_keys(a.p, a.len, &keys, &n, NULL), ERR_INVALID);
    ssh_put_u8(&a, 12);
    ssh_put_u32(&a, 2);
    ssh_put_cstring(&a, "unknown kind of key");
    ssh_put_cstring(&a, "comment");
    assert_int_equal(ssh_agent_parse_keys(a.p, a.len, &keys, &n, NULL), ERR_INVALID);
    ssh_put_cstring(&a, "");
    ssh_put_cstring(&a, "");
    assert_int_equal(ssh_agent_parse_keys(a.p, a.len, &keys, &n, NULL), 0);
    assert_int_equal(n, 0);
    ssh_agent_keys_free(keys, n);
    str_clear(&a);
    ssh_put_u8(&a, 12);
    ssh_put_u32(&a, 0xffffffff);
    assert_int_equal(ssh_agent_parse_keys(a.p, a.len, &keys, &n, NULL), ERR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_list_and_sign, keytool_setup, keytool_teardown),
        cmocka_unit_test_setup_teardown(test_nobody_there, keytool_setup, keytool_teardown),
        cmocka_unit_test(test_malformed_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
