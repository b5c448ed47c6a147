#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "store/store.h"

static const struct store_ranges ranges = {
    .port_first = 20000, .port_last = 20003, .subnets = 8, .uids = 6};

static int setup(void **state)
{
    struct store *store = NULL;
    if (store_open("sqlite::memory:", &store, NULL) != 0)
        return -1;
    *state = store;
    return 0;
}

static int teardown(void **state)
{
    store_close(*state);
    return 0;
}

static struct store_session row(const char *id)
{
    return (struct store_session){
        .id = xstrdup(id),
        .creator_provider = xstrdup("sshkey"),
        .creator_subject = xstrdup("ann"),
        .creator_login = xstrdup("ann"),
        .state = xstrdup("Provisioning"),
        .stage = xstrdup("queued"),
        .message = xstrdup(""),
        .reason = xstrdup(""),
        .progress = -1,
        .spec = xstrdup("{}"),
        .access = xstrdup("[]"),
        .compute = xstrdup("local"),
        .created_at = 100,
        .updated_at = 100,
        .expires_at = 200,
        .last_activity_at = 100,
    };
}

struct offer {
    struct store_lease lease; /* the last one */
    int busy_port;            /* refused once it is offered */
    int code;                 /* any other answer */
};

static int take(const struct store_lease *lease, struct store_session *s, void *payload,
                struct err *err)
{
    struct offer *o = payload;
    o->lease = *lease;
    if (lease->port == o->busy_port)
        return err_set(err, ERR_CONFLICT, "in use");
    if (o->code)
        return err_set(err, o->code, "no");
    free(s->spec);
    s->spec = xasprintf("{\"port\":%d}", lease->port);
    return 0;
}

static int add(struct store *store, const char *id, struct offer *offer)
{
    struct store_session s = row(id);
    int rc = store_session_create(store, &s, &ranges, take, offer, NULL);
    store_session_release(&s);
    return rc;
}

static void id_of(char out[21], int n)
{
    snprintf(out, 21, "aaaaaaaaaaaaaaaaaa%02d", n);
}

static void test_round_trip(void **state)
{
    struct offer offer = {0};
    char id[21];
    id_of(id, 1);
    assert_int_equal(add(*state, id, &offer), 0);
    assert_int_equal(add(*state, id, &offer), ERR_EXISTS);
    struct store_session s;
    assert_int_equal(store_session_get(*state, id, &s, NULL), 0);
    assert_string_equal(s.spec, "{\"port\":20000}");
    free(s.state);
    s.state = xstrdup("Running");
    s.progress = 100;
    s.ever_ran = true;
    s.last_activity_at = 150;
    assert_int_equal(store_session_update(*state, &s, NULL), 0);
    store_session_release(&s);
    assert_int_equal(store_session_get(*state, id, &s, NULL), 0);
    assert_string_equal(s.state, "Running");
    assert_int_equal(s.last_activity_at, 150);
    assert_true(s.ever_ran);
    assert_false(s.archived);
    store_session_release(&s);
    assert_int_equal(store_session_delete(*state, id, NULL), 0);
    assert_int_equal(store_session_get(*state, id, &s, NULL), ERR_NOT_FOUND);
}

static void test_leases_are_unique_and_least_recently_used(void **state)
{
    char id[8][21];
    struct offer offer = {0};
    for (int i = 0; i < 4; i++) {
        id_of(id[i], i);
        assert_int_equal(add(*state, id[i], &offer), 0);
        assert_int_equal(offer.lease.port, 20000 + i);
        assert_int_equal(offer.lease.subnet, i);
        assert_int_equal(offer.lease.uid, i);
    }
    id_of(id[4], 4);
    struct err err = ERR_INIT;
    struct store_session s = row(id[4]);
    assert_int_equal(store_session_create(*state, &s, &ranges, take, &offer, &err), ERR_LIMIT);
    assert_string_equal(err.msg, "no free SSH port is left");
    store_session_release(&s);

    /* What was given back first is taken first. */
    assert_int_equal(store_session_release_lease(*state, id[2], true, NULL), 0);
    assert_int_equal(store_session_release_lease(*state, id[0], true, NULL), 0);
    assert_int_equal(add(*state, id[4], &offer), 0);
    assert_int_equal(offer.lease.port, 20002);
    id_of(id[5], 5);
    assert_int_equal(add(*state, id[5], &offer), 0);
    assert_int_equal(offer.lease.port, 20000);
}

static void test_uid_range_stays_with_the_volume(void **state)
{
    struct offer offer = {0};
    char id[21];
    for (int i = 0; i < 6; i++) {
        id_of(id, i);
        assert_int_equal(add(*state, id, &offer), 0);
        assert_int_equal(offer.lease.uid, i);
        assert_int_equal(store_session_release_lease(*state, id, i != 3, NULL), 0);
    }
    /* Six ranges, the fourth is still in use by a volume. */
    for (int i = 6; i < 14; i++) {
        id_of(id, i);
        assert_int_equal(add(*state, id, &offer), 0);
        assert_int_not_equal(offer.lease.uid, 3);
        assert_int_equal(store_session_release_lease(*state, id, true, NULL), 0);
    }
}

static void test_busy_port_is_passed_over(void **state)
{
    struct offer offer = {.busy_port = 20000};
    char id[21];
    id_of(id, 1);
    assert_int_equal(add(*state, id, &offer), 0);
    assert_int_equal(offer.lease.port, 20001);
    /* It has gone to the end of the queue. */
    offer.busy_port = 0;
    for (int i = 2; i < 4; i++) {
        id_of(id, i);
        assert_int_equal(add(*state, id, &offer), 0);
        assert_int_equal(offer.lease.port, 20000 + i);
    }
    id_of(id, 4);
    assert_int_equal(add(*state, id, &offer), 0);
    assert_int_equal(offer.lease.port, 20000);
}

