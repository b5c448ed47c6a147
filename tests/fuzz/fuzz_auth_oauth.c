/* What a provider answers in the device flow and to the renewal of a token: a byte for the HTTP
 * status, then the body. */
#include <string.h>

#include "auth/forge_provider.h"
#include "auth/oauth.h"

static void poll(long status, struct json_object *answer, struct json_object *state)
{
    struct auth_poll_out polled;
    cleanup_oauth_tokens struct oauth_tokens tokens = {0};
    auth_poll_out_init(&polled);
    oauth_read_poll(status, answer, state, &polled, &tokens, NULL);
    auth_poll_out_release(&polled);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    static const long statuses[] = {200, 400, 401, 404, 500};
    cleanup_json struct json_object *answer = NULL;
    if (size < 1 || json_parse((const char *)data + 1, size - 1, &answer, NULL) ||
        !json_object_is_type(answer, json_type_object))
        return 0;
    long status = statuses[data[0] % ARRAY_LEN(statuses)];
    static const char seen[] = "{\"device_code\":\"x\",\"interval\":5,\"seen\":true,\"lag\":1}";
    cleanup_json struct json_object *state = NULL;
    json_parse(seen, strlen(seen), &state, NULL);
    poll(status, answer, state);
    struct auth_start_out started;
    auth_start_out_init(&started);
    if (oauth_read_start(status, answer, &started, NULL) == 0) {
        cleanup_str struct str form = STR_INIT;
        poll(status, answer, started.state);
        oauth_poll_form(started.state, &form, NULL);
    }
    auth_start_out_release(&started);
    /* What the provider sends is its own state a moment later. */
    poll(status, answer, answer);
    static const char *const keys[] = {"login", "username"};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        cleanup_identity struct identity who = {0};
        auth_forge_read_user(answer, "github", keys[i], &who, NULL);
    }
    return 0;
}
