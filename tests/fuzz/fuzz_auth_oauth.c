/* What a provider answers in the device flow, and what a forge lists. */
#include <string.h>

#include "auth/oauth.h"
#include "forge/forge.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct json_object *answer = NULL;
    const char *text = (const char *)data;
    cleanup_strv struct strv keys = STRV_INIT;
    forge_read_keys(text, size, &keys);
    if (json_parse(text, size, &answer, NULL))
        return 0;
    struct auth_start_out started;
    auth_start_out_init(&started);
    if (oauth_read_start(200, answer, &started, NULL) == 0) {
        struct auth_poll_out polled;
        struct oauth_tokens tokens;
        auth_poll_out_init(&polled);
        oauth_read_poll(200, answer, started.state, &polled, &tokens, NULL);
        auth_poll_out_release(&polled);
        oauth_tokens_release(&tokens);
    }
    auth_start_out_release(&started);
    for (int kind = FORGE_GITHUB; kind <= FORGE_GITLAB; kind++) {
        struct forge_people people = {0};
        forge_read_people((enum forge_kind)kind, answer, &people, NULL);
        forge_people_release(&people);
    }
    forge_read_key_list(answer, &keys, NULL);
    json_object_put(answer);
    return 0;
}
