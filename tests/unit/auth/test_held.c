/* Tokens of a login whose person is not known yet: sealed, for one login, with the life that is
 * left. */
#include "../base/test.h"

#include <stdlib.h>
#include <string.h>

#include "auth/held.h"

#define KEY "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct vault *open_vault(const char *key)
{
    struct seal_ring *ring = NULL;
    assert_int_equal(seal_ring_parse(key, strlen(key), &ring, NULL), 0);
    return vault_new(NULL, ring);
}

static void test_held(void **state)
{
    (void)state;
    struct vault *vault = open_vault(KEY),
                 *other =
                     open_vault("f123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
    const struct oauth_tokens tokens = {(char *)"secret-access", (char *)"secret-refresh",
                                        (char *)"a.b.c", NULL, 100};
    struct oauth_tokens *back = NULL;
    cleanup_str struct str sealed = STR_INIT;
    assert_int_equal(held_seal(vault, "h1", &tokens, 1000, &sealed, NULL), 0);
    assert_null(strstr(sealed.p, "secret"));
    assert_int_equal(held_open(vault, "h1", sealed.p, 1030, &back, NULL), 0);
    assert_string_equal(back->access, "secret-access");
    assert_string_equal(back->refresh, "secret-refresh");
    assert_string_equal(back->id_token, "a.b.c");
    assert_null(back->scope);
    assert_int_equal(back->expires_in, 70);
    oauth_tokens_release(back);
    free(back);
    /* over by now, which is not "for ever" */
    assert_int_equal(held_open(vault, "h1", sealed.p, 5000, &back, NULL), 0);
    assert_int_equal(back->expires_in, 1);
    oauth_tokens_release(back);
    free(back);
    /* another login, another key, not sealed */
    assert_int_equal(held_open(vault, "h2", sealed.p, 1030, &back, NULL), ERR_DENIED);
    assert_int_equal(held_open(other, "h1", sealed.p, 1030, &back, NULL), ERR_NOT_FOUND);
    assert_true(held_open(vault, "h1", "{\"access\":\"x\"}", 1030, &back, NULL) < 0);
    assert_null(back);
    vault_free(vault);
    vault_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_held)};
    return cmocka_run_group_tests_name("auth/held", tests, NULL, NULL);
}
