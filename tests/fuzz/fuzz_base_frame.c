/* Frames and the JSON in them, as keeper, agent and CLI read them. */
#include <stdlib.h>

#include "base/frame.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    const char *p = (const char *)data;
    struct frame frame;
    long used;
    while ((used = frame_decode(p, size, &frame, NULL)) > 0) {
        if ((size_t)used > size || frame.payload + frame.len != p + used)
            abort();
        struct json_object *obj;
        if (frame.kind == 'J' && json_parse(frame.payload, frame.len, &obj, NULL) == 0) {
            struct err err = ERR_INIT;
            frame_reply_check(obj, &err);
            json_object_put(obj);
        }
        p += used;
        size -= (size_t)used;
    }
    return 0;
}
