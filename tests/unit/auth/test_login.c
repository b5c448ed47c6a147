/* Providers, users file and device codes together, as the API uses them. */
#include "auth/device.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "auth/own_names.h"
#include "auth/users.h"
#include "base/enc.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "ssh/hostkey.h"
#include "ssh/privkey.h"
#include "ssh/sshsig.h"

static int64_t now_s;

static int64_t fake_now(void *payload)
{
    (void)payload;
    return now_s;
}

static int64_t fake_mono_ms(void *payload)
{
    return fake_now(payload) * 1000;
}

static const struct clock test_clock = {.now = fake_now, .mono_ms = fake_mono_ms};

struct person {
    struct ssh_privkey *key;
    char *line; /* "ssh-ed25519 ..." */
};

static struct world {
    char dir[64];
    char *path;
    struct store *store;
    struct devices *devices;
    struct users *users;
    struct own_names *names;
    struct auth_providers *providers;
    struct person anna, bert;
    struct str wrong_server; /* of the last poll */
} w;

static void make_person(struct person *p)
{
    cleanup_str_secret struct str secret = STR_INIT;
    cleanup_str struct str pub = STR_INIT;
    assert_int_equal(hostkey_generate("", &secret, &pub, NULL), 0);
    assert_int_equal(ssh_privkey_parse(secret.p, secret.len, &p->key, NULL), 0);
    p->line = str_detach(&pub);
}

static void write_users(const char *text, mode_t mode)
{
    assert_int_equal(fd_write_file(AT_FDCWD, w.path, text, strlen(text), mode, NULL), 0);
}

static int setup(void **state)
{
    memset(&w, 0, sizeof w);
    w.wrong_server = (struct str)STR_INIT;
    now_s = 1700000000;
    strncpy(w.dir, "/tmp/steadystate-test-XXXXXX", sizeof w.dir - 1);
    if (!mkdtemp(w.dir))
        return -1;
    w.path = xasprintf("%s/users", w.dir);
    make_person(&w.anna);
    make_person(&w.bert);
    cleanup_free char *text =
        xasprintf("# team\nanna %s laptop\n\nbert\t%s\n", w.anna.line, w.bert.line);
    write_users(text, 0644);
    w.providers = auth_providers_new();
    if (store_open("sqlite::memory:", &w.store, NULL) || users_open(w.path, &w.users, NULL))
        return -1;
    w.devices = devices_new(w.store, NULL, &test_clock);
    char *urls[] = {(char[]){"https://build.example.org"}};
    const struct own_names_options o = {.bind = "127.0.0.1", .external_host = "127.0.0.1"};
    const struct own_names_options strict = {
        .public_urls = urls, .n_public_urls = 1, .bind = "127.0.0.1", .external_host = "127.0.0.1"};
    if (own_names_new(*state ? &strict : &o, &w.names, NULL))
        return -1;
    auth_sshkey_register(w.providers, w.users, w.names, "server1");
    auth_fake_register(w.providers);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    auth_providers_free(w.providers);
    devices_free(w.devices);
    users_close(w.users);
    own_names_free(w.names);
    store_close(w.store);
    ssh_privkey_free(w.anna.key);
    ssh_privkey_free(w.bert.key);
    free(w.anna.line);
    free(w.bert.line);
    free(w.path);
    str_release(&w.wrong_server);
    return path_remove_tree(AT_FDCWD, w.dir, NULL);
}

static struct auth_provider *provider(const char *name)
{
    struct auth_provider *p = NULL;
    assert_int_equal(auth_providers_get(w.providers, name, &p, NULL), 0);
    return p;
}

static void start(const char *name, const char *variant, struct str *code, struct str *challenge)
{
    struct auth_start_in in = {.variant = variant, .now = now_s};
    struct auth_start_out out;
    auth_start_out_init(&out);
    struct auth_provider *p = provider(name);
    assert_int_equal(p->ops->start(p, &in, &out, NULL), 0);
    assert_int_equal(devices_add(w.devices, name, &out, code, NULL), 0);
    if (challenge)
        str_adds(challenge, out.challenge.p);
    auth_start_out_release(&out);
}

/* The whole of a poll; the status as the client sees it. */
static enum auth_status poll_status(const char *code, const char *login, const char *signature,
                                    enum device_step *step)
{
    struct device_poll p;
    struct auth_poll_out out;
    int64_t interval = 0;
    auth_poll_out_init(&out);
    assert_int_equal(devices_poll_begin(w.devices, code, signature != NULL, &p, step, NULL), 0);
    if (*step == DEVICE_ASK) {
        struct auth_provider *prov = provider(p.provider);
        struct auth_poll_in in = {login, signature, p.state, now_s};
        int rc = prov->ops->poll(prov, &in, &out, NULL);
        assert_int_equal(devices_poll_finish(w.devices, &p, rc, &out, &interval, NULL), 0);
        if (out.status == AUTH_COMPLETE && login)
            assert_string_equal(out.who.subject, login);
    }
    enum auth_status status = out.status;
    str_clear(&w.wrong_server);
    str_add(&w.wrong_server, out.wrong_server.p, out.wrong_server.len);
    auth_poll_out_release(&out);
    device_poll_release(&p);
    return status;
}

