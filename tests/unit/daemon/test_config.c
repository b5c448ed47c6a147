#include "daemon/config.h"

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

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"

#define SECRET "0123456789abcdef0123456789abcdef"

static int setup(void **state)
{
    char *dir = xstrdup("/tmp/steadystate-test-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    *state = dir;
    return 0;
}

static int teardown(void **state)
{
    char *dir = *state;
    int rc = path_remove_tree(AT_FDCWD, dir, NULL);
    free(dir);
    return rc;
}

static void test_defaults(void **state)
{
    (void)state;
    char *env[] = {(char[]){"HOME=/home/me"}, (char[]){"PATH=/bin"}, NULL};
    cleanup_config struct config c;
    struct err err = ERR_INIT;
    if (config_load(env, NULL, &c, &err))
        fail_msg("%s", err.msg);
    assert_string_equal(c.bind, "127.0.0.1");
    assert_int_equal(c.port, 8080);
    assert_string_equal(c.state_dir, "/home/me/.steadystate");
    assert_string_equal(c.database, "sqlite:/home/me/.steadystate/steadystate.db");
    assert_string_equal(c.database_path, "/home/me/.steadystate/steadystate.db");
    assert_string_equal(c.session_root, "/home/me/.steadystate/sessions");
    assert_int_equal(c.jwt_ttl_secs, 900);
    assert_int_equal(c.refresh_ttl_secs, 1209600);
    assert_false(c.fake_auth);
    assert_int_equal(c.provider, CONFIG_PROVIDER_AUTO);
    assert_int_equal(c.session_memory, 2ULL << 30);
    assert_int_equal(c.session_cpus_milli, 2000);
    assert_int_equal(c.session_disk, 0);
    assert_int_equal(c.ssh_port_first, 20000);
    assert_int_equal(c.ssh_port_last, 28000);
    assert_int_equal(c.default_session_ttl_secs, 172800);
    assert_int_equal(c.max_sessions_per_user, 5);
    assert_int_equal(c.rate_token_per_min, 5);
    assert_int_equal(c.rate_default_per_min, 120);
    assert_string_equal(c.oidc_scopes, "openid profile email");
    assert_non_null(c.external_host);
    assert_int_equal(c.log_level, LOG_LEVEL_INFO);
    assert_null(c.jwt_secret);
}

static void assert_refused(const char *setting, const char *names)
{
    char *env[] = {(char[]){"HOME=/home/me"}, (char *)setting, NULL};
    cleanup_config struct config c;
    struct err err = ERR_INIT;
    int rc = config_load(env, NULL, &c, &err);
    if (rc != ERR_INVALID || !strstr(err.msg, names))
        fail_msg("%s: %d %s", setting, rc, err.msg);
    assert_null(strchr(err.msg, '\n'));
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *setting, *names;
    } bad[] = {
        {"STEADYSTATE_NO_SUCH=1", "STEADYSTATE_NO_SUCH"},
        {"STEADYSTATE_PORT=70000", "STEADYSTATE_PORT"},
        {"STEADYSTATE_PORT=8080x", "STEADYSTATE_PORT"},
        {"STEADYSTATE_PORT=-1", "STEADYSTATE_PORT"},
        {"STEADYSTATE_BIND=localhost", "STEADYSTATE_BIND"},
        {"STEADYSTATE_BIND=0.0.0.0", "STEADYSTATE_ALLOW_HTTP"},
        {"STEADYSTATE_BIND=::", "STEADYSTATE_ALLOW_HTTP"},
        {"STEADYSTATE_TLS_CERT=/etc/passwd", "STEADYSTATE_TLS_KEY"},
        {"STEADYSTATE_TLS_KEY=/etc/passwd", "STEADYSTATE_TLS_CERT"},
        {"STEADYSTATE_TLS_KEY=/nowhere/key", "STEADYSTATE_TLS_KEY"},
        {"STEADYSTATE_DATABASE=postgres://x", "STEADYSTATE_DATABASE"},
        {"STEADYSTATE_DATABASE=sqlite:relative.db", "STEADYSTATE_DATABASE"},
        {"JWT_SECRET=short", "JWT_SECRET"},
        {"JWT_SECRET_PREVIOUS=short", "JWT_SECRET_PREVIOUS"},
        {"JWT_TTL_SECS=0", "JWT_TTL_SECS"},
        {"REFRESH_TTL_SECS=1e9", "REFRESH_TTL_SECS"},
        {"GITHUB_URL=ftp://x", "GITHUB_URL"},
        {"GITLAB_URL=gitlab.com", "GITLAB_URL"},
        {"OIDC_ISSUER=https://id.example", "OIDC_CLIENT_ID"},
        {"OIDC_CLIENT_ID=x", "OIDC_ISSUER"},
        {"STEADYSTATE_USERS_FILE=/nowhere/users", "STEADYSTATE_USERS_FILE"},
        {"STEADYSTATE_USERS_FILE=/tmp", "STEADYSTATE_USERS_FILE"},
        {"STEADYSTATE_FORGE_TOKENS_FILE=/etc/passwd", "STEADYSTATE_FORGE_TOKENS_FILE"},
        {"STEADYSTATE_DEPLOY_KEY=/etc/passwd", "STEADYSTATE_DEPLOY_KEY"},
        {"ENABLE_FAKE_AUTH=yes", "ENABLE_FAKE_AUTH"},
        {"STEADYSTATE_PROVIDER=docker", "STEADYSTATE_PROVIDER"},
        {"STEADYSTATE_ENGINE=tcp://1.2.3.4:2375", "STEADYSTATE_ENGINE"},
        {"STEADYSTATE_SSH_BIND=any", "STEADYSTATE_SSH_BIND"},
        {"STEADYSTATE_SESSION_SUBNETS=10.0.0.0", "STEADYSTATE_SESSION_SUBNETS"},
        {"STEADYSTATE_SESSION_SUBNETS=10.0.0.1/16", "STEADYSTATE_SESSION_SUBNETS"},
        {"STEADYSTATE_SESSION_SUBNETS=10.0.0.0/30", "STEADYSTATE_SESSION_SUBNETS"},
        {"STEADYSTATE_REQUIRE_USERNS=true", "STEADYSTATE_REQUIRE_USERNS"},
        {"STEADYSTATE_SESSION_IMAGE=-x", "STEADYSTATE_SESSION_IMAGE"},
        {"STEADYSTATE_SESSION_IMAGE=a b", "STEADYSTATE_SESSION_IMAGE"},
        {"STEADYSTATE_ALLOWED_HOSTS=-x", "STEADYSTATE_ALLOWED_HOSTS"},
        {"STEADYSTATE_EXTERNAL_HOST=[x]", "STEADYSTATE_EXTERNAL_HOST"},
        {"JWT_TTL_SECS=0", "JWT_TTL_SECS"},
        {"STEADYSTATE_LOCAL_USER=a b", "STEADYSTATE_LOCAL_USER"},
        {"STEADYSTATE_ALLOWED_HOSTS=10.0.0.0/99", "STEADYSTATE_ALLOWED_HOSTS"},
        {"STEADYSTATE_SESSION_MEMORY=lots", "STEADYSTATE_SESSION_MEMORY"},
        {"STEADYSTATE_SESSION_MEMORY=1k", "STEADYSTATE_SESSION_MEMORY"},
        {"STEADYSTATE_SESSION_CPUS=0", "STEADYSTATE_SESSION_CPUS"},
        {"STEADYSTATE_SESSION_CPUS=1.", "STEADYSTATE_SESSION_CPUS"},
        {"STEADYSTATE_SESSION_CPUS=1.2345", "STEADYSTATE_SESSION_CPUS"},
        {"STEADYSTATE_SESSION_PIDS=1", "STEADYSTATE_SESSION_PIDS"},
        {"STEADYSTATE_EXTERNAL_HOST=http://x", "STEADYSTATE_EXTERNAL_HOST"},
        {"STEADYSTATE_EXTERNAL_HOST=-x", "STEADYSTATE_EXTERNAL_HOST"},
        {"STEADYSTATE_SSH_USER=-x", "STEADYSTATE_SSH_USER"},
        {"STEADYSTATE_SSH_PORTS=20000", "STEADYSTATE_SSH_PORTS"},
        {"STEADYSTATE_SSH_PORTS=30000-20000", "STEADYSTATE_SSH_PORTS"},
        {"STEADYSTATE_SSH_PORTS=80-90", "STEADYSTATE_SSH_PORTS"},
        {"STEADYSTATE_DEFAULT_SESSION_TTL_SECS=700000", "STEADYSTATE_DEFAULT_SESSION_TTL_SECS"},
        {"STEADYSTATE_IDLE_TTL_SECS=2h", "STEADYSTATE_IDLE_TTL_SECS"},
        {"STEADYSTATE_MAX_SESSIONS_PER_USER=-1", "STEADYSTATE_MAX_SESSIONS_PER_USER"},
        {"RATE_LIMIT_TOKEN_PER_MIN=x", "RATE_LIMIT_TOKEN_PER_MIN"},
        {"STEADYSTATE_CORS_ORIGINS=example.com", "STEADYSTATE_CORS_ORIGINS"},
        {"STEADYSTATE_CORS_ORIGINS=https://a.example/path", "STEADYSTATE_CORS_ORIGINS"},
        {"STEADYSTATE_PUBLIC_URL=build.example.org", "STEADYSTATE_PUBLIC_URL"},
        {"STEADYSTATE_PUBLIC_URL=https://a.example/path", "STEADYSTATE_PUBLIC_URL"},
        {"STEADYSTATE_PUBLIC_URL=https://a.example,ftp://b.example", "STEADYSTATE_PUBLIC_URL"},
        {"STEADYSTATE_LOG=loud", "STEADYSTATE_LOG"},
        {"STEADYSTATE_LOG_FORMAT=xml", "STEADYSTATE_LOG_FORMAT"},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_refused(bad[i].setting, bad[i].names);
}

static void test_no_home(void **state)
{
    (void)state;
    char *env[] = {NULL};
    cleanup_config struct config c;
    struct err err = ERR_INIT;
    assert_int_equal(config_load(env, NULL, &c, &err), ERR_INVALID);
    assert_non_null(strstr(err.msg, "STEADYSTATE_STATE_DIR"));
}

static void test_values(void **state)
{
    (void)state;
    char *env[] = {
        (char[]){"HOME=/home/me"},
        (char[]){"STEADYSTATE_BIND=0.0.0.0"},
        (char[]){"STEADYSTATE_ALLOW_HTTP=1"},
        (char[]){"STEADYSTATE_ALLOWED_HOSTS=git.example, 10.0.0.0/8 ::1"},
        (char[]){"STEADYSTATE_SESSION_CPUS=0.5"},
        (char[]){"STEADYSTATE_SESSION_DISK=10g"},
        (char[]){"GITHUB_URL=https://github.example/"},
        (char[]){"STEADYSTATE_LOG=debug"},
        (char[]){"STEADYSTATE_EXTERNAL_HOST="},
        (char[]){"STEADYSTATE_BACKEND=http://other"},
        (char[]){"STEADYSTATE_CORS_ORIGINS=https://a.example,http://b.example:8000"},
        (char[]){"STEADYSTATE_PUBLIC_URL=https://a.example, http://b.example:8000"},
        NULL,
    };
    cleanup_config struct config c;
    struct err err = ERR_INIT;
    if (config_load(env, NULL, &c, &err))
        fail_msg("%s", err.msg);
    assert_int_equal(c.allowed_hosts.len, 3);
    assert_string_equal(c.allowed_hosts.v[1], "10.0.0.0/8");
    assert_int_equal(c.public_urls.len, 2);
    assert_int_equal(c.session_cpus_milli, 500);
    assert_int_equal(c.session_disk, 10ULL << 30);
    assert_string_equal(c.github_url, "https://github.example");
    assert_int_equal(c.log_level, LOG_LEVEL_DEBUG);
    assert_int_equal(c.cors_origins.len, 2);
}

static void write_file(const char *path, const char *text)
{
    assert_int_equal(fd_write_file(AT_FDCWD, path, text, strlen(text), 0600, NULL), 0);
}

static void test_file(void **state)
{
    cleanup_free char *path = xasprintf("%s/conf", (char *)*state);
    write_file(path, "# comment\n\n STEADYSTATE_PORT = 9000 \nJWT_ISSUER=\"my server\"\r\n"
                     "STEADYSTATE_SSH_USER=inside");
    char *env[] = {(char[]){"HOME=/home/me"}, (char[]){"STEADYSTATE_SSH_USER=outside"}, NULL};
    cleanup_config struct config c;
    struct err err = ERR_INIT;
    if (config_load(env, path, &c, &err))
        fail_msg("%s", err.msg);
    assert_int_equal(c.port, 9000);
    assert_string_equal(c.jwt_issuer, "my server");
    assert_string_equal(c.ssh_user, "outside");
}

static void test_bad_files(void **state)
{
    cleanup_free char *path = xasprintf("%s/conf", (char *)*state);
    static const struct {
        const char *text, *names;
    } bad[] = {
        {"STEADYSTATE_PORT\n", "line 1"},
        {"\nPATH=/bin\n", "PATH"},
        {"STEADYSTATE_PORT=x\n", "STEADYSTATE_PORT"},
    };
    char *env[] = {(char[]){"HOME=/home/me"}, NULL};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        write_file(path, bad[i].text);
        cleanup_config struct config c;
        struct err err = ERR_INIT;
        assert_true(config_load(env, path, &c, &err) < 0);
        assert_non_null(strstr(err.msg, bad[i].names));
    }
    cleanup_config struct config c;
    struct err err = ERR_INIT;
    assert_int_equal(config_load(env, "/nowhere/conf", &c, &err), ERR_NOT_FOUND);
}

