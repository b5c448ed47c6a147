/* What the api process may send the keeper: a stream of frames with verbs. What is taken is checked
 * to be within its limits. */
#include <stddef.h>
#include <stdint.h>

#include "base/frame.h"
#include "keeper/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void one(const struct frame *f)
{
    cleanup_json struct json_object *obj = NULL;
    cleanup_keeper_request struct keeper_request req = {0};
    struct err err = ERR_INIT;
    bool unknown = false;
    if (f->kind != 'J' || json_parse(f->payload, f->len, &obj, &err) != 0)
        return;
    if (keeper_request_parse(obj, "server", &req, &unknown, &err) != 0)
        return;
    BUG_ON(unknown);
    BUG_ON(req.session_id[0] && !session_id_is_valid(req.session_id));
    BUG_ON(req.offset < 0 || req.length < 0 || req.length > KEEPER_PIECE_MAX);
    BUG_ON(req.n_users > SPEC_USERS_MAX);
    if (req.verb == KEEPER_START || req.verb == KEEPER_STOP)
        BUG_ON(session_spec_check(&req.spec, NULL) != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *p = (const char *)data;
    for (size_t at = 0; at < size;) {
        struct frame f;
        long n = frame_decode(p + at, size - at, &f, NULL);
        if (n <= 0)
            break;
        one(&f);
        at += (size_t)n;
    }
    return 0;
}