static enum auth_status poll(const char *code, const char *login, const char *signature)
{
    enum device_step step;
    enum auth_status status = poll_status(code, login, signature, &step);
    assert_int_equal(step, DEVICE_ASK);
    return status;
}

static void sign(const struct person *who, const char *name_space, const char *text,
                 struct str *out)
{
    cleanup_str struct str tbs = STR_INIT;
    cleanup_str struct str sig = STR_INIT;
    str_clear(out);
    assert_int_equal(sshsig_tbs(name_space, "sha512", text, strlen(text), &tbs, NULL), 0);
    assert_int_equal(ssh_privkey_sign(who->key, tbs.p, tbs.len, &sig, NULL), 0);
    sshsig_armor(ssh_privkey_public(who->key), name_space, "sha512", sig.p, sig.len, out);
}

static void test_sshkey_login(void **state)
{
    (void)state;
    cleanup_str struct str code = STR_INIT;
    cleanup_str struct str challenge = STR_INIT;
    cleanup_str struct str sig = STR_INIT;
    enum device_step step;
    start("sshkey", NULL, &code, &challenge);
    assert_true(str_starts_with(challenge.p, "steadystate-login-v1 server=server1 "));
    assert_int_equal(poll(code.p, NULL, NULL), AUTH_PENDING);
    sign(&w.anna, SSHSIG_LOGIN_NAMESPACE, challenge.p, &sig);
    assert_int_equal(poll(code.p, "anna", sig.p), AUTH_COMPLETE);
    poll_status(code.p, "anna", sig.p, &step); /* once only */
    assert_int_equal(step, DEVICE_UNKNOWN);
}

static void test_sshkey_refusals(void **state)
{
    (void)state;
    cleanup_str struct str code = STR_INIT;
    cleanup_str struct str other = STR_INIT;
    cleanup_str struct str challenge = STR_INIT;
    cleanup_str struct str other_challenge = STR_INIT;
    cleanup_str struct str sig = STR_INIT;
    start("sshkey", NULL, &code, &challenge);
    start("sshkey", NULL, &other, &other_challenge);
    sign(&w.anna, SSHSIG_LOGIN_NAMESPACE, challenge.p, &sig);
    assert_int_equal(poll(code.p, "bert", sig.p), AUTH_DENIED);
    assert_int_equal(poll(code.p, "nobody", sig.p), AUTH_DENIED);
    assert_int_equal(poll(code.p, "../anna", sig.p), AUTH_DENIED);
    assert_int_equal(poll(code.p, "anna", "garbage"), AUTH_DENIED);
    assert_int_equal(poll(other.p, "anna", sig.p), AUTH_DENIED); /* another challenge */
    sign(&w.anna, "file", challenge.p, &sig);
    assert_int_equal(poll(code.p, "anna", sig.p), AUTH_DENIED);
    sign(&w.anna, SSHSIG_LOGIN_NAMESPACE, "hello", &sig);
    assert_int_equal(poll(code.p, "anna", sig.p), AUTH_DENIED);
    sign(&w.anna, SSHSIG_LOGIN_NAMESPACE, challenge.p, &sig);
    assert_int_equal(poll(code.p, "anna", sig.p), AUTH_COMPLETE);
}

#define BOUND(origin) SSHSIG_LOGIN_NAMESPACE ":" origin

static void test_sshkey_bound(void **state)
{
    (void)state;
    cleanup_str struct str code = STR_INIT;
    cleanup_str struct str challenge = STR_INIT;
    cleanup_str struct str sig = STR_INIT;
    start("sshkey", NULL, &code, &challenge);
    sign(&w.anna, BOUND("no origin"), challenge.p, &sig);
    assert_int_equal(poll(code.p, "anna", sig.p), AUTH_DENIED);
    sign(&w.anna, BOUND("http://127.0.0.1:8080"), "another text", &sig);
    assert_int_equal(poll(code.p, "anna", sig.p), AUTH_DENIED);
    sign(&w.anna, BOUND("http://127.0.0.1:8080"), challenge.p, &sig);
    assert_int_equal(poll(code.p, "bert", sig.p), AUTH_DENIED);
    assert_int_equal(poll(code.p, "anna", sig.p), AUTH_COMPLETE);
    str_clear(&code);
    str_clear(&challenge);
    start("sshkey", NULL, &code, &challenge);
    sign(&w.anna, BOUND("https://a.proxy.example"), challenge.p, &sig);
    assert_int_equal(poll(code.p, "anna", sig.p), AUTH_COMPLETE);
}