static void load_in(const char *dir, struct config *c)
{
    cleanup_free char *setting = xasprintf("STEADYSTATE_STATE_DIR=%s/state", dir);
    char *env[] = {setting, NULL};
    struct err err = ERR_INIT;
    if (config_load(env, NULL, c, &err) || config_prepare(c, &err))
        fail_msg("%s", err.msg);
}

static void test_secret_is_made_once(void **state)
{
    const char *dir = *state;
    cleanup_config struct config a;
    cleanup_config struct config b;
    load_in(dir, &a);
    load_in(dir, &b);
    assert_true(strlen(a.jwt_secret) >= CONFIG_JWT_SECRET_MIN);
    assert_string_equal(a.jwt_secret, b.jwt_secret);
    cleanup_free char *path = xasprintf("%s/state/jwt_secret", dir);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(stat(a.state_dir, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);

    chmod(path, 0644);
    char *none[] = {(char[]){"HOME=/nonexistent"}, NULL};
    cleanup_config struct config c;
    struct err err = ERR_INIT;
    assert_int_equal(config_load(none, NULL, &c, &err), 0);
    free(c.state_dir);
    c.state_dir = xstrdup(a.state_dir);
    assert_int_equal(config_prepare(&c, &err), ERR_INVALID);
}

static void test_print_hides_secrets(void **state)
{
    (void)state;
    char *env[] = {(char[]){"HOME=/home/me"}, (char[]){"JWT_SECRET=" SECRET},
                   (char[]){"GITHUB_CLIENT_SECRET=hush"}, NULL};
    cleanup_config struct config c;
    assert_int_equal(config_load(env, NULL, &c, NULL), 0);
    cleanup_str struct str out = STR_INIT;
    config_print(&c, &out);
    assert_non_null(strstr(out.p, "JWT_SECRET=(set)\n"));
    assert_null(strstr(out.p, SECRET));
    assert_null(strstr(out.p, "hush"));
    assert_non_null(strstr(out.p, "STEADYSTATE_SESSION_CPUS=2.000\n"));
    assert_non_null(strstr(out.p, "STEADYSTATE_SSH_PORTS=20000-28000\n"));
    assert_non_null(strstr(out.p, "STEADYSTATE_LOG=info\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_no_home),
        cmocka_unit_test(test_values),
        cmocka_unit_test_setup_teardown(test_file, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_files, setup, teardown),
        cmocka_unit_test_setup_teardown(test_secret_is_made_once, setup, teardown),
        cmocka_unit_test(test_print_hides_secrets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
