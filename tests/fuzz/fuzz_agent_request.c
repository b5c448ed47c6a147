/* A connection of agent.sock or of the control channel: frames, requests, and what the verbs make
 * of their members. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/request.h"
#include "agent/secrets.h"
#include "base/mem.h"
#include "git/safe_path.h"
#include "proto/spec.h"
#include "wrapper/seat.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_push(struct json_object *obj)
{
    struct push_request r;
    if (push_request_parse(obj, &r, NULL) < 0) {
        BUG_ON(r.changes || r.overlaps);
        return;
    }
    /* What was taken is safe to write into a log that others read. */
    for (size_t i = 0; i < json_object_array_length(r.changes); i++) {
        const char *file = NULL;
        int rc = json_get_str(json_object_array_get_idx(r.changes, i), "file", REQUEST_PATH_MAX,
                              &file, NULL);
        BUG_ON(rc != 0 || !safe_path(file, strlen(file)));
    }
    push_request_release(&r);
}

static void check_members(struct json_object *obj)
{
    const char *provider, *login;
    struct secrets secrets = SECRETS_INIT;
    struct json_object *list = NULL;
    struct spec_user *users = NULL;
    struct seat seat;
    size_t n = 0;
    struct oid oid;
    if (request_person(obj, &provider, &login, NULL) == 0)
        BUG_ON(!spec_login_is_valid(login) || !spec_provider_is_valid(provider));
    (void)request_oid(obj, "expect", &oid, NULL);
    check_push(obj);
    if (json_opt_array(obj, "users", SPEC_USERS_MAX, &list, NULL) == 0 && list &&
        spec_users_from_json(list, &users, &n, NULL) == 0)
        spec_users_free(users, n);
    if (seat_parse(obj, &seat, NULL) == 0) {
        BUG_ON(seat.uid == 0 || seat.gid == 0);
        seat_release(&seat);
    }
    /* Last: it wipes the text of obj. */
    (void)secrets_from_json(&secrets, obj, NULL);
    secrets_wipe(&secrets);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *p = (const char *)data;
    for (size_t at = 0; at < size;) {
        struct frame frame;
        struct json_object *obj = NULL;
        const char *verb = NULL;
        long n = frame_decode(p + at, size - at, &frame, NULL);
        if (n <= 0)
            break;
        BUG_ON((size_t)n > size - at);
        if (request_parse(&frame, &obj, &verb, NULL) == 0) {
            BUG_ON(strlen(verb) > REQUEST_VERB_MAX);
            check_members(obj);
        }
        json_object_put(obj);
        at += (size_t)n;
    }
    return 0;
}