/* A hostile server passes a challenge of ours to anna, who signs it for the server she dialled. */
static void test_sshkey_relayed(void **state)
{
    (void)state;
    cleanup_str struct str code = STR_INIT;
    cleanup_str struct str challenge = STR_INIT;
    cleanup_str struct str sig = STR_INIT;
    start("sshkey", NULL, &code, &challenge);
    sign(&w.anna, BOUND("https://evil.example"), challenge.p, &sig);
    assert_int_equal(poll(code.p, "anna", sig.p), AUTH_DENIED);
    assert_non_null(strstr(w.wrong_server.p, "STEADYSTATE_PUBLIC_URL"));
    sign(&w.bert, BOUND("https://evil.example"), challenge.p, &sig);
    assert_int_equal(poll(code.p, "anna", sig.p), AUTH_DENIED);
    assert_int_equal(w.wrong_server.len, 0); /* strangers are told nothing */
    sign(&w.anna, SSHSIG_LOGIN_NAMESPACE, challenge.p, &sig);
    assert_int_equal(poll(code.p, "anna", sig.p), AUTH_DENIED);
    sign(&w.anna, BOUND("https://build.example.org"), challenge.p, &sig);
    assert_int_equal(poll(code.p, "anna", sig.p), AUTH_COMPLETE);
}

static void test_sshkey_tries_end(void **state)
{
    (void)state;
    cleanup_str struct str code = STR_INIT;
    cleanup_str struct str challenge = STR_INIT;
    cleanup_str struct str sig = STR_INIT;
    start("sshkey", NULL, &code, &challenge);
    for (int i = 0; i < 10; i++)
        assert_int_equal(poll(code.p, "anna", "garbage"), AUTH_DENIED);
    sign(&w.anna, SSHSIG_LOGIN_NAMESPACE, challenge.p, &sig);
    enum device_step step;
    poll_status(code.p, "anna", sig.p, &step);
    assert_int_equal(step, DEVICE_UNKNOWN);
}

static void test_sshkey_two_minutes(void **state)
{
    (void)state;
    cleanup_str struct str code = STR_INIT;
    cleanup_str struct str challenge = STR_INIT;
    cleanup_str struct str sig = STR_INIT;
    start("sshkey", NULL, &code, &challenge);
    sign(&w.anna, SSHSIG_LOGIN_NAMESPACE, challenge.p, &sig);
    now_s += 120;
    enum device_step step;
    poll_status(code.p, "anna", sig.p, &step);
    assert_int_equal(step, DEVICE_EXPIRED);
}

static void test_users_file_is_read_anew(void **state)
{
    (void)state;
    cleanup_strv struct strv keys = STRV_INIT;
    assert_int_equal(users_keys(w.users, "anna", &keys, NULL), 0);
    assert_int_equal(keys.len, 1);
    assert_string_equal(keys.v[0], w.anna.line);
    cleanup_free char *text =
        xasprintf("anna %s\nanna %s\nanna %s\n", w.anna.line, w.bert.line, w.bert.line);
    write_users(text, 0600);
    strv_release(&keys);
    assert_int_equal(users_keys(w.users, "anna", &keys, NULL), 0);
    assert_int_equal(keys.len, 2);
    assert_int_equal(users_keys(w.users, "bert", &keys, NULL), ERR_NOT_FOUND);
    unlink(w.path);
    assert_int_equal(users_keys(w.users, "anna", &keys, NULL), ERR_UNAVAILABLE);
    assert_int_equal(users_check(w.users, "anna", ssh_privkey_public(w.anna.key), NULL),
                     ERR_UNAVAILABLE);
}

static void test_users_file_bad_lines(void **state)
{
    (void)state;
    cleanup_strv struct strv keys = STRV_INIT;
    cleanup_free char *text =
        xasprintf("anna\nanna ssh-dss AAAA\na/b %s\ncommand=\"x\" %s\n"
                  "anna restrict %s\nbert %s x\n-x %s\n",
                  w.anna.line, w.anna.line, w.anna.line, w.bert.line, w.anna.line);
    write_users(text, 0644);
    assert_int_equal(users_keys(w.users, "anna", &keys, NULL), ERR_NOT_FOUND);
    assert_int_equal(users_keys(w.users, "bert", &keys, NULL), 0);
}

