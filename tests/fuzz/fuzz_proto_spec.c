/* A session spec as JSON: what is taken passes the check, and writing and reading it again changes
 * nothing. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "proto/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cleanup_json struct json_object *obj = NULL;
    cleanup_session_spec struct session_spec spec;
    cleanup_session_spec struct session_spec again;
    session_spec_init(&again);
    session_spec_init(&spec);
    if (json_parse((const char *)data, size, &obj, NULL) != 0 ||
        session_spec_from_json(obj, &spec, NULL) != 0)
        return 0;
    BUG_ON(session_spec_check(&spec, NULL) != 0);
    cleanup_json struct json_object *first = session_spec_to_json(&spec, true);
    BUG_ON(session_spec_from_json(first, &again, NULL) != 0);
    cleanup_json struct json_object *second = session_spec_to_json(&again, true);
    cleanup_str struct str a = STR_INIT;
    cleanup_str struct str b = STR_INIT;
    json_print(first, &a);
    json_print(second, &b);
    BUG_ON(strcmp(a.p, b.p) != 0);
    char hash[65];
    session_spec_hash(&spec, hash);
    BUG_ON(strlen(hash) != 64);
    return 0;
}
