/* Sealed provider tokens, and the step from the first schema. */
#include "../base/test.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/store.h"

static int upper(struct store_token *t, void *payload, struct err *err)
{
    int *left = payload;
    if ((*left)-- == 0)
        return err_set(err, ERR_DENIED, "enough");
    free(t->access);
    t->access = xstrdup("again");
    return 0;
}

static void test_tokens(void **state)
{
    (void)state;
    struct store *store = NULL;
    struct store_token t;
    assert_int_equal(store_open("sqlite::memory:", &store, NULL), 0);
    char provider[] = "github", one[] = "1", two[] = "2", access[] = "sealed", refresh[] = "r";
    const struct store_token a = {provider, one, access, NULL, 0};
    const struct store_token b = {provider, two, access, refresh, 99};
    assert_int_equal(store_token_get(store, "github", "1", &t, NULL), ERR_NOT_FOUND);
    assert_int_equal(store_token_put(store, &a, NULL), 0);
    assert_int_equal(store_token_put(store, &b, NULL), 0);
    assert_int_equal(store_token_get(store, "github", "1", &t, NULL), 0);
    assert_string_equal(t.access, "sealed");
    assert_null(t.refresh);
    store_token_release(&t);

    /* all or none */
    int left = 1;
    assert_int_equal(store_token_each(store, upper, &left, NULL), ERR_DENIED);
    assert_int_equal(store_token_get(store, "github", "1", &t, NULL), 0);
    assert_string_equal(t.access, "sealed");
    store_token_release(&t);
    left = 2;
    assert_int_equal(store_token_each(store, upper, &left, NULL), 0);
    assert_int_equal(store_token_get(store, "github", "2", &t, NULL), 0);
    assert_string_equal(t.access, "again");
    assert_string_equal(t.refresh, "r");
    assert_int_equal(t.expires_at, 99);
    store_token_release(&t);
    assert_int_equal(store_token_delete(store, "github", "2", NULL), 0);
    assert_int_equal(store_token_get(store, "github", "2", &t, NULL), ERR_NOT_FOUND);
    store_close(store);
}

static void test_upgrade(void **state)
{
    (void)state;
    char path[64], url[80];
    snprintf(path, sizeof path, "/tmp/test-upgrade-%d.db", (int)getpid());
    snprintf(url, sizeof url, "sqlite:%s", path);
    struct store *store = NULL;
    struct store_user user;
    assert_int_equal(store_open(url, &store, NULL), 0);
    assert_int_equal(store_user_upsert(store, "sshkey", "a", "a", 5, NULL, NULL), 0);
    store_close(store);
    /* back to how the first version left it */
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db, "DROP TABLE provider_tokens; PRAGMA user_version = 1", NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(store_open(url, &store, NULL), 0);
    assert_int_equal(store_user_by_login(store, "sshkey", "a", &user, NULL), 0);
    store_user_release(&user);
    char text[] = "x";
    const struct store_token t = {text, text, text, NULL, 0};
    assert_int_equal(store_token_put(store, &t, NULL), 0);
    store_close(store);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_tokens),
                                       cmocka_unit_test(test_upgrade)};
    return cmocka_run_group_tests_name("store/tokens", tests, NULL, NULL);
}