static int move(struct store *store, const char *id, enum store_slot slot, struct offer *offer)
{
    struct store_session s = row(id);
    int rc = store_session_move(store, &s, &ranges, slot, take, offer, NULL);
    store_session_release(&s);
    return rc;
}

static void test_move_gives_another_slot(void **state)
{
    struct offer offer = {0};
    struct store_session s;
    char id[21];
    id_of(id, 1);
    assert_int_equal(move(*state, id, STORE_SLOT_PORT, &offer), ERR_NOT_FOUND);
    assert_int_equal(add(*state, id, &offer), 0);
    offer.busy_port = 20001;
    assert_int_equal(move(*state, id, STORE_SLOT_PORT, &offer), 0);
    assert_int_equal(offer.lease.port, 20002);
    assert_int_equal(offer.lease.subnet, 0);
    assert_int_equal(move(*state, id, STORE_SLOT_SUBNET, &offer), 0);
    assert_int_equal(offer.lease.port, 20002);
    assert_int_equal(offer.lease.subnet, 1);
    assert_int_equal(offer.lease.uid, 0);
    assert_int_equal(store_session_get(*state, id, &s, NULL), 0);
    assert_string_equal(s.spec, "{\"port\":20002}");
    store_session_release(&s);

    /* One that is refused keeps what it had. */
    offer.code = ERR_INVALID;
    assert_int_equal(move(*state, id, STORE_SLOT_PORT, &offer), ERR_INVALID);
    offer.code = 0;
    assert_int_equal(move(*state, id, STORE_SLOT_SUBNET, &offer), 0);
    assert_int_equal(offer.lease.port, 20002);

    /* What it left is free for others, last of all. */
    static const int ports[] = {20003, 20001, 20000};
    for (int i = 0; i < 3; i++) {
        offer.busy_port = i == 0 ? 20001 : 0;
        id_of(id, 2 + i);
        assert_int_equal(add(*state, id, &offer), 0);
        assert_int_equal(offer.lease.port, ports[i]);
    }
    assert_int_equal(move(*state, id, STORE_SLOT_PORT, &offer), ERR_LIMIT);
}

static void test_failed_creation_leaves_nothing(void **state)
{
    struct offer offer = {.code = ERR_DENIED};
    char id[21];
    id_of(id, 1);
    assert_int_equal(add(*state, id, &offer), ERR_DENIED);
    struct store_session s;
    assert_int_equal(store_session_get(*state, id, &s, NULL), ERR_NOT_FOUND);
    offer.code = 0;
    assert_int_equal(add(*state, id, &offer), 0);
    assert_int_equal(offer.lease.port, 20000);
    assert_int_equal(offer.lease.uid, 0);
}

static int count(const struct store_session *s, void *payload, struct err *err)
{
    (void)err;
    (void)s;
    return ++*(int *)payload == 2 ? ERR_CANCELLED : 0;
}

static void test_each_can_stop(void **state)
{
    struct offer offer = {0};
    char id[21];
    for (int i = 0; i < 3; i++) {
        id_of(id, i);
        assert_int_equal(add(*state, id, &offer), 0);
    }
    int n = 0;
    assert_int_equal(store_session_each(*state, count, &n, NULL), ERR_CANCELLED);
    assert_int_equal(n, 2);
    n = 5;
    assert_int_equal(store_session_each(*state, count, &n, NULL), 0);
    assert_int_equal(n, 8);
}

static int join(const char *provider, const char *login, void *payload, struct err *err)
{
    (void)err;
    char *out = payload;
    size_t n = strlen(out);
    snprintf(out + n, 100 - n, "%s:%s ", provider, login);
    return 0;
}

static void test_kicks(void **state)
{
    struct offer offer = {0};
    char id[21];
    id_of(id, 1);
    assert_int_equal(add(*state, id, &offer), 0);
    assert_int_equal(store_kick_add(*state, id, "sshkey", "eve", 5, NULL), 0);
    assert_int_equal(store_kick_add(*state, id, "sshkey", "eve", 6, NULL), 0);
    assert_int_equal(store_kick_add(*state, id, "github", "eve", 6, NULL), 0);
    assert_int_equal(store_kick_add(*state, "nosuch", "github", "eve", 6, NULL), ERR_INVALID);
    char text[100] = "";
    assert_int_equal(store_kick_each(*state, id, join, text, NULL), 0);
    assert_string_equal(text, "github:eve sshkey:eve ");
    assert_int_equal(store_session_delete(*state, id, NULL), 0);
    text[0] = '\0';
    assert_int_equal(store_kick_each(*state, id, join, text, NULL), 0);
    assert_string_equal(text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
        cmocka_unit_test_setup_teardown(test_leases_are_unique_and_least_recently_used, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_uid_range_stays_with_the_volume, setup, teardown),
        cmocka_unit_test_setup_teardown(test_busy_port_is_passed_over, setup, teardown),
        cmocka_unit_test_setup_teardown(test_move_gives_another_slot, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failed_creation_leaves_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_each_can_stop, setup, teardown),
        cmocka_unit_test_setup_teardown(test_kicks, setup, teardown),
    };
    return cmocka_run_group_tests_name("store/sessions", tests, NULL, NULL);
}
