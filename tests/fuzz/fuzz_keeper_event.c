/* What an agent may tell the keeper: an event's name, a newline, its JSON. What passes is what the
 * api process will read: it has the right session and nothing else's members. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "keeper/request.h"

#define ID "aaaaaaaaaaaaaaaaaaaa"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    const char *line = size ? memchr(text, '\n', size) : NULL;
    cleanup_json struct json_object *obj = NULL;
    if (!line || memchr(text, '\0', (size_t)(line - text)))
        return 0;
    cleanup_free char *event = xstrndup(text, (size_t)(line - text));
    if (json_parse(line + 1, size - (size_t)(line + 1 - text), &obj, NULL) != 0)
        return 0;
    cleanup_json struct json_object *clean = keeper_event_filter(ID, event, obj);
    if (!clean)
        return 0;
    const char *id = "";
    cleanup_str struct str out = STR_INIT;
    json_opt_str(clean, "session_id", 64, &id, NULL);
    BUG_ON(strcmp(id, ID) != 0 || json_object_object_length(clean) > 6);
    json_print(clean, &out);
    BUG_ON(strchr(out.p, '\x1b') || out.len > 8192);
    return 0;
}