/* Of more keys than one login may have the first count; each is another one. */
static void test_users_file_many_keys(void **state)
{
    (void)state;
    cleanup_strv struct strv keys = STRV_INIT;
    cleanup_str struct str text = STR_INIT;
    for (int i = 0; i < USERS_KEYS_MAX + 5; i++) {
        unsigned char blob[51] = "\0\0\0\x0bssh-ed25519\0\0\0\x20";
        blob[20] = (unsigned char)i;
        str_adds(&text, "anna ssh-ed25519 ");
        enc_base64(&text, blob, sizeof blob);
        str_addc(&text, '\n');
    }
    str_addf(&text, "bert %s\n", w.bert.line);
    write_users(text.p, 0644);
    assert_int_equal(users_keys(w.users, "anna", &keys, NULL), 0);
    assert_int_equal(keys.len, USERS_KEYS_MAX);
    strv_release(&keys);
    assert_int_equal(users_keys(w.users, "bert", &keys, NULL), 0);
    assert_int_equal(keys.len, 1);
}

static void test_users_file_open_to_others(void **state)
{
    (void)state;
    cleanup_strv struct strv keys = STRV_INIT;
    chmod(w.path, 0666);
    assert_int_equal(users_keys(w.users, "anna", &keys, NULL), ERR_UNAVAILABLE);
}

static int count(const char *login, const struct strv *keys, void *payload, struct err *err)
{
    struct str *all = payload;
    (void)err;
    str_addf(all, "%s:%zu ", login, keys->len);
    return 0;
}

static void test_users_each(void **state)
{
    (void)state;
    cleanup_str struct str all = STR_INIT;
    assert_int_equal(users_each(w.users, count, &all, NULL), 0);
    assert_string_equal(all.p, "anna:1 bert:1 ");
}

static void test_fake(void **state)
{
    (void)state;
    cleanup_str struct str code = STR_INIT;
    start("fake", NULL, &code, NULL);
    assert_int_equal(poll(code.p, NULL, NULL), AUTH_COMPLETE);
    str_clear(&code);
    start("fake", "2", &code, NULL);
    assert_int_equal(poll(code.p, "zoe", NULL), AUTH_PENDING);
    enum device_step step;
    poll_status(code.p, "zoe", NULL, &step); /* too early: nobody is asked */
    assert_int_equal(step, DEVICE_PENDING);
    now_s += 1;
    assert_int_equal(poll(code.p, "zoe", NULL), AUTH_PENDING);
    now_s += 1;
    assert_int_equal(poll(code.p, "zoe", NULL), AUTH_COMPLETE);
}

static void test_fake_bad_login(void **state)
{
    (void)state;
    cleanup_str struct str code = STR_INIT;
    start("fake", NULL, &code, NULL);
    assert_int_equal(poll(code.p, "a b", NULL), AUTH_DENIED);
}

static void test_unknown_codes(void **state)
{
    (void)state;
    const char *bad[] = {"", "x", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                         "' OR 1=1 --                                "};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        enum device_step step;
        poll_status(bad[i], NULL, NULL, &step);
        assert_int_equal(step, DEVICE_UNKNOWN);
    }
}

static void test_one_poll_at_a_time(void **state)
{
    (void)state;
    cleanup_str struct str code = STR_INIT;
    start("fake", NULL, &code, NULL);
    struct device_poll first, second;
    enum device_step step;
    assert_int_equal(devices_poll_begin(w.devices, code.p, false, &first, &step, NULL), 0);
    assert_int_equal(step, DEVICE_ASK);
    assert_int_equal(devices_poll_begin(w.devices, code.p, false, &second, &step, NULL), 0);
    assert_int_equal(step, DEVICE_PENDING);
    device_poll_release(&second);

    struct auth_poll_out out;
    int64_t interval;
    auth_poll_out_init(&out);
    out.status = AUTH_SLOW_DOWN;
    assert_int_equal(devices_poll_finish(w.devices, &first, 0, &out, &interval, NULL), 0);
    assert_int_equal(interval, 6); /* 1 and 5 more */
    device_poll_release(&first);
}

static void test_no_such_provider(void **state)
{
    (void)state;
    struct auth_provider *p = NULL;
    struct err err = ERR_INIT;
    assert_int_equal(auth_providers_get(w.providers, "github", &p, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.msg, "sshkey, fake"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_sshkey_login),
        T(test_sshkey_refusals),
        T(test_sshkey_bound),
        cmocka_unit_test_prestate_setup_teardown(test_sshkey_relayed, setup, teardown, &w),
        T(test_sshkey_tries_end),
        T(test_sshkey_two_minutes),
        T(test_users_file_is_read_anew),
        T(test_users_file_bad_lines),
        T(test_users_file_many_keys),
        T(test_users_file_open_to_others),
        T(test_users_each),
        T(test_fake),
        T(test_fake_bad_login),
        T(test_unknown_codes),
        T(test_one_poll_at_a_time),
        T(test_no_such_provider),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
