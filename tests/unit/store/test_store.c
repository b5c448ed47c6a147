#include "store/store.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"

/* A database file in a directory of its own. */
struct fixture {
    char dir[64];
    char path[128];
    char url[160];
    struct store *store;
};

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    snprintf(f->dir, sizeof f->dir, "/tmp/steadystate-store-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/db", f->dir);
    snprintf(f->url, sizeof f->url, "sqlite:%s", f->path);
    struct err err = ERR_INIT;
    if (store_open(f->url, &f->store, &err) != 0)
        fail_msg("%s", err.msg);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    store_close(f->store);
    path_remove_tree(AT_FDCWD, f->dir, NULL);
    free(f);
    return 0;
}

static void reopen(struct fixture *f)
{
    store_close(f->store);
    struct err err = ERR_INIT;
    assert_int_equal(store_open(f->url, &f->store, &err), 0);
}

static void raw(struct fixture *f, const char *sql)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void test_open_private_and_again(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    char wal[160];
    snprintf(wal, sizeof wal, "%s-wal", f->path);
    assert_int_equal(stat(wal, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    reopen(f); /* migrations run once only */
    assert_int_equal(store_check(f->store, NULL), 0);
}

static void test_open_refuses_newer_schema(void **state)
{
    struct fixture *f = *state;
    store_close(f->store);
    f->store = NULL;
    raw(f, "PRAGMA user_version = 999");
    struct err err = ERR_INIT;
    assert_int_equal(store_open(f->url, &f->store, &err), ERR_UNSUPPORTED);
    assert_non_null(strstr(err.msg, "schema 999"));
    assert_null(f->store);
}

static void test_open_refuses_garbage(void **state)
{
    struct fixture *f = *state;
    store_close(f->store);
    f->store = NULL;
    FILE *file = fopen(f->path, "w");
    for (int i = 0; i < 1000; i++)
        fputs("this is no database\n", file);
    fclose(file);
    struct err err = ERR_INIT;
    assert_int_equal(store_open(f->url, &f->store, &err), ERR_UNAVAILABLE);
    err_clear(&err);
    assert_int_equal(store_open("postgres://x", &f->store, &err), ERR_UNSUPPORTED);
    err_clear(&err);
    assert_int_not_equal(store_open("sqlite:/nonexistent/dir/db", &f->store, &err), 0);
}

static void test_users(void **state)
{
    struct fixture *f = *state;
    struct store_user u;
    struct err err = ERR_INIT;
    assert_int_equal(store_user_upsert(f->store, "github", "1", "ann", 100, &u, &err), 0);
    int64_t ann = u.id;
    store_user_release(&u);

    /* A renamed login stays the same person... */
    assert_int_equal(store_user_upsert(f->store, "github", "1", "anna", 200, &u, &err), 0);
    assert_int_equal(u.id, ann);
    assert_string_equal(u.login, "anna");
    assert_int_equal(u.created_at, 100);
    store_user_release(&u);

    /* ...and who takes the old login over is somebody else; so is the same subject elsewhere. */
    assert_int_equal(store_user_upsert(f->store, "github", "2", "ann", 300, &u, &err), 0);
    assert_int_not_equal(u.id, ann);
    store_user_release(&u);
    assert_int_equal(store_user_upsert(f->store, "gitlab", "1", "ann", 300, NULL, &err), 0);

    assert_int_equal(store_user_by_login(f->store, "github", "ann", &u, &err), 0);
    assert_string_equal(u.subject, "2");
    store_user_release(&u);
    assert_int_equal(store_user_get(f->store, ann, &u, &err), 0);
    assert_string_equal(u.login, "anna");
    store_user_release(&u);
    assert_int_equal(store_user_by_login(f->store, "oidc", "ann", &u, &err), ERR_NOT_FOUND);
    err_clear(&err);
    assert_int_equal(store_user_upsert(f->store, "", "1", "x", 1, NULL, &err), ERR_INVALID);
}

static struct store_refresh token(char letter, char *family, int64_t user)
{
    struct store_refresh r = {
        .family = family, .user_id = user, .issued_at = 1000, .expires_at = 2000};
    memset(r.hash, letter, STORE_HASH_LEN);
    return r;
}

static int64_t some_user(struct fixture *f)
{
    struct store_user u;
    assert_int_equal(store_user_upsert(f->store, "sshkey", "ann", "ann", 1, &u, NULL), 0);
    int64_t id = u.id;
    store_user_release(&u);
    return id;
}

static bool is_revoked(struct fixture *f, const char *hash)
{
    struct store_refresh r;
    assert_int_equal(store_refresh_get(f->store, hash, &r, NULL), 0);
    bool revoked = r.revoked_at != 0;
    store_refresh_release(&r);
    return revoked;
}

static void test_refresh_rotation(void **state)
{
    struct fixture *f = *state;
    char family[] = "fam";
    int64_t user = some_user(f);
    struct store_refresh a = token('a', family, user);
    struct store_refresh b = token('b', family, user);
    struct store_refresh c = token('c', family, user);
    struct store_refresh d = token('d', family, user);
    struct err err = ERR_INIT;
    assert_int_equal(store_refresh_insert(f->store, &a, &err), 0);
    assert_int_equal(store_refresh_insert(f->store, &a, NULL), ERR_EXISTS);
    assert_int_equal(store_refresh_rotate(f->store, a.hash, &b, 1100, 10, &err), 0);

    /* The answer was lost: within the grace once more, and the token nobody heard of dies. */
    assert_int_equal(store_refresh_rotate(f->store, a.hash, &c, 1105, 10, &err), 0);
    assert_true(is_revoked(f, b.hash));
    assert_int_equal(store_refresh_rotate(f->store, b.hash, &d, 1106, 10, NULL), ERR_DENIED);

    /* c was used: from now on a is a replay, even within the grace. */
    assert_int_equal(store_refresh_rotate(f->store, c.hash, &d, 1107, 10, &err), 0);
    struct store_refresh e = token('e', family, user);
    assert_int_equal(store_refresh_rotate(f->store, a.hash, &e, 1108, 10, NULL), ERR_CONFLICT);
    assert_int_equal(store_refresh_rotate(f->store, a.hash, &e, 1200, 10, NULL), ERR_CONFLICT);
    struct store_refresh none;
    assert_int_equal(store_refresh_get(f->store, e.hash, &none, NULL), ERR_NOT_FOUND);

    assert_int_equal(store_refresh_revoke_family(f->store, family, 1300, &err), 0);
    assert_true(is_revoked(f, d.hash));
    assert_int_equal(store_refresh_rotate(f->store, d.hash, &e, 1301, 10, NULL), ERR_DENIED);
}

static int note_login(const struct store_user *u, void *payload, struct err *err)
{
    (void)err;
    str_addf(payload, "%s:%s:%s ", u->provider, u->subject, u->login);
    return 0;
}

/* Whose refresh token still works, once, however many they have. */
static void test_who_is_logged_in(void **state)
{
    struct fixture *f = *state;
    cleanup_str struct str all = STR_INIT;
    char family[] = "f", other[] = "g";
    int64_t user = some_user(f);
    assert_int_equal(store_user_upsert(f->store, "github", "1", "bob", 1, NULL, NULL), 0);
    struct store_refresh a = token('a', family, user), b = token('b', other, user);
    assert_int_equal(store_refresh_insert(f->store, &a, NULL), 0);
    assert_int_equal(store_refresh_insert(f->store, &b, NULL), 0);
    assert_int_equal(store_user_each_logged_in(f->store, 1500, 10, note_login, &all, NULL), 0);
    assert_string_equal(all.p, "sshkey:ann:ann ");
    str_clear(&all);
    assert_int_equal(store_user_each_logged_in(f->store, 2000, 10, note_login, &all, NULL), 0);
    assert_int_equal(store_refresh_revoke_user(f->store, user, 1500, NULL), 0);
    assert_int_equal(store_user_each_logged_in(f->store, 1500, 10, note_login, &all, NULL), 0);
    assert_int_equal(all.len, 0);
}

static void test_refresh_limits(void **state)
{
    struct fixture *f = *state;
    char family[] = "fam";
    char other[] = "other";
    int64_t user = some_user(f);
    struct store_refresh a = token('a', family, user);
    struct store_refresh b = token('b', family, user);
    struct store_refresh x = token('x', other, user);
    assert_int_equal(store_refresh_insert(f->store, &a, NULL), 0);
    assert_int_equal(store_refresh_rotate(f->store, a.hash, &b, 2000, 10, NULL), ERR_NOT_FOUND);
    assert_int_equal(store_refresh_rotate(f->store, a.hash, &x, 1100, 10, NULL), ERR_INVALID);
    assert_int_equal(store_refresh_rotate(f->store, b.hash, &b, 1100, 10, NULL), ERR_NOT_FOUND);
    struct store_refresh orphan = token('o', family, user + 77);
    assert_int_equal(store_refresh_insert(f->store, &orphan, NULL), ERR_INVALID);
    assert_int_equal(store_refresh_revoke_user(f->store, user, 1500, NULL), 0);
    assert_true(is_revoked(f, a.hash));
    assert_int_equal(store_refresh_revoke_family(f->store, "unknown", 1, NULL), 0);
    assert_int_equal(store_refresh_expire(f->store, 2001, NULL), 0);
    struct store_refresh gone;
    assert_int_equal(store_refresh_get(f->store, a.hash, &gone, NULL), ERR_NOT_FOUND);
}

static void test_devices_survive_and_are_used_once(void **state)
{
    struct fixture *f = *state;
    char provider[] = "fake";
    char json[] = "{\"n\":1}";
    struct store_device d = {.provider = provider,
                             .state = json,
                             .created_at = 10,
                             .expires_at = 100,
                             .interval = 5,
                             .next_poll_at = 15};
    memset(d.hash, 'd', STORE_HASH_LEN);
    assert_int_equal(store_device_insert(f->store, &d, 10, NULL), 0);
    reopen(f);
    struct store_device got;
    assert_int_equal(store_device_get(f->store, d.hash, &got, NULL), 0);
    assert_string_equal(got.state, "{\"n\":1}");
    got.interval = 10;
    got.next_poll_at = 30;
    assert_int_equal(store_device_update(f->store, &got, NULL), 0);
    store_device_release(&got);
    assert_int_equal(store_device_get(f->store, d.hash, &got, NULL), 0);
    assert_int_equal(got.interval, 10);
    store_device_release(&got);
    assert_int_equal(store_device_consume(f->store, d.hash, NULL), 0);
    assert_int_equal(store_device_consume(f->store, d.hash, NULL), ERR_NOT_FOUND);
    assert_int_equal(store_device_update(f->store, &d, NULL), ERR_NOT_FOUND);

    assert_int_equal(store_device_insert(f->store, &d, 10, NULL), 0);
    assert_int_equal(store_device_expire(f->store, 101, NULL), 0);
    assert_int_equal(store_device_get(f->store, d.hash, &got, NULL), ERR_NOT_FOUND);
}

static void test_meta_once(void **state)
{
    struct fixture *f = *state;
    cleanup_free char *first = NULL;
    cleanup_free char *second = NULL;
    assert_int_equal(store_meta_once(f->store, "server_id", "one", &first, NULL), 0);
    reopen(f);
    assert_int_equal(store_meta_once(f->store, "server_id", "two", &second, NULL), 0);
    assert_string_equal(first, "one");
    assert_string_equal(second, "one");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_open_private_and_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_open_refuses_newer_schema, setup, teardown),
        cmocka_unit_test_setup_teardown(test_open_refuses_garbage, setup, teardown),
        cmocka_unit_test_setup_teardown(test_users, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refresh_rotation, setup, teardown),
        cmocka_unit_test_setup_teardown(test_who_is_logged_in, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refresh_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_devices_survive_and_are_used_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_meta_once, setup, teardown),
    };
    return cmocka_run_group_tests_name("store/store", tests, NULL, NULL);
}
