/* JSON bodies as the API's endpoints read them. */
#include "api/body.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    cleanup_json struct json_object *body = NULL;
    cleanup_strv struct strv names = STRV_INIT;
    struct body_poll poll;
    struct body_token token;
    struct session_request request;
    const char *text = NULL;
    int64_t ttl = 0;
    if (json_parse((const char *)data, size, &body, NULL) ||
        !json_object_is_type(body, json_type_object) ||
        json_check_exact((const char *)data, size, body, NULL))
        return 0;
    body_read_poll(body, &poll, NULL);
    body_read_token(body, &token, NULL);
    body_read_refresh(body, &text, NULL);
    body_read_create(body, &request, &names, NULL);
    body_read_extend(body, &ttl, NULL);
    body_read_kick(body, &text, NULL);
    body_read_role(body, &text, &text, NULL);
    return 0;
}
